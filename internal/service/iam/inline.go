package iam

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/obidos-cloud/obidos/internal/api/iamapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/lang/policy"
	"github.com/obidos-cloud/obidos/internal/service/iam/form"
	"github.com/obidos-cloud/obidos/internal/store"
)

// entity is a user, group or role, as far as they are alike: what has policies.
type entity struct {
	kind kind
	*named
	*permits
	service string             // of a service-linked role: nobody but the service changes it
	save    func(tx *store.Tx) // writes it
}

// entity is the user, group or role of that name.
func (s *Service) entity(tx *store.Tx, h home, k kind, name string) (*entity, error) {
	switch k {
	case aUser:
		u, err := s.user(tx, h, name)
		return &entity{k, &u.named, &u.permits, "", func(tx *store.Tx) { s.tables.users.Set(tx, u, h.account, u.ID) }}, err
	case aGroup:
		g, err := s.group(tx, h, name)
		return &entity{k, &g.named, &g.permits, "", func(tx *store.Tx) { s.tables.groups.Set(tx, g, h.account, g.ID) }}, err
	}
	r, err := s.role(tx, h, name)
	return &entity{aRole, &r.named, &r.permits, r.Service, func(tx *store.Tx) { s.tables.roles.Set(tx, r, h.account, r.ID) }}, err
}

// theirs is the entity of that name, which the caller is to change.
func (s *Service) theirs(tx *store.Tx, h home, k kind, name string) (*entity, error) {
	e, err := s.entity(tx, h, k, name)
	if err == nil && e.service != "" {
		return nil, protected(e.Name)
	}
	return e, err
}

// protected is the answer to a change of a service-linked role.
func protected(role string) *aws.Error {
	return iamapi.UnmodifiableEntityException("Cannot perform the operation on the protected role '%s' - this role is only modifiable by AWS", role)
}

// malformed checks a policy document that comes in.
func malformed(text string, k policy.Kind) error {
	if _, err := policy.Parse(text, k); err != nil {
		return iamapi.MalformedPolicyDocumentException("%s", err.Error())
	}
	return nil
}

// weight is how much of a quota a document takes: white space takes none.
func weight(document string) (n int) {
	for _, c := range document {
		if c != ' ' && c != '\t' && c != '\n' && c != '\r' {
			n++
		}
	}
	return n
}

// escaped is a document as IAM answers it: percent-encoded as RFC 3986 has it.
func escaped(document string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	b.Grow(len(document) * 3 / 2)
	for i := range len(document) {
		if c := document[i]; form.IsWord(c) || c == '-' || c == '.' || c == '~' {
			b.WriteByte(c)
		} else {
			b.WriteByte('%')
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&15])
		}
	}
	return b.String()
}

func compareFold(a, b string) int { return cmp.Compare(form.Fold(a), form.Fold(b)) }

// inlineQuota is how large all inline policies of one entity may be together.
func (k kind) inlineQuota() int {
	switch k {
	case aUser:
		return 2048
	case aGroup:
		return 5120
	}
	return 10240
}

// putInline gives an entity an inline policy, or the one it has of that name another document.
func (s *Service) putInline(ctx context.Context, k kind, name, policyName, document string) error {
	if err := form.CheckName("policyName", policyName); err != nil {
		return err
	}
	if err := malformed(document, policy.Identity); err != nil {
		return err
	}
	_, err := update(ctx, s, func(tx *store.Tx, h home) (struct{}, error) {
		e, err := s.theirs(tx, h, k, name)
		if err != nil {
			return struct{}{}, err
		}
		i, found := e.inline(policyName)
		if found {
			e.Inline[i].Document = document
		} else {
			e.Inline = slices.Insert(e.Inline, i, inlinePolicy{policyName, document})
		}
		total := 0
		for _, p := range e.Inline {
			total += weight(p.Document)
		}
		if most := k.inlineQuota(); total > most {
			return struct{}{}, iamapi.LimitExceededException("Maximum policy size of %d bytes exceeded for %s %s", most, k.traits().word, e.Name)
		}
		e.save(tx)
		return struct{}{}, nil
	})
	return err
}

// inline is where an inline policy stands, or would.
func (e *entity) inline(name string) (int, bool) {
	return slices.BinarySearchFunc(e.Inline, name, func(p inlinePolicy, name string) int { return compareFold(p.Name, name) })
}

func (e *entity) noInline(name string) error {
	return form.Missing(e.kind.traits().word+" policy", name)
}

// getInline is an inline policy: the names of the entity and of the policy as they are written, and the document as it is answered.
func (s *Service) getInline(ctx context.Context, k kind, name, policyName string) (p inlinePolicy, entity string, err error) {
	p, err = view(ctx, s, func(tx *store.Tx, h home) (p inlinePolicy, err error) {
		e, err := s.entity(tx, h, k, name)
		if err != nil {
			return p, err
		}
		entity = e.Name
		i, found := e.inline(policyName)
		if !found {
			return p, e.noInline(policyName)
		}
		return e.Inline[i], nil
	})
	p.Document = escaped(p.Document)
	return p, entity, err
}

// deleteInline takes an inline policy away.
func (s *Service) deleteInline(ctx context.Context, k kind, name, policyName string) error {
	_, err := update(ctx, s, func(tx *store.Tx, h home) (struct{}, error) {
		e, err := s.theirs(tx, h, k, name)
		if err != nil {
			return struct{}{}, err
		}
		i, found := e.inline(policyName)
		if !found {
			return struct{}{}, e.noInline(policyName)
		}
		e.Inline = slices.Delete(e.Inline, i, i+1)
		e.save(tx)
		return struct{}{}, nil
	})
	return err
}

// listInline is the names of an entity's inline policies.
func (s *Service) listInline(ctx context.Context, k kind, name string, marker aws.Opt[string], items aws.Opt[int32]) (names []string, p *form.Page, err error) {
	names, err = view(ctx, s, func(tx *store.Tx, h home) (names []string, err error) {
		if p, err = form.NewPage(marker, items); err != nil {
			return nil, err
		}
		e, err := s.entity(tx, h, k, name)
		if err != nil {
			return nil, err
		}
		names = []string{}
		for _, i := range form.Slice(p, e.Inline, func(i inlinePolicy) string { return form.Fold(i.Name) }) {
			names = append(names, i.Name)
		}
		return names, nil
	})
	return names, p, err
}

// PutUserPolicy is iam:PutUserPolicy.
func (s *Service) PutUserPolicy(ctx context.Context, in *iamapi.PutUserPolicyInput) (*iamapi.PutUserPolicyOutput, error) {
	return nil, s.putInline(ctx, aUser, in.UserName, in.PolicyName, in.PolicyDocument)
}

// GetUserPolicy is iam:GetUserPolicy.
func (s *Service) GetUserPolicy(ctx context.Context, in *iamapi.GetUserPolicyInput) (*iamapi.GetUserPolicyOutput, error) {
	p, name, err := s.getInline(ctx, aUser, in.UserName, in.PolicyName)
	return &iamapi.GetUserPolicyOutput{UserName: name, PolicyName: p.Name, PolicyDocument: p.Document}, err
}

// DeleteUserPolicy is iam:DeleteUserPolicy.
func (s *Service) DeleteUserPolicy(ctx context.Context, in *iamapi.DeleteUserPolicyInput) (*iamapi.DeleteUserPolicyOutput, error) {
	return nil, s.deleteInline(ctx, aUser, in.UserName, in.PolicyName)
}

// ListUserPolicies is iam:ListUserPolicies.
func (s *Service) ListUserPolicies(ctx context.Context, in *iamapi.ListUserPoliciesInput) (*iamapi.ListUserPoliciesOutput, error) {
	names, p, err := s.listInline(ctx, aUser, in.UserName, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	return &iamapi.ListUserPoliciesOutput{PolicyNames: names, IsTruncated: p.Truncated(), Marker: p.Marker()}, nil
}

// PutGroupPolicy is iam:PutGroupPolicy.
func (s *Service) PutGroupPolicy(ctx context.Context, in *iamapi.PutGroupPolicyInput) (*iamapi.PutGroupPolicyOutput, error) {
	return nil, s.putInline(ctx, aGroup, in.GroupName, in.PolicyName, in.PolicyDocument)
}

// GetGroupPolicy is iam:GetGroupPolicy.
func (s *Service) GetGroupPolicy(ctx context.Context, in *iamapi.GetGroupPolicyInput) (*iamapi.GetGroupPolicyOutput, error) {
	p, name, err := s.getInline(ctx, aGroup, in.GroupName, in.PolicyName)
	return &iamapi.GetGroupPolicyOutput{GroupName: name, PolicyName: p.Name, PolicyDocument: p.Document}, err
}

// DeleteGroupPolicy is iam:DeleteGroupPolicy.
func (s *Service) DeleteGroupPolicy(ctx context.Context, in *iamapi.DeleteGroupPolicyInput) (*iamapi.DeleteGroupPolicyOutput, error) {
	return nil, s.deleteInline(ctx, aGroup, in.GroupName, in.PolicyName)
}

// ListGroupPolicies is iam:ListGroupPolicies.
func (s *Service) ListGroupPolicies(ctx context.Context, in *iamapi.ListGroupPoliciesInput) (*iamapi.ListGroupPoliciesOutput, error) {
	names, p, err := s.listInline(ctx, aGroup, in.GroupName, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	return &iamapi.ListGroupPoliciesOutput{PolicyNames: names, IsTruncated: p.Truncated(), Marker: p.Marker()}, nil
}

// PutRolePolicy is iam:PutRolePolicy.
func (s *Service) PutRolePolicy(ctx context.Context, in *iamapi.PutRolePolicyInput) (*iamapi.PutRolePolicyOutput, error) {
	return nil, s.putInline(ctx, aRole, in.RoleName, in.PolicyName, in.PolicyDocument)
}

// GetRolePolicy is iam:GetRolePolicy.
func (s *Service) GetRolePolicy(ctx context.Context, in *iamapi.GetRolePolicyInput) (*iamapi.GetRolePolicyOutput, error) {
	p, name, err := s.getInline(ctx, aRole, in.RoleName, in.PolicyName)
	return &iamapi.GetRolePolicyOutput{RoleName: name, PolicyName: p.Name, PolicyDocument: p.Document}, err
}

// DeleteRolePolicy is iam:DeleteRolePolicy.
func (s *Service) DeleteRolePolicy(ctx context.Context, in *iamapi.DeleteRolePolicyInput) (*iamapi.DeleteRolePolicyOutput, error) {
	return nil, s.deleteInline(ctx, aRole, in.RoleName, in.PolicyName)
}

// ListRolePolicies is iam:ListRolePolicies.
func (s *Service) ListRolePolicies(ctx context.Context, in *iamapi.ListRolePoliciesInput) (*iamapi.ListRolePoliciesOutput, error) {
	names, p, err := s.listInline(ctx, aRole, in.RoleName, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	return &iamapi.ListRolePoliciesOutput{PolicyNames: names, IsTruncated: p.Truncated(), Marker: p.Marker()}, nil
}
