// Package policy compares internal/lang/policy with an evaluator that nobody here wrote: npm's @cloud-copilot/iam-simulate, of the
// version that package.json names. It is run by Node.js and is part of nothing that is shipped. `npm ci` here gets it; without it
// the tests are skipped.
package policy

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"

	"github.com/obidos-cloud/obidos/internal/lang/policy"
	"github.com/obidos-cloud/obidos/internal/lang/policy/policytest"
)

var worlds = flag.Int("worlds", 5_000, "made-up worlds to compare")

// ask has the other evaluator decide all worlds.
func ask(t *testing.T, all []*policytest.World) []policy.Effect {
	t.Helper()
	if _, err := exec.LookPath("node"); err != nil {
		t.Skip("Node.js is missing: ", err)
	}
	if _, err := os.Stat("node_modules/@cloud-copilot/iam-simulate"); err != nil {
		t.Skip("@cloud-copilot/iam-simulate is missing; run npm ci in test/policy")
	}
	var in bytes.Buffer
	e := json.NewEncoder(&in)
	for _, w := range all {
		p := w.Principal.ARN
		if w.Principal.Kind == policy.Service {
			p = w.Principal.Service
		}
		q := struct {
			*policytest.World
			Principal string
		}{w, p}
		if err := e.Encode(q); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "node", "oracle.mjs")
	cmd.Stdin, cmd.Stderr = &in, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	effects := map[string]policy.Effect{"Allowed": policy.Allowed, "ImplicitlyDenied": policy.ImplicitDeny, "ExplicitlyDenied": policy.ExplicitDeny}
	var answers []policy.Effect
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		answer, ok := effects[lines.Text()]
		if !ok {
			t.Fatalf("world %d: %s", len(answers), lines.Text())
		}
		answers = append(answers, answer)
	}
	if len(answers) != len(all) {
		t.Fatalf("%d answers to %d worlds", len(answers), len(all))
	}
	return answers
}

func decide(t *testing.T, w *policytest.World) policy.Effect {
	t.Helper()
	r, set, err := w.Compile()
	if err != nil {
		t.Fatal(err)
	}
	return policy.Decide(r, set).Effect
}

func TestMadeUpWorlds(t *testing.T) {
	t.Parallel()
	all := make([]*policytest.World, *worlds)
	for seed := range all {
		m := policytest.Maker{Rand: rand.New(rand.NewPCG(uint64(seed), 17)), Plain: true}
		all[seed] = m.World()
	}
	seen, wrong, left := map[policy.Effect]int{}, 0, map[string]int{}
	for seed, theirs := range ask(t, all) {
		w := all[seed]
		if why := contested(t, w); why != "" {
			left[why]++
			continue
		}
		seen[theirs]++
		if ours := decide(t, w); ours != theirs {
			text, _ := json.MarshalIndent(w, "", " ")
			t.Errorf("seed %d: %v here, %v there\n%s", seed, ours, theirs, text)
			if wrong++; wrong == 3 {
				t.FailNow()
			}
		}
	}
	t.Logf("alike: %d allowed, %d not allowed, %d denied; left out: %v", seen[policy.Allowed], seen[policy.ImplicitDeny], seen[policy.ExplicitDeny], left)
}

// contested names what decides w and the evaluators differ about; TestDifferences says who is right.
func contested(t *testing.T, w *policytest.World) string {
	t.Helper()
	r, set, err := w.Compile()
	if err != nil {
		t.Fatal(err)
	}
	e := policy.Explain(r, set)
	if s, ok := e.Of(policy.SessionLayer); ok && s == policy.ImplicitDeny && e.Effect == policy.Allowed {
		return "a session's policy does not limit what names the session"
	}
	return ""
}
