package auth

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/lang/policy"
	"github.com/obidos-cloud/obidos/internal/model"
	"github.com/obidos-cloud/obidos/internal/sigv4"
)

// Call is what a principal asks to do: the one of the request in the context.
type Call struct {
	Operation *model.Operation
	Input     any      // a pointer to the operation's Input
	Resources []string // the ARNs of what it is about, as its service says; none where the service leaves it to the input
	Holder    Holder   // nil where the service's resources have neither policies nor tags
}

// Holder is a service whose resources have policies or tags of their own.
type Holder interface {
	// Hold is what is known of a resource by its ARN; the zero Held where there is none of that name, or it is another service's.
	Hold(ctx context.Context, arn string) (Held, error)
}

// Namer is a Holder that knows more of what a call is about than its input says: the path of a role.
type Namer interface {
	// Named is the ARNs of what in names by arns, which stand as they are where there is no such thing. It may change arns.
	Named(ctx context.Context, in any, arns []string) []string
}

// Keeper is a Holder that keeps some operations for the account that a resource is of, whatever the resource's policy says.
type Keeper interface {
	// Keeps reports whether op is one of them.
	Keeps(op *model.Operation) bool
}

// Needer is a Holder that has calls which need more than their operation says: where only what the input asks for tells.
type Needer interface {
	// Needs are the actions that a call of op with in needs besides.
	Needs(op *model.Operation, in any) []string
}

// Held is what a resource says of itself.
type Held struct {
	Policy string            // a JSON document; empty where it has none
	Tags   map[string]string // not to be changed
	Keys   map[string]string // condition keys that the input of a call does not fill, by their names in lower case; not to be changed
}

// GuardOptions are what a Guard decides by.
type GuardOptions struct {
	Directory  Directory
	Clock      Clock                                // the platform's
	Guardrails func(account string) []policy.Source // what bounds all of an account; may be nil
	Usage      *Usage                               // is told of what is done and denied; may be nil

	// Seal makes what a denial was for into a message that callers of an account can have decoded; may be nil.
	Seal func(ctx context.Context, account string, text []byte) (string, error)
}

// Guard decides by IAM's policies whether calls may be made. Make it with NewGuard.
type Guard struct {
	o         GuardOptions
	documents *policy.Cache // policies of resources and of sessions
	questions sync.Pool
}

// keptDocuments is how much text of resources' and sessions' policies is kept compiled.
const keptDocuments = 8 << 20

// NewGuard is a guard.
func NewGuard(o GuardOptions) *Guard {
	g := &Guard{o: o, documents: policy.NewCache(keptDocuments)}
	g.questions.New = func() any { return new(question) }
	return g
}

// question is one call, and of it the action and the resource that are asked for just now. It is a policy.Keys.
type question struct {
	ctx      context.Context
	q        *aws.Request
	session  *aws.Session
	identity *Identity
	call     *Call
	action   *model.Action
	request  policy.Request
	set      policy.Set
	resource policy.Source
	held     Held
	now      time.Time
	exact    bool            // the ARN of the resource is as the caller has named it
	limits   []policy.Source // of the session
	arns     []string
}

// Authorize implements Authorizer.
func (g *Guard) Authorize(ctx context.Context, c *Call) error {
	plan := model.AuthorizationOf(c.Operation)
	x := g.begin(ctx, c)
	defer g.end(x)
	p := &x.q.Principal
	if p.Service != "" && p.Service == servicePrincipal(c.Operation.Service) && allOf(c.Resources, p.Account) {
		return nil // its own work on what is its own, and not what somebody it works for has named of another account
	}
	if plan == nil {
		return Denied(c.Operation, c.Operation.Action(), *p, c.Resources, "because obidos knows no action of IAM's for this operation")
	}
	if len(plan.Actions) == 0 && len(plan.Self) > 0 { // a service that asks by itself is not asked for here
		return Denied(c.Operation, plan.Self[0].Name, *p, c.Resources, "because obidos does not ask for it")
	}
	if err := g.know(x); err != nil {
		return err
	}
	for i := range plan.Actions {
		a := &plan.Actions[i]
		if !a.Applies(c.Input) {
			continue
		}
		if err := g.ask(x, a); err != nil {
			return err
		}
	}
	if n, ok := c.Holder.(Needer); ok {
		for _, name := range n.Needs(c.Operation, c.Input) {
			if err := g.ask(x, &model.Action{Name: name}); err != nil {
				return err
			}
		}
	}
	return nil
}

// Permit decides whether the principal of ctx's request may do something that is no operation of AWS's: "obidos:ReadClock". What
// there is to do so is all accounts' at once, and the default account's to allow: no other's root may.
func (g *Guard) Permit(ctx context.Context, action string) error {
	service, name, _ := strings.Cut(action, ":")
	x := g.begin(ctx, &Call{Operation: &model.Operation{Name: name, Service: &model.Service{Name: service, SigningName: service}}})
	defer g.end(x)
	if err := g.know(x); err != nil {
		return err
	}
	x.action = &model.Action{Name: action}
	x.request.Action, x.request.Keys = action, x
	return g.decide(x, "*", aws.DefaultAccount)
}

func (g *Guard) begin(ctx context.Context, c *Call) *question {
	x := g.questions.Get().(*question)
	x.ctx, x.q, x.call, x.now = ctx, aws.RequestOf(ctx), c, g.o.Clock.Now()
	return x
}

func (g *Guard) end(x *question) {
	*x = question{limits: x.limits[:0], arns: x.arns[:0]}
	g.questions.Put(x)
}

// know finds out what the principal is and has.
func (g *Guard) know(x *question) error {
	p, r := &x.q.Principal, &x.request.Principal
	x.session = p.Session
	*r = policy.Principal{Account: p.Account, ARN: p.ARN}
	source, id := p.ARN, p.UserID
	switch s := x.session; {
	case p.Service != "":
		r.Kind, r.Service, r.Account = policy.Service, p.Service, ""
		return nil
	case p.ARN == "":
		*r = policy.Principal{Kind: policy.Anonymous}
		return nil
	case s != nil:
		source, id = s.Source, s.ID
		r.Provider = s.Provider
		if limited := s.Kind == aws.FederatedUser || len(s.Policies)+len(s.PolicyARNs) > 0; limited {
			if err := g.limit(x, s); err != nil {
				return err
			}
		}
		if err := x.barred(); err != nil {
			return err
		}
	}
	i, ok, err := g.o.Directory.Identity(x.ctx, source)
	if err != nil {
		return fmt.Errorf("look up %s: %w", source, err)
	}
	if !ok || i.ID != id { // it was deleted, and perhaps made again
		return Answer(x.call.Operation.Service, &sigv4.Error{Reason: sigv4.UnknownKey})
	}
	x.identity, r.ID = i, id
	x.set.Identity, x.set.Boundary = i.Policies, i.Boundary
	switch {
	case x.session != nil && x.session.Kind == aws.FederatedUser:
		r.Kind, r.Role = policy.FederatedUser, source
	case i.Kind == Root:
		r.Kind = policy.Root
	case i.Kind == User:
		r.Kind = policy.User
	default:
		r.Kind, r.Role = policy.Role, source
		r.Linked = strings.HasPrefix(i.Path, "/aws-service-role/")
	}
	if g.o.Guardrails != nil {
		x.set.Guardrails = g.o.Guardrails(p.Account)
	}
	return nil
}

// limit finds the policies that a session was limited with.
func (g *Guard) limit(x *question, s *aws.Session) error {
	x.limits = x.limits[:0]
	for _, text := range s.Policies {
		p, err := g.documents.Read(text)
		if err != nil {
			return fmt.Errorf("policy of the session %s: %w", s.Name, err)
		}
		x.limits = append(x.limits, policy.Source{Type: "none", Policy: p})
	}
	for _, arn := range s.PolicyARNs {
		source, ok, err := g.o.Directory.Policy(x.ctx, arn)
		if err != nil {
			return fmt.Errorf("look up %s: %w", arn, err)
		}
		if ok { // one that was deleted allows nothing any more
			x.limits = append(x.limits, source)
		}
	}
	if x.limits == nil {
		x.limits = []policy.Source{}
	}
	x.set.Session = x.limits
	return nil
}

// barred refuses what some temporary credentials are for no service to take: those of a user without a second factor, and of
// federated users, do not open IAM, nor STS but for a few operations.
//
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_sts-comparison.html
func (x *question) barred() error {
	op, s := x.call.Operation, x.session
	var bar bool
	switch op.Service.SigningName {
	case "iam":
		bar = s.Kind == aws.FederatedUser || s.Kind == aws.UserSession && s.MFA.IsZero()
	case "sts":
		bar = s.Kind != aws.AssumedRole && op.Name != "GetCallerIdentity" && (s.Kind == aws.FederatedUser || op.Name != "AssumeRole")
	}
	if bar {
		return Answer(op.Service, &sigv4.Error{Reason: sigv4.UnknownKey})
	}
	return nil
}

// ask decides about one action of a call, on each of its resources.
func (g *Guard) ask(x *question, a *model.Action) error {
	x.action, x.exact = a, false
	x.request.Action, x.request.Keys = a.Name, x
	arns := x.call.Resources
	if len(arns) == 0 || a.Besides {
		x.arns, x.exact = a.Resources(x.arns[:0], x.call.Input, x.q.Scope)
		arns = x.arns
		if n, ok := x.call.Holder.(Namer); ok && !x.exact {
			arns = n.Named(x.ctx, x.call.Input, arns)
		}
	}
	for _, arn := range arns {
		owner := accountOf(arn)
		if owner == "" {
			owner = x.q.Account
		}
		if err := g.decide(x, arn, owner); err != nil {
			return err
		}
	}
	return nil
}

// decide decides about one action on one resource of an account.
func (g *Guard) decide(x *question, arn, owner string) error {
	x.request.Resource, x.set.Resource, x.held = arn, nil, Held{}
	x.set.ResourceAccount = owner
	if x.call.Holder != nil && arn != "*" {
		var err error
		if x.held, err = x.call.Holder.Hold(x.ctx, arn); err != nil {
			return err
		}
		if x.held.Policy != "" {
			p, err := g.documents.Read(x.held.Policy)
			if err != nil {
				p = nil // says nothing, as on AWS
			}
			x.resource = policy.Source{ARN: arn, Type: "resource", Policy: p}
			x.set.Resource = &x.resource
		}
	}
	d := policy.Decision{Layer: policy.ResourceLayer}
	if x.reaches(arn) && !x.keptFrom(owner) {
		d = policy.Decide(&x.request, &x.set)
	}
	if d.Effect == policy.Allowed {
		if g.o.Usage != nil {
			g.o.Usage.allowed(x)
		}
		return nil
	}
	reason := d.Reason(wording(x.call.Operation.Service, x.action.Name))
	if g.o.Usage != nil {
		g.o.Usage.denied(x, d, reason)
	}
	return g.explain(x, d, Denied(x.call.Operation, x.action.Name, x.q.Principal, []string{arn}, reason))
}

// reaches reports whether an ARN is of the partition that the request came in at. What another partition's names is not the same
// thing by another name: a policy that denies the one would not deny the other.
func (x *question) reaches(arn string) bool {
	rest, ok := strings.CutPrefix(arn, "arn:")
	partition, _, _ := strings.Cut(rest, ":")
	return !ok || partition == aws.Partition(x.q.Region)
}

// keptFrom reports whether the operation is kept for an account that the principal is not of.
func (x *question) keptFrom(owner string) bool {
	k, ok := x.call.Holder.(Keeper)
	return ok && owner != x.request.Principal.Account && k.Keeps(x.call.Operation)
}

// accountOf is the account that an ARN names; empty where it names none.
func accountOf(arn string) string {
	rest := arn
	for range 4 {
		i := strings.IndexByte(rest, ':')
		if i < 0 {
			return ""
		}
		rest = rest[i+1:]
	}
	account, _, ok := strings.Cut(rest, ":")
	if !ok || !aws.IsAccount(account) {
		return ""
	}
	return account
}

// allOf reports whether ARNs are an account's.
func allOf(arns []string, account string) bool {
	for _, arn := range arns {
		if owner := accountOf(arn); owner != "" && owner != account {
			return false
		}
	}
	return true
}

// servicePrincipal is what a service of ours calls itself when it calls.
func servicePrincipal(s *model.Service) string { return s.SigningName + ".amazonaws.com" }
