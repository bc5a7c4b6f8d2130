// Package auth answers who is calling: it reads the signature of a request, finds the account and principal behind the
// access key, and verifies the signature wherever the key is known.
//
// It keeps no keys of its own: it asks a [Directory], which the service for identities implements. A key the directory
// knows is verified in every mode. A key it does not know is taken at its word in open and log mode (an access key of 12
// digits is that account, any other is [aws.DefaultAccount]) and refused in iam mode.
//
// Whether the caller may do what it asks is the answer of an [Authorizer], which package call puts before every operation.
package auth

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/model"
	"github.com/obidos-cloud/obidos/internal/sigv4"
)

// Mode is how strict the door is.
type Mode uint8

// The modes.
const (
	Open Mode = iota // everyone may do everything
	Log              // as Open, but what IAM would deny is logged
	IAM              // signatures are required, and every operation is authorized
)

var modes = [...]string{"open", "log", "iam"}

func (m Mode) String() string { return modes[m] }

// ParseMode reads the value of --auth.
func ParseMode(s string) (Mode, error) {
	for i, name := range modes {
		if s == name {
			return Mode(i), nil
		}
	}
	return Open, fmt.Errorf("auth mode %q is none of open, log, iam", s)
}

// Key is an access key that a Directory knows.
type Key struct {
	Secret    string
	Token     string    // the session token that must come with it; empty for keys that last
	Expires   time.Time // zero where it never does
	Principal aws.Principal
}

// Directory knows the access keys that were made here.
type Directory interface {
	// Key is the access key of that id; ok is false where there is none, or it is inactive. It is asked once per request.
	Key(ctx context.Context, id string) (k Key, ok bool, err error)
}

// Authorizer decides whether a call may be made.
type Authorizer interface {
	// Authorize answers nil where the principal of the request in ctx may perform op with in on the resources (ARNs; none
	// where the service does not say), and else AWS's error that denies it.
	Authorize(ctx context.Context, op *model.Operation, in any, resources []string) error
}

// Clock tells the time.
type Clock interface{ Now() time.Time }

// Options of an Authenticator.
type Options struct {
	Mode      Mode
	Directory Directory // nil where no key is known
	Clock     Clock     // the platform's, by which session tokens expire; real time where nil. Signatures are always judged by real time
	Region    string    // of requests that name none; us-east-1 where empty
}

// Authenticator identifies callers.
type Authenticator struct {
	mode      Mode
	directory Directory
	clock     Clock
	region    string
	verifier  sigv4.Verifier

	roots   atomic.Pointer[map[string]aws.Principal] // by account; replaced, never changed
	rootsMu sync.Mutex
}

type realTime struct{}

func (realTime) Now() time.Time { return time.Now() }

// New is an authenticator.
func New(o Options) *Authenticator {
	a := &Authenticator{mode: o.Mode, directory: o.Directory, clock: o.Clock, region: o.Region}
	if a.clock == nil {
		a.clock = realTime{}
	}
	if a.region == "" {
		a.region = "us-east-1"
	}
	a.roots.Store(&map[string]aws.Principal{aws.DefaultAccount: root(aws.DefaultAccount)})
	return a
}

// Mode is the mode it was made with.
func (a *Authenticator) Mode() Mode { return a.mode }

// Caller is who makes a request.
type Caller struct {
	aws.Scope
	Principal aws.Principal // zero for an anonymous caller in iam mode
	Claim     sigv4.Claim

	key   Key
	known bool
}

// Known reports whether the access key is one the directory knows: then the caller is who it says only once
// [Authenticator.Verify] or [Authenticator.VerifyStream] has answered nil.
func (c *Caller) Known() bool { return c.known }

// Identify is the caller of a request as its signature says. It reads no body. Its error is for [Answer].
func (a *Authenticator) Identify(ctx context.Context, r *http.Request) (Caller, error) {
	c := Caller{Claim: sigv4.Read(r)}
	c.Region = a.regionOf(c.Claim.Region)
	id := c.Claim.AccessKey
	if a.directory != nil && id != "" {
		k, ok, err := a.directory.Key(ctx, id)
		if err != nil {
			return c, fmt.Errorf("look up access key: %w", err)
		}
		if ok {
			if !k.Expires.IsZero() && !a.clock.Now().Before(k.Expires) {
				return c, &sigv4.Error{Reason: sigv4.ExpiredToken}
			}
			c.key, c.known = k, true
			c.Principal = k.Principal
			c.Account = k.Principal.Account
			return c, nil
		}
	}
	if a.mode == IAM {
		switch c.Claim.Scheme {
		case sigv4.Unsigned: // anonymous: some resources are open to everyone
			c.Account = aws.DefaultAccount
			return c, nil
		case sigv4.Malformed:
			return c, &sigv4.Error{Reason: sigv4.Incomplete, Claim: c.Claim, Detail: "Credential"}
		}
		return c, &sigv4.Error{Reason: sigv4.UnknownKey, Claim: c.Claim}
	}
	c.Account = aws.DefaultAccount
	if aws.IsAccount(id) {
		c.Account = id
	}
	c.Principal = a.Root(c.Account)
	if partition := aws.Partition(c.Region); partition != "aws" {
		c.Principal.ARN = "arn:" + partition + strings.TrimPrefix(c.Principal.ARN, "arn:aws")
	}
	return c, nil
}

// Verify proves the claim of a caller that is Known, for a request whose whole body is at hand. Its error is for [Answer].
func (a *Authenticator) Verify(r *http.Request, c *Caller, body []byte) error {
	if !c.known {
		return nil
	}
	return a.verifier.Verify(r, c.Claim, c.secret(), time.Now(), body)
}

// VerifyStream is Verify for a body that is read as a stream: what it returns is to be read instead of r.Body, without
// aws-chunked framing, and its Read fails where the body is not what was signed. For a caller that is not Known it only
// takes the framing off.
func (a *Authenticator) VerifyStream(r *http.Request, c *Caller) (*sigv4.Body, error) {
	if !c.known {
		return sigv4.NewBody(r)
	}
	return a.verifier.VerifyStream(r, c.Claim, c.secret(), time.Now())
}

func (c *Caller) secret() sigv4.Secret {
	return sigv4.Secret{Key: c.key.Secret, Token: c.key.Token}
}

// For reports whether a caller that is Known signed its request for the service it reached. Its error is for [Answer].
func (c *Caller) For(api *model.Service) error {
	if !c.known || api == nil || c.Claim.Service == api.SigningName {
		return nil
	}
	return &sigv4.Error{Reason: sigv4.BadScope, Claim: c.Claim, Detail: "Credential should be scoped to correct service: '" + api.SigningName + "'."}
}

// Root is the root principal of an account, as it is called in most regions.
func (a *Authenticator) Root(account string) aws.Principal {
	if p, ok := (*a.roots.Load())[account]; ok {
		return p
	}
	account = strings.Clone(account) // it is part of a header
	p := root(account)
	a.rootsMu.Lock()
	defer a.rootsMu.Unlock()
	old := *a.roots.Load()
	if len(old) < 1000 { // beyond, each request makes its own
		roots := make(map[string]aws.Principal, len(old)+1)
		for k, v := range old {
			roots[k] = v
		}
		roots[account] = p
		a.roots.Store(&roots)
	}
	return p
}

func root(account string) aws.Principal {
	return aws.Principal{Account: account, ARN: "arn:aws:iam::" + account + ":root", UserID: account}
}

// regionOf is the region a signature names, where that can be one: it becomes part of keys and host names.
func (a *Authenticator) regionOf(s string) string {
	if s == "" || len(s) > 32 || s == "aws-global" {
		return a.region
	}
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && (c != '-' || i == 0) {
			return a.region
		}
	}
	return s
}
