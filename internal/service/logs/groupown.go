package logs

import (
	"context"
	"encoding/json"
	"reflect"

	"github.com/obidos-cloud/obidos/internal/api/logsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/service/logs/rules"
)

// setOwn puts what is set for a group alone among its properties.
func (m *groupModel) setOwn(o rules.Own) {
	m.DataProtectionPolicy, m.ResourcePolicyDocument, m.FieldIndexPolicies = said(o.Protection), said(o.Resource), nil
	if o.Index != "" {
		m.FieldIndexPolicies = []any{said(o.Index)}
	}
}

// said is what a document says; nil where there is none.
func said(document any) (what any) {
	text, ok := document.(string)
	if !ok {
		return document
	}
	if text == "" || json.Unmarshal([]byte(text), &what) != nil {
		return nil // what was kept is JSON
	}
	return what
}

// written is a document as a text: what it says, or the text it is.
func written(document any) (string, error) {
	if text, ok := document.(string); ok {
		return text, nil
	}
	b, err := json.Marshal(document)
	return string(b), err
}

// own asks for what is set for a group alone, and for the revision of its resource policy.
func (t groupResources) own(ctx context.Context, name string) (o rules.Own, revision aws.Opt[string], err error) {
	protection, err := t.api.GetDataProtectionPolicy(ctx, &logsapi.GetDataProtectionPolicyInput{LogGroupIdentifier: name})
	if err != nil {
		return o, revision, err
	}
	o.Protection = protection.PolicyDocument.V
	indexes, err := t.api.DescribeIndexPolicies(ctx, &logsapi.DescribeIndexPoliciesInput{LogGroupIdentifiers: []string{name}})
	if err != nil {
		return o, revision, err
	}
	for _, p := range indexes.IndexPolicies {
		if p.Source.V == logsapi.IndexSourceLOGGROUP {
			o.Index = p.PolicyDocument.V
		}
	}
	arn := groupARN(aws.RequestOf(ctx).Scope, name)
	policies, err := t.api.DescribeResourcePolicies(ctx, &logsapi.DescribeResourcePoliciesInput{ResourceArn: aws.Some(arn)})
	if err != nil {
		return o, revision, err
	}
	for _, p := range policies.ResourcePolicies {
		o.Resource, revision = p.PolicyDocument.V, p.RevisionId
	}
	return o, revision, nil
}

// putOwn makes what a group has for itself what is desired.
func (t groupResources) putOwn(ctx context.Context, name string, now, desired groupModel) error {
	first := func(all []any) any {
		if len(all) == 0 {
			return nil
		}
		return all[0]
	}
	for _, p := range []struct {
		is, wants any
		put       func(document string) error
		drop      func() error
	}{
		{
			now.DataProtectionPolicy, desired.DataProtectionPolicy,
			func(document string) error {
				_, err := t.api.PutDataProtectionPolicy(ctx, &logsapi.PutDataProtectionPolicyInput{LogGroupIdentifier: name, PolicyDocument: document})
				return err
			},
			func() error {
				_, err := t.api.DeleteDataProtectionPolicy(ctx, &logsapi.DeleteDataProtectionPolicyInput{LogGroupIdentifier: name})
				return err
			},
		},
		{
			first(now.FieldIndexPolicies), first(desired.FieldIndexPolicies),
			func(document string) error {
				_, err := t.api.PutIndexPolicy(ctx, &logsapi.PutIndexPolicyInput{LogGroupIdentifier: name, PolicyDocument: document})
				return err
			},
			func() error {
				_, err := t.api.DeleteIndexPolicy(ctx, &logsapi.DeleteIndexPolicyInput{LogGroupIdentifier: name})
				return err
			},
		},
		{
			now.ResourcePolicyDocument, desired.ResourcePolicyDocument,
			func(document string) error {
				_, revision, err := t.own(ctx, name)
				if err != nil {
					return err
				}
				_, err = t.api.PutResourcePolicy(ctx, &logsapi.PutResourcePolicyInput{
					ResourceArn: aws.Some(groupARN(aws.RequestOf(ctx).Scope, name)), PolicyDocument: aws.Some(document), ExpectedRevisionId: revision,
				})
				return err
			},
			func() error {
				_, revision, err := t.own(ctx, name)
				if err != nil {
					return err
				}
				_, err = t.api.DeleteResourcePolicy(ctx, &logsapi.DeleteResourcePolicyInput{
					ResourceArn: aws.Some(groupARN(aws.RequestOf(ctx).Scope, name)), ExpectedRevisionId: revision,
				})
				return err
			},
		},
	} {
		is, wants := said(p.is), said(p.wants)
		var err error
		switch {
		case reflect.DeepEqual(is, wants):
		case p.wants == nil:
			err = p.drop()
		default:
			var document string
			if document, err = written(p.wants); err == nil {
				err = p.put(document)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}
