package iam

import (
	"context"
	"slices"
	"strconv"

	"github.com/obidos-cloud/obidos/internal/api/iamapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/service/iam/form"
	"github.com/obidos-cloud/obidos/internal/store"
)

// GetAccountAuthorizationDetails is iam:GetAccountAuthorizationDetails: users, groups, roles, the account's own policies and those
// of AWS's that are attached, in this order.
func (s *Service) GetAccountAuthorizationDetails(ctx context.Context, in *iamapi.GetAccountAuthorizationDetailsInput) (*iamapi.GetAccountAuthorizationDetailsOutput, error) {
	wants := func(t iamapi.EntityType) bool { return len(in.Filter) == 0 || slices.Contains(in.Filter, t) }
	return view(ctx, s, func(tx *store.Tx, h home) (*iamapi.GetAccountAuthorizationDetailsOutput, error) {
		pg, err := form.NewPage(in.Marker, in.MaxItems)
		if err != nil {
			return nil, err
		}
		out := &iamapi.GetAccountAuthorizationDetailsOutput{
			UserDetailList: []iamapi.UserDetail{}, GroupDetailList: []iamapi.GroupDetail{}, RoleDetailList: []iamapi.RoleDetail{}, Policies: []iamapi.ManagedPolicyDetail{},
		}
		// each goes over the things of a kind, until the page is full.
		each := func(k kind, show func(id string) error) error {
			for key, id := range s.tables.names.Scan(tx, store.ScanOptions{}, h.account, k.key()) {
				at := strconv.Itoa(int(k)) + key.String(2)
				if at <= pg.After {
					continue
				}
				if pg.More || !pg.Add(at) {
					return nil
				}
				if err := show(id); err != nil {
					return err
				}
			}
			return nil
		}
		if wants(iamapi.EntityTypeUser) {
			err = each(aUser, func(id string) error {
				u, _ := s.tables.users.Get(tx, h.account, id)
				out.UserDetailList = append(out.UserDetailList, s.userDetail(tx, h, u))
				return nil
			})
		}
		if wants(iamapi.EntityTypeGroup) {
			err = each(aGroup, func(id string) error {
				g, _ := s.tables.groups.Get(tx, h.account, id)
				out.GroupDetailList = append(out.GroupDetailList, iamapi.GroupDetail{
					Path: aws.Some(g.Path), GroupName: aws.Some(g.Name), GroupId: aws.Some(g.ID), Arn: aws.Some(h.arnOf(aGroup, g.named)), CreateDate: aws.Some(form.At(g.Created)),
					GroupPolicyList: inlineDetails(g.permits), AttachedManagedPolicies: s.attachedDetails(tx, h, g.permits),
				})
				return nil
			})
		}
		if wants(iamapi.EntityTypeRole) {
			err = each(aRole, func(id string) error {
				r, _ := s.tables.roles.Get(tx, h.account, id)
				out.RoleDetailList = append(out.RoleDetailList, s.roleDetail(tx, h, r))
				return nil
			})
		}
		if wants(iamapi.EntityTypeLocalManagedPolicy) && err == nil {
			err = each(aPolicy, func(id string) error {
				p, _ := s.policyBy(tx, h, id)
				return s.addPolicyDetail(tx, h, p, out)
			})
		}
		if wants(iamapi.EntityTypeAWSManagedPolicy) && err == nil {
			for key := range s.tables.counts.Keys(tx, store.ScanOptions{From: []any{byAWS}, Before: []any{byAWS + "\xff"}}, h.account) {
				ref := key.String(1)
				at := "9" + ref
				if p, ok := s.policyBy(tx, h, ref); ok && at > pg.After {
					if pg.More || !pg.Add(at) {
						break
					}
					if err = s.addPolicyDetail(tx, h, p, out); err != nil {
						break
					}
				}
			}
		}
		out.IsTruncated, out.Marker = pg.Truncated(), pg.Marker()
		return out, err
	})
}

func inlineDetails(p permits) []iamapi.PolicyDetail {
	list := []iamapi.PolicyDetail{}
	for _, i := range p.Inline {
		list = append(list, iamapi.PolicyDetail{PolicyName: aws.Some(i.Name), PolicyDocument: aws.Some(escaped(i.Document))})
	}
	return list
}

func (s *Service) attachedDetails(tx *store.Tx, h home, p permits) []iamapi.AttachedPolicy {
	list := []iamapi.AttachedPolicy{}
	for _, m := range s.attachedTo(tx, h, &p) {
		list = append(list, attachedOut(h, m))
	}
	return list
}

// tagDetails are tags as they are answered where they are always told.
func tagDetails(tags []form.Tag) []iamapi.Tag {
	if len(tags) == 0 {
		return []iamapi.Tag{}
	}
	return form.Tags(tags)
}

func (s *Service) userDetail(tx *store.Tx, h home, u userRecord) iamapi.UserDetail {
	groups := []string{}
	for _, g := range s.groupsOf(tx, h, u) {
		groups = append(groups, g.Name)
	}
	d := iamapi.UserDetail{
		Path: aws.Some(u.Path), UserName: aws.Some(u.Name), UserId: aws.Some(u.ID), Arn: aws.Some(h.arnOf(aUser, u.named)), CreateDate: aws.Some(form.At(u.Created)),
		UserPolicyList: inlineDetails(u.permits), GroupList: groups, AttachedManagedPolicies: s.attachedDetails(tx, h, u.permits),
		PermissionsBoundary: s.boundaryOut(tx, h, u.Boundary), Tags: tagDetails(u.Tags),
	}
	if len(u.Inline) == 0 {
		d.UserPolicyList = nil // so AWS leaves it out, of users only
	}
	return d
}

func (s *Service) roleDetail(tx *store.Tx, h home, r roleRecord) iamapi.RoleDetail {
	profiles := []iamapi.InstanceProfile{}
	for _, id := range s.tables.holders.Scan(tx, store.ScanOptions{}, h.account, r.ID) {
		if p, ok := s.tables.profiles.Get(tx, h.account, id); ok {
			profiles = append(profiles, s.profileOut(tx, h, p))
		}
	}
	return iamapi.RoleDetail{
		Path: aws.Some(r.Path), RoleName: aws.Some(r.Name), RoleId: aws.Some(r.ID), Arn: aws.Some(h.arnOf(aRole, r.named)), CreateDate: aws.Some(form.At(r.Created)),
		AssumeRolePolicyDocument: aws.Some(escaped(s.trustNow(tx, h, &r))), InstanceProfileList: profiles, RolePolicyList: inlineDetails(r.permits),
		AttachedManagedPolicies: s.attachedDetails(tx, h, r.permits), PermissionsBoundary: s.boundaryOut(tx, h, r.Boundary), Tags: tagDetails(r.Tags),
		RoleLastUsed: s.lastUsed(tx, h, r.ID),
	}
}

// addPolicyDetail adds a managed policy with its versions: of AWS's, which may have a hundred, the newest five, as many as
// others can have.
func (s *Service) addPolicyDetail(tx *store.Tx, h home, p managedPolicy, out *iamapi.GetAccountAuthorizationDetailsOutput) error {
	o := s.policyOut(tx, h, p)
	versions := s.policyVersions(tx, h, p)
	versions = versions[:min(len(versions), maxVersions)]
	for i := range versions {
		n, _ := versionNumber(versions[i].VersionId.V)
		text, _, err := s.document(tx, h, p, n)
		if err != nil {
			return err
		}
		versions[i].Document = aws.Some(escaped(text))
	}
	out.Policies = append(out.Policies, iamapi.ManagedPolicyDetail{
		PolicyName: o.PolicyName, PolicyId: o.PolicyId, Arn: o.Arn, Path: o.Path, DefaultVersionId: o.DefaultVersionId, AttachmentCount: o.AttachmentCount,
		PermissionsBoundaryUsageCount: o.PermissionsBoundaryUsageCount, IsAttachable: o.IsAttachable, Description: aws.NonZero(p.own.Description),
		CreateDate: o.CreateDate, UpdateDate: o.UpdateDate, PolicyVersionList: versions,
	})
	return nil
}
