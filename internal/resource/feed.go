package resource

import (
	"context"
	"slices"
	"time"

	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/task"
)

// Action is what was done to a resource.
type Action string

// The actions.
const (
	Created Action = "created"
	Updated Action = "updated"
	Deleted Action = "deleted"
)

// Change is something that happened to a resource, by whatever way: a call of its service's own API, Cloud Control, a stack.
type Change struct {
	Type   string `cbor:"1,keyasint"` // "AWS::SQS::Queue"
	ARN    string `cbor:"2,keyasint"`
	Action Action `cbor:"3,keyasint"`
	Before string `cbor:"4,keyasint,omitempty"` // its properties as JSON, without those that must not be told
	After  string `cbor:"5,keyasint,omitempty"`

	// Of the call that did it. Note fills them in.
	Time     time.Time `cbor:"6,keyasint"`
	Account  string    `cbor:"7,keyasint"` // where the resource is
	Region   string    `cbor:"8,keyasint"`
	Request  string    `cbor:"9,keyasint,omitempty"`
	By       Caller    `cbor:"10,keyasint"`
	SourceIP string    `cbor:"11,keyasint,omitempty"`
}

// Caller is an aws.Principal as it is kept.
type Caller struct {
	Account string `cbor:"1,keyasint,omitempty"`
	ARN     string `cbor:"2,keyasint,omitempty"`
	UserID  string `cbor:"3,keyasint,omitempty"`
	Service string `cbor:"4,keyasint,omitempty"`

	Session *aws.Session `cbor:"5,keyasint,omitempty"`
}

// Feed tells those who subscribed what changed. A service notes a change in the transaction that makes it; each subscriber
// is then told of it at least once, after the commit, also where the process ends in between; of the changes of one
// resource one after the other, in their order. Where nobody has subscribed, noting costs nothing and writes nothing.
type Feed struct {
	tasks *task.Runner
	to    []subscription
}

type subscription struct {
	types []string
	queue task.Queue[Change]
}

// NewFeed is a feed without subscribers, who are told by tasks.
func NewFeed(tasks *task.Runner) *Feed { return &Feed{tasks: tasks} }

// Subscribe has fn told of every change of resources of these types, or of all where none is given. It must be called before
// the first change, when the platform is built. name is part of what is kept: it must never change. id is the same however
// often a change is told.
func (f *Feed) Subscribe(name string, fn func(ctx context.Context, id string, c Change) error, types ...string) {
	f.to = append(f.to, subscription{types, task.NewQueue(f.tasks, "resource.feed."+name, fn, task.Options{Attempts: 1 << 20})})
}

// Watched reports whether anybody wants to know of changes of that type: where not, there is no need to work out what to
// say. It may be asked of a nil Feed.
func (f *Feed) Watched(typeName string) bool {
	return f != nil && slices.ContainsFunc(f.to, func(s subscription) bool { return s.wants(typeName) })
}

func (s *subscription) wants(typeName string) bool {
	return len(s.types) == 0 || slices.Contains(s.types, typeName)
}

// Note tells, when w is committed, what the call that ctx belongs to has changed in it.
func (f *Feed) Note(ctx context.Context, w store.Writer, c Change) {
	if f == nil {
		return
	}
	r := aws.RequestOf(ctx)
	c.Time, c.Account, c.Region = w.Now(), w.Scope().Account, w.Scope().Region
	c.Request, c.By, c.SourceIP = r.ID, Caller(r.Principal), r.SourceIP
	for _, s := range f.to {
		if s.wants(c.Type) {
			s.queue.Add(w, c, task.Add{Key: c.ARN})
		}
	}
}
