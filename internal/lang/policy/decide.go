package policy

// Layer is a kind of policy that a request meets.
type Layer uint8

const (
	NoLayer        Layer = iota
	GuardrailLayer       // service control policies
	ResourceLayer        // the resource's policy
	IdentityLayer        // the principal's policies
	BoundaryLayer        // its permissions boundary
	SessionLayer         // its session's policies
	TrustLayer           // a role's trust policy
	RootLayer            // none: the root user of the resource's account needs none
)

// Decision is what a set of policies says to a request.
type Decision struct {
	Effect Effect
	// Layer is the kind of policy that decided: the one with the deny, the one that would have had to allow and did not,
	// or the one that allowed.
	Layer     Layer
	Source    *Source    // with the statement; nil where none matched
	Statement *Statement // the one that denied or allowed
}

// Decide says whether set allows r.
func Decide(r *Request, set *Set) Decision {
	return Decision{Effect: ImplicitDeny, Layer: IdentityLayer}
}

// Reason is why d denies, as AWS's AccessDenied errors end: "because no identity-based policy allows the … action". Empty
// where d allows.
func (d Decision) Reason(action string) string {
	name := d.Layer.text()
	switch d.Effect {
	case ExplicitDeny:
		article := "a "
		if d.Layer == IdentityLayer {
			article = "an "
		}
		s := "with an explicit deny in " + article + name
		if d.Source != nil && d.Source.ARN != "" && d.Layer != ResourceLayer && d.Layer != TrustLayer {
			s += ": " + d.Source.ARN
		}
		return s
	case ImplicitDeny:
		return "because no " + name + " allows the " + action + " action"
	}
	return ""
}

// text is l as AWS's errors name it.
func (l Layer) text() string {
	switch l {
	case GuardrailLayer:
		return "service control policy"
	case ResourceLayer:
		return "resource-based policy"
	case BoundaryLayer:
		return "permissions boundary"
	case SessionLayer:
		return "session policy"
	case TrustLayer:
		return "role trust policy"
	}
	return "identity-based policy"
}

// Match is a statement that applies to a request.
type Match struct {
	Layer     Layer
	Source    *Source
	Statement *Statement
}

// Report is a decision with all that led to it.
type Report struct {
	Decision
	Matched []Match
	Missing []string // context keys that conditions asked for and the request has not, as the policies write them
	Layers  []Outcome
}

// Outcome is what one kind of policy says by itself.
type Outcome struct {
	Layer  Layer
	Effect Effect
}

// Explain is Decide with its reasons. It allocates.
func Explain(r *Request, set *Set) Report {
	return Report{Decision: Decide(r, set)}
}
