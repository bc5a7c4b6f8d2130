package platform

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/obidos-cloud/obidos/internal/auth"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/gateway"
	"github.com/obidos-cloud/obidos/internal/lang/policy"
	"github.com/obidos-cloud/obidos/internal/service/iam"
)

// Identity is who may do what. The zero value lets everybody do everything.
type Identity struct {
	Mode       auth.Mode
	Region     string                     // of requests that name none; us-east-1 where empty. With IAM all are of its partition
	RootKey    iam.RootKey                // given to the root of its account; one is made where it is empty and the account has none
	Guardrails map[string][]policy.Source // by account, of all accounts under ""; each must allow what anybody but services does there

	// IssuerKeys are key sets (JWKS) of OpenID Connect issuers, by their URLs: those are never asked. Any other is, over HTTPS alone
	// with IAM unless PlainIssuers allows HTTP.
	IssuerKeys   map[string][]byte
	PlainIssuers bool
}

// ErrAccount says that an account is there already.
var ErrAccount = errors.New("the account's root has a key, which was told when it was made (aws iam create-access-key makes another, with that one)")

// giveRoot sees that the root of the default account can log in.
func (p *Platform) giveRoot(ctx context.Context, users *iam.Service) error {
	k := p.o.Identity.RootKey
	if k.ID != "" {
		return users.GiveRootKey(ctx, k)
	}
	if p.o.Identity.Mode != auth.IAM {
		return nil
	}
	p.mu.Lock()
	left, again := p.rootKeys, p.lived
	p.lived = true
	p.mu.Unlock()
	if again { // after a reset whoever runs obidos logs in as before: a key made now would be told to nobody
		return users.KeepRootKeys(ctx, aws.DefaultAccount, left)
	}
	k, made, err := users.MakeRootKey(ctx, aws.DefaultAccount)
	if made {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.rootKey = k
	}
	return err
}

// keepRoot remembers with what the root of the default account logs in, before what is kept may be forgotten.
func (p *Platform) keepRoot(ctx context.Context, l *life) {
	keys, err := l.users.RootKeys(ctx, aws.DefaultAccount)
	if err != nil {
		p.log.Warn("root's access keys could not be read; where they are forgotten now, the next start of obidos makes another", "error", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rootKeys = keys
}

// RootKey is the key that was made for the root of the default account when this platform began; ok is false where it has one
// for longer.
func (p *Platform) RootKey() (k iam.RootKey, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.rootKey, p.rootKey.ID != ""
}

// CreateAccount makes an account: the first access key of its root.
func (p *Platform) CreateAccount(ctx context.Context, account string) (iam.RootKey, error) {
	if !aws.IsAccount(account) {
		return iam.RootKey{}, fmt.Errorf("%q is no account: it has 12 digits", account)
	}
	l := p.await(ctx)
	if l == nil || !l.requests.enter() {
		return iam.RootKey{}, errNotRunning
	}
	defer l.requests.leave()
	k, made, err := l.users.MakeRootKey(ctx, account)
	if err == nil && !made {
		err = ErrAccount
	}
	return k, err
}

// guardrails bound all of an account.
func (i *Identity) guardrails() func(account string) []policy.Source {
	if len(i.Guardrails) == 0 {
		return nil
	}
	all := i.Guardrails[""]
	joined := make(map[string][]policy.Source, len(i.Guardrails))
	for account, list := range i.Guardrails {
		if account != "" {
			joined[account] = append(append([]policy.Source(nil), all...), list...)
		}
	}
	return func(account string) []policy.Source {
		if list, ok := joined[account]; ok {
			return list
		}
		return all
	}
}

// identityEndpoints serve what helps to write policies, and make accounts.
func (p *Platform) identityEndpoints(mux *http.ServeMux) {
	mux.HandleFunc("GET /_obidos/auth/denials", func(w http.ResponseWriter, _ *http.Request) {
		u, err := p.usage()
		if err != nil {
			tell(w, nil, err)
			return
		}
		tell(w, u.Denials(), nil)
	})
	mux.HandleFunc("GET /_obidos/auth/policy", func(w http.ResponseWriter, r *http.Request) {
		u, err := p.usage()
		var since time.Duration
		if text := r.URL.Query().Get("since"); err == nil && text != "" {
			since, err = gateway.ParseDuration(text)
		}
		if err != nil {
			tell(w, nil, err)
			return
		}
		var from time.Time
		if since > 0 {
			now, _ := p.Now()
			from = now.Add(-since)
		}
		w.Header().Set("Content-Type", "application/json")
		w.Write([]byte(u.Policy(r.URL.Query().Get("principal"), from)))
	})
	mux.HandleFunc("PUT /_obidos/accounts/{account}", func(w http.ResponseWriter, r *http.Request) {
		k, err := p.CreateAccount(r.Context(), r.PathValue("account"))
		if errors.Is(err, ErrAccount) {
			http.Error(w, err.Error(), http.StatusConflict)
			return
		}
		tell(w, k, err)
	})
}

var errOpen = errors.New("with --auth=open nobody is asked what they may do: start obidos with --auth=log, which records it and refuses nothing, or --auth=iam")

// usage is what was done and denied.
func (p *Platform) usage() (*auth.Usage, error) {
	if p.o.Identity.Mode == auth.Open {
		return nil, errOpen
	}
	if l := p.life.Load(); l != nil {
		return l.usage, nil
	}
	return nil, errNotRunning
}

// used has IAM note that somebody used a permission, with the key and the role that it was used with.
func (l *life) used(ctx context.Context, a auth.Access) {
	err := l.users.Accessed(ctx, a)
	if a.AccessKey != "" {
		err = errors.Join(err, l.users.Used(ctx, a.AccessKey, a.Service, a.Region, a.Time))
	}
	if a.Role != "" {
		err = errors.Join(err, l.users.UsedRole(ctx, a.Principal.Account, a.Role, a.Region, a.Time))
	}
	if err != nil {
		l.log.DebugContext(ctx, "last use not noted", "principal", a.Principal.ARN, "error", err)
	}
}
