package iam

import (
	"context"

	"github.com/obidos-cloud/obidos/internal/api/iamapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/lang/policy"
	"github.com/obidos-cloud/obidos/internal/service/iam/form"
	"github.com/obidos-cloud/obidos/internal/store"
)

const (
	maxTrustSize = 2048
	anHour       = 3600 // how long a session of a role may last that says nothing else; seconds
)

// CreateRole is iam:CreateRole.
func (s *Service) CreateRole(ctx context.Context, in *iamapi.CreateRoleInput) (*iamapi.CreateRoleOutput, error) {
	if err := checkTrust(in.AssumeRolePolicyDocument); err != nil {
		return nil, err
	}
	if path := in.Path.V; len(path) >= len(serviceRolePath) && path[:len(serviceRolePath)] == serviceRolePath {
		return nil, form.Invalid("Invalid path for a role: %s is kept for service-linked roles.", serviceRolePath)
	}
	return update(ctx, s, func(tx *store.Tx, h home) (*iamapi.CreateRoleOutput, error) {
		n, err := s.claim(tx, h, aRole, in.RoleName, in.Path, in.Tags)
		if err != nil {
			return nil, err
		}
		r := roleRecord{
			named: n.kept(), MaxSession: in.MaxSessionDuration.Or(anHour),
			Description: in.Description.V, Described: in.Description.Set,
		}
		if err := s.setTrust(tx, h, &r, in.AssumeRolePolicyDocument); err != nil {
			return nil, err
		}
		if in.PermissionsBoundary.Set {
			e := &entity{kind: aRole, named: &r.named, permits: &r.permits}
			if err := s.bound(tx, h, e, in.PermissionsBoundary.V); err != nil {
				return nil, err
			}
		}
		s.tables.roles.Set(tx, r, h.account, r.ID)
		out := s.roleOut(tx, h, r)
		out.PermissionsBoundary, out.Tags = s.boundaryOut(tx, h, r.Boundary), form.Tags(n.Tags)
		return &iamapi.CreateRoleOutput{Role: &out}, nil
	})
}

// checkTrust checks who may assume a role.
func checkTrust(document string) error {
	if err := malformed(document, policy.Trust); err != nil {
		return err
	}
	if weight(document) > maxTrustSize {
		return form.OverQuota("ACLSizePerRole", maxTrustSize)
	}
	return nil
}

// roleOut is a role with what all answers say of it.
func (s *Service) roleOut(tx *store.Tx, h home, r roleRecord) iamapi.Role {
	return iamapi.Role{
		Path: r.Path, RoleName: r.Name, RoleId: r.ID, Arn: h.arnOf(aRole, r.named), CreateDate: form.At(r.Created),
		AssumeRolePolicyDocument: aws.Some(escaped(s.trustNow(tx, h, &r))),
	}
}

// describe adds what lists say of a role besides.
func (r roleRecord) describe(out *iamapi.Role) {
	out.MaxSessionDuration = aws.Some(r.MaxSession)
	out.Description = r.description()
}

func (r roleRecord) description() aws.Opt[string] {
	return aws.Opt[string]{V: r.Description, Set: r.Described}
}

// lastUsed is when a role was last used.
func (s *Service) lastUsed(tx *store.Tx, h home, role string) *iamapi.RoleLastUsed {
	out := &iamapi.RoleLastUsed{}
	if u, ok := s.tables.roleUses.Get(tx, h.account, role); ok {
		out.LastUsedDate, out.Region = aws.Some(form.At(u.Time)), aws.Some(u.Region)
	}
	return out
}

// GetRole is iam:GetRole.
func (s *Service) GetRole(ctx context.Context, in *iamapi.GetRoleInput) (*iamapi.GetRoleOutput, error) {
	return view(ctx, s, func(tx *store.Tx, h home) (*iamapi.GetRoleOutput, error) {
		r, err := s.role(tx, h, in.RoleName)
		if err != nil {
			return nil, err
		}
		out := s.roleOut(tx, h, r)
		r.describe(&out)
		out.PermissionsBoundary, out.Tags, out.RoleLastUsed = s.boundaryOut(tx, h, r.Boundary), form.Tags(r.Tags), s.lastUsed(tx, h, r.ID)
		return &iamapi.GetRoleOutput{Role: &out}, nil
	})
}

// ListRoles is iam:ListRoles.
func (s *Service) ListRoles(ctx context.Context, in *iamapi.ListRolesInput) (*iamapi.ListRolesOutput, error) {
	roles, p, err := list(ctx, s, aRole, s.tables.roles, in.Marker, in.MaxItems, in.PathPrefix, func(tx *store.Tx, h home, r roleRecord) iamapi.Role {
		out := s.roleOut(tx, h, r)
		r.describe(&out)
		return out
	})
	if err != nil {
		return nil, err
	}
	return &iamapi.ListRolesOutput{Roles: roles, IsTruncated: p.Truncated(), Marker: p.Marker()}, nil
}

// changeRole has change work on a role, and writes it.
func (s *Service) changeRole(ctx context.Context, name string, change func(tx *store.Tx, h home, r *roleRecord) error) (out iamapi.Role, err error) {
	return update(ctx, s, func(tx *store.Tx, h home) (iamapi.Role, error) {
		r, err := s.role(tx, h, name)
		if err != nil {
			return iamapi.Role{}, err
		}
		if err := change(tx, h, &r); err != nil {
			return iamapi.Role{}, err
		}
		s.tables.roles.Set(tx, r, h.account, r.ID)
		out := s.roleOut(tx, h, r)
		out.Description = r.description()
		return out, nil
	})
}

// UpdateRole is iam:UpdateRole. Of a service-linked role the description may be changed.
func (s *Service) UpdateRole(ctx context.Context, in *iamapi.UpdateRoleInput) (*iamapi.UpdateRoleOutput, error) {
	_, err := s.changeRole(ctx, in.RoleName, func(_ *store.Tx, _ home, r *roleRecord) error {
		if in.MaxSessionDuration.Set {
			if r.Service != "" {
				return protected(r.Name)
			}
			r.MaxSession = in.MaxSessionDuration.V
		}
		if in.Description.Set {
			r.Description, r.Described = in.Description.V, true
		}
		return nil
	})
	return nil, err
}

// UpdateRoleDescription is iam:UpdateRoleDescription.
func (s *Service) UpdateRoleDescription(ctx context.Context, in *iamapi.UpdateRoleDescriptionInput) (*iamapi.UpdateRoleDescriptionOutput, error) {
	out, err := s.changeRole(ctx, in.RoleName, func(_ *store.Tx, _ home, r *roleRecord) error {
		r.Description, r.Described = in.Description, true
		return nil
	})
	return &iamapi.UpdateRoleDescriptionOutput{Role: &out}, err
}

// UpdateAssumeRolePolicy is iam:UpdateAssumeRolePolicy.
func (s *Service) UpdateAssumeRolePolicy(ctx context.Context, in *iamapi.UpdateAssumeRolePolicyInput) (*iamapi.UpdateAssumeRolePolicyOutput, error) {
	if err := checkTrust(in.PolicyDocument); err != nil {
		return nil, err
	}
	_, err := s.changeRole(ctx, in.RoleName, func(tx *store.Tx, h home, r *roleRecord) error {
		if r.Service != "" {
			return protected(r.Name)
		}
		return s.setTrust(tx, h, r, in.PolicyDocument)
	})
	return nil, err
}

// DeleteRole is iam:DeleteRole.
func (s *Service) DeleteRole(ctx context.Context, in *iamapi.DeleteRoleInput) (*iamapi.DeleteRoleOutput, error) {
	return update(ctx, s, func(tx *store.Tx, h home) (*iamapi.DeleteRoleOutput, error) {
		r, err := s.role(tx, h, in.RoleName)
		if err != nil {
			return nil, err
		}
		if r.Service != "" {
			return nil, protected(r.Name)
		}
		for range s.tables.holders.Keys(tx, store.ScanOptions{Limit: 1}, h.account, r.ID) {
			return nil, form.Conflict("remove roles from instance profile")
		}
		switch {
		case len(r.Attached) > 0:
			return nil, form.Conflict("detach all policies")
		case len(r.Inline) > 0:
			return nil, form.Conflict("delete policies")
		}
		return nil, s.dropRole(tx, h, r)
	})
}

// dropRole deletes a role that nothing hangs on any more but what goes with it.
func (s *Service) dropRole(tx *store.Tx, h home, r roleRecord) error {
	for _, ref := range r.Attached {
		s.unuse(tx, h, ref, asPermission, aRole, r.Name)
	}
	if r.Boundary != "" {
		s.unuse(tx, h, r.Boundary, asBoundary, aRole, r.Name)
	}
	s.tables.roles.Delete(tx, h.account, r.ID)
	s.tables.roleUses.Delete(tx, h.account, r.ID)
	s.tables.accesses.DeleteAll(tx, h.account, r.ID)
	return s.release(tx, h, aRole, r.named)
}
