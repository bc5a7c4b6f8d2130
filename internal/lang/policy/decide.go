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
func Decide(r *Request, set *Set) Decision { return decide(r, set, nil) }

// decide follows AWS's evaluation logic: a deny anywhere decides; then every kind of policy that the request meets has to
// allow, but that the resource's may allow by itself. With a report it looks at everything and notes what it sees.
func decide(r *Request, set *Set, report *Report) Decision {
	e := evaluation{Request: r, report: report}
	p := &r.Principal
	local := p.Kind == Root || p.Kind == User || p.Kind == Role || p.Kind == FederatedUser // has an account, and so policies

	guarded := finding{effect: Allowed}
	if local && !p.Linked {
		for i := range set.Guardrails {
			if f := e.of(GuardrailLayer, set.Guardrails[i:i+1]); f.effect == ImplicitDeny {
				guarded = f
			}
		}
	}
	var resource finding
	if set.Resource != nil {
		resource = e.ofResource(set)
	}
	var identity finding
	if local {
		identity = e.of(IdentityLayer, set.Identity)
	}
	if p.Kind == Root && identity.effect == ImplicitDeny {
		identity = finding{effect: Allowed, layer: RootLayer}
	}
	boundary, session := finding{effect: Allowed}, finding{effect: Allowed}
	if local && set.Boundary != nil {
		boundary = e.ofOne(BoundaryLayer, set.Boundary)
	}
	if local && set.Session != nil {
		session = e.of(SessionLayer, set.Session)
	}
	if e.denied.statement != nil {
		return e.denied.decision(ExplicitDeny)
	}
	limits := firstDeny(BoundaryLayer, boundary, SessionLayer, session)
	chain := limits // what keeps the principal's own policies from allowing
	if identity.effect != Allowed {
		chain = IdentityLayer
	}
	switch {
	case guarded.effect != Allowed:
		return Decision{Layer: GuardrailLayer}
	case !local:
		if resource.grant&grantDirect != 0 {
			return resource.decision(Allowed)
		}
		return Decision{Layer: resourceLayer(set)}
	case set.ResourceAccount != "" && set.ResourceAccount != p.Account:
		switch {
		case chain != NoLayer:
			return Decision{Layer: chain}
		case resource.grant == 0:
			return Decision{Layer: resourceLayer(set)}
		}
		return resource.decision(Allowed)
	case resource.grant&grantDirect != 0:
		return resource.decision(Allowed)
	case resource.grant&grantBehind != 0 && limits == NoLayer:
		return resource.decision(Allowed)
	case set.ResourceMust && resource.grant == 0:
		return Decision{Layer: resourceLayer(set)}
	case set.ResourceMust && resource.grant&grantAccount == 0, resource.grant&grantBehind != 0 && identity.effect != Allowed:
		return Decision{Layer: limits}
	case chain != NoLayer:
		return Decision{Layer: chain}
	}
	return identity.decision(Allowed)
}

// firstDeny is the first of two layers that does not allow.
func firstDeny(a Layer, of finding, b Layer, and finding) Layer {
	switch {
	case of.effect != Allowed:
		return a
	case and.effect != Allowed:
		return b
	}
	return NoLayer
}

func resourceLayer(set *Set) Layer {
	if set.Resource != nil && set.Resource.Policy != nil && set.Resource.Policy.kind == Trust {
		return TrustLayer
	}
	return ResourceLayer
}

// finding is what one kind of policy says.
type finding struct {
	effect    Effect
	layer     Layer
	grant     grant // of the resource's policy
	source    *Source
	statement *Statement // the first that says so
}

func (f *finding) decision(e Effect) Decision {
	return Decision{Effect: e, Layer: f.layer, Source: f.source, Statement: f.statement}
}

// evaluation is one request on its way through all policies.
type evaluation struct {
	*Request
	denied finding // by the first statement that does
	report *Report // nil where only the decision matters
}

// of is what policies say of which one has to allow. Without a report it ends with the first deny of all.
func (e *evaluation) of(layer Layer, sources []Source) finding {
	f := finding{layer: layer}
	for i := range sources {
		e.source(&f, &sources[i])
	}
	e.note(f)
	return f
}

func (e *evaluation) ofOne(layer Layer, source *Source) finding {
	f := finding{layer: layer}
	e.source(&f, source)
	e.note(f)
	return f
}

// source adds what one policy says that names no principals.
func (e *evaluation) source(f *finding, s *Source) {
	if s.Policy == nil || e.done() {
		return
	}
	for _, n := range s.Policy.entriesOf(e.Action) {
		t := n.statement
		if f.statement != nil && t.Effect == Allowed && e.report == nil {
			continue
		}
		if t.hasPrincipal && t.Effect == Allowed || !e.applies(&n) {
			continue
		}
		if e.found(f, s, t); e.done() {
			return
		}
	}
}

// ofResource is what the resource's policy says.
func (e *evaluation) ofResource(set *Set) finding {
	f := finding{layer: resourceLayer(set)}
	s := set.Resource
	if s.Policy == nil || e.done() {
		return f
	}
	p := &e.Principal
	for _, n := range s.Policy.entriesOf(e.Action) {
		t := n.statement
		var g grant
		if t.Effect == Allowed {
			if g = t.principals.allows(p); !t.hasPrincipal || g == 0 || e.report == nil && f.grant|g == f.grant {
				continue
			}
		} else if t.hasPrincipal && !t.principals.denies(p, set.Boundary != nil) {
			continue
		}
		if !e.applies(&n) {
			continue
		}
		better := f.grant&grantDirect == 0 && g&grantDirect != 0
		f.grant |= g
		if better && f.statement != nil {
			f.statement = t
		}
		if e.found(&f, s, t); e.done() {
			break
		}
	}
	e.note(f)
	return f
}

// done reports whether there is nothing left to find out.
func (e *evaluation) done() bool { return e.report == nil && e.denied.statement != nil }

// found notes a statement that applies.
func (e *evaluation) found(f *finding, s *Source, t *Statement) {
	if e.report != nil {
		e.report.Matched = append(e.report.Matched, Match{f.layer, s, t})
	}
	switch {
	case t.Effect == ExplicitDeny:
		f.effect = ExplicitDeny
		if e.denied.statement == nil {
			e.denied = finding{layer: f.layer, source: s, statement: t}
		}
	case f.statement == nil:
		f.source, f.statement = s, t
		fallthrough
	default:
		if f.effect == ImplicitDeny {
			f.effect = Allowed
		}
	}
}

// applies reports whether a statement is about the request, but for its principals.
func (e *evaluation) applies(n *entry) bool {
	t := n.statement
	if !n.matches(e.Action) {
		return false
	}
	if e.report != nil {
		for i := range t.resources {
			e.lacksVariables(&t.resources[i])
		}
	}
	if !t.concerns(e.Resource, e.Keys) {
		return false
	}
	holds := true
	for i := range t.conditions {
		c := &t.conditions[i]
		if e.report != nil {
			e.missing(c)
		}
		if !c.holds(e.Keys) {
			if holds = false; e.report == nil {
				return false
			}
		}
	}
	return holds
}

// concerns reports whether a resource is among those of a statement.
func (t *Statement) concerns(resource string, keys Keys) bool {
	if t.anyResource {
		return true
	}
	for i := range t.resources {
		if t.resources[i].match(resource, keys) {
			return !t.notResource
		}
	}
	return t.notResource
}

// Reason is why d denies, as AWS's AccessDenied errors end: "because no identity-based policy allows the … action". Empty
// where d allows. Of service control policies AWS says that they deny, also where they only do not allow.
func (d Decision) Reason(action string) string {
	switch {
	case d.Effect == Allowed:
		return ""
	case d.Effect == ImplicitDeny && d.Layer != GuardrailLayer:
		return "because no " + d.Layer.text() + " allows the " + action + " action"
	}
	article := "a "
	switch d.Layer {
	case IdentityLayer:
		article = "an "
	case TrustLayer:
		article = "the "
	}
	reason := "with an explicit deny in " + article + d.Layer.text()
	if d.Source != nil && d.Source.ARN != "" && d.Layer != ResourceLayer && d.Layer != TrustLayer {
		reason += ": " + d.Source.ARN
	}
	return reason
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
