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
	"errors"
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

// Authorizer decides whether a call may be made.
type Authorizer interface {
	// Authorize answers nil where the principal of the request in ctx may make the call, and else AWS's error that denies it.
	Authorize(ctx context.Context, c *Call) error
}

// Clock tells the time.
type Clock interface{ Now() time.Time }

// Options of an Authenticator.
type Options struct {
	Mode      Mode
	Directory Directory // nil where no key is known
	Sessions  Vault     // nil where there are no temporary credentials
	Clock     Clock     // the platform's, by which session tokens expire; real time where nil. Signatures are always judged by real time
	Region    string    // of requests that name none; us-east-1 where empty. With IAM keys are of its partition, and open no other's regions
}

// Authenticator identifies callers.
type Authenticator struct {
	mode      Mode
	directory Directory
	sessions  Vault
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
	a := &Authenticator{mode: o.Mode, directory: o.Directory, sessions: o.Sessions, clock: o.Clock, region: o.Region}
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

	secret sigv4.Secret
	known  bool
}

// Known reports whether the access key is one the directory knows: then the caller is who it says only once
// [Authenticator.Verify] or [Authenticator.VerifyStream] has answered nil.
func (c *Caller) Known() bool { return c.known }

// Identify is the caller of a request as its signature says. It reads no body. Its error is for [Answer].
func (a *Authenticator) Identify(ctx context.Context, r *http.Request) (Caller, error) {
	c := Caller{Claim: sigv4.Read(r)}
	c.Region = a.regionOf(c.Claim.Region)
	id := c.Claim.AccessKey
	var err error
	switch {
	case id == "":
	case strings.HasPrefix(id, TemporaryKey):
		err = a.openSession(ctx, r, &c)
	default:
		err = a.findKey(ctx, &c)
	}
	if err == nil && c.known && a.mode == IAM && aws.Partition(c.Region) != aws.Partition(a.region) {
		err = &sigv4.Error{Reason: sigv4.UnknownKey, Claim: c.Claim, Detail: " It is of partition " + aws.Partition(a.region) + ", in which " + c.Region + " is not."}
	}
	if err != nil || c.known {
		return c, err
	}
	if a.mode == IAM {
		switch c.Claim.Scheme {
		case sigv4.Unsigned: // anonymous: some resources are open to everyone
			c.Account = aws.DefaultAccount
			return c, nil
		case sigv4.Malformed:
			return c, &sigv4.Error{Reason: sigv4.Incomplete, Claim: c.Claim, Detail: "Credential"}
		}
		return c, &sigv4.Error{Reason: sigv4.UnknownKey, Claim: c.Claim, Detail: howToLogIn(id)}
	}
	c.Account = aws.DefaultAccount
	if aws.IsAccount(id) {
		c.Account = id
	}
	c.Principal = a.Root(c.Account)
	c.Principal.ARN = calledIn(c.Region, c.Principal.ARN)
	return c, nil
}

// calledIn is an ARN of the partition aws as it is in the partition of a region: an account has its users and roles in all of them.
func calledIn(region, arn string) string {
	if partition := aws.Partition(region); partition != "aws" {
		return "arn:" + partition + strings.TrimPrefix(arn, "arn:aws")
	}
	return arn
}

// howToLogIn is for those who come with a key that opens an emulator: "test".
func howToLogIn(id string) string {
	if strings.HasPrefix(id, LastingKey) || strings.HasPrefix(id, TemporaryKey) {
		return ""
	}
	return " This obidos runs with --auth=iam and takes only access keys that it made: it printed root's when it first started, and aws iam create-access-key makes more."
}

// findKey looks the lasting access key of c's claim up.
func (a *Authenticator) findKey(ctx context.Context, c *Caller) error {
	if a.directory == nil {
		return nil
	}
	k, ok, err := a.directory.AccessKey(ctx, c.Claim.AccessKey)
	if err != nil {
		return fmt.Errorf("look up access key: %w", err)
	}
	if ok {
		c.known, c.secret, c.Account = true, sigv4.Secret{Key: k.Secret}, k.Account
		c.Principal = aws.Principal{Account: k.Account, ARN: calledIn(c.Region, k.ARN), UserID: k.UserID}
	}
	return nil
}

// openSession opens the temporary credentials of c's claim. In open mode those that AWS made, of which nothing is known, are
// as any other key.
func (a *Authenticator) openSession(ctx context.Context, r *http.Request, c *Caller) error {
	if a.sessions == nil {
		return nil
	}
	token := c.Claim.Token(r)
	if token == "" && a.mode != IAM {
		return nil
	}
	bearer, secret, err := a.sessions.Open(ctx, c.Claim.AccessKey, token)
	switch {
	case errors.Is(err, ErrBadToken):
		if a.mode == IAM {
			return &sigv4.Error{Reason: sigv4.BadToken, Claim: c.Claim}
		}
		return nil
	case err != nil:
		return fmt.Errorf("open session token: %w", err)
	case !a.clock.Now().Before(bearer.Session.Expires):
		return &sigv4.Error{Reason: sigv4.ExpiredToken}
	}
	c.known, c.secret, c.Account = true, sigv4.Secret{Key: secret, Token: token}, bearer.Account
	c.Principal = bearer
	return nil
}

// BearerOf is the principal that a session makes of its bearer.
func BearerOf(s *aws.Session) aws.Principal {
	p := aws.Principal{Account: s.Account, ARN: s.Source, UserID: s.ID, Session: s}
	sts := strings.Replace(s.Source[:strings.LastIndexByte(s.Source, ':')+1], ":iam:", ":sts:", 1)
	switch s.Kind {
	case aws.AssumedRole:
		p.ARN = sts + "assumed-role/" + s.Source[strings.LastIndexByte(s.Source, '/')+1:] + "/" + s.Name
		p.UserID = s.ID + ":" + s.Name
	case aws.FederatedUser:
		p.ARN = sts + "federated-user/" + s.Name
		p.UserID = s.Account + ":" + s.Name
	}
	return p
}

// Verify proves the claim of a caller that is Known, for a request whose whole body is at hand. Its error is for [Answer].
func (a *Authenticator) Verify(r *http.Request, c *Caller, body []byte) error {
	if !c.known {
		return nil
	}
	return a.verifier.Verify(r, c.Claim, c.secret, time.Now(), body)
}

// VerifyStream is Verify for a body that is read as a stream: what it returns is to be read instead of r.Body, without
// aws-chunked framing, and its Read fails where the body is not what was signed. For a caller that is not Known it only
// takes the framing off.
func (a *Authenticator) VerifyStream(r *http.Request, c *Caller) (*sigv4.Body, error) {
	if !c.known {
		return sigv4.NewBody(r)
	}
	return a.verifier.VerifyStream(r, c.Claim, c.secret, time.Now())
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
	if s == "aws-global" || !IsRegion(s) {
		return a.region
	}
	return s
}

// IsRegion reports whether s has the form of a region's name.
func IsRegion(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && (c != '-' || i == 0) {
			return false
		}
	}
	return s != "" && len(s) <= 32
}
