package logs_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/resource/resourcetest"
	"github.com/obidos-cloud/obidos/internal/store/memory"
)

func TestPoliciesAsResources(t *testing.T) {
	statement := func(service string) string {
		return `{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"Service\":\"` + service + `.amazonaws.com\"},\"Action\":\"logs:PutLogEvents\",\"Resource\":\"*\"}]}`
	}
	for i, c := range []resourcetest.Case{
		{
			Named: true, Missing: "none",
			Desired: `{"PolicyName":"dns","PolicyDocument":"` + statement("route53") + `"}`,
			Changed: `{"PolicyName":"dns","PolicyDocument":"` + statement("es") + `"}`,
		},
		{
			Named: true, Missing: account + "|FIELD_INDEX_POLICY|none",
			Desired: `{"PolicyName":"all","PolicyType":"FIELD_INDEX_POLICY","PolicyDocument":"{\"Fields\":[\"a\"]}","Scope":"ALL","SelectionCriteria":"LogGroupNamePrefix IN [\"/app\"]"}`,
			Changed: `{"PolicyName":"all","PolicyType":"FIELD_INDEX_POLICY","PolicyDocument":"{\"Fields\":[\"b\"]}","Scope":"ALL"}`,
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := start(t, memory.New(memory.Options{}))
			defer p.stop()
			for _, k := range p.service.Types(p.Client) {
				if strings.HasSuffix(k.Name, [...]string{"::ResourcePolicy", "::AccountPolicy"}[i]) {
					c.Type = k
				}
			}
			c.Context = func() context.Context { return aws.WithRequest(t.Context(), request()) }
			resourcetest.Run(t, c)
		})
	}
}
