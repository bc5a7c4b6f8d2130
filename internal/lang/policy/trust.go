package policy

import (
	"fmt"
	"strings"
)

// checkTrust is what is wrong with a role's trust policy, which AWS holds to another parser than other policies.
func checkTrust(root *node) string {
	if root.kind != jsonObject {
		return notJSON(Trust)
	}
	for _, m := range root.members {
		if m.name != "Version" && m.name != "Id" && m.name != "Statement" {
			return "Unknown field " + m.name
		}
	}
	if v := root.get("Version"); v != nil && (v.kind != jsonString || v.text != version2008 && v.text != version2012) {
		return "The policy must contain a valid version string"
	}
	s := root.get("Statement")
	if s == nil || s.kind == jsonArray && len(s.elements) == 0 || s.kind == jsonObject && len(s.members) == 0 {
		return "Could not parse the policy: Statement is empty!"
	}
	statements, ok := statementsOf(root)
	if !ok {
		return syntaxErrors
	}
	sids := map[string]bool{}
	for i := range statements {
		if message := checkTrustStatement(&statements[i]); message != "" {
			return message
		}
		if sid := statements[i].get("Sid"); sid != nil && sid.text != "" {
			if sids[sid.text] {
				return "The Statement Ids in the policy are not unique"
			}
			sids[sid.text] = true
		}
	}
	return ""
}

func checkTrustStatement(s *node) string {
	if s.kind != jsonObject {
		return syntaxErrors
	}
	for _, m := range s.members {
		switch m.name {
		case "Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Condition":
		case "Resource", "NotResource":
		default:
			return "Unknown field " + m.name
		}
	}
	effect := s.get("Effect")
	switch {
	case effect == nil:
		return "Missing required field Effect"
	case effect.text != "Allow" && effect.text != "Deny":
		return "Invalid effect: " + effect.text
	}
	if message := checkTrusted(s, effect.text); message != "" {
		return message
	}
	switch {
	case s.get("Action") == nil && s.get("NotAction") == nil:
		return "Missing required field Action"
	case !soundStatement(s):
		return syntaxErrors
	}
	actions := append(s.list("Action"), s.list("NotAction")...)
	if len(actions) == 0 {
		return "Missing required field Action cannot be empty!"
	}
	for _, a := range actions {
		if vendor, _, _ := strings.Cut(a, ":"); !strings.EqualFold(vendor, "sts") {
			return "AssumeRole policy may only specify STS AssumeRole actions."
		}
	}
	switch {
	case s.get("Resource") != nil || s.get("NotResource") != nil:
		return "Has prohibited field Resource"
	case !parsesDates(s):
		return legacyFailed
	}
	return ""
}

// checkTrusted looks at the principals of a statement.
func checkTrusted(s *node, effect string) string {
	p := s.get("Principal")
	if not := s.get("NotPrincipal"); not != nil {
		if effect == "Allow" {
			return "Allow with NotPrincipal is not allowed."
		}
		p = not
	}
	switch {
	case p == nil:
		return "Missing required field Principal"
	case p.kind == jsonString && p.text == "*":
		return `AssumeRolepolicy contained an invalid principal: "STAR":"*".`
	case p.kind != jsonObject:
		return syntaxErrors
	case len(p.members) == 0:
		return "Missing required field Principal cannot be empty!"
	}
	any := false
	for _, m := range p.members {
		if !m.value.strings() {
			return syntaxErrors
		}
		for _, v := range p.list(m.name) {
			any = true
			if !trusted(m.name, v) {
				return InvalidPrincipal(PrincipalName{m.name, v}).Message
			}
		}
		if m.name != "AWS" && m.name != "Service" && m.name != "Federated" {
			return InvalidPrincipal(PrincipalName{Type: m.name}).Message
		}
	}
	if !any {
		return noPrincipals
	}
	return ""
}

// InvalidPrincipal is AWS's error about a principal that a role's trust policy names and that there is not.
func InvalidPrincipal(n PrincipalName) *Error {
	kind := n.Type
	if kind != "AWS" {
		kind = strings.ToUpper(kind)
	}
	if n.Value == "" {
		return &Error{Message: fmt.Sprintf("Invalid principal in policy: %q", kind)}
	}
	return &Error{Message: fmt.Sprintf("Invalid principal in policy: %q:%q", kind, n.Value)}
}

// trusted reports whether a principal is of a form that there is.
func trusted(kind, value string) bool {
	switch kind {
	case "AWS":
		return value == "*" || isAccount(value) || isUniqueID(value) || isPrincipalARN(value)
	case "Service":
		return strings.Contains(value, ".") && !strings.ContainsAny(value, "*? /:")
	case "Federated":
		return value != "" && !strings.ContainsAny(value, "*? ")
	}
	return false
}

// isUniqueID reports whether s looks like the unique id of a user or a role.
func isUniqueID(s string) bool {
	if len(s) < 16 || len(s) > 128 || !strings.HasPrefix(s, "AIDA") && !strings.HasPrefix(s, "AROA") {
		return false
	}
	for i := range len(s) {
		if (s[i] < 'A' || s[i] > 'Z') && (s[i] < '0' || s[i] > '9') {
			return false
		}
	}
	return true
}

func isPrincipalARN(s string) bool {
	parts, ok := splitValue(s)
	if !ok || parts[0] != "arn" || parts[1] == "" || parts[3] != "" || !isAccount(parts[4]) || strings.ContainsAny(s, "*?") {
		return false
	}
	kind, name, _ := strings.Cut(parts[5], "/")
	switch parts[2] + ":" + kind {
	case "iam:root":
		return parts[5] == "root"
	case "iam:user", "iam:role", "sts:federated-user":
		return name != "" && !strings.HasSuffix(name, "/")
	case "sts:assumed-role":
		role, session, _ := strings.Cut(name, "/")
		return role != "" && session != ""
	}
	return false
}
