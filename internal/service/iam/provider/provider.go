// Package provider is who an account trusts to say who somebody is: its OpenID Connect and SAML providers.
//
// # What it keeps
//
// A record of each, by account and name. What their tokens and assertions say is verified by package federation, which STS asks.
//
// # Known differences from AWS
//
//   - An OpenID Connect provider may be found at http: one of a test often is, on this machine.
//   - Thumbprints are kept as they are given; none is fetched from the provider.
package provider

import (
	"github.com/obidos-cloud/obidos/internal/resource"
	"github.com/obidos-cloud/obidos/internal/service/iam/form"
	"github.com/obidos-cloud/obidos/internal/store"
)

// Providers are the operations of providers.
type Providers struct {
	space   store.Space
	tables  tables
	changes *resource.Feed
}

// New is the operations over IAM's space. changes, which may be nil, is told of every provider made, changed and deleted.
func New(space store.Space, changes *resource.Feed) *Providers {
	return &Providers{space, newTables(space), changes}
}

// tables are the records of providers. They share IAM's space, and so its numbers.
type tables struct {
	oidc store.Table[oidcRecord] // account, URL without scheme → an OpenID Connect provider
	saml store.Table[samlRecord] // account, name in lower case → a SAML provider
}

func newTables(s store.Space) tables {
	return tables{
		oidc: store.NewTable[oidcRecord](s, 48, "oidc", store.Global),
		saml: store.NewTable[samlRecord](s, 49, "saml", store.Global),
	}
}

// oidcRecord is an OpenID Connect provider.
type oidcRecord struct {
	store.Unknown
	Clients []string   `cbor:"1,keyasint,omitempty"`
	Prints  []string   `cbor:"2,keyasint,omitempty"` // SHA-1 of certificates of its servers
	Created int64      `cbor:"3,keyasint"`
	Tags    []form.Tag `cbor:"4,keyasint,omitempty"`
	Plain   bool       `cbor:"5,keyasint,omitempty"` // its URL is of http
}

// samlRecord is a SAML provider.
type samlRecord struct {
	store.Unknown
	Name     string     `cbor:"1,keyasint"`
	ID       string     `cbor:"2,keyasint"`
	Metadata []byte     `cbor:"3,keyasint"` // compressed
	Created  int64      `cbor:"4,keyasint"`
	Until    int64      `cbor:"5,keyasint"`
	Tags     []form.Tag `cbor:"6,keyasint,omitempty"`
	Mode     string     `cbor:"7,keyasint,omitempty"` // whether assertions must be encrypted
	Keys     []samlKey  `cbor:"8,keyasint,omitempty"` // to decrypt them with
}

// samlKey is a key to decrypt assertions with.
type samlKey struct {
	ID    string `cbor:"1,keyasint"`
	Key   string `cbor:"2,keyasint"` // PEM
	Added int64  `cbor:"3,keyasint"`
}

// Count is how many providers an account has.
func (s *Providers) Count(tx *store.Tx, account string) int {
	all := store.ScanOptions{}
	return form.Count(s.tables.oidc.Keys(tx, all, account)) + form.Count(s.tables.saml.Keys(tx, all, account))
}
