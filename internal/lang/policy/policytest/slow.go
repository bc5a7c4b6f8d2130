package policytest

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/obidos-cloud/obidos/internal/lang/policy"
)

// Slow decides w as the documentation reads, with no thought of cost: it takes the JSON apart anew for every question.
func (w *World) Slow() policy.Effect {
	says := func(docs ...string) (allow, deny bool) {
		for _, d := range docs {
			for _, s := range statements(d) {
				if !w.concerns(s) {
					continue
				}
				allow = allow || s["Effect"] == "Allow"
				deny = deny || s["Effect"] == "Deny"
			}
		}
		return allow, deny
	}
	p := w.Principal
	local := p.Kind == policy.Root || p.Kind == policy.User || p.Kind == policy.Role || p.Kind == policy.FederatedUser

	guarded, denied := true, false
	identity, boundary, session := p.Kind == policy.Root, true, true
	if local {
		for _, g := range w.Guardrails {
			a, d := says(g)
			guarded, denied = guarded && a, denied || d
		}
		a, d := says(w.Identity...)
		identity, denied = identity || a, denied || d
		if w.Boundary != "" {
			a, d := says(w.Boundary)
			boundary, denied = a, denied || d
		}
		if w.Session != nil {
			a, d := says(w.Session...)
			session, denied = a, denied || d
		}
	}
	var named, behind, account bool // how the resource's policy gives it to the principal
	for _, s := range statements(w.ResourcePolicy) {
		if !w.concerns(s) {
			continue
		}
		n, b, a := w.names(s["Principal"])
		except, has := s["NotPrincipal"]
		en, eb, ea := w.names(except)
		switch {
		case s["Effect"] == "Deny" && !has:
			denied = denied || n || b || a
		case s["Effect"] == "Deny":
			spared := slices.Contains(everyone(except), "*")
			switch p.Kind {
			case policy.User:
				spared = spared || en && ea && w.Boundary == ""
			case policy.Role, policy.FederatedUser:
				spared = spared || en && eb && ea && w.Boundary == ""
			default:
				spared = spared || en && w.Boundary == ""
			}
			denied = denied || !spared
		case has:
			named = named || !en && !eb && !ea
		default:
			named, behind, account = named || n, behind || b, account || a
		}
	}
	own := identity && boundary && session // what the principal's own side allows
	var allowed bool
	switch {
	case denied:
		return policy.ExplicitDeny
	case !local:
		allowed = named
	case p.Account != w.Owner:
		allowed = own && (named || behind || account)
	case w.Must:
		allowed = named || behind && boundary && session || account && own
	default:
		allowed = named || behind && boundary && session || own
	}
	if allowed && guarded {
		return policy.Allowed
	}
	return policy.ImplicitDeny
}

func statements(doc string) []map[string]any {
	var d struct{ Statement json.RawMessage }
	if doc == "" || json.Unmarshal([]byte(doc), &d) != nil {
		return nil
	}
	var one map[string]any
	if json.Unmarshal(d.Statement, &one) == nil {
		return []map[string]any{one}
	}
	var all []map[string]any
	_ = json.Unmarshal(d.Statement, &all) // worlds are made of nothing else
	return all
}

// list is a string or several.
func list(v any) []string {
	var all []string
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		for _, e := range v {
			s, _ := e.(string)
			all = append(all, s)
		}
	}
	return all
}

// everyone are all names of a Principal.
func everyone(v any) []string {
	if types, ok := v.(map[string]any); ok {
		var all []string
		for _, t := range types {
			all = append(all, list(t)...)
		}
		return all
	}
	return list(v)
}

// names says whether a Principal names who asks: itself, what is behind its session, its account.
func (w *World) names(v any) (named, behind, account bool) {
	p := w.Principal
	for _, n := range everyone(v) {
		switch {
		case n == "*", p.Kind != policy.Anonymous && n == p.ARN, p.Kind == policy.Service && n == p.Service:
			named = true
		case p.Kind == policy.Root && n == p.Account:
			named = true
		case p.Account != "" && (n == p.Account || n == "arn:aws:iam::"+p.Account+":root"):
			account = true
		case n != "" && n == p.Role:
			behind = true
		}
	}
	return named, behind, account
}

// concerns says whether a statement is about w's action and resource, and its condition holds.
func (w *World) concerns(s map[string]any) bool {
	matches := func(name string, match func(pattern string) bool) bool {
		if v, ok := s["Not"+name]; ok {
			return !slices.ContainsFunc(list(v), match)
		}
		if v, ok := s[name]; ok {
			return slices.ContainsFunc(list(v), match)
		}
		return true
	}
	if !matches("Action", func(p string) bool { return like(signs(strings.ToLower(p), true), strings.ToLower(w.Action)) }) {
		return false
	}
	if !matches("Resource", func(p string) bool {
		parts := strings.SplitN(p, ":", 6)
		if len(parts) < 6 {
			return like(signs(p, true), w.Resource)
		}
		front := strings.Join(parts[:5], ":") + ":"
		back, ok := w.expand(parts[5], true)
		return ok && like(append(signs(front, true), back...), w.Resource)
	}) {
		return false
	}
	conditions, _ := s["Condition"].(map[string]any)
	for operator, keys := range conditions {
		for key, values := range keys.(map[string]any) {
			if !w.holds(operator, key, list(values)) {
				return false
			}
		}
	}
	return true
}

// sign is one character of a pattern.
type sign struct {
	r         rune
	any, some bool // ?, *
}

func signs(text string, wild bool) []sign {
	var all []sign
	for _, r := range text {
		all = append(all, sign{r: r, any: wild && r == '?', some: wild && r == '*'})
	}
	return all
}

// expand replaces the variables of a text; ok is false where one has no value.
func (w *World) expand(text string, wild bool) (all []sign, ok bool) {
	for {
		before, rest, found := strings.Cut(text, "${")
		all = append(all, signs(before, wild)...)
		if !found {
			return all, true
		}
		inside, after, _ := strings.Cut(rest, "}")
		text = after
		if inside == "*" || inside == "?" || inside == "$" {
			all = append(all, signs(inside, false)...)
			continue
		}
		name, fallback, has := strings.Cut(inside, ", ")
		value, ok := w.get(name).(string)
		if !ok {
			if !has {
				return nil, false
			}
			value = strings.Trim(fallback, "'")
		}
		all = append(all, signs(value, false)...)
	}
}

func (w *World) get(name string) any {
	for k, v := range w.Keys {
		if strings.EqualFold(k, name) {
			return v
		}
	}
	return nil
}

// like compares by a table: row i, column j says whether the first i signs match the first j characters.
func like(pattern []sign, s string) bool {
	text := []rune(s)
	row := make([]bool, len(text)+1)
	row[0] = true
	for _, p := range pattern {
		next := make([]bool, len(text)+1)
		next[0] = row[0] && p.some
		for j := range text {
			if p.some {
				next[j+1] = row[j+1] || next[j]
			} else {
				next[j+1] = row[j] && (p.any || p.r == text[j])
			}
		}
		row = next
	}
	return row[len(text)]
}

func (w *World) holds(operator, key string, values []string) bool {
	operator, ifExists := strings.CutSuffix(operator, "IfExists")
	all := strings.HasPrefix(operator, "ForAllValues:")
	some := strings.HasPrefix(operator, "ForAnyValue:")
	if all || some {
		_, operator, _ = strings.Cut(operator, ":")
	}
	negated := strings.Contains(operator, "Not")
	operator = strings.Replace(operator, "Not", "", 1)

	found := w.get(key)
	if operator == "Null" {
		null := found == nil
		if several, ok := found.([]string); ok {
			null = len(several) == 0
		}
		return slices.Contains(values, strconv.FormatBool(null))
	}
	test := func(v string) bool {
		return negated != slices.ContainsFunc(values, func(p string) bool { return w.compare(operator, v, p) })
	}
	switch found := found.(type) {
	case string:
		if found == "" && (all || some) {
			return all
		}
		return test(found)
	case []string:
		if all {
			return !slices.ContainsFunc(found, func(v string) bool { return !test(v) })
		}
		return some && slices.ContainsFunc(found, test)
	}
	return ifExists || all || negated && !some
}

func (w *World) compare(operator, v, p string) bool {
	order := func(c int) bool {
		switch {
		case strings.HasSuffix(operator, "LessThan"):
			return c < 0
		case strings.HasSuffix(operator, "LessThanEquals"):
			return c <= 0
		case strings.HasSuffix(operator, "GreaterThan"):
			return c > 0
		case strings.HasSuffix(operator, "GreaterThanEquals"):
			return c >= 0
		}
		return c == 0
	}
	switch {
	case operator == "StringEqualsIgnoreCase":
		pattern, ok := w.expand(p, false)
		for i := range pattern {
			pattern[i].r = []rune(strings.ToLower(string(pattern[i].r)))[0]
		}
		return ok && like(pattern, strings.ToLower(v))
	case operator == "StringEquals", operator == "StringLike":
		pattern, ok := w.expand(p, operator == "StringLike")
		return ok && like(pattern, v)
	case operator == "BinaryEquals":
		return v == p
	case operator == "Bool":
		return strings.EqualFold(v, p)
	case operator == "ArnEquals", operator == "ArnLike":
		return w.arnLike(v, p)
	case operator == "IpAddress":
		a, err := netip.ParseAddr(v)
		if err != nil {
			return false
		}
		if n, err := netip.ParsePrefix(p); err == nil {
			return n.Contains(a)
		}
		return a.String() == p
	case strings.HasPrefix(operator, "Numeric"):
		a, err1 := strconv.ParseFloat(v, 64)
		b, err2 := strconv.ParseFloat(p, 64)
		return err1 == nil && err2 == nil && order(int(a*10)-int(b*10)) // one decimal at most
	}
	a, ok1 := moment(v)
	b, ok2 := moment(p)
	return ok1 && ok2 && order(a.Compare(b))
}

func (w *World) arnLike(v, p string) bool {
	value, pattern := strings.SplitN(v, ":", 6), strings.SplitN(p, ":", 6)
	for i := range 6 {
		signs, ok := w.expand(pattern[i], true)
		if !ok || !like(signs, value[i]) {
			return false
		}
	}
	return true
}

func moment(s string) (time.Time, bool) {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return time.Unix(n, 0), true
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}
