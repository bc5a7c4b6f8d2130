package managed_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/obidos-cloud/obidos/internal/service/iam/managed"
)

func TestLookup(t *testing.T) {
	t.Parallel()
	for _, arn := range []string{
		"", "arn:aws:iam::aws:policy/", "arn:aws:iam::aws:policy/NoSuchPolicy", "AdministratorAccess",
		"arn:aws:iam::000000000000:policy/AdministratorAccess", "arn:aws:iam::aws:policy/AWSLambdaBasicExecutionRole",
		"arn:other:iam::aws:policy/AdministratorAccess", "arn:aws:iam::aws:policy/administratoraccess",
	} {
		if p, ok := managed.Lookup(arn); ok {
			t.Errorf("%q is %s", arn, p.Name)
		}
	}
	p, ok := managed.Lookup("arn:aws-cn:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole")
	if !ok {
		t.Fatal("no AWSLambdaBasicExecutionRole")
	}
	if got := p.ARN("aws-cn"); got != "arn:aws-cn:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole" {
		t.Errorf("its ARN is %s", got)
	}
	if p.ID != "ANPAJNCQGXC42545SKXIK" || p.Created.Format("2006-01-02") != "2015-04-09" {
		t.Errorf("it is %s of %s", p.ID, p.Created)
	}
	text, err := p.Document("aws", p.Default)
	if err != nil || !strings.Contains(text, "logs:PutLogEvents") {
		t.Errorf("its document is %q, %v", text, err)
	}
	if _, err := p.Document("aws", 1000); err == nil {
		t.Error("it has a version 1000")
	}
}

func TestDocumentsAreOfThePartition(t *testing.T) {
	t.Parallel()
	p, ok := managed.Named("APIGatewayServiceRolePolicy")
	if !ok {
		t.Fatal("no APIGatewayServiceRolePolicy")
	}
	text, err := p.Document("aws-us-gov", p.Default)
	if err != nil || strings.Contains(text, `"arn:aws:`) || !strings.Contains(text, `"arn:aws-us-gov:`) {
		t.Errorf("its document is %q, %v", text, err)
	}
}

// TestAll reads every document in force, and every older one of a policy that has many.
func TestAll(t *testing.T) {
	t.Parallel()
	all := managed.All()
	if len(all) < 1500 {
		t.Errorf("there are %d policies", len(all))
	}
	if !slices.IsSortedFunc(all, func(a, b *managed.Policy) int {
		return strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name))
	}) {
		t.Error("they are not in order")
	}
	ids := map[string]string{}
	check := func(p *managed.Policy, version int) {
		var document struct {
			Statement json.RawMessage
		}
		text, err := p.Document("aws", version)
		if err != nil {
			t.Errorf("%s v%d: %v", p.Name, version, err)
		} else if err := json.Unmarshal([]byte(text), &document); err != nil || document.Statement == nil {
			t.Errorf("%s v%d: %v in %.100q", p.Name, version, err, text)
		}
	}
	for _, p := range all {
		if other, ok := ids[p.ID]; ok || len(p.ID) != 21 {
			t.Errorf("%s has the id %s of %q", p.Name, p.ID, other)
		}
		ids[p.ID] = p.Name
		check(p, p.Default)
		if p.Name == "AWSLambda_FullAccess" || p.Name == "AWSSupportServiceRolePolicy" {
			for _, v := range p.Versions {
				check(p, v.Number)
			}
		}
	}
}
