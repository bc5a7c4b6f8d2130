package iam

import (
	"context"

	"github.com/obidos-cloud/obidos/internal/api/iamapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/service/iam/credential"
	"github.com/obidos-cloud/obidos/internal/service/iam/form"
	"github.com/obidos-cloud/obidos/internal/store"
)

// knowledge is the records of what an account is told about itself, beside its identities.
type knowledge struct {
	aliases  store.Table[string]         // alias → the account it stands for
	reports  store.Table[reportRecord]   // account → its credential report
	accesses store.Table[accessRecord]   // account, id of a user or role, service → when it was last used
	jobs     store.Table[jobRecord]      // account, id → a report of what was last used
	settings store.Table[settingsRecord] // account → what holds for all of it
}

func newKnowledge(s store.Space) knowledge {
	return knowledge{
		aliases:  store.NewTable[string](s, 50, "alias", store.Global),
		reports:  store.NewTable[reportRecord](s, 51, "report", store.Global),
		accesses: store.NewTable[accessRecord](s, 52, "access", store.Global),
		jobs:     store.NewTable[jobRecord](s, 53, "job", store.Global),
		settings: store.NewTable[settingsRecord](s, 54, "settings", store.Global),
	}
}

// settingsRecord is what holds for all of an account.
type settingsRecord struct {
	store.Unknown
	Alias    string `cbor:"1,keyasint,omitempty"`
	TokensV2 bool   `cbor:"2,keyasint,omitempty"` // the global endpoint gives tokens that hold in all regions
}

// reportRecord is a credential report.
type reportRecord struct {
	store.Unknown
	Content []byte `cbor:"1,keyasint"` // compressed
	Made    int64  `cbor:"2,keyasint"`
}

// accessRecord is when somebody last used a service, and its actions.
type accessRecord struct {
	store.Unknown
	Time    int64               `cbor:"1,keyasint"`
	Region  string              `cbor:"2,keyasint,omitempty"`
	Actions map[string]lastTime `cbor:"3,keyasint,omitempty"`
}

type lastTime struct {
	Time   int64  `cbor:"1,keyasint"`
	Region string `cbor:"2,keyasint,omitempty"`
}

// jobRecord is a report of which services somebody may use, and when they last did.
type jobRecord struct {
	store.Unknown
	Created  int64        `cbor:"1,keyasint"`
	Actions  bool         `cbor:"2,keyasint,omitempty"` // it tells of each action too
	Who      []who        `cbor:"3,keyasint,omitempty"` // whom it is about
	Services []serviceUse `cbor:"4,keyasint,omitempty"` // sorted
}

// who is a user or role of a report.
type who struct {
	named
	Kind kind `cbor:"10,keyasint"`
}

// serviceUse is how a service was used.
type serviceUse struct {
	Service string    `cbor:"1,keyasint"`
	Uses    []lastUse `cbor:"2,keyasint,omitempty"` // by those who did, the last one first
	Actions []lastUse `cbor:"3,keyasint,omitempty"` // of each action the last, by name
}

// lastUse is who used a service or an action of it last, when and where.
type lastUse struct {
	Action string `cbor:"1,keyasint,omitempty"`
	Who    int    `cbor:"2,keyasint"` // index into those of the report
	Time   int64  `cbor:"3,keyasint"`
	Region string `cbor:"4,keyasint,omitempty"`
}

// write runs fn in a transaction that changes nothing a decision or the look-up of a key depends on.
func write[T any](ctx context.Context, s *Service, fn func(tx *store.Tx, h home) (T, error)) (T, error) {
	h := homeOf(ctx)
	return store.Update(ctx, s.space, func(tx *store.Tx) (T, error) { return fn(tx, h) })
}

// holders are the users as credentials ask for them.
type holders struct{ s *Service }

// Holder implements credential.Users.
func (u holders) Holder(ctx context.Context, tx *store.Tx, h form.Home, name aws.Opt[string]) (credential.User, error) {
	r, err := u.s.userOr(ctx, tx, homeIn(h.Account, h.Partition), name)
	return credential.User{ID: r.ID, Name: r.Name}, err
}

// Shown implements credential.Users.
func (u holders) Shown(tx *store.Tx, h form.Home, id string) (shown iamapi.User, ok bool) {
	if id == "" {
		return shown, false
	}
	r, ok := u.s.tables.users.Get(tx, h.Account, id)
	if ok {
		shown = u.s.userOut(tx, homeIn(h.Account, h.Partition), r)
	}
	return shown, ok
}

// Changed implements credential.Users.
func (u holders) Changed(tx *store.Tx, account string) { u.s.changed(tx, account) }
