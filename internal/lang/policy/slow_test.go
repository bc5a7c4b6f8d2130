package policy_test

import (
	"encoding/json"
	"math/rand/v2"
	"testing"

	"github.com/obidos-cloud/obidos/internal/lang/policy"
	"github.com/obidos-cloud/obidos/internal/lang/policy/policytest"
)

// TestDecideIsTheSlowOnes compares decisions about made-up worlds with those of an evaluator that reads as the documentation does.
func TestDecideIsTheSlowOnes(t *testing.T) {
	t.Parallel()
	worlds := 20_000
	if raced || testing.Short() {
		worlds = 2_000
	}
	seen := map[policy.Effect]int{}
	for seed := range worlds {
		m := policytest.Maker{Rand: rand.New(rand.NewPCG(uint64(seed), 5))}
		w := m.World()
		r, set, err := w.Compile()
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		got, want := policy.Decide(r, set), w.Slow()
		if got.Effect != want {
			text, _ := json.MarshalIndent(w, "", " ")
			t.Fatalf("seed %d: %v, want %v\n%s", seed, got.Effect, want, text)
		}
		e := policy.Explain(r, set)
		if e.Effect != got.Effect || e.Layer != got.Layer {
			t.Fatalf("seed %d: decided %v in %d, explained as %v in %d", seed, got.Effect, got.Layer, e.Effect, e.Layer)
		}
		seen[want]++
	}
	for _, e := range []policy.Effect{policy.Allowed, policy.ImplicitDeny, policy.ExplicitDeny} {
		if seen[e] < worlds/20 {
			t.Errorf("%d of %d worlds are %s: the worlds say little", seen[e], worlds, e)
		}
	}
	t.Logf("allowed %d, not allowed %d, denied %d", seen[policy.Allowed], seen[policy.ImplicitDeny], seen[policy.ExplicitDeny])
}
