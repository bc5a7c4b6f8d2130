package policy

import (
	"slices"
	"strings"
)

// An entry is a statement with those of its actions that can match actions of one service.
type entry struct {
	statement *Statement
	actions   []*pattern
}

// maxEntries bounds what the index of a policy may grow to.
const maxEntries = 20_000

// index fills p.services and p.others from its statements.
func (p *Policy) index() {
	var services []string
	for _, s := range p.statements {
		for i := range s.actions {
			if service := s.actions[i].service(); service != "" {
				services = append(services, service)
			}
		}
	}
	slices.Sort(services)
	services = slices.Compact(services)
	if len(services)*len(p.statements) > maxEntries {
		services = nil
	}
	p.services = make(map[string][]entry, len(services))
	for _, service := range services {
		p.services[service] = p.entries(func(of string) bool { return of == "" || of == service })
	}
	p.others = p.entries(func(of string) bool { return of == "" || len(services) == 0 })
}

// entries are the statements that can match, each with those of its actions whose service is wanted.
func (p *Policy) entries(wanted func(service string) bool) []entry {
	var all []entry
	for _, s := range p.statements {
		e := entry{statement: s}
		for i := range s.actions {
			if a := &s.actions[i]; wanted(a.service()) {
				e.actions = append(e.actions, a)
			}
		}
		if len(e.actions) > 0 || s.notAction {
			all = append(all, e)
		}
	}
	return all
}

// service is the one whose actions a pattern of actions matches; empty where that is not said.
func (p *pattern) service() string {
	if len(p.pieces) == 0 || p.pieces[0].kind != literal {
		return ""
	}
	service, _, ok := strings.Cut(p.pieces[0].text, ":")
	if !ok {
		return ""
	}
	return service
}

// maxService is longer than any service's prefix.
const maxService = 40

// entriesOf are those for an action.
func (p *Policy) entriesOf(action string) []entry {
	n := strings.IndexByte(action, ':')
	if n < 0 || n > maxService {
		return p.others
	}
	var b [maxService]byte
	for i := range n {
		b[i] = lowerByte(action[i])
	}
	if list, ok := p.services[string(b[:n])]; ok {
		return list
	}
	return p.others
}

// matches reports whether an action is one that e's statement speaks of.
func (e *entry) matches(action string) bool {
	for _, a := range e.actions {
		if a.match(action, nil) {
			return !e.statement.notAction
		}
	}
	return e.statement.notAction
}

// Allows reports whether a statement of p allows the action to somebody on something; it may do so under conditions, and
// another statement may deny it.
func (p *Policy) Allows(action string) bool {
	for _, e := range p.entriesOf(action) {
		if e.statement.Effect == Allowed && e.matches(action) {
			return true
		}
	}
	return false
}

// AllowsService reports whether a statement of p allows any action of a service, given as its prefix: "sqs".
func (p *Policy) AllowsService(service string) bool {
	for _, s := range p.statements {
		if s.Effect != Allowed {
			continue
		}
		if s.notAction {
			if !slices.ContainsFunc(s.actions, func(a pattern) bool {
				return a.simple == everything || a.simple == prefixed && strings.EqualFold(a.text, service+":")
			}) {
				return true
			}
			continue
		}
		for i := range s.actions {
			a := &s.actions[i]
			if of := a.service(); of == "" || strings.EqualFold(of, service) {
				if of != "" || a.serviceMatches(service) {
					return true
				}
			}
		}
	}
	return false
}

// serviceMatches reports whether a pattern whose service has wildcards, if any, speaks of this one.
func (p *pattern) serviceMatches(service string) bool {
	for i := range p.pieces {
		if c := &p.pieces[i]; c.kind == literal && strings.Contains(c.text, ":") {
			head := pattern{fold: true, pieces: slices.Clone(p.pieces[:i])}
			before, _, _ := strings.Cut(c.text, ":")
			head.add(piece{kind: literal, text: before})
			head.simplify()
			return head.match(service, nil)
		}
	}
	return slices.ContainsFunc(p.pieces, func(c piece) bool { return c.kind == anyText })
}

// Keys are the condition keys that p asks for in conditions and variables, as it writes them, in alphabetical order and once each,
// whatever the case of their letters.
func (p *Policy) Keys() []string {
	var all []string
	add := func(patterns []pattern) {
		for i := range patterns {
			for _, c := range patterns[i].pieces {
				if c.kind == variable {
					all = append(all, c.name)
				}
			}
		}
	}
	for _, s := range p.statements {
		add(s.resources)
		for i := range s.conditions {
			c := &s.conditions[i]
			all = append(all, c.name)
			add(c.patterns)
			for j := range c.arns {
				add(c.arns[j].parts[:])
				if w := c.arns[j].whole; w != nil {
					add([]pattern{*w})
				}
			}
		}
	}
	slices.SortStableFunc(all, func(a, b string) int { return strings.Compare(strings.ToLower(a), strings.ToLower(b)) })
	return slices.CompactFunc(all, strings.EqualFold)
}

// Principals are those that p names in Principal and NotPrincipal, in its order.
func (p *Policy) Principals() []PrincipalName {
	var all []PrincipalName
	for _, s := range p.statements {
		for _, n := range s.principals.names {
			all = append(all, n.PrincipalName)
		}
	}
	return all
}
