package iam

import (
	"context"

	"github.com/obidos-cloud/obidos/internal/api/iamapi"
	"github.com/obidos-cloud/obidos/internal/service/iam/form"
	"github.com/obidos-cloud/obidos/internal/store"
)

// CreateInstanceProfile is iam:CreateInstanceProfile.
func (s *Service) CreateInstanceProfile(ctx context.Context, in *iamapi.CreateInstanceProfileInput) (*iamapi.CreateInstanceProfileOutput, error) {
	return update(ctx, s, func(tx *store.Tx, h home) (*iamapi.CreateInstanceProfileOutput, error) {
		n, err := s.claim(tx, h, aProfile, in.InstanceProfileName, in.Path, in.Tags)
		if err != nil {
			return nil, err
		}
		p := profileRecord{named: n.kept()}
		s.tables.profiles.Set(tx, p, h.account, p.ID)
		out := s.profileOut(tx, h, p)
		out.Tags = form.Tags(n.Tags)
		return &iamapi.CreateInstanceProfileOutput{InstanceProfile: &out}, nil
	})
}

// profileOut is an instance profile as lists answer it; without its tags.
func (s *Service) profileOut(tx *store.Tx, h home, p profileRecord) iamapi.InstanceProfile {
	out := iamapi.InstanceProfile{
		Path: p.Path, InstanceProfileName: p.Name, InstanceProfileId: p.ID, Arn: h.arnOf(aProfile, p.named), CreateDate: form.At(p.Created), Roles: []iamapi.Role{},
	}
	if r, ok := s.tables.roles.Get(tx, h.account, p.Role); ok {
		role := s.roleOut(tx, h, r)
		role.Description = r.description()
		out.Roles = append(out.Roles, role)
	}
	return out
}

// GetInstanceProfile is iam:GetInstanceProfile.
func (s *Service) GetInstanceProfile(ctx context.Context, in *iamapi.GetInstanceProfileInput) (*iamapi.GetInstanceProfileOutput, error) {
	return view(ctx, s, func(tx *store.Tx, h home) (*iamapi.GetInstanceProfileOutput, error) {
		p, err := s.profile(tx, h, in.InstanceProfileName)
		if err != nil {
			return nil, err
		}
		out := s.profileOut(tx, h, p)
		out.Tags = tagDetails(p.Tags)
		return &iamapi.GetInstanceProfileOutput{InstanceProfile: &out}, nil
	})
}

// ListInstanceProfiles is iam:ListInstanceProfiles.
func (s *Service) ListInstanceProfiles(ctx context.Context, in *iamapi.ListInstanceProfilesInput) (*iamapi.ListInstanceProfilesOutput, error) {
	profiles, p, err := list(ctx, s, aProfile, s.tables.profiles, in.Marker, in.MaxItems, in.PathPrefix, s.profileOut)
	if err != nil {
		return nil, err
	}
	return &iamapi.ListInstanceProfilesOutput{InstanceProfiles: profiles, IsTruncated: p.Truncated(), Marker: p.Marker()}, nil
}

// ListInstanceProfilesForRole is iam:ListInstanceProfilesForRole.
func (s *Service) ListInstanceProfilesForRole(ctx context.Context, in *iamapi.ListInstanceProfilesForRoleInput) (*iamapi.ListInstanceProfilesForRoleOutput, error) {
	return view(ctx, s, func(tx *store.Tx, h home) (*iamapi.ListInstanceProfilesForRoleOutput, error) {
		pg, err := form.NewPage(in.Marker, in.MaxItems)
		if err != nil {
			return nil, err
		}
		r, err := s.role(tx, h, in.RoleName)
		if err != nil {
			return nil, err
		}
		out := &iamapi.ListInstanceProfilesForRoleOutput{InstanceProfiles: []iamapi.InstanceProfile{}}
		for key, id := range s.tables.holders.Scan(tx, pg.Options(), h.account, r.ID) {
			if !pg.Add(key.String(2)) {
				break
			}
			if p, ok := s.tables.profiles.Get(tx, h.account, id); ok {
				out.InstanceProfiles = append(out.InstanceProfiles, s.profileOut(tx, h, p))
			}
		}
		out.IsTruncated, out.Marker = pg.Truncated(), pg.Marker()
		return out, nil
	})
}

// AddRoleToInstanceProfile is iam:AddRoleToInstanceProfile. A profile has one role.
func (s *Service) AddRoleToInstanceProfile(ctx context.Context, in *iamapi.AddRoleToInstanceProfileInput) (*iamapi.AddRoleToInstanceProfileOutput, error) {
	return update(ctx, s, func(tx *store.Tx, h home) (*iamapi.AddRoleToInstanceProfileOutput, error) {
		p, r, err := s.profileAndRole(tx, h, in.InstanceProfileName, in.RoleName)
		if err != nil {
			return nil, err
		}
		if p.Role != "" {
			return nil, form.OverQuota("InstanceSessionsPerInstanceProfile", 1)
		}
		if r.Service != "" {
			return nil, protected(r.Name)
		}
		p.Role = r.ID
		s.tables.profiles.Set(tx, p, h.account, p.ID)
		s.tables.holders.Set(tx, p.ID, h.account, r.ID, form.Fold(p.Name))
		return nil, nil
	})
}

// RemoveRoleFromInstanceProfile is iam:RemoveRoleFromInstanceProfile.
func (s *Service) RemoveRoleFromInstanceProfile(ctx context.Context, in *iamapi.RemoveRoleFromInstanceProfileInput) (*iamapi.RemoveRoleFromInstanceProfileOutput, error) {
	return update(ctx, s, func(tx *store.Tx, h home) (*iamapi.RemoveRoleFromInstanceProfileOutput, error) {
		p, r, err := s.profileAndRole(tx, h, in.InstanceProfileName, in.RoleName)
		if err != nil {
			return nil, err
		}
		if p.Role != r.ID {
			return nil, iamapi.NoSuchEntityException("Role %s in Instance Profile %s cannot be found.", r.Name, p.Name)
		}
		p.Role = ""
		s.tables.profiles.Set(tx, p, h.account, p.ID)
		s.tables.holders.Delete(tx, h.account, r.ID, form.Fold(p.Name))
		return nil, nil
	})
}

func (s *Service) profileAndRole(tx *store.Tx, h home, profile, role string) (p profileRecord, r roleRecord, err error) {
	if p, err = s.profile(tx, h, profile); err == nil {
		r, err = s.role(tx, h, role)
	}
	return p, r, err
}

// DeleteInstanceProfile is iam:DeleteInstanceProfile.
func (s *Service) DeleteInstanceProfile(ctx context.Context, in *iamapi.DeleteInstanceProfileInput) (*iamapi.DeleteInstanceProfileOutput, error) {
	return update(ctx, s, func(tx *store.Tx, h home) (*iamapi.DeleteInstanceProfileOutput, error) {
		p, err := s.profile(tx, h, in.InstanceProfileName)
		if err != nil {
			return nil, err
		}
		if p.Role != "" {
			return nil, form.Conflict("remove roles from instance profile")
		}
		s.tables.profiles.Delete(tx, h.account, p.ID)
		return nil, s.release(tx, h, aProfile, p.named)
	})
}
