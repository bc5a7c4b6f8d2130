// Package iam is AWS Identity and Access Management: who there is in an account, and what they may do.
//
// # What it keeps
//
// What there is belongs to an account, not to a region of it: every table is global, with the account first in its keys. A
// user, group, role, managed policy or instance profile is one record under its unique id, with its inline policies, what is
// attached to it and its tags; a name leads to the id, whatever case it is written in. So a renamed user keeps what it has.
//
// # What it promises
//
//   - A change is durable when it is answered, and holds for the next request on every node: each transaction that changes what
//     a decision or the look-up of a key depends on raises its account's generation, which [Directory] reads with every look-up.
//   - A secret is told once, when it is made.
//   - Policies are checked when they come in. What is stored can be compiled.
//
// # Known differences from AWS
//
//   - There is no waiting until a change has reached everywhere: it is there at once.
//   - Names are listed in their order.
package iam

import (
	"context"
	"sync"

	"github.com/obidos-cloud/obidos/internal/api/iamapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/resource"
	"github.com/obidos-cloud/obidos/internal/service/iam/credential"
	"github.com/obidos-cloud/obidos/internal/service/iam/provider"
	"github.com/obidos-cloud/obidos/internal/store"
)

// Options of the service.
type Options struct {
	// Changes is told of every user, role and the like made, changed and deleted. It may be nil.
	Changes *resource.Feed

	// Alone says that no other node works over the same store: then this one knows of every change without looking.
	Alone bool
}

// Service is the API.
type Service struct {
	rest                    // what is left out, see docs/iam.md
	*credential.Credentials // operations of what users sign in with
	*provider.Providers     // and of whom the account trusts

	space  store.Space
	tables tables
	o      Options

	directory *Directory

	accessed accesses

	usedMu sync.Mutex
	used   map[string]useRecord // what was last written of what was used
}

// rest is below what is embedded beside it, which so goes first.
type rest struct{ iamapi.Unimplemented }

var _ iamapi.Service = (*Service)(nil)

// New is the service over space.
func New(space store.Space, o Options) *Service {
	s := &Service{space: space, tables: newTables(space), o: o, used: map[string]useRecord{}}
	s.directory = newDirectory(s)
	s.Credentials, s.Providers = credential.New(space, holders{s}, o.Changes), provider.New(space, o.Changes)
	return s
}

// home is the account a request is about, in the partition of its region.
type home struct {
	account, partition string
	changes            *changes // of the transaction; nil where it changes nothing that the feed is told of
}

func homeIn(account, partition string) home { return home{account: account, partition: partition} }

func homeOf(ctx context.Context) home {
	r := aws.RequestOf(ctx)
	return homeIn(r.Account, aws.Partition(r.Region))
}

// arn names what the account has: "user/path/alice".
func (h home) arn(what string) string {
	return "arn:" + h.partition + ":iam::" + h.account + ":" + what
}

// update runs fn in a transaction that raises the account's generation: for whatever a decision may depend on. What none does,
// a tag of a policy say, may do without.
func update[T any](ctx context.Context, s *Service, fn func(tx *store.Tx, h home) (T, error)) (T, error) {
	h := homeOf(ctx)
	return store.Update(ctx, s.space, func(tx *store.Tx) (T, error) {
		if s.o.Changes != nil {
			h.changes = &changes{}
		}
		out, err := fn(tx, h)
		if err == nil {
			s.changed(tx, h.account)
			s.tell(ctx, tx, h)
		}
		return out, err
	})
}

// view runs fn on the newest durable snapshot.
func view[T any](ctx context.Context, s *Service, fn func(tx *store.Tx, h home) (T, error)) (T, error) {
	h := homeOf(ctx)
	return store.View(ctx, s.space, func(tx *store.Tx) (T, error) { return fn(tx, h) })
}

// changed raises the generation of an account: what readers have made of its records before does not hold any more. Every
// transaction that changes what a decision or the look-up of a key depends on says so.
func (s *Service) changed(tx *store.Tx, account string) {
	n, _ := s.tables.generations.Get(tx, account)
	s.tables.generations.Set(tx, n+1, account)
	tx.OnCommit(s.directory.outdate)
	tx.OnUnknown(s.directory.outdate)
}
