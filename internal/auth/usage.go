package auth

import (
	"cmp"
	"context"
	"encoding/json"
	"hash/maphash"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/lang/policy"
)

// Usage remembers which actions were asked for on which resources, by whom, and what was denied. It lives in memory: it is for
// those who write policies, not a record to prove anything by (that is the audit trail). Make it with NewUsage.
type Usage struct {
	tell   func(ctx context.Context, a Access) // may be nil
	seed   maphash.Seed
	shards [16]usageShard

	mu      sync.Mutex
	denials []Denial // a ring
	next    int
}

type usageShard struct {
	mu  sync.RWMutex
	all map[usageKey]*lastUse
	// Entries of a shard at most: whoever sends to a million resources is remembered with a few thousand of them.
}

type usageKey struct{ principal, action, resource string }

type lastUse struct {
	at       atomic.Int64 // nanoseconds
	resource string       // as a policy names it
}

const (
	keptUses     = 4096 // of a shard
	keptDenials  = 1000
	keptResource = 2048 // bytes of an ARN, which is more than any resource's has: callers may ask for whatever they like
)

// Access is that a principal used an action.
type Access struct {
	Principal aws.Principal
	AccessKey string // id of the key; empty where a service calls
	Role      string // unique id of the role, of a role's session
	Service   string // "sqs"
	Action    string // "sqs:SendMessage"
	Region    string
	Time      time.Time // the platform's
}

// NewUsage is an empty one. tell, which may be nil, hears of every access.
func NewUsage(tell func(ctx context.Context, a Access)) *Usage {
	return &Usage{tell: tell, seed: maphash.MakeSeed()}
}

// Denial is one call that was denied, or, with --auth=log, would have been.
type Denial struct {
	Time      time.Time `json:"time"`
	Request   string    `json:"request"`
	Principal string    `json:"principal"` // ARN of the caller
	Identity  string    `json:"identity"`  // ARN of the user or role that lacks the permission
	Action    string    `json:"action"`
	Resource  string    `json:"resource"`
	Reason    string    `json:"reason"`
	Explicit  bool      `json:"explicit"`            // a statement denies it: another that allows it does not help
	Statement string    `json:"statement,omitempty"` // that would allow it
	In        string    `json:"in,omitempty"`        // which policy: "the trust policy of arn:…"
}

func (u *Usage) allowed(x *question) {
	u.entry(x).at.Store(x.now.UnixNano())
	if u.tell == nil || x.identity == nil {
		return
	}
	a := Access{
		Principal: x.q.Principal, AccessKey: x.q.AccessKey, Service: x.call.Operation.Service.SigningName, Action: x.action.Name, Region: x.q.Region, Time: x.now,
	}
	if x.identity.Kind == Role {
		a.Role = x.identity.ID
	}
	u.tell(x.ctx, a)
}

// entry is what is remembered of an action of a principal on a resource. Of nobody nothing is, nor of what cannot be there.
func (u *Usage) entry(x *question) *lastUse {
	k := usageKey{x.source(), x.action.Name, x.request.Resource}
	if k.principal == "" || len(k.resource) > keptResource {
		return new(lastUse)
	}
	s := &u.shards[maphash.Comparable(u.seed, k)%uint64(len(u.shards))]
	s.mu.RLock()
	e := s.all[k]
	s.mu.RUnlock()
	if e != nil {
		return e
	}
	e = &lastUse{resource: strings.Clone(x.written())}
	if e.resource == "" {
		return e
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.all[k]; e != nil {
		return e
	}
	if s.all == nil {
		s.all = make(map[usageKey]*lastUse)
	}
	if len(s.all) >= keptUses {
		s.forget()
	}
	s.all[usageKey{strings.Clone(k.principal), k.action, strings.Clone(k.resource)}] = e
	return e
}

// forget drops the half that was used longest ago. Its caller holds mu.
func (s *usageShard) forget() {
	times := make([]int64, 0, len(s.all))
	for _, e := range s.all {
		times = append(times, e.at.Load())
	}
	slices.Sort(times)
	middle := times[len(times)/2]
	for k, e := range s.all {
		if e.at.Load() <= middle {
			delete(s.all, k)
		}
	}
}

// written is the resource as a policy names it and no other. A * for what was not known before the call stays one; what callers
// write where a name belongs means itself. It is empty where no policy can name it: there are no variables in the head of an ARN.
func (x *question) written() string {
	arn := x.request.Resource
	if arn == "*" || !strings.ContainsAny(arn, "*?$") {
		return arn
	}
	callers := x.exact || x.action.Wild(x.call.Input)
	b, colons := make([]byte, 0, len(arn)+16), 0
	for i := range len(arn) {
		c := arn[i]
		if c == ':' {
			colons++
		}
		switch {
		case c == '$' && !strings.HasPrefix(arn[i:], "${"), c != '*' && c != '?' && c != '$', c == '*' && !callers && segment(arn, i):
			b = append(b, c)
		case colons < 5:
			return ""
		default:
			b = append(b, '$', '{', c, '}')
		}
	}
	return string(b)
}

// segment reports whether the byte at i of an ARN stands alone between two of its signs.
func segment(arn string, i int) bool {
	sign := func(c byte) bool { return c == ':' || c == '/' }
	return i > 0 && sign(arn[i-1]) && (i+1 == len(arn) || sign(arn[i+1]))
}

// source is the ARN of the user, role or service that asks.
func (x *question) source() string {
	if x.identity != nil {
		return x.identity.ARN
	}
	return cmp.Or(x.q.Principal.ARN, x.q.Principal.Service)
}

func (u *Usage) denied(x *question, d policy.Decision, reason string) {
	u.entry(x).at.Store(x.now.UnixNano()) // with --auth=log it is done all the same
	one := Denial{
		Time: x.now.UTC(), Request: x.q.ID, Principal: strings.Clone(x.q.Principal.ARN), Identity: strings.Clone(x.source()),
		Action: x.action.Name, Resource: shortened(x.request.Resource), Reason: reason, Explicit: d.Effect == policy.ExplicitDeny,
	}
	if !one.Explicit {
		one.remedy(d.Layer, x.q.Principal.Service, shortened(x.written()))
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.denials) < keptDenials {
		u.denials = append(u.denials, one)
		return
	}
	u.denials[u.next] = one
	u.next = (u.next + 1) % keptDenials
}

// shortened is a copy of s, cut where it is longer than any ARN.
func shortened(s string) string {
	if len(s) > keptResource {
		return strings.ToValidUTF8(s[:keptResource], "") + "…"
	}
	return strings.Clone(s)
}

// remedy says what would allow it, where the kind of policy that lacks it is found. resource is as policies name it.
func (d *Denial) remedy(lacking policy.Layer, service, resource string) {
	if resource == "" {
		return
	}
	d.Statement = statementOf([]string{d.Action}, []string{resource})
	who := map[string]string{"AWS": d.Identity}
	if service != "" {
		who = map[string]string{"Service": service}
	}
	switch lacking {
	case policy.TrustLayer:
		d.In = "the trust policy of " + d.Resource
		d.Statement = indented(struct {
			Effect    string
			Principal map[string]string
			Action    []string
		}{"Allow", who, []string{d.Action}})
	case policy.ResourceLayer:
		d.In = "the policy of " + d.Resource
		d.Statement = indented(struct {
			Effect    string
			Principal map[string]string
			Action    []string
			Resource  string
		}{"Allow", who, []string{d.Action}, resource})
	case policy.BoundaryLayer:
		d.In = "the permissions boundary of " + d.Identity
	case policy.SessionLayer:
		d.In = "the policies that the session " + d.Principal + " was made with"
	case policy.GuardrailLayer:
		d.In = "the guardrails of the account"
	default:
		d.In = "a policy of " + d.Identity
	}
}

// Denials are the last ones, the newest first.
func (u *Usage) Denials() []Denial {
	u.mu.Lock()
	defer u.mu.Unlock()
	all := slices.Concat(u.denials[u.next:], u.denials[:u.next])
	slices.Reverse(all)
	return all
}

// Policy is the policy that allows what was done since a time, and nothing else: as JSON, empty where nothing was. principal is
// the ARN of the user, role or session it is for; of everybody where empty.
func (u *Usage) Policy(principal string, since time.Time) string {
	byAction := map[string][]string{} // resources, of each action
	for i := range u.shards {
		s := &u.shards[i]
		s.mu.RLock()
		for k, e := range s.all {
			if e.at.Load() >= since.UnixNano() && (principal == "" || k.principal == principal) {
				byAction[k.action] = append(byAction[k.action], e.resource)
			}
		}
		s.mu.RUnlock()
	}
	if len(byAction) == 0 {
		return ""
	}
	byResources := map[string][]string{} // actions on the same resources
	for action, resources := range byAction {
		slices.Sort(resources)
		resources = slices.Compact(resources)
		if slices.Contains(resources, "*") {
			resources = []string{"*"}
		}
		k := strings.Join(resources, "\n")
		byResources[k] = append(byResources[k], action)
	}
	type statement struct {
		Effect   string
		Action   []string
		Resource []string
	}
	document := struct {
		Version   string
		Statement []statement
	}{Version: "2012-10-17"}
	for resources, actions := range byResources {
		slices.Sort(actions)
		document.Statement = append(document.Statement, statement{"Allow", actions, strings.Split(resources, "\n")})
	}
	slices.SortFunc(document.Statement, func(a, b statement) int { return slices.Compare(a.Action, b.Action) })
	text, err := json.MarshalIndent(document, "", "  ")
	if err != nil {
		panic(err) // strings
	}
	return string(text)
}

func statementOf(actions, resources []string) string {
	return indented(struct {
		Effect   string
		Action   []string
		Resource []string
	}{"Allow", actions, resources})
}

func indented(v any) string {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		panic(err) // strings
	}
	return string(text)
}
