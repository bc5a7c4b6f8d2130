package policy_test

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/obidos-cloud/obidos/internal/lang/policy"
)

// The cases of testdata/*.cases. A line is one of
//
//	## title                   begins anew, with no policies and no keys
//	identity | boundary | session | resource | guardrail | trust    and the document on the lines that follow, up to an empty one
//	condition {…}              an identity policy that allows everything under this condition
//	as KIND ARN [ROLE|USER]    who asks: user, root, role, federated, service NAME, web PROVIDER, saml PROVIDER, anonymous
//	owner ACCOUNT              whose the resource is; principal's if not said
//	must                       the resource's policy has to allow
//	keys K=V, K=[V W]          condition keys of the cases that follow; those a case has itself are added
//	holds [K=V, …]             a case: the condition is met
//	fails [K=V, …]             a case: it is not
//	allow ACTION RESOURCE [with K=V, …]
//	implicit LAYER ACTION RESOURCE [with …]
//	explicit LAYER ACTION RESOURCE [with …]
//
// and # begins a remark.
type caseFile struct {
	title     string
	set       policy.Set
	principal policy.Principal
	keys      keyMap
}

// keyMap is the condition keys of a request: names in lower case.
type keyMap map[string]policy.Value

func (m keyMap) Key(name string) policy.Value { return m[name] }

const alice = "arn:aws:iam::111122223333:user/alice"

func TestCases(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.cases")
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".cases")
		t.Run(name, func(t *testing.T) { total += playCases(t, f) })
	}
	if total < 400 {
		t.Errorf("%d cases, want 400 at least", total)
	}
	t.Logf("%d cases", total)
}

func playCases(t *testing.T, file string) (played int) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	number := 0
	next := func() (string, bool) {
		number++
		return lines.Text(), lines.Scan()
	}
	var c caseFile
	lines.Scan()
	for {
		line, more := next()
		line = strings.TrimSpace(line)
		word, rest, _ := strings.Cut(line, " ")
		switch {
		case strings.HasPrefix(line, "## "):
			c = caseFile{title: rest, keys: keyMap{}, principal: policy.Principal{Kind: policy.User, Account: "111122223333", ARN: alice}}
		case line == "" || strings.HasPrefix(line, "#"):
		case word == "holds" || word == "fails" || word == "allow" || word == "implicit" || word == "explicit":
			played++
			if problem := c.play(t, word, rest); problem != "" {
				t.Errorf("%s:%d: %s: %s\n\t%s", file, number, c.title, line, problem)
			}
		default:
			var doc strings.Builder
			switch word {
			case "identity", "boundary", "session", "resource", "guardrail", "trust":
				for more {
					var text string
					if text, more = next(); strings.TrimSpace(text) == "" {
						break
					}
					doc.WriteString(text + "\n")
				}
			}
			if err := c.take(word, rest, doc.String()); err != nil {
				t.Fatalf("%s:%d: %s: %v", file, number, line, err)
			}
		}
		if !more {
			return played
		}
	}
}

func (c *caseFile) take(word, rest, doc string) error {
	kinds := map[string]policy.Kind{
		"identity": policy.Identity, "boundary": policy.Managed, "session": policy.Identity, "resource": policy.Resource,
		"guardrail": policy.Guardrail, "trust": policy.Trust, "condition": policy.Identity,
	}
	if word == "condition" {
		doc = `{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": ` + rest + `}}`
		c.set.Identity = nil
	}
	if kind, ok := kinds[word]; ok {
		var p *policy.Policy
		var err error
		if rest == "stored" {
			p, err = policy.Read(doc)
		} else {
			p, err = policy.Parse(doc, kind)
		}
		if err != nil {
			return err
		}
		s := policy.Source{Name: word, Type: word, Policy: p}
		switch word {
		case "identity", "condition":
			c.set.Identity = append(c.set.Identity, s)
		case "boundary":
			c.set.Boundary = &s
		case "session":
			c.set.Session = append(c.set.Session, s)
		case "guardrail":
			c.set.Guardrails = append(c.set.Guardrails, s)
		case "trust":
			c.set.ResourceMust = true
			fallthrough
		case "resource":
			c.set.Resource = &s
		}
		return nil
	}
	switch word {
	case "owner":
		c.set.ResourceAccount = rest
	case "must":
		c.set.ResourceMust = true
	case "session-of-nothing":
		c.set.Session = []policy.Source{}
	case "keys":
		c.keys = keyMap{}
		return c.keys.add(rest)
	case "as":
		p, err := principalOf(rest)
		c.principal = p
		return err
	default:
		return fmt.Errorf("no such line")
	}
	return nil
}

func principalOf(text string) (p policy.Principal, err error) {
	f := append(strings.Fields(text), "", "", "")
	account := func(arn string) string { return strings.Split(arn+":::::", ":")[4] }
	switch f[0] {
	case "anonymous":
		return policy.Principal{Kind: policy.Anonymous}, nil
	case "root":
		return policy.Principal{Kind: policy.Root, ARN: f[1], Account: account(f[1])}, nil
	case "user":
		return policy.Principal{Kind: policy.User, ARN: f[1], Account: account(f[1]), ID: f[2]}, nil
	case "role":
		return policy.Principal{Kind: policy.Role, ARN: f[1], Account: account(f[1]), Role: f[2], Provider: f[3]}, nil
	case "linked":
		return policy.Principal{Kind: policy.Role, ARN: f[1], Account: account(f[1]), Role: f[2], Linked: true}, nil
	case "federated":
		return policy.Principal{Kind: policy.FederatedUser, ARN: f[1], Account: account(f[1]), Role: f[2]}, nil
	case "service":
		return policy.Principal{Kind: policy.Service, Service: f[1]}, nil
	case "web":
		return policy.Principal{Kind: policy.WebIdentity, Provider: f[1]}, nil
	case "saml":
		return policy.Principal{Kind: policy.SAML, Provider: f[1]}, nil
	}
	return p, fmt.Errorf("no such principal")
}

func (m keyMap) add(text string) error {
	if strings.TrimSpace(text) == "" {
		return nil
	}
	for pair := range strings.SplitSeq(text, ", ") {
		k, v, ok := strings.Cut(pair, "=")
		if !ok {
			return fmt.Errorf("%q is no key=value", pair)
		}
		k = strings.ToLower(strings.TrimSpace(k))
		if list, ok := strings.CutPrefix(v, "["); ok {
			m[k] = policy.Many(strings.Fields(strings.TrimSuffix(list, "]")))
		} else {
			m[k] = policy.One(v)
		}
	}
	return nil
}

var layerNames = map[string]policy.Layer{
	"identity": policy.IdentityLayer, "resource": policy.ResourceLayer, "boundary": policy.BoundaryLayer, "session": policy.SessionLayer,
	"guardrail": policy.GuardrailLayer, "trust": policy.TrustLayer,
}

// play decides one case and says what is wrong.
func (c *caseFile) play(t *testing.T, word, rest string) string {
	t.Helper()
	want, layer := policy.Allowed, policy.NoLayer
	r := policy.Request{Action: "sqs:SendMessage", Resource: "arn:aws:sqs:us-east-1:111122223333:q", Principal: c.principal}
	keys := keyMap{}
	for k, v := range c.keys {
		keys[k] = v
	}
	r.Keys = keys
	var own string
	if word == "holds" || word == "fails" {
		own = rest
		if word == "fails" {
			want, layer = policy.ImplicitDeny, policy.IdentityLayer
		}
	} else {
		var words string
		words, own, _ = strings.Cut(rest, " with ")
		f := strings.Fields(words)
		if word != "allow" {
			want = policy.ImplicitDeny
			if word == "explicit" {
				want = policy.ExplicitDeny
			}
			layer, f = layerNames[f[0]], f[1:]
		}
		if len(f) != 2 {
			return "not an action and a resource"
		}
		r.Action, r.Resource = f[0], f[1]
	}
	if err := keys.add(own); err != nil {
		return err.Error()
	}
	got := policy.Decide(&r, &c.set)
	if got.Effect != want || layer != policy.NoLayer && got.Layer != layer {
		return fmt.Sprintf("%s in layer %d: %s", got.Effect, got.Layer, got.Reason(r.Action))
	}
	if e := policy.Explain(&r, &c.set); e.Effect != got.Effect || e.Layer != got.Layer {
		return fmt.Sprintf("explained as %s in layer %d", e.Effect, e.Layer)
	}
	return ""
}
