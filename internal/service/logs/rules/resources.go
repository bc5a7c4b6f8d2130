package rules

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/obidos-cloud/obidos/internal/api/logsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/resource"
	"github.com/obidos-cloud/obidos/internal/store"
)

const (
	resourcePolicyType = "AWS::Logs::ResourcePolicy"
	accountPolicyType  = "AWS::Logs::AccountPolicy"
)

// PolicyTypes are the types of resource that policies are.
func (s *Rules) PolicyTypes(api logsapi.Client) []resource.Type {
	policies, accounts := policyResources{api}, accountPolicyResources{api}
	return []resource.Type{
		resource.Kind[policyModel]{
			Name: resourcePolicyType, Service: "CloudWatchLogs",
			Create: policies.create, Read: policies.read, Update: policies.update, Delete: policies.delete, List: policies.list,
		}.Type(),
		resource.Kind[accountPolicyModel]{
			Name: accountPolicyType, Service: "CloudWatchLogs",
			Create: accounts.create, Read: accounts.read, Update: accounts.update, Delete: accounts.delete, List: accounts.list,
		}.Type(),
	}
}

// became tells the feed what a policy was and is; nil where it was not, or is not any more.
func became[M any](ctx context.Context, s *Rules, tx *store.Tx, typeName, id string, was, is *M) {
	if !s.changes.Watched(typeName) {
		return
	}
	text := func(m *M) string {
		if m == nil {
			return ""
		}
		b, err := json.Marshal(m)
		if err != nil {
			panic(err) // it is made of strings
		}
		return string(b)
	}
	s.changes.Became(ctx, tx, typeName, id, text(was), text(is))
}

func missing(err error, typeName, id string) error {
	if e, ok := errors.AsType[*aws.Error](err); ok && e.ErrorShape == logsapi.ErrResourceNotFoundException {
		return resource.Missing(typeName, id)
	}
	return err
}

// policyModel is a resource policy of an account by its properties.
type policyModel struct {
	PolicyName     string `json:",omitempty"`
	PolicyDocument any    `json:",omitempty"` // a text, or what one says
}

func modelOf(name string, r *resourcePolicyRecord) *policyModel {
	return &policyModel{name, r.Document}
}

// document is a policy's text.
func document(v any) (string, error) {
	if text, ok := v.(string); ok {
		return text, nil
	}
	b, err := json.Marshal(v)
	return string(b), err
}

type policyResources struct{ api logsapi.Client }

func (t policyResources) find(ctx context.Context, name string) (m policyModel, ok bool, err error) {
	var token aws.Opt[string]
	for {
		out, err := t.api.DescribeResourcePolicies(ctx, &logsapi.DescribeResourcePoliciesInput{NextToken: token})
		if err != nil {
			return m, false, err
		}
		for _, p := range out.ResourcePolicies {
			if p.PolicyName.V == name {
				return policyModel{name, p.PolicyDocument.V}, true, nil
			}
		}
		if token = out.NextToken; !token.Set {
			return m, false, nil
		}
	}
}

func (t policyResources) put(ctx context.Context, m policyModel) (policyModel, error) {
	text, err := document(m.PolicyDocument)
	if err == nil {
		_, err = t.api.PutResourcePolicy(ctx, &logsapi.PutResourcePolicyInput{PolicyName: aws.Some(m.PolicyName), PolicyDocument: aws.Some(text)})
	}
	return m, err
}

func (t policyResources) create(ctx context.Context, r resource.Request, desired policyModel) (policyModel, error) {
	if _, there, err := t.find(ctx, desired.PolicyName); err != nil || there && !r.Again {
		if err == nil {
			err = resource.Exists(resourcePolicyType, desired.PolicyName)
		}
		return policyModel{}, err
	}
	return t.put(ctx, desired)
}

func (t policyResources) read(ctx context.Context, id policyModel) (policyModel, error) {
	m, ok, err := t.find(ctx, id.PolicyName)
	if err == nil && !ok {
		err = resource.Missing(resourcePolicyType, id.PolicyName)
	}
	return m, err
}

func (t policyResources) update(ctx context.Context, _ resource.Request, before, desired policyModel) (policyModel, error) {
	if _, err := t.read(ctx, before); err != nil {
		return policyModel{}, err
	}
	desired.PolicyName = before.PolicyName
	return t.put(ctx, desired)
}

func (t policyResources) delete(ctx context.Context, r resource.Request, was policyModel) error {
	_, err := t.api.DeleteResourcePolicy(ctx, &logsapi.DeleteResourcePolicyInput{PolicyName: aws.Some(was.PolicyName)})
	if err = missing(err, resourcePolicyType, was.PolicyName); r.Again && err != nil {
		if _, there, e := t.find(ctx, was.PolicyName); e == nil && !there {
			return nil
		}
	}
	return err
}

func (t policyResources) list(ctx context.Context, _ policyModel, page resource.Page) (list []policyModel, next string, err error) {
	out, err := t.api.DescribeResourcePolicies(ctx, &logsapi.DescribeResourcePoliciesInput{Limit: aws.Some(int32(min(page.Limit, 50))), NextToken: aws.NonZero(page.After)})
	if err != nil {
		return nil, "", err
	}
	for _, p := range out.ResourcePolicies {
		list = append(list, policyModel{PolicyName: p.PolicyName.V})
	}
	return list, out.NextToken.V, nil
}

// accountPolicyModel is a policy of an account by its properties.
type accountPolicyModel struct {
	AccountId         string `json:",omitempty"`
	PolicyType        string `json:",omitempty"`
	PolicyName        string `json:",omitempty"`
	PolicyDocument    string `json:",omitempty"`
	Scope             string `json:",omitempty"`
	SelectionCriteria string `json:",omitempty"`
}

func (m *accountPolicyModel) id() string {
	return m.AccountId + "|" + m.PolicyType + "|" + m.PolicyName
}

func accountModelOf(account, kind, name string, r *accountPolicyRecord) *accountPolicyModel {
	return &accountPolicyModel{account, kind, name, r.Document, string(logsapi.ScopeALL), r.Criteria}
}

type accountPolicyResources struct{ api logsapi.Client }

func (t accountPolicyResources) put(ctx context.Context, m accountPolicyModel) (accountPolicyModel, error) {
	out, err := t.api.PutAccountPolicy(ctx, &logsapi.PutAccountPolicyInput{
		PolicyName: m.PolicyName, PolicyType: logsapi.PolicyType(m.PolicyType), PolicyDocument: m.PolicyDocument,
		Scope: aws.NonZero(logsapi.Scope(m.Scope)), SelectionCriteria: aws.NonZero(m.SelectionCriteria),
	})
	if err != nil {
		return m, err
	}
	m.AccountId, m.Scope = out.AccountPolicy.AccountId.V, string(out.AccountPolicy.Scope.V)
	return m, nil
}

func (t accountPolicyResources) read(ctx context.Context, id accountPolicyModel) (accountPolicyModel, error) {
	if id.AccountId != "" && id.AccountId != aws.RequestOf(ctx).Account {
		return id, resource.Missing(accountPolicyType, id.id())
	}
	out, err := t.api.DescribeAccountPolicies(ctx, &logsapi.DescribeAccountPoliciesInput{PolicyType: logsapi.PolicyType(id.PolicyType), PolicyName: aws.Some(id.PolicyName)})
	if err != nil {
		return id, missing(err, accountPolicyType, id.id())
	}
	for _, p := range out.AccountPolicies {
		return accountPolicyModel{p.AccountId.V, string(p.PolicyType.V), p.PolicyName.V, p.PolicyDocument.V, string(p.Scope.V), p.SelectionCriteria.V}, nil
	}
	return id, resource.Missing(accountPolicyType, id.id())
}

func (t accountPolicyResources) create(ctx context.Context, r resource.Request, desired accountPolicyModel) (accountPolicyModel, error) {
	desired.AccountId = aws.RequestOf(ctx).Account
	if _, err := t.read(ctx, desired); err == nil && !r.Again {
		return desired, resource.Exists(accountPolicyType, desired.id())
	}
	return t.put(ctx, desired)
}

func (t accountPolicyResources) update(ctx context.Context, _ resource.Request, before, desired accountPolicyModel) (accountPolicyModel, error) {
	if _, err := t.read(ctx, before); err != nil {
		return before, err
	}
	desired.PolicyType, desired.PolicyName = before.PolicyType, before.PolicyName
	return t.put(ctx, desired)
}

func (t accountPolicyResources) delete(ctx context.Context, r resource.Request, was accountPolicyModel) error {
	_, err := t.api.DeleteAccountPolicy(ctx, &logsapi.DeleteAccountPolicyInput{PolicyName: was.PolicyName, PolicyType: logsapi.PolicyType(was.PolicyType)})
	if r.Again && err != nil {
		if e, ok := errors.AsType[*aws.Error](err); ok && e.ErrorShape == logsapi.ErrResourceNotFoundException {
			return nil
		}
	}
	return missing(err, accountPolicyType, was.id())
}

func (t accountPolicyResources) list(ctx context.Context, like accountPolicyModel, _ resource.Page) (list []accountPolicyModel, next string, err error) {
	out, err := t.api.DescribeAccountPolicies(ctx, &logsapi.DescribeAccountPoliciesInput{PolicyType: logsapi.PolicyType(like.PolicyType)})
	if err != nil {
		return nil, "", err
	}
	for _, p := range out.AccountPolicies {
		list = append(list, accountPolicyModel{AccountId: p.AccountId.V, PolicyType: string(p.PolicyType.V), PolicyName: p.PolicyName.V})
	}
	return list, "", nil
}
