// Package resource is how services offer what they keep as declared resources, each of a type of the CloudFormation registry
// ("AWS::SQS::Queue"): made, read, changed, deleted and listed by their properties. Cloud Control, CloudFormation and the
// tagging API work on all types alike through it, and know none of them.
//
// It keeps nothing but the [Registry] of types, which platform makes once, and the [Feed] of what changed. A type does what
// it does through its service's own generated client, as whoever asks for it: so it is authorized, metered and traced like
// any other call. Every type passes the suite in resourcetest.
package resource

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/resource/schema"
)

// Kind declares a type whose properties are an M: a struct with a field for each, under its name in the schema
// (`json:"QueueName,omitempty"`), a pointer where nothing and zero differ.
//
// A function answers a [Failure] for what its caller did wrong; errors of generated clients are taken as they are. It may
// be called again with the same Request, after a crash say, and must then come to the same end. One that cannot come to
// its end yet answers [Wait].
type Kind[M any] struct {
	Name    string // "AWS::SQS::Queue"
	Service string // of whose errors it is told: "Sqs"

	// Create makes a resource and answers at least what identifies it. One that is there already is a failure, unless
	// the request says Again: then it may be what an earlier try made.
	Create func(ctx context.Context, r Request, desired M) (M, error)
	// Read answers all that can be told of the resource that id identifies. Nil where nothing can.
	Read func(ctx context.Context, id M) (M, error)
	// Update makes a resource, which is as before, as desired. Both hold what identifies it.
	Update func(ctx context.Context, r Request, before, desired M) (M, error)
	// Delete deletes the resource; was holds what identifies it, and more where the caller knows.
	Delete func(ctx context.Context, r Request, was M) error
	// List answers a page of the resources there are, each with what identifies it, and where the next page begins. like
	// holds what the schema asks for to list them. Nil where they cannot be listed.
	List func(ctx context.Context, like M, page Page) (list []M, next string, err error)

	Tags *Tags // nil where the tagging API does not know them
}

// Type is a type of resource: a Kind without its M.
type Type struct {
	Name   string
	Create func(ctx context.Context, r Request, desired Properties) (Properties, error)
	Read   func(ctx context.Context, id Properties) (Properties, error)
	Update func(ctx context.Context, r Request, before, desired Properties) (Properties, error)
	Delete func(ctx context.Context, r Request, was Properties) error
	List   func(ctx context.Context, like Properties, page Page) (list []Properties, next string, err error)
	Tags   *Tags

	New func() any // a new *M
}

// Request is what a change is part of.
type Request struct {
	Token string            // the same however often the request is tried
	Again bool              // an earlier try may have had its effect
	State string            // what the last try left, see Wait
	Stem  string            // what names that are made up begin with: "stack-LogicalName"; may be empty
	Tags  map[string]string // of the stack: the resource is to have them beside its own
}

// Name makes a name up, of at most limit characters (letters, digits and hyphens): for a resource that was given none. It is
// the same however often the request is tried.
func (r Request) Name(limit int) string {
	sum := sha256.Sum256([]byte(r.Token))
	name := base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:])
	if r.Stem == "" {
		return name[:min(limit, 32)]
	}
	name = name[:12]
	return r.Stem[:min(len(r.Stem), limit-len(name)-1)] + "-" + name
}

// Page is a part of a list.
type Page struct {
	After string // what the page before answered as next; empty for the first
	Limit int
}

// Tags is how resources of a type are tagged, by ARN.
type Tags struct {
	Service string // as ARNs and filters of types have it: "sqs"
	Kind    string // as filters have it behind that: "queue"

	// Match reports whether a resource of the service is of this type.
	Match func(arn aws.ARN) bool
	// List answers the first resources with tags after the one of that ARN, in an order of its own, of the account and
	// region of ctx. It is asked by the tagging API on behalf of callers that it has authorized.
	List func(ctx context.Context, after string, limit int) ([]Tagged, error)
	// Get answers the tags of one resource; a Failure with NotFound where there is none.
	Get    func(ctx context.Context, arn aws.ARN) (map[string]string, error)
	Add    func(ctx context.Context, arn aws.ARN, tags map[string]string) error // as the caller
	Remove func(ctx context.Context, arn aws.ARN, keys []string) error          // as the caller
}

// Tagged is a resource and its tags.
type Tagged struct {
	ARN  string
	Tags map[string]string
}

// Schema is what the registry says of the type. It is read when it is first asked for, not when the type is declared.
func (t Type) Schema() *schema.Schema {
	s := schema.Find(t.Name)
	if s == nil {
		panic("resource: the registry has no type " + t.Name)
	}
	return s
}

// Type is the Kind as those see it who work on all alike.
func (k Kind[M]) Type() Type {
	t := Type{Name: k.Name, Tags: k.Tags, New: func() any { return new(M) }}
	t.Create = func(ctx context.Context, r Request, desired Properties) (Properties, error) {
		in, err := typed[M](desired)
		if err != nil {
			return nil, err
		}
		return plain(k.Create(ctx, r, in))
	}
	if k.Read != nil {
		t.Read = func(ctx context.Context, id Properties) (Properties, error) {
			in, err := typed[M](id)
			if err != nil {
				return nil, err
			}
			return plain(k.Read(ctx, in))
		}
	}
	if k.Update != nil {
		t.Update = func(ctx context.Context, r Request, before, desired Properties) (Properties, error) {
			was, err := typed[M](before)
			if err != nil {
				return nil, err
			}
			in, err := typed[M](desired)
			if err != nil {
				return nil, err
			}
			return plain(k.Update(ctx, r, was, in))
		}
	}
	t.Delete = func(ctx context.Context, r Request, was Properties) error {
		in, err := typed[M](was)
		if err != nil {
			return err
		}
		return k.Delete(ctx, r, in)
	}
	if k.List != nil {
		t.List = func(ctx context.Context, like Properties, page Page) ([]Properties, string, error) {
			in, err := typed[M](like)
			if err != nil {
				return nil, "", err
			}
			models, next, err := k.List(ctx, in, page)
			if err != nil {
				return nil, "", err
			}
			list := make([]Properties, len(models))
			for i, m := range models {
				if list[i], err = plain(m, nil); err != nil {
					return nil, "", err
				}
			}
			return list, next, nil
		}
	}
	return t.failing(k.Service)
}

// failing is t with all its errors made Failures.
func (t Type) failing(service string) Type {
	c, r, u, d, l := t.Create, t.Read, t.Update, t.Delete, t.List
	t.Create = func(ctx context.Context, q Request, desired Properties) (Properties, error) {
		p, err := c(ctx, q, desired)
		return p, failureOf(ctx, service, err)
	}
	if r != nil {
		t.Read = func(ctx context.Context, id Properties) (Properties, error) {
			p, err := r(ctx, id)
			return p, failureOf(ctx, service, err)
		}
	}
	if u != nil {
		t.Update = func(ctx context.Context, q Request, before, desired Properties) (Properties, error) {
			p, err := u(ctx, q, before, desired)
			return p, failureOf(ctx, service, err)
		}
	}
	t.Delete = func(ctx context.Context, q Request, was Properties) error {
		return failureOf(ctx, service, d(ctx, q, was))
	}
	if l != nil {
		t.List = func(ctx context.Context, like Properties, page Page) ([]Properties, string, error) {
			list, next, err := l(ctx, like, page)
			return list, next, failureOf(ctx, service, err)
		}
	}
	return t
}

func typed[M any](p Properties) (m M, err error) {
	b, err := json.Marshal(p)
	if err == nil {
		err = json.Unmarshal(b, &m)
	}
	if err != nil {
		return m, Fail(InvalidRequest, "The properties are not those of the type: %v", err)
	}
	return m, nil
}

func plain[M any](m M, err error) (Properties, error) {
	if err != nil {
		return nil, err
	}
	b, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("write properties: %w", err)
	}
	return ParseProperties(string(b))
}

// Can reports whether AWS and we have an action for the type: "create", "read", "update", "delete" or "list".
func (t Type) Can(action string) bool {
	_, ok := t.Schema().Handlers[action]
	switch action {
	case "read":
		ok = ok && t.Read != nil
	case "update":
		ok = ok && t.Update != nil
	case "list":
		ok = ok && t.List != nil
	}
	return ok
}

// Identifier is what names the resource with these properties among those of its type; ok is false where they do not say.
func (t Type) Identifier(p Properties) (id string, ok bool) {
	parts := make([]string, len(t.Schema().PrimaryIdentifier))
	for i, pointer := range t.Schema().PrimaryIdentifier {
		values := p.At(pointer)
		if len(values) != 1 || values[0] == nil {
			return "", false
		}
		parts[i] = fmt.Sprint(values[0])
	}
	return strings.Join(parts, "|"), len(parts) > 0
}

// Identify is the properties that an identifier tells: its parts with '|' between them, or as an object.
func (t Type) Identify(id string) (Properties, error) {
	p := Properties{}
	if strings.HasPrefix(id, "{") {
		given, err := ParseProperties(id)
		if err == nil {
			for _, pointer := range t.Schema().PrimaryIdentifier {
				values := given.At(pointer)
				if len(values) != 1 {
					err = fmt.Errorf("%s is missing", pointer)
					break
				}
				p.set(pointer, values[0])
			}
		}
		if err != nil {
			return nil, fmt.Errorf("identifier %s: %w", id, err)
		}
		return p, nil
	}
	parts := []string{id}
	if n := len(t.Schema().PrimaryIdentifier); n > 1 {
		parts = strings.Split(id, "|")
	}
	if len(parts) != len(t.Schema().PrimaryIdentifier) {
		return nil, fmt.Errorf("identifier %s has %d parts, %d are wanted", id, len(parts), len(t.Schema().PrimaryIdentifier))
	}
	for i, pointer := range t.Schema().PrimaryIdentifier {
		p.set(pointer, parts[i])
	}
	return p, nil
}

// Registry is the types that obidos serves.
type Registry struct {
	types map[string]Type
	names []string
}

// NewRegistry is a registry of these types. It panics where two have one name.
func NewRegistry(types ...Type) *Registry {
	r := &Registry{types: make(map[string]Type, len(types))}
	for _, t := range types {
		if _, ok := r.types[t.Name]; ok {
			panic("resource: two types are named " + t.Name)
		}
		r.types[t.Name] = t
		r.names = append(r.names, t.Name)
	}
	slices.Sort(r.names)
	return r
}

// Type is the type of that name.
func (r *Registry) Type(name string) (Type, bool) {
	t, ok := r.types[name]
	return t, ok
}

// Names are the names of all types, in order.
func (r *Registry) Names() []string { return slices.Clone(r.names) }

// Tagged is the type that a resource is of, among those that the tagging API knows.
func (r *Registry) Tagged(arn aws.ARN) (Type, bool) {
	for _, name := range r.names {
		t := r.types[name]
		if t.Tags != nil && t.Tags.Service == arn.Service && t.Tags.Match(arn) {
			return t, true
		}
	}
	return Type{}, false
}

// Pending is the error of a function that has to wait before it can come to its end.
type Pending struct {
	After time.Duration // it is called again then
	State string        // and given this
}

func (p *Pending) Error() string { return fmt.Sprintf("resource: not finished; again in %v", p.After) }

// Wait has the function that answers it called again after d, with state in its Request.
func Wait(d time.Duration, state string) error { return &Pending{d, state} }
