package iam

import (
	"testing"

	"github.com/obidos-cloud/obidos/internal/service/iam/managed"
)

// TestLinkedRolesHaveTheirPolicies finds a line of the list that is mistyped.
func TestLinkedRolesHaveTheirPolicies(t *testing.T) {
	t.Parallel()
	names := map[string]string{}
	for service, l := range linkedRoles() {
		if other, ok := names[l.role]; ok {
			t.Errorf("%s and %s have the same role", service, other)
		}
		names[l.role] = service
		if len(l.role) > 64 {
			t.Errorf("the role of %s has a name of %d characters", service, len(l.role))
		}
		_, ok := managed.Lookup("arn:aws:iam::aws:policy" + serviceRolePath + l.policy)
		if absent := l.policy == "AmazonLexBotPolicy"; ok == absent { // AWS has it; the data does not
			t.Errorf("the policy %s of %s is there: %v", l.policy, service, ok)
		}
	}
	if len(names) < 100 {
		t.Errorf("%d services have roles", len(names))
	}
}
