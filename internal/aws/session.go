package aws

import "time"

// Session is what temporary credentials say of their bearer beyond who it is. It is shared and never changed.
type Session struct {
	Kind    SessionKind `cbor:"1,keyasint"`
	Account string      `cbor:"2,keyasint"`
	Source  string      `cbor:"3,keyasint"`           // ARN of the role or user whose permissions it has
	ID      string      `cbor:"4,keyasint"`           // that one's unique id: another of the same name is not meant
	Name    string      `cbor:"5,keyasint,omitempty"` // of the session, or of the federated user

	Issued  time.Time `cbor:"6,keyasint"` // by the platform's clock
	Expires time.Time `cbor:"7,keyasint"`

	Policies   []string `cbor:"8,keyasint,omitempty"` // documents that limit it
	PolicyARNs []string `cbor:"9,keyasint,omitempty"` // managed policies that limit it; with none of either, a role's session has all the role has

	Tags           map[string]string `cbor:"10,keyasint,omitempty"`
	TransitiveTags []string          `cbor:"11,keyasint,omitempty"`
	SourceIdentity string            `cbor:"12,keyasint,omitempty"`
	MFA            time.Time         `cbor:"13,keyasint,omitempty"` // when a code was given; zero where none was
	Chained        bool              `cbor:"14,keyasint,omitempty"` // asked for with the credentials of another role's session
	Provider       string            `cbor:"15,keyasint,omitempty"` // who vouched for a federated caller: ARN of an OIDC or SAML provider, or a host as "accounts.google.com"
	Claims         map[string]string `cbor:"16,keyasint,omitempty"` // what the provider said, by condition key: "accounts.google.com:sub"
}

// SessionKind is how temporary credentials came about.
type SessionKind uint8

// The kinds of sessions.
const (
	AssumedRole   SessionKind = iota + 1 // AssumeRole and its kin
	FederatedUser                        // GetFederationToken
	UserSession                          // GetSessionToken: the user (or root) itself
)
