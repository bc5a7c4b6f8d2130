package declared

import (
	"context"

	"github.com/obidos-cloud/obidos/internal/api/iamapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/resource"
)

// holder is how users, groups or roles have policies: the same three times under other names.
type holder struct {
	put      func(ctx context.Context, name, policy, document string) error
	drop     func(ctx context.Context, name, policy string) error
	get      func(ctx context.Context, name, policy string) (document string, err error)
	names    func(ctx context.Context, name string, marker aws.Opt[string]) ([]string, aws.Opt[string], error)
	attach   func(ctx context.Context, name, arn string) error
	detach   func(ctx context.Context, name, arn string) error
	attached func(ctx context.Context, name string, marker aws.Opt[string]) ([]iamapi.AttachedPolicy, aws.Opt[string], error)
}

func usersOf(api iamapi.Client) holder {
	return holder{
		put: func(ctx context.Context, name, policy, document string) error {
			_, err := api.PutUserPolicy(ctx, &iamapi.PutUserPolicyInput{UserName: name, PolicyName: policy, PolicyDocument: document})
			return err
		},
		drop: func(ctx context.Context, name, policy string) error {
			_, err := api.DeleteUserPolicy(ctx, &iamapi.DeleteUserPolicyInput{UserName: name, PolicyName: policy})
			return err
		},
		get: func(ctx context.Context, name, policy string) (string, error) {
			out, err := api.GetUserPolicy(ctx, &iamapi.GetUserPolicyInput{UserName: name, PolicyName: policy})
			if err != nil {
				return "", err
			}
			return out.PolicyDocument, nil
		},
		names: func(ctx context.Context, name string, marker aws.Opt[string]) ([]string, aws.Opt[string], error) {
			out, err := api.ListUserPolicies(ctx, &iamapi.ListUserPoliciesInput{UserName: name, Marker: marker})
			if err != nil {
				return nil, aws.Opt[string]{}, err
			}
			return out.PolicyNames, out.Marker, nil
		},
		attach: func(ctx context.Context, name, arn string) error {
			_, err := api.AttachUserPolicy(ctx, &iamapi.AttachUserPolicyInput{UserName: name, PolicyArn: arn})
			return err
		},
		detach: func(ctx context.Context, name, arn string) error {
			_, err := api.DetachUserPolicy(ctx, &iamapi.DetachUserPolicyInput{UserName: name, PolicyArn: arn})
			return err
		},
		attached: func(ctx context.Context, name string, marker aws.Opt[string]) ([]iamapi.AttachedPolicy, aws.Opt[string], error) {
			out, err := api.ListAttachedUserPolicies(ctx, &iamapi.ListAttachedUserPoliciesInput{UserName: name, Marker: marker})
			if err != nil {
				return nil, aws.Opt[string]{}, err
			}
			return out.AttachedPolicies, out.Marker, nil
		},
	}
}

func groupsOf(api iamapi.Client) holder {
	return holder{
		put: func(ctx context.Context, name, policy, document string) error {
			_, err := api.PutGroupPolicy(ctx, &iamapi.PutGroupPolicyInput{GroupName: name, PolicyName: policy, PolicyDocument: document})
			return err
		},
		drop: func(ctx context.Context, name, policy string) error {
			_, err := api.DeleteGroupPolicy(ctx, &iamapi.DeleteGroupPolicyInput{GroupName: name, PolicyName: policy})
			return err
		},
		get: func(ctx context.Context, name, policy string) (string, error) {
			out, err := api.GetGroupPolicy(ctx, &iamapi.GetGroupPolicyInput{GroupName: name, PolicyName: policy})
			if err != nil {
				return "", err
			}
			return out.PolicyDocument, nil
		},
		names: func(ctx context.Context, name string, marker aws.Opt[string]) ([]string, aws.Opt[string], error) {
			out, err := api.ListGroupPolicies(ctx, &iamapi.ListGroupPoliciesInput{GroupName: name, Marker: marker})
			if err != nil {
				return nil, aws.Opt[string]{}, err
			}
			return out.PolicyNames, out.Marker, nil
		},
		attach: func(ctx context.Context, name, arn string) error {
			_, err := api.AttachGroupPolicy(ctx, &iamapi.AttachGroupPolicyInput{GroupName: name, PolicyArn: arn})
			return err
		},
		detach: func(ctx context.Context, name, arn string) error {
			_, err := api.DetachGroupPolicy(ctx, &iamapi.DetachGroupPolicyInput{GroupName: name, PolicyArn: arn})
			return err
		},
		attached: func(ctx context.Context, name string, marker aws.Opt[string]) ([]iamapi.AttachedPolicy, aws.Opt[string], error) {
			out, err := api.ListAttachedGroupPolicies(ctx, &iamapi.ListAttachedGroupPoliciesInput{GroupName: name, Marker: marker})
			if err != nil {
				return nil, aws.Opt[string]{}, err
			}
			return out.AttachedPolicies, out.Marker, nil
		},
	}
}

func rolesOf(api iamapi.Client) holder {
	return holder{
		put: func(ctx context.Context, name, policy, document string) error {
			_, err := api.PutRolePolicy(ctx, &iamapi.PutRolePolicyInput{RoleName: name, PolicyName: policy, PolicyDocument: document})
			return err
		},
		drop: func(ctx context.Context, name, policy string) error {
			_, err := api.DeleteRolePolicy(ctx, &iamapi.DeleteRolePolicyInput{RoleName: name, PolicyName: policy})
			return err
		},
		get: func(ctx context.Context, name, policy string) (string, error) {
			out, err := api.GetRolePolicy(ctx, &iamapi.GetRolePolicyInput{RoleName: name, PolicyName: policy})
			if err != nil {
				return "", err
			}
			return out.PolicyDocument, nil
		},
		names: func(ctx context.Context, name string, marker aws.Opt[string]) ([]string, aws.Opt[string], error) {
			out, err := api.ListRolePolicies(ctx, &iamapi.ListRolePoliciesInput{RoleName: name, Marker: marker})
			if err != nil {
				return nil, aws.Opt[string]{}, err
			}
			return out.PolicyNames, out.Marker, nil
		},
		attach: func(ctx context.Context, name, arn string) error {
			_, err := api.AttachRolePolicy(ctx, &iamapi.AttachRolePolicyInput{RoleName: name, PolicyArn: arn})
			return err
		},
		detach: func(ctx context.Context, name, arn string) error {
			_, err := api.DetachRolePolicy(ctx, &iamapi.DetachRolePolicyInput{RoleName: name, PolicyArn: arn})
			return err
		},
		attached: func(ctx context.Context, name string, marker aws.Opt[string]) ([]iamapi.AttachedPolicy, aws.Opt[string], error) {
			out, err := api.ListAttachedRolePolicies(ctx, &iamapi.ListAttachedRolePoliciesInput{RoleName: name, Marker: marker})
			if err != nil {
				return nil, aws.Opt[string]{}, err
			}
			return out.AttachedPolicies, out.Marker, nil
		},
	}
}

// inline is an inline policy as a property of what has it.
type inline struct {
	PolicyName     string
	PolicyDocument any // an object, or its text
}

// has is what a user, group or role has of policies now.
func (h holder) has(ctx context.Context, name string) (policies []inline, arns []string, err error) {
	names, err := all(func(m aws.Opt[string]) ([]string, aws.Opt[string], error) { return h.names(ctx, name, m) })
	if err != nil {
		return nil, nil, err
	}
	for _, p := range names {
		text, err := h.get(ctx, name, p)
		if err != nil {
			return nil, nil, err
		}
		policies = append(policies, inline{p, document(text)})
	}
	attached, err := all(func(m aws.Opt[string]) ([]iamapi.AttachedPolicy, aws.Opt[string], error) {
		return h.attached(ctx, name, m)
	})
	for _, a := range attached {
		arns = append(arns, a.PolicyArn.V)
	}
	return policies, arns, err
}

// settle gives a user, group or role these policies, and no others.
func (h holder) settle(ctx context.Context, name string, policies []inline, arns []string) error {
	had, hadARNs, err := h.has(ctx, name)
	if err != nil {
		return err
	}
	for _, arn := range differ(hadARNs, arns, equal) {
		if err := unlessGone(h.detach(ctx, name, arn)); err != nil {
			return err
		}
	}
	for _, p := range differ(had, policies, func(a, b inline) bool { return a.PolicyName == b.PolicyName }) {
		if err := unlessGone(h.drop(ctx, name, p.PolicyName)); err != nil {
			return err
		}
	}
	for _, arn := range differ(arns, hadARNs, equal) {
		if err := h.attach(ctx, name, arn); err != nil {
			return err
		}
	}
	for _, p := range differ(policies, had, func(a, b inline) bool {
		return a.PolicyName == b.PolicyName && resource.JSON(a.PolicyDocument) == resource.JSON(b.PolicyDocument)
	}) {
		if err := h.put(ctx, name, p.PolicyName, resource.JSON(p.PolicyDocument)); err != nil {
			return err
		}
	}
	return nil
}
