package platform_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/obidos-cloud/obidos/internal/api"
	"github.com/obidos-cloud/obidos/internal/api/iamapi"
	"github.com/obidos-cloud/obidos/internal/auth"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/lang/policy"
	"github.com/obidos-cloud/obidos/internal/model"
	"github.com/obidos-cloud/obidos/internal/platform"
	"github.com/obidos-cloud/obidos/internal/scenario"
	"github.com/obidos-cloud/obidos/internal/sigv4"
	"github.com/obidos-cloud/obidos/internal/wire"
)

const scenarioAccount = "111111111111"

// Every scenario passes with exactly the policy that was generated from a run of it, and fails where any one action is taken
// away from that.
func TestScenariosPassWithTheirGeneratedPolicy(t *testing.T) {
	t.Parallel()
	w := wire.New(api.All()...)
	for _, service := range api.All() {
		files, err := filepath.Glob("../service/" + service.Name + "/testdata/*.txt")
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			t.Run(service.Name+"/"+strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
				t.Parallel()
				whole := generated(t, w, service, file)
				if r := playAs(t, w, service, file, whole); len(r.failures) > 0 {
					t.Fatalf("with the policy that was generated from it: %s\n%s", r.failures, whole)
				}
				actions := whole.actions()
				if testing.Short() {
					actions = actions[:min(1, len(actions))]
				}
				for _, action := range actions {
					r := playAs(t, w, service, file, whole.without(action))
					if !slices.ContainsFunc(r.denied, func(text string) bool {
						return strings.Contains(strings.ToLower(text), "not authorized to perform: "+strings.ToLower(action))
					}) {
						t.Errorf("without %s nothing was denied for the want of it: %q", action, r.denied)
					}
				}
			})
		}
	}
}

// document is a policy that `obidos auth generate` writes.
type document struct {
	Version   string
	Statement []documentStatement
}

type documentStatement struct {
	Effect   string
	Action   []string
	Resource []string
}

func (d document) String() string {
	text, err := json.Marshal(d)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func (d document) actions() (all []string) {
	for _, s := range d.Statement {
		all = append(all, s.Action...)
	}
	return all
}

func (d document) without(action string) document {
	left := document{Version: d.Version}
	for _, s := range d.Statement {
		s.Action = slices.DeleteFunc(slices.Clone(s.Action), func(a string) bool { return a == action })
		if len(s.Action) > 0 {
			left.Statement = append(left.Statement, s)
		}
	}
	return left
}

// parts are documents that say the same together, each small enough for a managed policy.
func (d document) parts() (all []document) {
	part := document{Version: d.Version}
	for _, s := range d.Statement {
		for resources := range slices.Chunk(s.Resource, 40) {
			one := documentStatement{s.Effect, s.Action, resources}
			next := document{d.Version, append(slices.Clone(part.Statement), one)}
			if len(part.Statement) > 0 && len(next.String()) > 6000 {
				all = append(all, part)
				next = document{d.Version, []documentStatement{one}}
			}
			part = next
		}
	}
	return append(all, part)
}

// generated plays a scenario where nothing is refused, and is the policy made of that.
func generated(t *testing.T, w *wire.Wire, service *model.Service, file string) (d document) {
	t.Helper()
	n := serve(t, open(t, platform.Options{Identity: platform.Identity{Mode: auth.Log}, EnforceLimits: strings.HasSuffix(file, "limits.txt")}))
	defer n.stop()
	invoker := scenario.HTTP(w, service.Protocols[0], http.DefaultClient, n.url, aws.Scope{Account: scenarioAccount, Region: "us-east-1"})
	scenario.Play(t.Context(), t, file, scenario.Direct(service, invoker, n.Advance, func() { time.Sleep(100 * time.Millisecond) }), "")
	resp, err := http.Get(n.url + "/_obidos/auth/policy")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&d); err != nil {
		t.Fatal(err)
	}
	for _, s := range d.Statement {
		for i, r := range s.Resource {
			s.Resource[i] = madeUp.ReplaceAllString(r, ":$1:*")
		}
	}
	return d
}

// madeUp are the ARNs whose ids the service makes up: each run has others.
var madeUp = regexp.MustCompile(`:(delivery|scheduled-query|anomaly-detector):[0-9A-Za-z-]{16,}$`)

// record is what came of a scenario.
type record struct {
	testing.TB
	mu       sync.Mutex
	denied   []string
	failures []string
}

func (r *record) Helper()      {}
func (r *record) Failed() bool { return true } // it does not write the file anew

func (r *record) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

func (r *record) Error(args ...any) { r.Errorf("%s", fmt.Sprint(args...)) }

func (r *record) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

func (r *record) Fatal(args ...any) { r.Fatalf("%s", fmt.Sprint(args...)) }

// watch takes down what is denied.
type watch struct {
	model.Invoker
	r *record
}

func (x watch) Invoke(ctx context.Context, op *model.Operation, in any) (any, error) {
	out, err := x.Invoker.Invoke(ctx, op, in)
	if e, ok := errors.AsType[*aws.Error](err); ok && (strings.HasPrefix(e.Code, "AccessDenied") || e.QueryCode == "AccessDenied") {
		x.r.mu.Lock()
		defer x.r.mu.Unlock()
		x.r.denied = append(x.r.denied, e.Message)
	}
	return out, err
}

// playAs plays a scenario as a user who has a policy and nothing else. The scenarios of IAM tell who there is in the account, where such
// a user would be one more: they are played by root, under the policy as a guardrail.
func playAs(t *testing.T, w *wire.Wire, service *model.Service, file string, has document) *record {
	t.Helper()
	bounded := service.Name == "iam"
	identity := platform.Identity{Mode: auth.IAM}
	if bounded {
		compiled, err := policy.Parse(has.String(), policy.Guardrail)
		if err != nil {
			t.Fatalf("%s: %v", has, err)
		}
		identity.Guardrails = map[string][]policy.Source{scenarioAccount: {{Name: "generated", Policy: compiled}}}
	}
	p := open(t, platform.Options{Identity: identity, EnforceLimits: strings.HasSuffix(file, "limits.txt")})
	n := serve(t, p)
	defer n.stop()
	root, err := p.CreateAccount(t.Context(), scenarioAccount)
	if err != nil {
		t.Fatal(err)
	}
	scope := aws.Scope{Account: scenarioAccount, Region: "us-east-1"}
	key := sigv4.Credentials{AccessKey: root.ID, Secret: root.Secret}
	if !bounded {
		users := iamapi.Client{Invoker: scenario.HTTP(w, model.Query, scenario.Signed(key), n.url, scope)}
		made := userWith(t, users, "player", has)
		key = sigv4.Credentials{AccessKey: made.AccessKeyId, Secret: made.SecretAccessKey}
	}
	r := &record{TB: t}
	invoker := watch{scenario.HTTP(w, service.Protocols[0], scenario.Signed(key), n.url, scope), r}
	done := make(chan struct{})
	go func() {
		defer close(done)
		scenario.Play(t.Context(), r, file, scenario.Direct(service, invoker, n.Advance, func() { time.Sleep(100 * time.Millisecond) }), "iam")
	}()
	<-done
	return r
}

// userWith makes a user that has a policy, in as many managed ones of as many groups as that takes, and answers a key of it.
func userWith(t testing.TB, users iamapi.Client, name string, has document) *iamapi.AccessKey {
	t.Helper()
	ctx := t.Context()
	must := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(users.CreateUser(ctx, &iamapi.CreateUserInput{UserName: name}))
	for i, part := range has.parts() {
		group := fmt.Sprint("group-", i/10)
		if i%10 == 0 {
			must(users.CreateGroup(ctx, &iamapi.CreateGroupInput{GroupName: group}))
			must(users.AddUserToGroup(ctx, &iamapi.AddUserToGroupInput{GroupName: group, UserName: name}))
		}
		made, err := users.CreatePolicy(ctx, &iamapi.CreatePolicyInput{PolicyName: fmt.Sprint("part-", i), PolicyDocument: part.String()})
		must(made, err)
		must(users.AttachGroupPolicy(ctx, &iamapi.AttachGroupPolicyInput{GroupName: group, PolicyArn: made.Policy.Arn.V}))
	}
	key, err := users.CreateAccessKey(ctx, &iamapi.CreateAccessKeyInput{UserName: aws.Some(name)})
	must(key, err)
	return key.AccessKey
}
