package managed_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/obidos-cloud/obidos/internal/lang/policy"
	"github.com/obidos-cloud/obidos/internal/lang/policy/policytest"
	"github.com/obidos-cloud/obidos/internal/service/iam/managed"
)

// TestLanguage holds AWS's own documents to the rules that customers' are held to, and decides by them as the slow evaluator does.
func TestLanguage(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("reads every document")
	}
	action := regexp.MustCompile(`"([a-z0-9-]+:[A-Za-z*]+)"`)
	asked := 0
	for _, p := range managed.All() {
		text, err := p.Document("aws", p.Default)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := policy.Parse(text, policy.Managed); err != nil {
			t.Errorf("%s: %v", p.Name, err)
			continue
		}
		found := action.FindAllStringSubmatch(text, -1)
		for i := 0; i < len(found); i += 1 + len(found)/3 {
			for _, keys := range []map[string]any{{}, {"aws:RequestedRegion": "us-east-1", "iam:PassedToService": "lambda.amazonaws.com", "aws:ResourceAccount": "111122223333", "aws:PrincipalAccount": "111122223333"}} {
				w := &policytest.World{
					Action: strings.ReplaceAll(found[i][1], "*", "Things"), Resource: "*", Owner: "111122223333", Identity: []string{text}, Keys: keys,
					Principal: policy.Principal{Kind: policy.User, Account: "111122223333", ARN: "arn:aws:iam::111122223333:user/alice"},
				}
				r, set, err := w.Compile()
				if err != nil {
					t.Fatal(err)
				}
				asked++
				if got, want := policy.Decide(r, set).Effect, w.Slow(); got != want {
					q, _ := json.Marshal(w)
					t.Errorf("%s: %v, want %v: %.300s", p.Name, got, want, q)
				}
			}
		}
	}
	t.Logf("%d questions", asked)
}
