package iam

import (
	"context"
	"slices"

	"github.com/obidos-cloud/obidos/internal/api/iamapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/service/iam/form"
	"github.com/obidos-cloud/obidos/internal/store"
)

// CreateUser is iam:CreateUser.
func (s *Service) CreateUser(ctx context.Context, in *iamapi.CreateUserInput) (*iamapi.CreateUserOutput, error) {
	return update(ctx, s, func(tx *store.Tx, h home) (*iamapi.CreateUserOutput, error) {
		n, err := s.claim(tx, h, aUser, in.UserName, in.Path, in.Tags)
		if err != nil {
			return nil, err
		}
		u := userRecord{named: n.kept()}
		if in.PermissionsBoundary.Set {
			e := &entity{kind: aUser, named: &u.named, permits: &u.permits}
			if err := s.bound(tx, h, e, in.PermissionsBoundary.V); err != nil {
				return nil, err
			}
		}
		s.tables.users.Set(tx, u, h.account, u.ID)
		out := s.userOut(tx, h, u)
		out.Tags = form.Tags(n.Tags)
		return &iamapi.CreateUserOutput{User: &out}, nil
	})
}

// userOut is a user as lists answer it; without its tags.
func (s *Service) userOut(tx *store.Tx, h home, u userRecord) iamapi.User {
	return iamapi.User{
		Path: aws.Some(u.Path), UserName: aws.Some(u.Name), UserId: u.ID, Arn: h.arnOf(aUser, u.named), CreateDate: form.At(u.Created),
		PermissionsBoundary: s.boundaryOut(tx, h, u.Boundary),
	}
}

// GetUser is iam:GetUser. Without a name it is about the caller.
func (s *Service) GetUser(ctx context.Context, in *iamapi.GetUserInput) (*iamapi.GetUserOutput, error) {
	return view(ctx, s, func(tx *store.Tx, h home) (*iamapi.GetUserOutput, error) {
		u, err := s.userOr(ctx, tx, h, in.UserName)
		if err != nil {
			return nil, err
		}
		if u.ID == "" {
			a, ok := s.tables.accounts.Get(tx, h.account)
			if !ok { // nothing was ever made in it
				a.Created = form.Seconds(tx)
			}
			return &iamapi.GetUserOutput{User: &iamapi.User{UserId: h.account, Arn: h.arn("root"), CreateDate: form.At(a.Created)}}, nil
		}
		out := s.userOut(tx, h, u)
		out.Tags = form.Tags(u.Tags)
		return &iamapi.GetUserOutput{User: &out}, nil
	})
}

// userOr is the user of that name; without one, the user who calls, or the zero user where that is the account's root.
func (s *Service) userOr(ctx context.Context, tx *store.Tx, h home, name aws.Opt[string]) (userRecord, error) {
	if name.Set {
		return s.user(tx, h, name.V)
	}
	who, root := form.Caller(ctx)
	switch {
	case who != "":
		return s.user(tx, h, who)
	case root:
		return userRecord{}, nil
	}
	return userRecord{}, form.Invalid("Must specify userName when calling with non-User credentials")
}

// ListUsers is iam:ListUsers.
func (s *Service) ListUsers(ctx context.Context, in *iamapi.ListUsersInput) (*iamapi.ListUsersOutput, error) {
	users, p, err := list(ctx, s, aUser, s.tables.users, in.Marker, in.MaxItems, in.PathPrefix, func(tx *store.Tx, h home, u userRecord) iamapi.User {
		out := s.userOut(tx, h, u)
		out.PermissionsBoundary = nil
		return out
	})
	if err != nil {
		return nil, err
	}
	return &iamapi.ListUsersOutput{Users: users, IsTruncated: p.Truncated(), Marker: p.Marker()}, nil
}

// UpdateUser is iam:UpdateUser: a user under another name or path is the same user.
func (s *Service) UpdateUser(ctx context.Context, in *iamapi.UpdateUserInput) (*iamapi.UpdateUserOutput, error) {
	return update(ctx, s, func(tx *store.Tx, h home) (*iamapi.UpdateUserOutput, error) {
		u, err := s.user(tx, h, in.UserName)
		if err != nil {
			return nil, err
		}
		was := u.Name
		if err := s.rename(tx, h, aUser, &u.named, in.NewUserName, in.NewPath); err != nil {
			return nil, err
		}
		if form.Fold(was) != form.Fold(u.Name) {
			for _, g := range u.Groups {
				s.tables.members.Delete(tx, h.account, g, form.Fold(was))
				s.tables.members.Set(tx, u.ID, h.account, g, form.Fold(u.Name))
			}
			s.reuse(tx, h, &entity{kind: aUser, named: &u.named, permits: &u.permits}, was)
		}
		s.tables.users.Set(tx, u, h.account, u.ID)
		return nil, nil
	})
}

// DeleteUser is iam:DeleteUser.
func (s *Service) DeleteUser(ctx context.Context, in *iamapi.DeleteUserInput) (*iamapi.DeleteUserOutput, error) {
	return update(ctx, s, func(tx *store.Tx, h home) (*iamapi.DeleteUserOutput, error) {
		u, err := s.user(tx, h, in.UserName)
		if err != nil {
			return nil, err
		}
		switch {
		case len(u.Attached) > 0:
			return nil, form.Conflict("detach all policies")
		case len(u.Inline) > 0:
			return nil, form.Conflict("delete policies")
		case len(u.Groups) > 0:
			return nil, form.Conflict("remove users from group")
		case len(u.Keys) > 0:
			return nil, form.Conflict("delete access keys")
		}
		if err := s.Left(tx, h.account, u.ID); err != nil {
			return nil, err
		}
		if u.Boundary != "" {
			s.unuse(tx, h, u.Boundary, asBoundary, aUser, u.Name)
		}
		s.tables.users.Delete(tx, h.account, u.ID)
		s.tables.accesses.DeleteAll(tx, h.account, u.ID)
		return nil, s.release(tx, h, aUser, u.named)
	})
}

// AddUserToGroup is iam:AddUserToGroup.
func (s *Service) AddUserToGroup(ctx context.Context, in *iamapi.AddUserToGroupInput) (*iamapi.AddUserToGroupOutput, error) {
	return update(ctx, s, func(tx *store.Tx, h home) (*iamapi.AddUserToGroupOutput, error) {
		u, err := s.user(tx, h, in.UserName)
		if err != nil {
			return nil, err
		}
		g, err := s.group(tx, h, in.GroupName)
		if err != nil {
			return nil, err
		}
		if slices.Contains(u.Groups, g.ID) {
			return nil, nil
		}
		const most = 10
		if len(u.Groups) == most {
			return nil, form.OverQuota("GroupsPerUser", most)
		}
		u.Groups = append(u.Groups, g.ID)
		s.tables.users.Set(tx, u, h.account, u.ID)
		s.tables.members.Set(tx, u.ID, h.account, g.ID, form.Fold(u.Name))
		return nil, nil
	})
}

// RemoveUserFromGroup is iam:RemoveUserFromGroup. Of one who is not a member nothing is asked.
func (s *Service) RemoveUserFromGroup(ctx context.Context, in *iamapi.RemoveUserFromGroupInput) (*iamapi.RemoveUserFromGroupOutput, error) {
	return update(ctx, s, func(tx *store.Tx, h home) (*iamapi.RemoveUserFromGroupOutput, error) {
		u, err := s.user(tx, h, in.UserName)
		if err != nil {
			return nil, err
		}
		g, err := s.group(tx, h, in.GroupName)
		if err != nil {
			return nil, err
		}
		u.Groups = slices.DeleteFunc(u.Groups, func(id string) bool { return id == g.ID })
		s.tables.users.Set(tx, u, h.account, u.ID)
		s.tables.members.Delete(tx, h.account, g.ID, form.Fold(u.Name))
		return nil, nil
	})
}

// ListGroupsForUser is iam:ListGroupsForUser.
func (s *Service) ListGroupsForUser(ctx context.Context, in *iamapi.ListGroupsForUserInput) (*iamapi.ListGroupsForUserOutput, error) {
	return view(ctx, s, func(tx *store.Tx, h home) (*iamapi.ListGroupsForUserOutput, error) {
		p, err := form.NewPage(in.Marker, in.MaxItems)
		if err != nil {
			return nil, err
		}
		u, err := s.user(tx, h, in.UserName)
		if err != nil {
			return nil, err
		}
		groups := s.groupsOf(tx, h, u)
		groups = form.Slice(p, groups, func(g groupRecord) string { return form.Fold(g.Name) })
		out := &iamapi.ListGroupsForUserOutput{Groups: []iamapi.Group{}, IsTruncated: p.Truncated(), Marker: p.Marker()}
		for _, g := range groups {
			out.Groups = append(out.Groups, groupOut(tx, h, g))
		}
		return out, nil
	})
}

// groupsOf are the groups a user is in, in the order of their names.
func (s *Service) groupsOf(tx *store.Tx, h home, u userRecord) (groups []groupRecord) {
	for _, id := range u.Groups {
		if g, ok := s.tables.groups.Get(tx, h.account, id); ok {
			groups = append(groups, g)
		}
	}
	slices.SortFunc(groups, func(a, b groupRecord) int { return compareFold(a.Name, b.Name) })
	return groups
}
