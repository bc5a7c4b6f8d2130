// Package policy is AWS's policy language: what a JSON policy document says, and whether a set of them allows a request.
//
// A document is compiled once into a Policy, which never changes afterwards and may be used by any number of goroutines.
// Parse holds a document to all of AWS's rules and refuses with AWS's texts; Read takes whatever AWS's services once
// stored. Decide follows AWS's evaluation logic over all kinds of policies that a request meets; Explain does the same and
// tells what it saw. The package knows no service: what an action, a resource and a condition key are called comes from
// the caller.
//
// It promises that what it cannot make sense of never allows anything; that deciding does not allocate, and compares a
// pattern in no more steps than its length times the text's; and that nothing but the arguments matters: no clock, no state.
package policy

// Kind is what a document is for; each kind has elements it may not have and elements it must have.
type Kind uint8

const (
	Identity  Kind = iota // attached to a user, group or role; also permissions boundaries and session policies
	Resource              // attached to a resource: names principals
	Trust                 // of a role: who may assume it; names principals and no resource
	Guardrail             // of an account: a service control policy
	Managed               // as Identity, of a managed policy: of the language's later version only
)

// Effect is what a statement says, and what a decision comes to.
type Effect uint8

const (
	ImplicitDeny Effect = iota // nothing allows it
	Allowed
	ExplicitDeny // a statement denies it
)

// String is e as the policy simulator names it.
func (e Effect) String() string {
	switch e {
	case Allowed:
		return "allowed"
	case ExplicitDeny:
		return "explicitDeny"
	}
	return "implicitDeny"
}

// Error is what is wrong with a document, in AWS's words: the message of a MalformedPolicyDocument.
type Error struct {
	Message string
}

func (e *Error) Error() string { return e.Message }

// Position is a place in a document's text. Both count from 1; a column is a byte.
type Position struct {
	Line, Column int
}

// Policy is a compiled document.
type Policy struct {
	kind       Kind
	version    string
	id         string
	statements []*Statement
	// services are, by the service's prefix in lower case, what its actions have to be compared with; others what the actions
	// of all other services have to be. Without them, in a policy of very many statements, all are in others.
	services map[string][]entry
	others   []entry
}

// Kind is what the policy was parsed as.
func (p *Policy) Kind() Kind { return p.kind }

// Version is "2012-10-17" or "2008-10-17"; variables work in the former only.
func (p *Policy) Version() string { return p.version }

// ID is the document's Id.
func (p *Policy) ID() string { return p.id }

// Statements are the document's, in its order. They are not to be changed.
func (p *Policy) Statements() []*Statement { return p.statements }

// Statement is one of a policy's.
type Statement struct {
	Sid    string
	Effect Effect // Allowed or ExplicitDeny
	// Start and End are where AWS's simulator says that the statement is: its parser notes how far it has come, so that Start is
	// just behind the [ or the } in front of the statement (or the { of one that is not in a list), and End just behind its }.
	Start, End Position

	actions      []pattern // of whole actions, in lower case
	notAction    bool
	resources    []pattern
	notResource  bool
	anyResource  bool // all of them match, whatever the resource
	principals   principals
	hasPrincipal bool
	conditions   []condition
}
