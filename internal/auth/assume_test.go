package auth_test

import (
	"strings"
	"testing"

	"github.com/obidos-cloud/obidos/internal/api/stsapi"
	"github.com/obidos-cloud/obidos/internal/auth"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/lang/policy"
)

// What a denial lacks is told where it is lacking: in the caller's own policies, or in the role's trust policy.
func TestAssume(t *testing.T) {
	t.Parallel()
	user := &auth.Identity{Kind: auth.User, Account: account, ARN: alice.ARN, ID: alice.UserID, Name: "alice"}
	trusting := func(statement string) *auth.Identity {
		p, err := policy.Parse(`{"Version":"2012-10-17","Statement":[`+statement+`]}`, policy.Trust)
		if err != nil {
			t.Fatal(err)
		}
		return &auth.Identity{Kind: auth.Role, Account: account, ARN: reader, ID: "AROAREADER", Name: "reader", Path: "/team/", Trust: p}
	}
	everyone := trusting(`{"Effect":"Allow","Principal":{"AWS":"` + account + `"},"Action":"sts:AssumeRole"}`)
	herself := trusting(`{"Effect":"Allow","Principal":{"AWS":"` + alice.ARN + `"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"sts:ExternalId":"x"}}}`)
	with := map[string]policy.Value{"sts:externalid": policy.One("x")}
	ctx := aws.WithRequest(t.Context(), &aws.Request{Scope: aws.Scope{Account: account, Region: "us-east-1"}, Principal: alice})
	for _, c := range []struct {
		name      string
		role      *auth.Identity
		keys      map[string]policy.Value
		in        string // where the statement is lacking; nothing is where it is allowed
		statement string
	}{
		{"her own policies", everyone, nil, "a policy of " + alice.ARN, `"Resource"`},
		{"the role's", herself, nil, "the trust policy of " + reader, `"Principal": {`},
		{"no role at all", nil, nil, "the trust policy of " + reader, `"Principal": {`},
		{"nothing", herself, with, "", ""},
	} {
		usage := auth.NewUsage(nil)
		guard := auth.NewGuard(auth.GuardOptions{Directory: people{user.ARN: user}, Clock: stopped{}, Usage: usage})
		err := guard.Assume(ctx, &auth.Assumption{Operation: stsapi.API().Operation("AssumeRole"), Action: "sts:AssumeRole", Role: c.role, ARN: reader, Keys: c.keys})
		denials := usage.Denials()
		if c.in == "" {
			if err != nil || len(denials) != 0 {
				t.Errorf("%s: %v, %+v", c.name, err, denials)
			}
			continue
		}
		if err == nil || strings.Contains(err.Error(), "because") {
			t.Errorf("%s: %v", c.name, err)
		}
		if len(denials) != 1 || denials[0].In != c.in || !strings.Contains(denials[0].Statement, c.statement) {
			t.Errorf("%s: %+v", c.name, denials)
		}
	}
}
