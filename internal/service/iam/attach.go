package iam

import (
	"context"
	"slices"
	"strings"

	"github.com/obidos-cloud/obidos/internal/api/iamapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/service/iam/form"
	"github.com/obidos-cloud/obidos/internal/store"
)

// usage is how an entity uses a policy. The numbers are part of keys: they never change.
type usage uint64

const (
	asPermission usage = 0
	asBoundary   usage = 1
)

// use remembers that an entity uses a policy.
func (s *Service) use(tx *store.Tx, h home, ref string, u usage, e *entity) {
	s.tables.uses.Set(tx, e.ID, h.account, ref, uint64(u), e.kind.key(), form.Fold(e.Name))
	s.recount(tx, h, ref, u, 1)
}

// unuse forgets it.
func (s *Service) unuse(tx *store.Tx, h home, ref string, u usage, k kind, name string) {
	s.tables.uses.Delete(tx, h.account, ref, uint64(u), k.key(), form.Fold(name))
	s.recount(tx, h, ref, u, -1)
}

func (s *Service) recount(tx *store.Tx, h home, ref string, u usage, n int32) {
	c, _ := s.tables.counts.Get(tx, h.account, ref)
	if u == asBoundary {
		c.Bounding += n
	} else {
		c.Attached += n
	}
	if c.Attached == 0 && c.Bounding == 0 {
		s.tables.counts.Delete(tx, h.account, ref)
		return
	}
	s.tables.counts.Set(tx, c, h.account, ref)
}

// reuse has what an entity uses know it by its new name.
func (s *Service) reuse(tx *store.Tx, h home, e *entity, was string) {
	move := func(ref string, u usage) {
		s.tables.uses.Delete(tx, h.account, ref, uint64(u), e.kind.key(), form.Fold(was))
		s.tables.uses.Set(tx, e.ID, h.account, ref, uint64(u), e.kind.key(), form.Fold(e.Name))
	}
	for _, ref := range e.Attached {
		move(ref, asPermission)
	}
	if e.Boundary != "" {
		move(e.Boundary, asBoundary)
	}
}

// serviceRolePath is where AWS keeps the policies of service-linked roles, which nobody else may have.
const serviceRolePath = "/aws-service-role/"

// attach gives an entity a managed policy.
func (s *Service) attach(ctx context.Context, k kind, name, arn string) error {
	_, err := update(ctx, s, func(tx *store.Tx, h home) (struct{}, error) {
		p, ok, err := s.policyOf(tx, h, arn)
		if err != nil {
			return struct{}{}, err
		}
		e, err := s.theirs(tx, h, k, name)
		if err != nil {
			return struct{}{}, err
		}
		switch {
		case !ok:
			return struct{}{}, iamapi.NoSuchEntityException("Policy %s does not exist or is not attachable.", arn)
		case p.aws != nil && p.aws.Path == serviceRolePath:
			return struct{}{}, iamapi.PolicyNotAttachableException("Cannot attach a Service Role Policy to a Customer Role.")
		case slices.Contains(e.Attached, p.ref):
			return struct{}{}, nil
		}
		const most = 10
		if len(e.Attached) >= most {
			word := k.traits().word
			return struct{}{}, form.OverQuota("PoliciesPer"+strings.ToUpper(word[:1])+word[1:], most)
		}
		e.Attached = append(e.Attached, p.ref)
		s.use(tx, h, p.ref, asPermission, e)
		e.save(tx)
		return struct{}{}, nil
	})
	return err
}

// detach takes a managed policy away.
func (s *Service) detach(ctx context.Context, k kind, name, arn string) error {
	_, err := update(ctx, s, func(tx *store.Tx, h home) (struct{}, error) {
		p, ok, err := s.policyOf(tx, h, arn)
		if err != nil {
			return struct{}{}, err
		}
		e, err := s.theirs(tx, h, k, name)
		if err != nil {
			return struct{}{}, err
		}
		if !ok || !slices.Contains(e.Attached, p.ref) {
			return struct{}{}, noPolicy(arn)
		}
		e.Attached = slices.DeleteFunc(e.Attached, func(ref string) bool { return ref == p.ref })
		s.unuse(tx, h, p.ref, asPermission, k, e.Name)
		e.save(tx)
		return struct{}{}, nil
	})
	return err
}

// attachedTo are the managed policies of an entity, in the order they were attached.
func (s *Service) attachedTo(tx *store.Tx, h home, e *permits) []managedPolicy {
	list := make([]managedPolicy, 0, len(e.Attached))
	for _, ref := range e.Attached {
		if p, ok := s.policyBy(tx, h, ref); ok {
			list = append(list, p)
		}
	}
	return list
}

func attachedOut(h home, p managedPolicy) iamapi.AttachedPolicy {
	return iamapi.AttachedPolicy{PolicyName: aws.Some(p.name()), PolicyArn: aws.Some(p.arn(h))}
}

// listAttached shows the managed policies of an entity.
func (s *Service) listAttached(ctx context.Context, k kind, name string, prefix, marker aws.Opt[string], items aws.Opt[int32]) (list []iamapi.AttachedPolicy, p *form.Page, err error) {
	list, err = view(ctx, s, func(tx *store.Tx, h home) (list []iamapi.AttachedPolicy, err error) {
		if p, err = form.NewPage(marker, items); err != nil {
			return nil, err
		}
		e, err := s.entity(tx, h, k, name)
		if err != nil {
			return nil, err
		}
		policies := slices.DeleteFunc(s.attachedTo(tx, h, e.permits), func(p managedPolicy) bool { return !strings.HasPrefix(p.path(), prefix.V) })
		slices.SortFunc(policies, func(a, b managedPolicy) int { return compareFold(a.name()+" "+a.ref, b.name()+" "+b.ref) })
		list = []iamapi.AttachedPolicy{}
		for _, m := range form.Slice(p, policies, func(p managedPolicy) string { return form.Fold(p.name() + " " + p.ref) }) {
			list = append(list, attachedOut(h, m))
		}
		return list, nil
	})
	return list, p, err
}

// bound gives an entity a permissions boundary. The caller writes it.
func (s *Service) bound(tx *store.Tx, h home, e *entity, arn string) error {
	p, ok, err := s.policyOf(tx, h, arn)
	if err != nil {
		return iamapi.InvalidInputException("ARN %s is not valid.", arn)
	}
	if !ok {
		return iamapi.NoSuchEntityException("Scope ARN: %s does not exist or is not attachable.", arn)
	}
	if e.Boundary == p.ref {
		return nil
	}
	if e.Boundary != "" {
		s.unuse(tx, h, e.Boundary, asBoundary, e.kind, e.Name)
	}
	e.Boundary = p.ref
	s.use(tx, h, p.ref, asBoundary, e)
	return nil
}

// setBoundary gives an entity a permissions boundary, or takes it away where there is no ARN.
func (s *Service) setBoundary(ctx context.Context, k kind, name, arn string) error {
	_, err := update(ctx, s, func(tx *store.Tx, h home) (struct{}, error) {
		e, err := s.theirs(tx, h, k, name)
		if err != nil {
			return struct{}{}, err
		}
		if arn != "" {
			err = s.bound(tx, h, e, arn)
		} else if e.Boundary == "" {
			word := k.traits().word
			err = iamapi.NoSuchEntityException("%s %s does not have a permission boundary.", strings.ToUpper(word[:1])+word[1:], e.Name)
		} else {
			s.unuse(tx, h, e.Boundary, asBoundary, k, e.Name)
			e.Boundary = ""
		}
		if err != nil {
			return struct{}{}, err
		}
		e.save(tx)
		return struct{}{}, nil
	})
	return err
}

// PutUserPermissionsBoundary is iam:PutUserPermissionsBoundary.
func (s *Service) PutUserPermissionsBoundary(ctx context.Context, in *iamapi.PutUserPermissionsBoundaryInput) (*iamapi.PutUserPermissionsBoundaryOutput, error) {
	return nil, s.setBoundary(ctx, aUser, in.UserName, in.PermissionsBoundary)
}

// DeleteUserPermissionsBoundary is iam:DeleteUserPermissionsBoundary.
func (s *Service) DeleteUserPermissionsBoundary(ctx context.Context, in *iamapi.DeleteUserPermissionsBoundaryInput) (*iamapi.DeleteUserPermissionsBoundaryOutput, error) {
	return nil, s.setBoundary(ctx, aUser, in.UserName, "")
}

// PutRolePermissionsBoundary is iam:PutRolePermissionsBoundary.
func (s *Service) PutRolePermissionsBoundary(ctx context.Context, in *iamapi.PutRolePermissionsBoundaryInput) (*iamapi.PutRolePermissionsBoundaryOutput, error) {
	return nil, s.setBoundary(ctx, aRole, in.RoleName, in.PermissionsBoundary)
}

// DeleteRolePermissionsBoundary is iam:DeleteRolePermissionsBoundary.
func (s *Service) DeleteRolePermissionsBoundary(ctx context.Context, in *iamapi.DeleteRolePermissionsBoundaryInput) (*iamapi.DeleteRolePermissionsBoundaryOutput, error) {
	return nil, s.setBoundary(ctx, aRole, in.RoleName, "")
}

// ListEntitiesForPolicy is iam:ListEntitiesForPolicy.
func (s *Service) ListEntitiesForPolicy(ctx context.Context, in *iamapi.ListEntitiesForPolicyInput) (*iamapi.ListEntitiesForPolicyOutput, error) {
	return view(ctx, s, func(tx *store.Tx, h home) (*iamapi.ListEntitiesForPolicyOutput, error) {
		pg, err := form.NewPage(in.Marker, in.MaxItems)
		if err != nil {
			return nil, err
		}
		p, ok, err := s.policyOf(tx, h, in.PolicyArn)
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, noPolicy(in.PolicyArn)
		}
		out := &iamapi.ListEntitiesForPolicyOutput{PolicyGroups: []iamapi.PolicyGroup{}, PolicyUsers: []iamapi.PolicyUser{}, PolicyRoles: []iamapi.PolicyRole{}}
		shown := map[string]bool{}
		for key, id := range s.tables.uses.Scan(tx, store.ScanOptions{}, h.account, p.ref) {
			u, k := usage(key.Uint64(2)), kind(key.Uint64(3))
			if f := in.PolicyUsageFilter; f.Set && (f.V == iamapi.PolicyUsageTypePermissionsBoundary) != (u == asBoundary) || shown[id] {
				continue
			}
			if f := in.EntityFilter; f.Set && !strings.EqualFold(string(f.V), k.traits().word) {
				continue
			}
			shown[id] = true
			n, ok := s.byID(tx, h, k, id)
			if !ok || !strings.HasPrefix(n.Path, in.PathPrefix.V) {
				continue
			}
			at := string(rune('0'+u)) + string(rune('0'+k)) + key.String(4)
			if at <= pg.After {
				continue
			}
			if !pg.Add(at) {
				break
			}
			name, unique := aws.Some(n.Name), aws.Some(n.ID)
			switch k {
			case aUser:
				out.PolicyUsers = append(out.PolicyUsers, iamapi.PolicyUser{UserName: name, UserId: unique})
			case aGroup:
				out.PolicyGroups = append(out.PolicyGroups, iamapi.PolicyGroup{GroupName: name, GroupId: unique})
			case aRole:
				out.PolicyRoles = append(out.PolicyRoles, iamapi.PolicyRole{RoleName: name, RoleId: unique})
			}
		}
		out.IsTruncated, out.Marker = pg.Truncated(), pg.Marker()
		return out, nil
	})
}

// byID is what a user, group or role of that id is called.
func (s *Service) byID(tx *store.Tx, h home, k kind, id string) (named, bool) {
	switch k {
	case aUser:
		u, ok := s.tables.users.Get(tx, h.account, id)
		return u.named, ok
	case aGroup:
		g, ok := s.tables.groups.Get(tx, h.account, id)
		return g.named, ok
	}
	r, ok := s.tables.roles.Get(tx, h.account, id)
	return r.named, ok
}

// boundaryOut is a permissions boundary as it is answered.
func (s *Service) boundaryOut(tx *store.Tx, h home, ref string) *iamapi.AttachedPermissionsBoundary {
	if ref == "" {
		return nil
	}
	p, ok := s.policyBy(tx, h, ref)
	if !ok {
		return nil
	}
	return &iamapi.AttachedPermissionsBoundary{
		PermissionsBoundaryType: aws.Some(iamapi.PermissionsBoundaryAttachmentType("Policy")), PermissionsBoundaryArn: aws.Some(p.arn(h)),
	}
}

// AttachUserPolicy is iam:AttachUserPolicy.
func (s *Service) AttachUserPolicy(ctx context.Context, in *iamapi.AttachUserPolicyInput) (*iamapi.AttachUserPolicyOutput, error) {
	return nil, s.attach(ctx, aUser, in.UserName, in.PolicyArn)
}

// DetachUserPolicy is iam:DetachUserPolicy.
func (s *Service) DetachUserPolicy(ctx context.Context, in *iamapi.DetachUserPolicyInput) (*iamapi.DetachUserPolicyOutput, error) {
	return nil, s.detach(ctx, aUser, in.UserName, in.PolicyArn)
}

// ListAttachedUserPolicies is iam:ListAttachedUserPolicies.
func (s *Service) ListAttachedUserPolicies(ctx context.Context, in *iamapi.ListAttachedUserPoliciesInput) (*iamapi.ListAttachedUserPoliciesOutput, error) {
	policies, p, err := s.listAttached(ctx, aUser, in.UserName, in.PathPrefix, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	return &iamapi.ListAttachedUserPoliciesOutput{AttachedPolicies: policies, IsTruncated: p.Truncated(), Marker: p.Marker()}, nil
}

// AttachGroupPolicy is iam:AttachGroupPolicy.
func (s *Service) AttachGroupPolicy(ctx context.Context, in *iamapi.AttachGroupPolicyInput) (*iamapi.AttachGroupPolicyOutput, error) {
	return nil, s.attach(ctx, aGroup, in.GroupName, in.PolicyArn)
}

// DetachGroupPolicy is iam:DetachGroupPolicy.
func (s *Service) DetachGroupPolicy(ctx context.Context, in *iamapi.DetachGroupPolicyInput) (*iamapi.DetachGroupPolicyOutput, error) {
	return nil, s.detach(ctx, aGroup, in.GroupName, in.PolicyArn)
}

// ListAttachedGroupPolicies is iam:ListAttachedGroupPolicies.
func (s *Service) ListAttachedGroupPolicies(ctx context.Context, in *iamapi.ListAttachedGroupPoliciesInput) (*iamapi.ListAttachedGroupPoliciesOutput, error) {
	policies, p, err := s.listAttached(ctx, aGroup, in.GroupName, in.PathPrefix, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	return &iamapi.ListAttachedGroupPoliciesOutput{AttachedPolicies: policies, IsTruncated: p.Truncated(), Marker: p.Marker()}, nil
}

// AttachRolePolicy is iam:AttachRolePolicy.
func (s *Service) AttachRolePolicy(ctx context.Context, in *iamapi.AttachRolePolicyInput) (*iamapi.AttachRolePolicyOutput, error) {
	return nil, s.attach(ctx, aRole, in.RoleName, in.PolicyArn)
}

// DetachRolePolicy is iam:DetachRolePolicy.
func (s *Service) DetachRolePolicy(ctx context.Context, in *iamapi.DetachRolePolicyInput) (*iamapi.DetachRolePolicyOutput, error) {
	return nil, s.detach(ctx, aRole, in.RoleName, in.PolicyArn)
}

// ListAttachedRolePolicies is iam:ListAttachedRolePolicies.
func (s *Service) ListAttachedRolePolicies(ctx context.Context, in *iamapi.ListAttachedRolePoliciesInput) (*iamapi.ListAttachedRolePoliciesOutput, error) {
	policies, p, err := s.listAttached(ctx, aRole, in.RoleName, in.PathPrefix, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	return &iamapi.ListAttachedRolePoliciesOutput{AttachedPolicies: policies, IsTruncated: p.Truncated(), Marker: p.Marker()}, nil
}
