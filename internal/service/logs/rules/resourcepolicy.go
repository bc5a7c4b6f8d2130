package rules

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/obidos-cloud/obidos/internal/api/logsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/lang/policy"
	"github.com/obidos-cloud/obidos/internal/service/logs/form"
	"github.com/obidos-cloud/obidos/internal/store"
)

// maxResourcePolicies is how many an account may have in a region, those of groups aside.
const maxResourcePolicies = 10

// resourcePolicyRecord is a resource policy: an account's, or a group's.
type resourcePolicyRecord struct {
	store.Unknown
	Name     string `cbor:"1,keyasint,omitempty"`
	Document string `cbor:"2,keyasint"`
	Updated  int64  `cbor:"3,keyasint"`           // milliseconds
	Revision string `cbor:"4,keyasint,omitempty"` // of a group's only
}

// show is a policy as the API shows it; group is the ARN of the group that it is of, empty where it is the account's.
func (r *resourcePolicyRecord) show(group string) logsapi.ResourcePolicy {
	o := logsapi.ResourcePolicy{
		PolicyName: aws.NonZero(r.Name), PolicyDocument: aws.Some(r.Document), LastUpdatedTime: aws.Some(r.Updated),
		PolicyScope: aws.Some(logsapi.PolicyScopeACCOUNT),
	}
	if group != "" {
		o.PolicyScope, o.ResourceArn, o.RevisionId = aws.Some(logsapi.PolicyScopeRESOURCE), aws.Some(group), aws.Some(r.Revision)
	}
	return o
}

// PutResourcePolicy is logs:PutResourcePolicy.
func (s *Rules) PutResourcePolicy(ctx context.Context, in *logsapi.PutResourcePolicyInput) (*logsapi.PutResourcePolicyOutput, error) {
	if !in.PolicyDocument.Set {
		return nil, form.Invalid("policyDocument is required.")
	}
	if _, err := policy.Parse(in.PolicyDocument.V, policy.Resource); err != nil {
		if e, ok := errors.AsType[*policy.Error](err); ok {
			return nil, form.Invalid("%s", e.Message)
		}
		return nil, err
	}
	r := resourcePolicyRecord{Name: in.PolicyName.V, Document: in.PolicyDocument.V}
	if in.ResourceArn.Set {
		return s.putGroupPolicy(ctx, in, r)
	}
	switch {
	case r.Name == "":
		return nil, form.Invalid("policyName is required.")
	case in.ExpectedRevisionId.Set:
		return nil, form.Invalid("expectedRevisionId can be used only with resourceArn.")
	}
	return store.Update(ctx, s.space, func(tx *store.Tx) (*logsapi.PutResourcePolicyOutput, error) {
		r := r
		if !s.policies.Has(tx, r.Name) {
			n := 0
			for range s.policies.Scan(tx, store.ScanOptions{Limit: maxResourcePolicies}) {
				n++
			}
			if n == maxResourcePolicies {
				return nil, logsapi.LimitExceededException("Resource limit exceeded.")
			}
		}
		r.Updated = tx.Now().UnixMilli()
		var was *policyModel
		if old, ok := s.policies.Get(tx, r.Name); ok {
			was = modelOf(r.Name, &old)
		}
		s.policies.Set(tx, r, r.Name)
		became(ctx, s, tx, resourcePolicyType, r.Name, was, modelOf(r.Name, &r))
		shown := r.show("")
		return &logsapi.PutResourcePolicyOutput{ResourcePolicy: &shown}, nil
	})
}

// putGroupPolicy gives a group its policy. Who changes one says which they know, so that none is overwritten unseen.
func (s *Rules) putGroupPolicy(ctx context.Context, in *logsapi.PutResourcePolicyInput, r resourcePolicyRecord) (*logsapi.PutResourcePolicyOutput, error) {
	name, err := form.GroupOfARN(ctx, in.ResourceArn.V)
	if err != nil {
		return nil, err
	}
	return store.Update(ctx, s.space, func(tx *store.Tx) (*logsapi.PutResourcePolicyOutput, error) {
		r := r
		if _, err := s.group(tx, name); err != nil {
			return nil, err
		}
		was, _ := s.groupPolicies.Get(tx, name)
		if was.Revision != in.ExpectedRevisionId.V {
			return nil, otherRevision(name)
		}
		r.Updated, r.Revision = tx.Now().UnixMilli(), tx.NewID()
		done := s.groups.Changing(ctx, tx, name)
		s.groupPolicies.Set(tx, r, name)
		done()
		shown := r.show(form.GroupARN(tx.Scope(), name))
		return &logsapi.PutResourcePolicyOutput{ResourcePolicy: &shown, RevisionId: aws.Some(r.Revision)}, nil
	})
}

func otherRevision(group string) *aws.Error {
	return logsapi.OperationAbortedException("The expected revision id is not that of the resource policy of log group %s.", group)
}

func noPolicy(name string) *aws.Error {
	return logsapi.ResourceNotFoundException("Policy with name [%s] does not exist.", name)
}

// DeleteResourcePolicy is logs:DeleteResourcePolicy.
func (s *Rules) DeleteResourcePolicy(ctx context.Context, in *logsapi.DeleteResourcePolicyInput) (*logsapi.DeleteResourcePolicyOutput, error) {
	if in.ResourceArn.Set {
		name, err := form.GroupOfARN(ctx, in.ResourceArn.V)
		if err != nil {
			return nil, err
		}
		return store.Update(ctx, s.space, func(tx *store.Tx) (*logsapi.DeleteResourcePolicyOutput, error) {
			switch r, ok := s.groupPolicies.Get(tx, name); {
			case !ok || in.PolicyName.Set && in.PolicyName.V != r.Name:
				return nil, noPolicy(in.PolicyName.V)
			case r.Revision != in.ExpectedRevisionId.V:
				return nil, otherRevision(name)
			}
			done := s.groups.Changing(ctx, tx, name)
			s.groupPolicies.Delete(tx, name)
			done()
			return nil, nil
		})
	}
	switch {
	case !in.PolicyName.Set:
		return nil, form.Invalid("policyName is required.")
	case in.ExpectedRevisionId.Set:
		return nil, form.Invalid("expectedRevisionId can be used only with resourceArn.")
	}
	return store.Update(ctx, s.space, func(tx *store.Tx) (*logsapi.DeleteResourcePolicyOutput, error) {
		r, ok := s.policies.Get(tx, in.PolicyName.V)
		if !ok {
			return nil, noPolicy(in.PolicyName.V)
		}
		s.policies.Delete(tx, in.PolicyName.V)
		became(ctx, s, tx, resourcePolicyType, in.PolicyName.V, modelOf(in.PolicyName.V, &r), nil)
		return nil, nil
	})
}

// DescribeResourcePolicies is logs:DescribeResourcePolicies.
func (s *Rules) DescribeResourcePolicies(ctx context.Context, in *logsapi.DescribeResourcePoliciesInput) (*logsapi.DescribeResourcePoliciesOutput, error) {
	if err := form.CheckOne(in.PolicyScope, "policyScope"); err != nil {
		return nil, err
	}
	after, err := form.PageAfter(in.NextToken)
	if err != nil {
		return nil, err
	}
	ofGroups, only := in.PolicyScope.V == logsapi.PolicyScopeRESOURCE, ""
	if in.ResourceArn.Set {
		if in.PolicyScope.V == logsapi.PolicyScopeACCOUNT {
			return nil, form.Invalid("resourceArn can be used only with the policyScope RESOURCE.")
		}
		if only, err = form.GroupOfARN(ctx, in.ResourceArn.V); err != nil {
			return nil, err
		}
		ofGroups = true
	}
	return store.View(ctx, s.space, func(tx *store.Tx) (*logsapi.DescribeResourcePoliciesOutput, error) {
		o := &logsapi.DescribeResourcePoliciesOutput{ResourcePolicies: []logsapi.ResourcePolicy{}}
		if only != "" {
			if _, err := s.group(tx, only); err != nil {
				return nil, err
			}
			if r, ok := s.groupPolicies.Get(tx, only); ok {
				o.ResourcePolicies = append(o.ResourcePolicies, r.show(form.GroupARN(tx.Scope(), only)))
			}
			return o, nil
		}
		table, arn := &s.policies, func(string) string { return "" }
		if ofGroups {
			table, arn = &s.groupPolicies, func(name string) string { return form.GroupARN(tx.Scope(), name) }
		}
		var scan store.ScanOptions
		if after != "" {
			scan.After = []any{after}
		}
		last := ""
		for k, r := range table.Scan(tx, scan) {
			if len(o.ResourcePolicies) == int(in.Limit.Or(50)) {
				o.NextToken = form.PageToken(last)
				break
			}
			last = strings.Clone(k.String(0))
			o.ResourcePolicies = append(o.ResourcePolicies, r.show(arn(last)))
		}
		return o, nil
	})
}

// LetIn is what a group's and its account's resource policies say together, as one document; empty where there are none.
func (s *Rules) LetIn(tx *store.Tx, group string) string {
	var all struct {
		Version   string
		Statement []json.RawMessage
	}
	all.Version = "2008-10-17"
	add := func(r resourcePolicyRecord) {
		var d struct {
			Version   string
			Statement json.RawMessage
		}
		if json.Unmarshal([]byte(r.Document), &d) != nil {
			return // it was checked when it came
		}
		all.Version = max(all.Version, d.Version)
		var list []json.RawMessage
		if json.Unmarshal(d.Statement, &list) != nil {
			list = []json.RawMessage{d.Statement}
		}
		all.Statement = append(all.Statement, list...)
	}
	for _, r := range s.policies.Scan(tx, store.ScanOptions{}) {
		add(r)
	}
	if r, ok := s.groupPolicies.Get(tx, group); ok {
		add(r)
	}
	if len(all.Statement) == 0 {
		return ""
	}
	b, err := json.Marshal(all)
	if err != nil {
		panic(err) // it was JSON before
	}
	return string(b)
}
