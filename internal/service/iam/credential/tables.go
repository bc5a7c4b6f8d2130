package credential

import (
	"github.com/obidos-cloud/obidos/internal/service/iam/form"
	"github.com/obidos-cloud/obidos/internal/store"
)

// tables are the records of credentials. They share IAM's space, and so its numbers.
type tables struct {
	rules        store.Table[passwordRules]     // account → its password policy; none where AWS's own rules hold
	passwords    store.Table[passwordRecord]    // account, id of a user → its password
	devices      store.Table[deviceRecord]      // account, path and name in lower case → a virtual MFA device
	userDevices  store.Table[string]            // account, id of a user, key of a device → its path and name
	certificates store.Table[certificateRecord] // account, id of a user, id → a signing certificate
	sshKeys      store.Table[sshKeyRecord]      // account, id of a user, id → an SSH public key
	logins       store.Table[loginRecord]       // account, id of a user, id → a service-specific credential
	servers      store.Table[serverRecord]      // account, name in lower case → a server certificate
}

func newTables(s store.Space) tables {
	return tables{
		rules:        store.NewTable[passwordRules](s, 40, "passwordrules", store.Global),
		passwords:    store.NewTable[passwordRecord](s, 41, "password", store.Global),
		devices:      store.NewTable[deviceRecord](s, 42, "device", store.Global),
		userDevices:  store.NewTable[string](s, 43, "userdevice", store.Global),
		certificates: store.NewTable[certificateRecord](s, 44, "certificate", store.Global),
		sshKeys:      store.NewTable[sshKeyRecord](s, 45, "sshkey", store.Global),
		logins:       store.NewTable[loginRecord](s, 46, "servicelogin", store.Global),
		servers:      store.NewTable[serverRecord](s, 47, "server", store.Global),
	}
}

// Times are seconds since 1970, as AWS tells them.

// passwordRules is a password policy.
type passwordRules struct {
	store.Unknown
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
	Name    string     `cbor:"1,keyasint"` // with its path: "/path/name"
	Seed    []byte     `cbor:"2,keyasint"`
	Created int64      `cbor:"3,keyasint"`
	Tags    []form.Tag `cbor:"4,keyasint,omitempty"`
	User    string     `cbor:"5,keyasint,omitempty"` // id; empty while it is nobody's
	Enabled int64      `cbor:"6,keyasint,omitempty"`
	Ahead   int64      `cbor:"7,keyasint,omitempty"` // steps by which it is ahead of us
	Last    int64      `cbor:"8,keyasint,omitempty"` // the last step whose code was used: none up to it counts any more
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
	ID      string     `cbor:"1,keyasint"`
	Name    string     `cbor:"2,keyasint"`
	Path    string     `cbor:"3,keyasint"`
	Created int64      `cbor:"4,keyasint"`
	Tags    []form.Tag `cbor:"5,keyasint,omitempty"`
	Body    string     `cbor:"20,keyasint"`
	Chain   string     `cbor:"21,keyasint,omitempty"`
	Key     string     `cbor:"22,keyasint"`
	Expires int64      `cbor:"23,keyasint"`
}
