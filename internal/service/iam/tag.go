package iam

import (
	"context"

	"github.com/obidos-cloud/obidos/internal/api/iamapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/service/iam/form"
	"github.com/obidos-cloud/obidos/internal/store"
)

// taggedThing is something with tags, and how it is written.
type taggedThing struct {
	kind kind
	*named
	save func(tx *store.Tx)
}

// taggedBy is what has that name; a policy is named by its ARN.
func (s *Service) taggedBy(ctx context.Context, tx *store.Tx, h home, k kind, name, action string) (taggedThing, error) {
	switch k {
	case aPolicy:
		p, err := s.ownPolicy(ctx, tx, h, name, action)
		return taggedThing{k, &p.named, func(tx *store.Tx) { s.tables.policies.Set(tx, p, h.account, p.ID) }}, err
	case aProfile:
		p, err := s.profile(tx, h, name)
		return taggedThing{k, &p.named, func(tx *store.Tx) { s.tables.profiles.Set(tx, p, h.account, p.ID) }}, err
	}
	e, err := s.entity(tx, h, k, name)
	return taggedThing{k, e.named, e.save}, err
}

// tag adds tags to a thing.
func (s *Service) tag(ctx context.Context, k kind, name, action string, tags []iamapi.Tag) error {
	return s.retag(ctx, k, name, action, func(had []form.Tag) ([]form.Tag, error) { return form.AddTags(had, tags, k == aUser || k == aRole) })
}

// untag takes tags away.
func (s *Service) untag(ctx context.Context, k kind, name, action string, keys []string) error {
	return s.retag(ctx, k, name, action, func(had []form.Tag) ([]form.Tag, error) { return form.RemoveTags(had, keys, k == aUser || k == aRole) })
}

func (s *Service) retag(ctx context.Context, k kind, name, action string, change func([]form.Tag) ([]form.Tag, error)) error {
	_, err := update(ctx, s, func(tx *store.Tx, h home) (struct{}, error) {
		t, err := s.taggedBy(ctx, tx, h, k, name, action)
		if err != nil {
			return struct{}{}, err
		}
		if t.Tags, err = change(t.Tags); err != nil {
			return struct{}{}, err
		}
		*t.named = t.kept()
		t.save(tx)
		return struct{}{}, nil
	})
	return err
}

// listTags shows the tags of a thing, in the order of their keys.
func (s *Service) listTags(ctx context.Context, k kind, name, action string, marker aws.Opt[string], items aws.Opt[int32]) (tags []iamapi.Tag, p *form.Page, err error) {
	tags, err = view(ctx, s, func(tx *store.Tx, h home) (tags []iamapi.Tag, err error) {
		if p, err = form.NewPage(marker, items); err != nil {
			return nil, err
		}
		t, err := s.taggedBy(ctx, tx, h, k, name, action)
		if err != nil {
			return nil, err
		}
		return tagDetails(form.Slice(p, t.Tags, func(t form.Tag) string { return t.Key })), nil
	})
	return tags, p, err
}

// TagUser is iam:TagUser.
func (s *Service) TagUser(ctx context.Context, in *iamapi.TagUserInput) (*iamapi.TagUserOutput, error) {
	return nil, s.tag(ctx, aUser, in.UserName, "TagUser", in.Tags)
}

// UntagUser is iam:UntagUser.
func (s *Service) UntagUser(ctx context.Context, in *iamapi.UntagUserInput) (*iamapi.UntagUserOutput, error) {
	return nil, s.untag(ctx, aUser, in.UserName, "UntagUser", in.TagKeys)
}

// ListUserTags is iam:ListUserTags.
func (s *Service) ListUserTags(ctx context.Context, in *iamapi.ListUserTagsInput) (*iamapi.ListUserTagsOutput, error) {
	tags, p, err := s.listTags(ctx, aUser, in.UserName, "ListUserTags", in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	return &iamapi.ListUserTagsOutput{Tags: tags, IsTruncated: p.Truncated(), Marker: p.Marker()}, nil
}

// TagRole is iam:TagRole.
func (s *Service) TagRole(ctx context.Context, in *iamapi.TagRoleInput) (*iamapi.TagRoleOutput, error) {
	return nil, s.tag(ctx, aRole, in.RoleName, "TagRole", in.Tags)
}

// UntagRole is iam:UntagRole.
func (s *Service) UntagRole(ctx context.Context, in *iamapi.UntagRoleInput) (*iamapi.UntagRoleOutput, error) {
	return nil, s.untag(ctx, aRole, in.RoleName, "UntagRole", in.TagKeys)
}

// ListRoleTags is iam:ListRoleTags.
func (s *Service) ListRoleTags(ctx context.Context, in *iamapi.ListRoleTagsInput) (*iamapi.ListRoleTagsOutput, error) {
	tags, p, err := s.listTags(ctx, aRole, in.RoleName, "ListRoleTags", in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	return &iamapi.ListRoleTagsOutput{Tags: tags, IsTruncated: p.Truncated(), Marker: p.Marker()}, nil
}

// TagPolicy is iam:TagPolicy.
func (s *Service) TagPolicy(ctx context.Context, in *iamapi.TagPolicyInput) (*iamapi.TagPolicyOutput, error) {
	return nil, s.tag(ctx, aPolicy, in.PolicyArn, "TagPolicy", in.Tags)
}

// UntagPolicy is iam:UntagPolicy.
func (s *Service) UntagPolicy(ctx context.Context, in *iamapi.UntagPolicyInput) (*iamapi.UntagPolicyOutput, error) {
	return nil, s.untag(ctx, aPolicy, in.PolicyArn, "UntagPolicy", in.TagKeys)
}

// ListPolicyTags is iam:ListPolicyTags.
func (s *Service) ListPolicyTags(ctx context.Context, in *iamapi.ListPolicyTagsInput) (*iamapi.ListPolicyTagsOutput, error) {
	tags, p, err := s.listTags(ctx, aPolicy, in.PolicyArn, "ListPolicyTags", in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	return &iamapi.ListPolicyTagsOutput{Tags: tags, IsTruncated: p.Truncated(), Marker: p.Marker()}, nil
}

// TagInstanceProfile is iam:TagInstanceProfile.
func (s *Service) TagInstanceProfile(ctx context.Context, in *iamapi.TagInstanceProfileInput) (*iamapi.TagInstanceProfileOutput, error) {
	return nil, s.tag(ctx, aProfile, in.InstanceProfileName, "TagInstanceProfile", in.Tags)
}

// UntagInstanceProfile is iam:UntagInstanceProfile.
func (s *Service) UntagInstanceProfile(ctx context.Context, in *iamapi.UntagInstanceProfileInput) (*iamapi.UntagInstanceProfileOutput, error) {
	return nil, s.untag(ctx, aProfile, in.InstanceProfileName, "UntagInstanceProfile", in.TagKeys)
}

// ListInstanceProfileTags is iam:ListInstanceProfileTags.
func (s *Service) ListInstanceProfileTags(ctx context.Context, in *iamapi.ListInstanceProfileTagsInput) (*iamapi.ListInstanceProfileTagsOutput, error) {
	tags, p, err := s.listTags(ctx, aProfile, in.InstanceProfileName, "ListInstanceProfileTags", in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	return &iamapi.ListInstanceProfileTagsOutput{Tags: tags, IsTruncated: p.Truncated(), Marker: p.Marker()}, nil
}
