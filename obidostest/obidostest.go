// Package obidostest gives Go tests a whole obidos in their own process: no sockets, no disk, nothing to install, and a
// ready configuration for the AWS SDK.
//
//	func TestOrders(t *testing.T) {
//		p := obidostest.Start(t)
//		queues := sqs.NewFromConfig(p.Config)
//		…
//	}
//
// A platform lives in memory and ends with the test. Inside a testing/synctest bubble it keeps the bubble's time, so that a
// test of a four-day retention takes milliseconds; elsewhere [Platform.Advance] moves its clock.
package obidostest

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/obidos-cloud/obidos/internal/auth"
	"github.com/obidos-cloud/obidos/internal/platform"
	"github.com/obidos-cloud/obidos/internal/service/iam"
	"github.com/obidos-cloud/obidos/internal/store"
)

// URL is where a platform of a test is, to clients that go through its Config or Client.
const URL = "http://obidos.test"

// Platform is a running obidos.
type Platform struct {
	// Config leads clients of the AWS SDK for Go v2 here: sqs.NewFromConfig(p.Config).
	Config aws.Config
	// Client makes HTTP requests of this platform, whatever their address says.
	Client *http.Client

	platform *platform.Platform
	cut      context.CancelFunc // its clients lose their connections
	stop     func() error
}

// Option changes how a platform is started.
type Option func(*platform.Options)

// EnforceLimits has AWS's throttling and waits hold.
func EnforceLimits() Option { return func(o *platform.Options) { o.EnforceLimits = true } }

// IAM has every request verified and authorized, as AWS does. Config has the access key of the root of the usual account, who may do
// everything; keys and sessions that are made with IAM and STS work in copies of it. [Platform.Account] makes other accounts.
func IAM() Option {
	return func(o *platform.Options) {
		o.Identity.Mode = auth.IAM
		o.Identity.RootKey = iam.RootKey{Account: "000000000000", ID: rootKey, Secret: rootSecret}
	}
}

// The access key of the root of platforms of tests.
const rootKey, rootSecret = "AKIAOBIDOSTESTOBIDOS", "a secret of tests"

// Data keeps the platform's state in a directory: one started later over the same directory finds it there.
func Data(dir string) Option { return func(o *platform.Options) { o.Data = dir } }

// On keeps the platform's state in an engine of the caller's, who closes it after the platform has stopped.
func On(e store.Engine) Option { return func(o *platform.Options) { o.Engine = e } }

// Start runs a platform until the test ends.
func Start(t testing.TB, options ...Option) *Platform {
	t.Helper()
	p, err := start(t, options)
	if err != nil {
		t.Fatalf("start obidos: %v", err)
	}
	t.Cleanup(func() {
		if err := p.Stop(); err != nil {
			t.Errorf("stop obidos: %v", err)
		}
	})
	return p
}

func start(t testing.TB, options []Option) (*Platform, error) {
	o := platform.Options{
		Logger: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})), Version: "test",
		Overrun: func(transaction string, keys int, _ time.Duration) { // how long it took is the machine's fault as often
			if keys > store.MaxTxnWrites && !strings.HasPrefix(transaction, "owner.") { // those are of many callers, or of all partitions
				t.Errorf("obidos: the transaction %s touched %d keys: more than %d hold everybody up", transaction, keys, store.MaxTxnWrites)
			}
		},
	}
	for _, set := range options {
		set(&o)
	}
	built, err := platform.Open(o)
	if err != nil {
		return nil, err
	}
	running, end := context.WithCancel(context.WithoutCancel(t.Context()))
	living, cut := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- built.Run(running, nil) }()
	way := &direct{handler: built, living: living}
	p := &Platform{platform: built, cut: cut, Client: &http.Client{Transport: way}}
	p.Config = aws.Config{
		Region:       "us-east-1",
		BaseEndpoint: aws.String(URL),
		HTTPClient:   p.Client,
		Credentials:  key("test", "test"),
	}
	if o.Identity.Mode == auth.IAM {
		p.Config.Credentials = key(rootKey, rootSecret)
	}
	p.stop = sync.OnceValue(func() error {
		end()
		err := <-ended
		cut()
		way.requests.Wait()
		return errors.Join(err, built.Close())
	})
	if err := built.Ready(t.Context()); err != nil {
		return nil, errors.Join(err, p.stop())
	}
	return p, nil
}

func key(id, secret string) aws.CredentialsProviderFunc {
	return func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: id, SecretAccessKey: secret}, nil
	}
}

// Stop ends the platform before the test does. What it answered is kept where its Data is.
func (p *Platform) Stop() error { return p.stop() }

// Now is the platform's time.
func (p *Platform) Now() time.Time {
	now, _ := p.platform.Now()
	return now
}

// Advance moves the platform's clock forward, and returns when everything that fell due on the way has happened.
func (p *Platform) Advance(t testing.TB, d time.Duration) {
	t.Helper()
	if err := p.platform.Advance(t.Context(), d); err != nil {
		t.Fatalf("advance the clock by %v: %v", d, err)
	}
}

// As is the configuration of another caller: another account (12 digits, or empty for the usual one) or region. With IAM accounts are
// made by Account.
func (p *Platform) As(account, region string) aws.Config {
	c := p.Config.Copy()
	if region != "" {
		c.Region = region
	}
	if account != "" {
		c.Credentials = key(account, "test")
	}
	return c
}

// Account makes an account of 12 digits, and is the configuration of its root.
func (p *Platform) Account(t testing.TB, account string) aws.Config {
	t.Helper()
	k, err := p.platform.CreateAccount(t.Context(), account)
	if err != nil {
		t.Fatalf("make account %s: %v", account, err)
	}
	c := p.Config.Copy()
	c.Credentials = key(k.ID, k.Secret)
	return c
}

// Reset has the platform forget everything.
func (p *Platform) Reset(t testing.TB) {
	t.Helper()
	if err := p.platform.Reset(t.Context()); err != nil {
		t.Fatalf("reset obidos: %v", err)
	}
}
