package auth_test

import (
	"encoding/base64"
	"errors"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/obidos-cloud/obidos/internal/auth"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/store/memory"
)

type noon struct{}

func (noon) Now() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) }

// installation is an empty store of its own.
func installation(t testing.TB) store.Space {
	e := memory.New(memory.Options{})
	t.Cleanup(func() { e.Close() })
	return (&store.Store{Engine: e, Clock: noon{}}).Space("auth")
}

func ofRole() *aws.Session {
	return &aws.Session{
		Kind: aws.AssumedRole, Account: "111111111111", Source: "arn:aws:iam::111111111111:role/team/worker", ID: "AROAQAAAAAAAAAAAAAAAA", Name: "job-1",
		Issued: noon{}.Now(), Expires: noon{}.Now().Add(time.Hour), MFA: noon{}.Now().Add(-time.Minute),
		Policies: []string{`{"Statement":[]}`}, PolicyARNs: []string{"arn:aws:iam::aws:policy/ReadOnlyAccess"},
		Tags: map[string]string{"Team": "α\xff"}, TransitiveTags: []string{"Team"}, SourceIdentity: "alice", Chained: true,
		Provider: "accounts.google.com", Claims: map[string]string{"accounts.google.com:sub": "12345678"},
	}
}

func TestTokensThatDoNotOpen(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	sessions := auth.NewSessions(installation(t))
	if _, _, err := sessions.Open(ctx, "ASIAQAAAAAAAAAAAAAAA", "IQ=="); !errors.Is(err, auth.ErrBadToken) {
		t.Errorf("before there was any: %v", err)
	}
	c, err := sessions.Issue(ctx, ofRole(), 0)
	if err != nil {
		t.Fatal(err)
	}
	other := auth.NewSessions(installation(t))
	foreign, err := other.Issue(ctx, ofRole(), 0)
	if err != nil {
		t.Fatal(err)
	}
	again, err := sessions.Issue(ctx, ofRole(), 0)
	if err != nil {
		t.Fatal(err)
	}
	raw, _ := base64.StdEncoding.DecodeString(c.Token)
	for _, bad := range []struct{ why, id, token string }{
		{"nothing", c.AccessKey, ""},
		{"not base64", c.AccessKey, "!" + c.Token},
		{"cut", c.AccessKey, c.Token[:40]},
		{"longer", c.AccessKey, c.Token + c.Token},
		{"endless", c.AccessKey, strings.Repeat("A", 1<<20)},
		{"another installation's", foreign.AccessKey, foreign.Token},
		{"of another access key", again.AccessKey, c.Token},
		{"AWS's", "ASIAIOSFODNN7EXAMPLE", "FwoGZXIvYXdzEBYaDKR6HO2S/EXAMPLE+SESSION/TOKEN=="},
	} {
		if _, _, err := sessions.Open(ctx, bad.id, bad.token); !errors.Is(err, auth.ErrBadToken) {
			t.Errorf("%s: %v", bad.why, err)
		}
	}
	for i := range raw {
		raw[i] ^= 1
		if _, _, err := sessions.Open(ctx, c.AccessKey, base64.StdEncoding.EncodeToString(raw)); !errors.Is(err, auth.ErrBadToken) {
			t.Errorf("byte %d altered: %v", i, err)
		}
		raw[i] ^= 1
	}
	if _, _, err := sessions.Open(ctx, c.AccessKey, c.Token); err != nil {
		t.Fatal(err)
	}
	if _, _, err := sessions.Open(ctx, again.AccessKey, c.Token); !errors.Is(err, auth.ErrBadToken) {
		t.Errorf("opened before, with another access key: %v", err)
	}
}

func TestSessionComesBack(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	space := installation(t)
	sessions, want := auth.NewSessions(space), ofRole()
	c, err := sessions.Issue(ctx, want, 0)
	if err != nil {
		t.Fatal(err)
	}
	if account, ok := auth.AccountOfAccessKey(c.AccessKey); !ok || account != want.Account || len(c.Secret) != 40 || len(c.Token) < 300 || c.Token[0] != 'I' || !c.Expires.Equal(want.Expires) {
		t.Errorf("issued %+v", c)
	}
	for _, node := range []*auth.Sessions{sessions, sessions, auth.NewSessions(space)} { // the last is another node, or a later life
		got, secret, err := node.Open(ctx, c.AccessKey, c.Token)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, auth.BearerOf(want)) || secret != c.Secret {
			t.Errorf("came back as %+v", got)
		}
	}
	if other, err := sessions.Issue(ctx, want, 0); err != nil || other.AccessKey == c.AccessKey || other.Secret == c.Secret || other.Token == c.Token {
		t.Errorf("issued twice: %+v, %v", other, err)
	}
	for _, size := range []int{1, 500, 1001, 4096} {
		c, err := sessions.Issue(ctx, want, size)
		if err != nil || len(c.Token) < size {
			t.Errorf("a token of %d characters has %d, %v", size, len(c.Token), err)
		}
		if got, _, err := sessions.Open(ctx, c.AccessKey, c.Token); err != nil || !reflect.DeepEqual(got, auth.BearerOf(want)) {
			t.Errorf("a token of %d characters: %+v, %v", size, got, err)
		}
	}
}

func TestMessages(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	sessions := auth.NewSessions(installation(t))
	text := `{"allowed":false,"explicitDeny":false,"matchedStatements":{"items":[]}}`
	m, err := sessions.Seal(ctx, "111111111111", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	other, err := auth.NewSessions(installation(t)).Seal(ctx, "111111111111", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	c, err := sessions.Issue(ctx, ofRole(), 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"", "AAAA", "a b", m[:20], m + "A", m[:30] + "\n" + m[30:], other, c.Token} {
		if got, err := sessions.Unseal(ctx, "111111111111", bad); !errors.Is(err, auth.ErrBadToken) {
			t.Errorf("%q is %q, %v", bad, got, err)
		}
	}
	if got, err := sessions.Unseal(ctx, "222222222222", m); !errors.Is(err, auth.ErrBadToken) {
		t.Errorf("another account read %q, %v", got, err)
	}
	if got, err := sessions.Unseal(ctx, "111111111111", m); err != nil || string(got) != text {
		t.Errorf("came back as %q, %v", got, err)
	}
}

func TestOpeningAgainAllocatesNothing(t *testing.T) {
	ctx := t.Context()
	sessions := auth.NewSessions(installation(t))
	c, err := sessions.Issue(ctx, ofRole(), 0)
	if err != nil {
		t.Fatal(err)
	}
	sessions.Open(ctx, c.AccessKey, c.Token)
	if n := testing.AllocsPerRun(100, func() { sessions.Open(ctx, c.AccessKey, c.Token) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// More sessions than are remembered all open.
func TestManySessions(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	sessions := auth.NewSessions(installation(t))
	s := ofRole()
	s.Policies = []string{strings.Repeat("x", 20_000)}
	var all []auth.Credentials
	for range 200 {
		c, err := sessions.Issue(ctx, s, 0)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	for range 2 {
		for _, c := range all {
			if _, secret, err := sessions.Open(ctx, c.AccessKey, c.Token); err != nil || secret != c.Secret {
				t.Fatal(err)
			}
		}
	}
}

// The key is one, whichever node makes it first and however often its commit goes wrong.
func TestNodesShareTheKey(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		e := memory.New(memory.Options{Hostile: memory.Hostile{Seed: seed + 1, Unknown: 0.3}})
		t.Cleanup(func() { e.Close() })
		st := &store.Store{Engine: e, Clock: noon{}}
		var nodes [4]*auth.Sessions
		var issued [4]auth.Credentials
		var all sync.WaitGroup
		for i := range nodes {
			nodes[i] = auth.NewSessions(st.Space("auth"))
			all.Go(func() {
				var err error
				if issued[i], err = nodes[i].Issue(t.Context(), ofRole(), 0); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		for i, c := range issued {
			for j, n := range nodes {
				if _, secret, err := n.Open(t.Context(), c.AccessKey, c.Token); err != nil || secret != c.Secret {
					t.Errorf("seed %d: node %d does not open what node %d issued: %v", seed, j, i, err)
				}
			}
		}
	}
}

func FuzzSessionRoundTrip(f *testing.F) {
	f.Add("arn:aws:iam::111111111111:role/r", "AROA", "name", "policy", "key", "value", int64(1_800_000_000), uint8(1), true)
	f.Add("", "", "", "", "", "", int64(0), uint8(0), false)
	sessions := auth.NewSessions(installation(f))
	f.Fuzz(func(t *testing.T, source, id, name, policy, key, value string, at int64, kind uint8, chained bool) {
		at &= 1<<35 - 1 // years have four digits
		want := &aws.Session{
			Kind: aws.SessionKind(kind), Account: "111111111111", Source: source, ID: id, Name: name, Issued: time.Unix(at, 0).UTC(), Expires: time.Unix(at+900, 0).UTC(),
			Policies: []string{policy}, Tags: map[string]string{key: value}, TransitiveTags: []string{key}, Chained: chained, Claims: map[string]string{value: key},
		}
		c, err := sessions.Issue(t.Context(), want, 0)
		if err != nil {
			t.Fatal(err)
		}
		if got, secret, err := sessions.Open(t.Context(), c.AccessKey, c.Token); err != nil || secret != c.Secret || !reflect.DeepEqual(got, auth.BearerOf(want)) {
			t.Errorf("%+v came back as %+v, %v", want, got, err)
		}
	})
}

func FuzzOpenToken(f *testing.F) {
	sessions := auth.NewSessions(installation(f))
	c, err := sessions.Issue(f.Context(), ofRole(), 0)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(c.AccessKey, c.Token)
	f.Add(c.AccessKey, c.Token[4:])
	f.Add("", "")
	f.Fuzz(func(t *testing.T, id, token string) {
		_, secret, err := sessions.Open(t.Context(), id, token)
		if ours := id == c.AccessKey && token == c.Token; ours != (err == nil) || ours != (secret == c.Secret) {
			t.Errorf("%q %q: %v", id, token, err)
		}
		if _, err := sessions.Unseal(t.Context(), "111111111111", token); err == nil {
			t.Errorf("%q is a message", token)
		}
	})
}

func BenchmarkOpenSession(b *testing.B) {
	ctx := b.Context()
	sessions := auth.NewSessions(installation(b))
	c, err := sessions.Issue(ctx, ofRole(), 0)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := sessions.Open(ctx, c.AccessKey, c.Token); err != nil {
			b.Fatal(err)
		}
	}
}
