package auth

import (
	"context"
	"errors"
	"time"

	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/lang/policy"
)

// Kind is what an identity is.
type Kind uint8

// The kinds of identities.
const (
	Root Kind = iota
	User
	Role
)

// Identity is an account's root, a user or a role as it is now, with what it may do. It is shared and never changed.
type Identity struct {
	Kind     Kind
	Account  string
	ARN      string
	ID       string // "AIDA…", "AROA…"; the account's for root
	Name     string // without its path
	Path     string
	Created  time.Time
	Tags     map[string]string
	Policies []policy.Source // its own, those attached to it, and its groups'
	Boundary *policy.Source  // nil where it has none

	// Of roles.
	Trust      *policy.Policy // who may assume it
	MaxSession time.Duration
}

// AccessKey is a lasting access key.
type AccessKey struct {
	Secret  string
	Account string
	ARN     string // its owner's, of the partition aws
	UserID  string // its owner's
}

// Directory knows users, roles and their access keys. What it answers holds for as long as a request takes: a key that is
// deleted fails with the next request, on all nodes.
type Directory interface {
	// AccessKey is the lasting access key of that id; ok is false where there is none or it is inactive.
	AccessKey(ctx context.Context, id string) (k AccessKey, ok bool, err error)
	// Identity is the root, user or role of an ARN ("arn:aws:iam::…:role/path/name"); ok is false where there is none.
	Identity(ctx context.Context, arn string) (i *Identity, ok bool, err error)
	// Policy is the managed policy of an ARN in its default version; ok is false where there is none.
	Policy(ctx context.Context, arn string) (s policy.Source, ok bool, err error)
}

// Vault opens temporary credentials.
type Vault interface {
	// Open is who bears the credentials of an id and token, with the session that they say, and the secret that goes with them.
	// Its errors: ErrBadToken, where they were not made here, were altered or do not belong together; those of its store. It
	// does not mind the time.
	Open(ctx context.Context, id, token string) (bearer aws.Principal, secret string, err error)
}

// ErrBadToken says that a session token is not one of ours.
var ErrBadToken = errors.New("the session token is not one of this installation's")
