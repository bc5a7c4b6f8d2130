package iam

import (
	"context"
	"slices"
	"strings"

	"github.com/obidos-cloud/obidos/internal/api/iamapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/store"
)

// credentials are the records of what users sign in with beside access keys, of whom an account trusts to say who somebody is, and
// of what an account is told about itself. They are keyed by ids of users, so that they stay with one who is renamed.
type credentials struct {
	settings      store.Table[settingsRecord]    // account → what holds for all of it
	passwords     store.Table[passwordRecord]    // account, id of a user → its password
	devices       store.Table[deviceRecord]      // account, path and name in lower case → a virtual MFA device
	userDevices   store.Table[string]            // account, id of a user, key of a device → its path and name
	certificates  store.Table[certificateRecord] // account, id of a user, id → a signing certificate; under the account's own number, its root's
	sshKeys       store.Table[sshKeyRecord]      // account, id of a user, id → an SSH public key
	serviceLogins store.Table[loginRecord]       // account, id of a user, id → a service-specific credential
	servers       store.Table[serverRecord]      // account, name in lower case → a server certificate
	oidc          store.Table[oidcRecord]        // account, URL without scheme → an OpenID Connect provider
	saml          store.Table[samlRecord]        // account, name in lower case → a SAML provider
	aliases       store.Table[string]            // alias → the account it stands for
	reports       store.Table[reportRecord]      // account → its credential report
	accesses      store.Table[accessRecord]      // account, id of a user or role, service → when it was last used
	jobs          store.Table[jobRecord]         // account, id → a report of what was last used
}

func newCredentials(s store.Space) credentials {
	return credentials{
		settings:      store.NewTable[settingsRecord](s, 40, "settings", store.Global),
		passwords:     store.NewTable[passwordRecord](s, 41, "password", store.Global),
		devices:       store.NewTable[deviceRecord](s, 42, "device", store.Global),
		userDevices:   store.NewTable[string](s, 43, "userdevice", store.Global),
		certificates:  store.NewTable[certificateRecord](s, 44, "certificate", store.Global),
		sshKeys:       store.NewTable[sshKeyRecord](s, 45, "sshkey", store.Global),
		serviceLogins: store.NewTable[loginRecord](s, 46, "servicelogin", store.Global),
		servers:       store.NewTable[serverRecord](s, 47, "server", store.Global),
		oidc:          store.NewTable[oidcRecord](s, 48, "oidc", store.Global),
		saml:          store.NewTable[samlRecord](s, 49, "saml", store.Global),
		aliases:       store.NewTable[string](s, 50, "alias", store.Global),
		reports:       store.NewTable[reportRecord](s, 51, "report", store.Global),
		accesses:      store.NewTable[accessRecord](s, 52, "access", store.Global),
		jobs:          store.NewTable[jobRecord](s, 53, "job", store.Global),
	}
}

// settingsRecord is what holds for all of an account.
type settingsRecord struct {
	store.Unknown
	Passwords *passwordRules `cbor:"1,keyasint,omitempty"` // nil where AWS's own rules hold
	Alias     string         `cbor:"2,keyasint,omitempty"`
	TokensV2  bool           `cbor:"3,keyasint,omitempty"` // the global endpoint gives tokens that hold in all regions
}

// passwordRules is a password policy.
type passwordRules struct {
	Length    int32 `cbor:"1,keyasint"`
	Symbols   bool  `cbor:"2,keyasint,omitempty"`
	Numbers   bool  `cbor:"3,keyasint,omitempty"`
	Uppercase bool  `cbor:"4,keyasint,omitempty"`
	Lowercase bool  `cbor:"5,keyasint,omitempty"`
	Change    bool  `cbor:"6,keyasint,omitempty"` // users may change their own
	MaxAge    int32 `cbor:"7,keyasint,omitempty"` // days; 0 = for ever
	History   int32 `cbor:"8,keyasint,omitempty"` // how many of the last must not be used again
	Hard      *bool `cbor:"9,keyasint,omitempty"` // what has expired cannot be changed by its user
}

// passwordRecord is a user's password.
type passwordRecord struct {
	store.Unknown
	Created int64    `cbor:"1,keyasint"`
	Changed int64    `cbor:"2,keyasint"`
	Hash    string   `cbor:"3,keyasint"`
	Before  []string `cbor:"4,keyasint,omitempty"` // hashes of those before, the last one first
	Reset   bool     `cbor:"5,keyasint,omitempty"` // the user must choose another at the next sign-in
}

// deviceRecord is a virtual MFA device.
type deviceRecord struct {
	store.Unknown
	Name    string `cbor:"1,keyasint"` // with its path: "/path/name"
	Seed    []byte `cbor:"2,keyasint"`
	Created int64  `cbor:"3,keyasint"`
	Tags    []tag  `cbor:"4,keyasint,omitempty"`
	User    string `cbor:"5,keyasint,omitempty"` // id; empty while it is nobody's
	Enabled int64  `cbor:"6,keyasint,omitempty"`
	Ahead   int64  `cbor:"7,keyasint,omitempty"` // steps by which it is ahead of us
	Last    int64  `cbor:"8,keyasint,omitempty"` // the last step whose code was used: none up to it counts any more
}

// certificateRecord is a signing certificate.
type certificateRecord struct {
	store.Unknown
	Body     string `cbor:"1,keyasint"`
	Print    []byte `cbor:"2,keyasint"` // SHA-256 of the certificate
	Inactive bool   `cbor:"3,keyasint,omitempty"`
	Uploaded int64  `cbor:"4,keyasint"`
}

// sshKeyRecord is an SSH public key.
type sshKeyRecord struct {
	store.Unknown
	Body     string `cbor:"1,keyasint"` // in one line
	Inactive bool   `cbor:"2,keyasint,omitempty"`
	Uploaded int64  `cbor:"3,keyasint"`
}

// loginRecord is a service-specific credential.
type loginRecord struct {
	store.Unknown
	Service  string `cbor:"1,keyasint"`
	Name     string `cbor:"2,keyasint"` // the user's name there, or the alias of a key
	Hash     []byte `cbor:"3,keyasint"` // SHA-256 of the password: that is random, and long
	Inactive bool   `cbor:"4,keyasint,omitempty"`
	Created  int64  `cbor:"5,keyasint"`
	Expires  int64  `cbor:"6,keyasint,omitempty"`
}

// serverRecord is a server certificate.
type serverRecord struct {
	store.Unknown
	named
	Body    string `cbor:"20,keyasint"`
	Chain   string `cbor:"21,keyasint,omitempty"`
	Key     string `cbor:"22,keyasint"`
	Expires int64  `cbor:"23,keyasint"`
}

// oidcRecord is an OpenID Connect provider.
type oidcRecord struct {
	store.Unknown
	Clients []string `cbor:"1,keyasint,omitempty"`
	Prints  []string `cbor:"2,keyasint,omitempty"` // SHA-1 of certificates of its servers
	Created int64    `cbor:"3,keyasint"`
	Tags    []tag    `cbor:"4,keyasint,omitempty"`
	Plain   bool     `cbor:"5,keyasint,omitempty"` // its URL is of http
}

// samlRecord is a SAML provider.
type samlRecord struct {
	store.Unknown
	Name     string    `cbor:"1,keyasint"`
	ID       string    `cbor:"2,keyasint"`
	Metadata []byte    `cbor:"3,keyasint"` // compressed
	Created  int64     `cbor:"4,keyasint"`
	Until    int64     `cbor:"5,keyasint"`
	Tags     []tag     `cbor:"6,keyasint,omitempty"`
	Mode     string    `cbor:"7,keyasint,omitempty"` // whether assertions must be encrypted
	Keys     []samlKey `cbor:"8,keyasint,omitempty"` // to decrypt them with
}

type samlKey struct {
	ID    string `cbor:"1,keyasint"`
	Key   string `cbor:"2,keyasint"` // PEM
	Added int64  `cbor:"3,keyasint"`
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

// holder is whose credentials a request is about: the user's it names, and where it names none, the caller's.
func (s *Service) holder(ctx context.Context, tx *store.Tx, h home, name aws.Opt[string]) (userRecord, error) {
	u, err := s.userOr(ctx, tx, h, name)
	if err == nil && u.ID == "" {
		return u, invalid("Must specify userName when calling with non-User credentials")
	}
	return u, err
}

// holderOrRoot is as holder, but that a root who names nobody is itself: a user without a name, whose id is the account's.
func (s *Service) holderOrRoot(ctx context.Context, tx *store.Tx, h home, name aws.Opt[string]) (userRecord, error) {
	u, err := s.userOr(ctx, tx, h, name)
	if err == nil && u.ID == "" {
		u.ID = h.account
	}
	return u, err
}

// credentialsOf is the answer to the deletion of a user who still has what must be deleted first; nil where there is nothing.
func (s *Service) credentialsOf(tx *store.Tx, h home, user string) error {
	any := store.ScanOptions{Limit: 1}
	switch t := &s.tables; {
	case t.passwords.Has(tx, h.account, user):
		return conflict("delete login profile")
	case some(t.userDevices.Keys(tx, any, h.account, user)):
		return conflict("deactivate MFA device")
	case some(t.certificates.Keys(tx, any, h.account, user)):
		return conflict("delete signing certificate")
	case some(t.sshKeys.Keys(tx, any, h.account, user)):
		return conflict("delete SSH public key")
	case some(t.serviceLogins.Keys(tx, any, h.account, user)):
		return conflict("delete service specific credential")
	}
	return nil
}

func some(keys func(func(store.Key) bool)) (found bool) {
	for range keys {
		return true
	}
	return false
}

// statusOf is what is active or not, as it is answered.
func statusOf[S ~string](inactive bool) S {
	if inactive {
		return "Inactive"
	}
	return "Active"
}

// labels are the tags of something, and how they are written.
type labels struct {
	tags []tag
	save func(tags []tag)
}

// tagsOf finds something with tags.
type tagsOf func(tx *store.Tx, h home) (labels, error)

// label adds tags.
func (s *Service) label(ctx context.Context, of tagsOf, tags []iamapi.Tag) error {
	return s.relabel(ctx, of, func(had []tag) ([]tag, error) { return addTags(had, tags, false) })
}

// unlabel takes tags away.
func (s *Service) unlabel(ctx context.Context, of tagsOf, keys []string) error {
	return s.relabel(ctx, of, func(had []tag) ([]tag, error) { return removeTags(had, keys, false) })
}

func (s *Service) relabel(ctx context.Context, of tagsOf, change func(had []tag) ([]tag, error)) error {
	_, err := write(ctx, s, func(tx *store.Tx, h home) (struct{}, error) {
		l, err := of(tx, h)
		if err != nil {
			return struct{}{}, err
		}
		tags, err := change(l.tags)
		if err == nil {
			l.save(tags)
		}
		return struct{}{}, err
	})
	return err
}

// labels is a page of tags, sorted by their keys.
func (s *Service) labels(ctx context.Context, of tagsOf, marker aws.Opt[string], items aws.Opt[int32]) (tags []iamapi.Tag, p *page, err error) {
	tags, err = view(ctx, s, func(tx *store.Tx, h home) ([]iamapi.Tag, error) {
		l, err := of(tx, h)
		if err != nil {
			return nil, err
		}
		if p, err = newPage(marker, items); err != nil {
			return nil, err
		}
		sorted := slices.SortedFunc(slices.Values(l.tags), func(a, b tag) int { return strings.Compare(a.Key, b.Key) })
		return append([]iamapi.Tag{}, tagList(slicePage(p, sorted, func(t tag) string { return t.Key }))...), nil
	})
	return tags, p, err
}
