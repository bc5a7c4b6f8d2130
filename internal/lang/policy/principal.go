package policy

import "strings"

// PrincipalName is a principal as a policy names it.
type PrincipalName struct {
	Type  string // "AWS", "Service", "Federated" or "CanonicalUser"; "*" where the element is just "*"
	Value string
}

// principals are a statement's Principal or NotPrincipal.
type principals struct {
	not   bool
	names []principalName
}

type principalName struct {
	PrincipalName
	kind    nameKind
	account string // of an account's
}

type nameKind uint8

const (
	nameEveryone nameKind = iota
	nameAccount           // an account by its number, or by its root's ARN
	nameExact             // an ARN or unique id
	nameService
	nameFederated
	nameCanonical
	nameNobody // of a type that there is not
)

func newPrincipal(kind, value string) principalName {
	n := principalName{PrincipalName: PrincipalName{kind, value}}
	switch kind {
	case "*":
		n.kind = nameEveryone
	case "AWS":
		n.kind = nameExact
		if value == "*" {
			n.kind = nameEveryone
		} else if account, ok := accountOf(value); ok {
			n.kind, n.account = nameAccount, account
		}
	case "Service":
		n.kind = nameService
	case "Federated":
		n.kind = nameFederated
	case "CanonicalUser":
		n.kind = nameCanonical
	default:
		n.kind = nameNobody
	}
	return n
}

func accountOf(s string) (string, bool) {
	if isAccount(s) {
		return s, true
	}
	parts, ok := splitValue(s)
	if ok && parts[0] == "arn" && parts[2] == "iam" && parts[3] == "" && parts[5] == "root" && isAccount(parts[4]) {
		return parts[4], true
	}
	return "", false
}

func isAccount(s string) bool {
	if len(s) != 12 {
		return false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// grant is how an allow of a resource's policy names who asks; the more ways, the more bits.
type grant uint8

const (
	// grantDirect names the user, the session or the service itself, or everyone: nothing else needs to allow in the account.
	grantDirect grant = 1 << iota
	// grantBehind names the role or user behind a session: what limits the session limits this.
	grantBehind
	// grantAccount names the account: its own policies say to whom of it.
	grantAccount
)

// of says how n names p; 0 if it does not.
func (n *principalName) of(p *Principal) grant {
	switch n.kind {
	case nameEveryone:
		return grantDirect
	case nameAccount:
		switch {
		case p.Account != n.account:
			return 0
		case p.Kind == Root:
			return grantDirect
		case p.Kind == User || p.Kind == Role || p.Kind == FederatedUser:
			return grantAccount
		}
	case nameExact:
		switch {
		case n.Value == "":
		case p.Kind != Anonymous && n.Value == p.ARN:
			return grantDirect
		case (p.Kind == Role || p.Kind == FederatedUser) && (n.Value == p.Role || n.Value == p.ID):
			return grantBehind
		case p.Kind == User && n.Value == p.ID:
			return grantDirect
		}
	case nameService:
		if p.Kind == Service && (n.Value == "*" || strings.EqualFold(n.Value, p.Service)) {
			return grantDirect
		}
	case nameFederated:
		if p.Provider != "" && (p.Kind == WebIdentity || p.Kind == SAML || p.Kind == Role) && (n.Value == "*" || n.Value == p.Provider) {
			return grantDirect
		}
	case nameCanonical:
		if p.Canonical != "" && n.Value == p.Canonical {
			if p.Kind == Root {
				return grantDirect
			}
			return grantAccount
		}
	}
	return 0
}

// allows says how an Allow with these principals reaches p; 0 if it does not. All reach nobody where the statement has none.
func (s *principals) allows(p *Principal) grant {
	var g grant
	for i := range s.names {
		g |= s.names[i].of(p)
	}
	if !s.not {
		return g
	}
	if g != 0 {
		return 0
	}
	return grantDirect
}

// denies reports whether a Deny with these principals reaches p. NotPrincipal spares who is named with all that stands behind
// it: the session, its role, its account. And nobody whose permissions have a boundary.
func (s *principals) denies(p *Principal, bounded bool) bool {
	var g grant
	for i := range s.names {
		n := &s.names[i]
		if n.kind == nameEveryone {
			return !s.not
		}
		g |= n.of(p)
	}
	if !s.not {
		return g != 0
	}
	if bounded {
		return true
	}
	spared := grantDirect
	switch p.Kind {
	case User:
		spared |= grantAccount
	case Role, FederatedUser:
		spared |= grantAccount | grantBehind
	}
	return g&spared != spared
}
