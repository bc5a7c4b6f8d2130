package policy

import (
	"encoding/json"
	"strings"
)

// ReplacePrincipals gives a document with other names of principals where replace gives another one; all else stays as it is written.
// A role's trust policy is kept with unique ids in place of the ARNs of users and roles, so that nobody inherits what was
// said of a namesake, and shown with the ARNs again. The error is an *Error: the text is not JSON.
func ReplacePrincipals(text string, replace func(PrincipalName) string) (string, error) {
	root, err := readJSON(text)
	if err != nil {
		return "", &Error{Message: syntaxErrors}
	}
	var b strings.Builder
	from := 0
	name := func(kind string, n *node) {
		if n.kind != jsonString {
			return
		}
		other := replace(PrincipalName{kind, n.text})
		if other == n.text {
			return
		}
		quoted, _ := json.Marshal(other) // a string has no error
		b.WriteString(text[from:n.start])
		b.Write(quoted)
		from = n.end
	}
	statement := func(s *node) {
		for i := range s.members {
			if m := &s.members[i]; m.name != "Principal" && m.name != "NotPrincipal" {
				continue
			}
			for j := range s.members[i].value.members {
				m := &s.members[i].value.members[j]
				name(m.name, &m.value)
				for k := range m.value.elements {
					name(m.name, &m.value.elements[k])
				}
			}
		}
	}
	for i := range root.members {
		if root.members[i].name != "Statement" {
			continue
		}
		v := &root.members[i].value
		statement(v)
		for j := range v.elements {
			statement(&v.elements[j])
		}
	}
	b.WriteString(text[from:])
	return b.String(), nil
}
