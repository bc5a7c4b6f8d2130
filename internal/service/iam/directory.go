package iam

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/obidos-cloud/obidos/internal/auth"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/lang/policy"
	"github.com/obidos-cloud/obidos/internal/service/iam/form"
	"github.com/obidos-cloud/obidos/internal/store"
)

// Directory answers who there is and what they may do, for requests on their way in: [auth.Directory].
//
// What it has made of an account's records it keeps, with the generation the account had. A look-up reads the generation,
// and nothing else where that is still the same: so it costs one small read, and sees every change that was answered. A node that
// is alone knows when there was no change at all, and reads nothing.
type Directory struct {
	s        *Service
	compiled *policy.Cache
	outdated atomic.Uint64 // rises with every change that is made here, before it is answered

	mu         sync.RWMutex
	keys       map[string]remembered[auth.AccessKey] // by id
	identities map[string]remembered[*auth.Identity] // by ARN
	policies   map[string]remembered[policy.Source]  // by account and ARN
}

var _ auth.Directory = (*Directory)(nil)

// remembered is what was made of an account's records at a generation.
type remembered[V any] struct {
	account    string
	generation uint64
	outdated   uint64 // the directory's, before the generation was read
	value      V
	absent     bool // there is nothing of that name; only a node that is alone remembers it
}

// outdate says that something has changed.
func (d *Directory) outdate() { d.outdated.Add(1) }

// maxRemembered is how many of each the directory remembers: beyond, it begins anew.
const maxRemembered = 20_000

func newDirectory(s *Service) *Directory {
	return &Directory{
		s: s, compiled: policy.NewCache(16 << 20), keys: map[string]remembered[auth.AccessKey]{},
		identities: map[string]remembered[*auth.Identity]{}, policies: map[string]remembered[policy.Source]{},
	}
}

// Directory is the service as those see it who let requests in.
func (s *Service) Directory() *Directory { return s.directory }

// recall is what is remembered under key, where that still holds; else what build makes of the records, which says the account it
// read. Of what is not there only a node that is alone knows for how long that holds.
func recall[V any](ctx context.Context, d *Directory, in map[string]remembered[V], key string, build func(tx *store.Tx) (v V, account string, ok bool, err error)) (V, bool, error) {
	type answer struct {
		remembered[V]
		ok bool
	}
	now := d.outdated.Load()
	d.mu.RLock()
	known, has := in[key]
	d.mu.RUnlock()
	if has && d.s.o.Alone && known.outdated == now {
		return known.value, !known.absent, nil
	}
	a, err := store.View(ctx, d.s.space, func(tx *store.Tx) (a answer, err error) {
		if has && !known.absent {
			if n, _ := d.s.tables.generations.Get(tx, known.account); n == known.generation {
				return answer{known, true}, nil
			}
		}
		a.value, a.account, a.ok, err = build(tx)
		a.generation, _ = d.s.tables.generations.Get(tx, a.account)
		return a, err
	})
	if err != nil || !a.ok && !d.s.o.Alone {
		var zero V
		return zero, false, err
	}
	a.absent = !a.ok
	if !has || a.generation != known.generation || d.s.o.Alone {
		a.outdated = now
		d.mu.Lock()
		defer d.mu.Unlock()
		if len(in) >= maxRemembered {
			clear(in)
		}
		in[strings.Clone(key)] = a.remembered
	}
	return a.value, a.ok, nil
}

// AccessKey implements auth.Directory.
func (d *Directory) AccessKey(ctx context.Context, id string) (auth.AccessKey, bool, error) {
	if len(id) < 16 || len(id) > 128 { // it is whatever a caller has sent: an account, "test"
		return auth.AccessKey{}, false, nil
	}
	return recall(ctx, d, d.keys, id, func(tx *store.Tx) (k auth.AccessKey, account string, ok bool, err error) {
		r, ok := d.s.tables.keys.Get(tx, id)
		if !ok || r.Inactive {
			return k, "", false, nil
		}
		k = auth.AccessKey{Secret: r.Secret, Account: r.Account, ARN: "arn:aws:iam::" + r.Account + ":root", UserID: r.Account}
		if r.User != "" {
			u, ok := d.s.tables.users.Get(tx, r.Account, r.User)
			if !ok {
				return k, "", false, nil
			}
			k.ARN, k.UserID = homeIn(r.Account, "aws").arnOf(aUser, u.named), u.ID
		}
		return k, r.Account, true, nil
	})
}

// Identity implements auth.Directory. An ARN of any partition will do; what is answered is of that partition.
func (d *Directory) Identity(ctx context.Context, arn string) (*auth.Identity, bool, error) {
	return recall(ctx, d, d.identities, arn, func(tx *store.Tx) (i *auth.Identity, account string, ok bool, err error) {
		a, ok := aws.ParseARN(arn)
		if !ok || a.Service != "iam" || !aws.IsAccount(a.Account) || len(arn) > 2048 {
			return nil, "", false, nil
		}
		h := homeIn(a.Account, strings.Clone(a.Partition))
		h.account = strings.Clone(h.account)
		what, path, _ := strings.Cut(a.Resource, "/")
		name := path[strings.LastIndexByte(path, '/')+1:]
		switch {
		case a.Resource == "root":
			i = &auth.Identity{Kind: auth.Root, Account: h.account, ARN: h.arn("root"), ID: h.account}
		case what == "user":
			i, err = d.userIdentity(tx, h, name)
		case what == "role":
			i, err = d.roleIdentity(tx, h, name)
		}
		if err != nil || i == nil || i.ARN != arn {
			return nil, "", false, err
		}
		return i, h.account, true, nil
	})
}

func (d *Directory) userIdentity(tx *store.Tx, h home, name string) (*auth.Identity, error) {
	u, ok := d.s.tables.users.Get(tx, h.account, d.s.id(tx, h, aUser, name))
	if !ok {
		return nil, nil
	}
	i := identityOf(h, auth.User, aUser, u.named)
	err := d.permit(tx, h, i, aUser, u.named, u.permits)
	for _, g := range d.s.groupsOf(tx, h, u) {
		if err == nil {
			err = d.permit(tx, h, i, aGroup, g.named, g.permits)
		}
	}
	if err == nil && d.s.MayChange(tx, h.account) {
		err = d.permitPassword(i)
	}
	return i, err
}

// ownPassword is what an account's password policy lets its users do: the former they do to themselves alone.
const ownPassword = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["iam:ChangePassword","iam:GetAccountPasswordPolicy"],"Resource":"*"}}`

// permitPassword adds ownPassword.
func (d *Directory) permitPassword(i *auth.Identity) error {
	compiled, err := d.compiled.Read(ownPassword)
	i.Policies = append(i.Policies, policy.Source{Name: "PasswordPolicy", Type: "user", Policy: compiled})
	return err
}

func (d *Directory) roleIdentity(tx *store.Tx, h home, name string) (*auth.Identity, error) {
	r, ok := d.s.tables.roles.Get(tx, h.account, d.s.id(tx, h, aRole, name))
	if !ok {
		return nil, nil
	}
	i := identityOf(h, auth.Role, aRole, r.named)
	i.MaxSession = time.Duration(r.MaxSession) * time.Second
	var err error
	if i.Trust, err = d.compiled.Read(d.s.trustNow(tx, h, &r)); err != nil {
		return nil, fmt.Errorf("iam: trust policy of %s: %w", i.ARN, err)
	}
	return i, d.permit(tx, h, i, aRole, r.named, r.permits)
}

func identityOf(h home, kind auth.Kind, k kind, n named) *auth.Identity {
	i := &auth.Identity{Kind: kind, Account: h.account, ARN: h.arnOf(k, n), ID: n.ID, Name: n.Name, Path: n.Path, Created: form.At(n.Created)}
	if len(n.Tags) > 0 {
		i.Tags = make(map[string]string, len(n.Tags))
		for _, t := range n.Tags {
			i.Tags[t.Key] = t.Value
		}
	}
	return i
}

// permit adds what an identity may do of itself, or as a member of a group.
func (d *Directory) permit(tx *store.Tx, h home, i *auth.Identity, k kind, n named, p permits) error {
	for _, inline := range p.Inline {
		compiled, err := d.compiled.Read(inline.Document)
		if err != nil {
			return fmt.Errorf("iam: policy %s of %s: %w", inline.Name, h.arnOf(k, n), err)
		}
		i.Policies = append(i.Policies, policy.Source{Name: inline.Name, Type: k.traits().word, Policy: compiled})
	}
	for _, m := range d.s.attachedTo(tx, h, &p) {
		source, err := d.source(tx, h, m)
		if err != nil {
			return err
		}
		i.Policies = append(i.Policies, source)
	}
	if p.Boundary == "" || k == aGroup {
		return nil
	}
	m, ok := d.s.policyBy(tx, h, p.Boundary)
	if !ok {
		return fmt.Errorf("iam: the permissions boundary of %s is gone", h.arnOf(k, n))
	}
	source, err := d.source(tx, h, m)
	i.Boundary = &source
	return err
}

// source is a managed policy in the version that is in force, compiled.
func (d *Directory) source(tx *store.Tx, h home, m managedPolicy) (policy.Source, error) {
	s := policy.Source{Name: m.name(), ARN: m.arn(h), Type: "user-managed"}
	if m.aws != nil {
		s.Type = "aws-managed"
	}
	text, err := d.s.inForce(tx, h, m)
	if err != nil {
		return s, err
	}
	if s.Policy, err = d.compiled.Read(text); err != nil {
		return s, fmt.Errorf("iam: policy %s: %w", s.ARN, err)
	}
	return s, nil
}

// Policy implements auth.Directory. One of AWS's is of the account that asks.
func (d *Directory) Policy(ctx context.Context, arn string) (policy.Source, bool, error) {
	return recall(ctx, d, d.policies, arn, func(tx *store.Tx) (s policy.Source, account string, ok bool, err error) {
		a, ok := aws.ParseARN(arn)
		if !ok {
			return s, "", false, nil
		}
		h := homeIn(strings.Clone(a.Account), strings.Clone(a.Partition))
		m, ok, err := d.s.policyOf(tx, h, arn)
		if err != nil || !ok || m.arn(h) != arn {
			return s, "", false, nil
		}
		s, err = d.source(tx, h, m)
		return s, h.account, err == nil, err
	})
}
