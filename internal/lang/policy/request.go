package policy

// PrincipalKind is what makes a request.
type PrincipalKind uint8

const (
	Anonymous     PrincipalKind = iota
	Root                        // an account's root user
	User                        // an IAM user
	Role                        // a session of a role
	FederatedUser               // a session of GetFederationToken
	Service                     // an AWS service by itself
	WebIdentity                 // who comes with an OIDC token: of AssumeRoleWithWebIdentity
	SAML                        // who comes with a SAML assertion: of AssumeRoleWithSAML
)

// Principal is who makes a request.
type Principal struct {
	Kind     PrincipalKind
	Account  string // its account; none of Anonymous, Service, WebIdentity, SAML
	ARN      string // of the root, the user, or the session (arn:aws:sts::…:assumed-role/… or federated-user/…)
	Role     string // ARN of the role behind a session of Role, of the user behind a FederatedUser
	ID       string // unique id of the user, or of the role or user behind a session: "AIDA…", "AROA…"; may be left out
	Service  string // a service's principal: "sns.amazonaws.com"
	Provider string // of WebIdentity and SAML, and of sessions that came from them: the provider's ARN, or its name: "accounts.google.com"
	// Canonical is the canonical user id of the principal's account, for S3's policies; may be left out.
	Canonical string
	// Linked tells that Role is a service-linked role: guardrails do not hold it.
	Linked bool
}

// Request is what a principal wants to do.
type Request struct {
	Action    string // "sqs:SendMessage"
	Resource  string // an ARN, or "*" where the action knows no resource
	Principal Principal
	Keys      Keys // may be nil
}

// Keys are the values of a request's condition keys.
type Keys interface {
	// Key gives the value of one condition key. The name is in lower case throughout, a tag's key included
	// ("aws:requesttag/team"); what is tagged Team is meant too. The zero Value says that the key is not there.
	// Values that are not text are written as policies write them: true, 42, 2026-11-23T15:04:05Z.
	Key(name string) Value
}

// Value is what a condition key holds in a request.
type Value struct {
	one  string
	many []string
	form form
}

type form uint8

const (
	absent form = iota
	single
	multi
)

// One is the value of a key with a single value.
func One(v string) Value { return Value{one: v, form: single} }

// Many are the values of a key with several; none are a key that is there and empty. The slice is not copied.
func Many(v []string) Value { return Value{many: v, form: multi} }

// Present tells whether the key is there.
func (v Value) Present() bool { return v.form != absent }

// All are the key's values; none of one that is not there. They are not to be changed.
func (v Value) All() []string {
	if v.form == single {
		return []string{v.one}
	}
	return v.many
}

// Source is a policy with where it comes from.
type Source struct {
	Name   string // of an inline or managed policy
	ARN    string // of a managed policy; of the resource it hangs on
	Type   string // as the simulator names it: user, group, role, aws-managed, user-managed, resource, none
	Policy *Policy
}

// Set are all policies that a request meets.
type Set struct {
	Identity   []Source // of the principal: its own, its groups', its role's
	Boundary   *Source  // the principal's permissions boundary
	Session    []Source // the policies passed when the session was made; nil: none were, empty: nothing is allowed by them
	Resource   *Source  // the resource's own; a role's trust policy
	Guardrails []Source // of the principal's account: every one must allow
	// ResourceAccount owns the resource; empty: the principal's account does.
	ResourceAccount string
	// ResourceMust says that nothing is allowed that Resource does not allow, in the same account too: roles' trust policies, KMS's keys.
	ResourceMust bool
}
