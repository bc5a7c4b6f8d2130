package iam

import (
	"context"

	"github.com/obidos-cloud/obidos/internal/api/iamapi"
	"github.com/obidos-cloud/obidos/internal/service/iam/form"
	"github.com/obidos-cloud/obidos/internal/store"
)

// CreateGroup is iam:CreateGroup.
func (s *Service) CreateGroup(ctx context.Context, in *iamapi.CreateGroupInput) (*iamapi.CreateGroupOutput, error) {
	return update(ctx, s, func(tx *store.Tx, h home) (*iamapi.CreateGroupOutput, error) {
		n, err := s.claim(tx, h, aGroup, in.GroupName, in.Path, nil)
		if err != nil {
			return nil, err
		}
		g := groupRecord{named: n}
		s.tables.groups.Set(tx, g, h.account, g.ID)
		out := groupOut(tx, h, g)
		return &iamapi.CreateGroupOutput{Group: &out}, nil
	})
}

func groupOut(_ *store.Tx, h home, g groupRecord) iamapi.Group {
	return iamapi.Group{Path: g.Path, GroupName: g.Name, GroupId: g.ID, Arn: h.arnOf(aGroup, g.named), CreateDate: form.At(g.Created)}
}

// GetGroup is iam:GetGroup: the group, and the users in it.
func (s *Service) GetGroup(ctx context.Context, in *iamapi.GetGroupInput) (*iamapi.GetGroupOutput, error) {
	return view(ctx, s, func(tx *store.Tx, h home) (*iamapi.GetGroupOutput, error) {
		p, err := form.NewPage(in.Marker, in.MaxItems)
		if err != nil {
			return nil, err
		}
		g, err := s.group(tx, h, in.GroupName)
		if err != nil {
			return nil, err
		}
		shown := groupOut(tx, h, g)
		out := &iamapi.GetGroupOutput{Group: &shown, Users: []iamapi.User{}}
		for key, id := range s.tables.members.Scan(tx, p.Options(), h.account, g.ID) {
			u, ok := s.tables.users.Get(tx, h.account, id)
			if !ok {
				continue
			}
			if !p.Add(key.String(2)) {
				break
			}
			member := s.userOut(tx, h, u)
			member.PermissionsBoundary = nil
			out.Users = append(out.Users, member)
		}
		out.IsTruncated, out.Marker = p.Truncated(), p.Marker()
		return out, nil
	})
}

// ListGroups is iam:ListGroups.
func (s *Service) ListGroups(ctx context.Context, in *iamapi.ListGroupsInput) (*iamapi.ListGroupsOutput, error) {
	groups, p, err := list(ctx, s, aGroup, s.tables.groups, in.Marker, in.MaxItems, in.PathPrefix, groupOut)
	if err != nil {
		return nil, err
	}
	return &iamapi.ListGroupsOutput{Groups: groups, IsTruncated: p.Truncated(), Marker: p.Marker()}, nil
}

// UpdateGroup is iam:UpdateGroup.
func (s *Service) UpdateGroup(ctx context.Context, in *iamapi.UpdateGroupInput) (*iamapi.UpdateGroupOutput, error) {
	return update(ctx, s, func(tx *store.Tx, h home) (*iamapi.UpdateGroupOutput, error) {
		g, err := s.group(tx, h, in.GroupName)
		if err != nil {
			return nil, err
		}
		was := g.Name
		if err := s.rename(tx, h, aGroup, &g.named, in.NewGroupName, in.NewPath); err != nil {
			return nil, err
		}
		if form.Fold(was) != form.Fold(g.Name) {
			s.reuse(tx, h, &entity{kind: aGroup, named: &g.named, permits: &g.permits}, was)
		}
		s.tables.groups.Set(tx, g, h.account, g.ID)
		return nil, nil
	})
}

// DeleteGroup is iam:DeleteGroup.
func (s *Service) DeleteGroup(ctx context.Context, in *iamapi.DeleteGroupInput) (*iamapi.DeleteGroupOutput, error) {
	return update(ctx, s, func(tx *store.Tx, h home) (*iamapi.DeleteGroupOutput, error) {
		g, err := s.group(tx, h, in.GroupName)
		if err != nil {
			return nil, err
		}
		for range s.tables.members.Keys(tx, store.ScanOptions{Limit: 1}, h.account, g.ID) {
			return nil, form.Conflict("remove users from group")
		}
		switch {
		case len(g.Attached) > 0:
			return nil, form.Conflict("detach all policies")
		case len(g.Inline) > 0:
			return nil, form.Conflict("delete policies")
		}
		s.tables.groups.Delete(tx, h.account, g.ID)
		return nil, s.release(tx, h, aGroup, g.named)
	})
}
