package policy

import (
	"slices"
	"strings"
)

// Match is a statement that applies to a request.
type Match struct {
	Layer     Layer
	Source    *Source
	Statement *Statement
}

// Report is a decision with all that led to it.
type Report struct {
	Decision
	Matched []Match   // every statement that applies, whatever was decided
	Missing []string  // condition keys that statements about the action and resource ask for and the request has not, as the policies write them
	Layers  []Outcome // what each kind of policy says that the request meets
}

// Outcome is what one kind of policy says by itself.
type Outcome struct {
	Layer  Layer
	Effect Effect
}

// Of is what a kind of policy says; ok is false where there is none of it.
func (r *Report) Of(l Layer) (e Effect, ok bool) {
	for _, o := range r.Layers {
		if o.Layer == l {
			// Guardrails come one by one, and every one has to allow.
			if !ok || o.Effect == ExplicitDeny || o.Effect == ImplicitDeny && e == Allowed {
				e = o.Effect
			}
			ok = true
		}
	}
	return e, ok
}

// Explain is Decide with its reasons. It allocates.
func Explain(r *Request, set *Set) Report {
	var report Report
	report.Decision = decide(r, set, &report)
	return report
}

// note notes what a kind of policy says.
func (e *evaluation) note(f finding) {
	if e.report != nil {
		e.report.Layers = append(e.report.Layers, Outcome{f.layer, f.effect})
	}
}

// missing notes the keys that c asks for and the request has not.
func (e *evaluation) missing(c *condition) {
	e.lacks(c.key, c.name)
	for i := range c.patterns {
		e.lacksVariables(&c.patterns[i])
	}
	for i := range c.arns {
		for j := range c.arns[i].parts {
			e.lacksVariables(&c.arns[i].parts[j])
		}
		if w := c.arns[i].whole; w != nil {
			e.lacksVariables(w)
		}
	}
}

func (e *evaluation) lacksVariables(p *pattern) {
	for i := range p.pieces {
		if v := &p.pieces[i]; v.kind == variable && v.fallible {
			e.lacks(v.text, v.name)
		}
	}
}

func (e *evaluation) lacks(key, name string) {
	if e.Keys != nil && e.Keys.Key(key).Present() {
		return
	}
	if !slices.ContainsFunc(e.report.Missing, func(m string) bool { return strings.EqualFold(m, name) }) {
		e.report.Missing = append(e.report.Missing, name)
	}
}
