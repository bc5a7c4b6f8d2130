package iam

import (
	"github.com/obidos-cloud/obidos/internal/service/iam/declared"
	"github.com/obidos-cloud/obidos/internal/service/iam/form"
	"github.com/obidos-cloud/obidos/internal/store"
)

// tables are all records of the service. They are global; an account is the first part of every key but those of access keys,
// whose ids are unique over all accounts.
type tables struct {
	generations store.Table[uint64]         // account → how often what it allows has changed
	accounts    store.Table[accountRecord]  // account → how much it has of everything, and its root
	names       store.Table[string]         // account, kind, name in lower case → the unique id of what is called so
	users       store.Table[userRecord]     // account, id → a user
	groups      store.Table[groupRecord]    // account, id → a group
	roles       store.Table[roleRecord]     // account, id → a role
	policies    store.Table[policyRecord]   // account, id → a managed policy of the account's own
	versions    store.Table[versionRecord]  // account, id of a policy, number → a version of it
	profiles    store.Table[profileRecord]  // account, id → an instance profile
	members     store.Table[string]         // account, id of a group, name of a user in lower case → the user's id
	holders     store.Table[string]         // account, id of a role, name of an instance profile in lower case → the profile's id
	uses        store.Table[string]         // account, policy, usage, kind, name in lower case → the id of what uses the policy so
	counts      store.Table[countRecord]    // account, policy → how often it is used
	keys        store.Table[keyRecord]      // id → an access key
	keyUses     store.Table[useRecord]      // id of an access key → when it was last used
	roleUses    store.Table[useRecord]      // account, id of a role → when it was last used
	deletions   store.Table[deletionRecord] // account, task → the deletion of a service-linked role
	declared    store.Table[declaredRecord] // account, type, identifier → what a declared resource is made of
	knowledge                               // knowledge.go; packages credential and provider have tables of their own, numbers 40 to 49
}

func newTables(s store.Space) tables {
	return tables{
		generations: store.NewTable[uint64](s, 1, "generation", store.Global),
		accounts:    store.NewTable[accountRecord](s, 2, "account", store.Global),
		names:       store.NewTable[string](s, 3, "name", store.Global),
		users:       store.NewTable[userRecord](s, 4, "user", store.Global),
		groups:      store.NewTable[groupRecord](s, 5, "group", store.Global),
		roles:       store.NewTable[roleRecord](s, 6, "role", store.Global),
		policies:    store.NewTable[policyRecord](s, 7, "policy", store.Global),
		versions:    store.NewTable[versionRecord](s, 8, "version", store.Global),
		profiles:    store.NewTable[profileRecord](s, 9, "profile", store.Global),
		members:     store.NewTable[string](s, 10, "member", store.Global),
		holders:     store.NewTable[string](s, 11, "holder", store.Global),
		uses:        store.NewTable[string](s, 12, "use", store.Global),
		counts:      store.NewTable[countRecord](s, 13, "count", store.Global),
		keys:        store.NewTable[keyRecord](s, 14, "key", store.Global),
		keyUses:     store.NewTable[useRecord](s, 15, "keyuse", store.Global),
		roleUses:    store.NewTable[useRecord](s, 16, "roleuse", store.Global),
		deletions:   store.NewTable[deletionRecord](s, 17, "deletion", store.Global),
		declared:    store.NewTable[declaredRecord](s, 18, "declared", store.Global),
		knowledge:   newKnowledge(s),
	}
}

// kind is what a name names. The numbers are part of keys: they never change.
type kind uint8

const (
	aUser    kind = 1
	aGroup   kind = 2
	aRole    kind = 3
	aPolicy  kind = 4
	aProfile kind = 5
)

// Times are seconds since 1970, as AWS tells them.

// accountRecord is an account.
type accountRecord struct {
	store.Unknown
	Counts  map[kind]int `cbor:"1,keyasint,omitempty"` // how many it has
	Keys    []string     `cbor:"2,keyasint,omitempty"` // ids of access keys of its root
	Created int64        `cbor:"3,keyasint,omitempty"` // when the first of it was made
}

// named is what everything with a name has.
type named struct {
	ID      string     `cbor:"1,keyasint"`
	Name    string     `cbor:"2,keyasint"`
	Path    string     `cbor:"3,keyasint"`
	Created int64      `cbor:"4,keyasint"`
	Tags    []form.Tag `cbor:"5,keyasint,omitempty"` // in the order of their keys
}

// permits is what a user, group or role may do of itself.
type permits struct {
	Inline   []inlinePolicy `cbor:"10,keyasint,omitempty"` // sorted by name
	Attached []string       `cbor:"11,keyasint,omitempty"` // policies, in the order they were attached
	Boundary string         `cbor:"12,keyasint,omitempty"` // a policy; of users and roles
}

type inlinePolicy struct {
	Name     string `cbor:"1,keyasint"`
	Document string `cbor:"2,keyasint"`
}

// userRecord is a user.
type userRecord struct {
	store.Unknown
	named
	permits
	Groups []string `cbor:"20,keyasint,omitempty"` // ids, in the order it joined them
	Keys   []string `cbor:"21,keyasint,omitempty"` // ids of access keys
}

// groupRecord is a group.
type groupRecord struct {
	store.Unknown
	named
	permits
}

// roleRecord is a role.
type roleRecord struct {
	store.Unknown
	named
	permits
	Trust       string    `cbor:"20,keyasint"`           // document
	Trusted     []trusted `cbor:"25,keyasint,omitempty"` // whom it meant when it was written
	Description string    `cbor:"21,keyasint,omitempty"`
	Described   bool      `cbor:"24,keyasint,omitempty"` // it has a description, be it an empty one
	MaxSession  int32     `cbor:"22,keyasint"`           // seconds
	Service     string    `cbor:"23,keyasint,omitempty"` // of a service-linked role: the service
}

// policyRecord is a managed policy of an account's own. What refers to it does by its id; to AWS's by "aws:" and the path and name.
type policyRecord struct {
	store.Unknown
	named
	Description string `cbor:"20,keyasint,omitempty"`
	Updated     int64  `cbor:"21,keyasint"`
	Default     uint64 `cbor:"22,keyasint"` // version
	Last        uint64 `cbor:"23,keyasint"` // version: numbers are not given again
}

// versionRecord is a version of a managed policy.
type versionRecord struct {
	store.Unknown
	Document string `cbor:"1,keyasint"`
	Created  int64  `cbor:"2,keyasint"`
}

// profileRecord is an instance profile.
type profileRecord struct {
	store.Unknown
	named
	Role string `cbor:"20,keyasint,omitempty"` // id
}

// countRecord is how often a policy is used.
type countRecord struct {
	store.Unknown
	Attached int32 `cbor:"1,keyasint,omitempty"`
	Bounding int32 `cbor:"2,keyasint,omitempty"`
}

// keyRecord is an access key.
type keyRecord struct {
	store.Unknown
	Account  string `cbor:"1,keyasint"`
	User     string `cbor:"2,keyasint,omitempty"` // id; empty for the account's root
	Secret   string `cbor:"3,keyasint"`
	Inactive bool   `cbor:"4,keyasint,omitempty"`
	Created  int64  `cbor:"5,keyasint"`
	Given    bool   `cbor:"6,keyasint,omitempty"` // to root by whoever runs obidos
}

// useRecord is when something was last used.
type useRecord struct {
	store.Unknown
	Time    int64  `cbor:"1,keyasint"`
	Service string `cbor:"2,keyasint,omitempty"`
	Region  string `cbor:"3,keyasint,omitempty"`
}

// deletionRecord is the deletion of a service-linked role: it is done when it is answered.
type deletionRecord struct {
	store.Unknown
	Role string `cbor:"1,keyasint"`
	At   int64  `cbor:"2,keyasint"`
}

// declaredRecord is what a declared resource is made of that has no record of its own: a policy that was given to many, say.
type declaredRecord struct {
	store.Unknown
	declared.Kept
}
