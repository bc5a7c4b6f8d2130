package iam

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/obidos-cloud/obidos/internal/api/iamapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/lang/policy"
	"github.com/obidos-cloud/obidos/internal/service/iam/form"
	"github.com/obidos-cloud/obidos/internal/service/iam/managed"
	"github.com/obidos-cloud/obidos/internal/store"
)

// Quotas of managed policies.
const (
	maxPolicySize = 6144
	maxVersions   = 5
)

// managedPolicy is a managed policy: one of the account's own, or one of AWS's.
type managedPolicy struct {
	ref string       // what refers to it in our tables: its id, or "aws:" with path and name
	own policyRecord // where it is not AWS's
	aws *managed.Policy
}

// byAWS begins what refers to a policy of AWS's.
const byAWS = "aws:"

func (p managedPolicy) name() string {
	if p.aws != nil {
		return p.aws.Name
	}
	return p.own.Name
}

func (p managedPolicy) path() string {
	if p.aws != nil {
		return p.aws.Path
	}
	return p.own.Path
}

func (p managedPolicy) arn(h home) string {
	if p.aws != nil {
		return p.aws.ARN(h.partition)
	}
	return h.arnOf(aPolicy, p.own.named)
}

// policyOf is the managed policy of an ARN, and whether there is one. The error is that it is no policy's.
func (s *Service) policyOf(tx *store.Tx, h home, arn string) (p managedPolicy, ok bool, err error) {
	a, ok := aws.ParseARN(arn)
	if !ok {
		return p, false, form.Invalid("Invalid ARN:  Could not be parsed!")
	}
	path, isPolicy := strings.CutPrefix(a.Resource, "policy/")
	if !isPolicy || a.Service != "iam" || len(path) > 640 {
		return p, false, form.Invalid("ARN %s is not valid.", arn)
	}
	path = "/" + path
	switch a.Account {
	case "aws":
		p, ok = s.policyBy(tx, h, byAWS+path)
	case h.account:
		p, ok = s.policyBy(tx, h, s.id(tx, h, aPolicy, path[strings.LastIndexByte(path, '/')+1:]))
	default:
		return p, false, nil
	}
	return p, ok && p.arn(h) == arn, nil // no other ARN is its: policies deny by ARN
}

// policyBy is the managed policy that our tables refer to so.
func (s *Service) policyBy(tx *store.Tx, h home, ref string) (p managedPolicy, ok bool) {
	p.ref = ref
	if path, theirs := strings.CutPrefix(ref, byAWS); theirs {
		p.aws, ok = managed.Lookup("arn:aws:iam::aws:policy" + path)
	} else {
		p.own, ok = s.tables.policies.Get(tx, h.account, ref)
	}
	return p, ok
}

// ownPolicy is the policy of an ARN, to be changed.
func (s *Service) ownPolicy(ctx context.Context, tx *store.Tx, h home, arn, action string) (policyRecord, error) {
	p, ok, err := s.policyOf(tx, h, arn)
	if err != nil {
		return p.own, err
	}
	if !ok {
		return p.own, noPolicy(arn)
	}
	if p.aws != nil {
		return p.own, denied(ctx, action, "policy "+arn)
	}
	s.look(tx, h, aPolicy, p.own.ID)
	return p.own, nil
}

var errAccessDenied = &aws.ErrorShape{Code: "AccessDenied", Status: 403}

// denied is the answer to what nobody may do.
func denied(ctx context.Context, action, resource string) *aws.Error {
	return errAccessDenied.New("User: %s is not authorized to perform iam:%s on resource: %s", aws.RequestOf(ctx).Principal.ARN, action, resource)
}

func noPolicy(arn string) *aws.Error {
	return iamapi.NoSuchEntityException("Policy %s was not found.", arn)
}

func noVersion(arn, version string) *aws.Error {
	return iamapi.NoSuchEntityException("Policy %s version %s does not exist or is not attachable.", arn, version)
}

func versionID(n uint64) string { return "v" + strconv.FormatUint(n, 10) }

// versionNumber is the number in a version's id, 0 for one that cannot be there.
func versionNumber(id string) (uint64, error) {
	digits, ok := strings.CutPrefix(id, "v")
	digits, suffix, dotted := strings.Cut(digits, ".")
	for i := range len(suffix) {
		ok = ok && (form.IsWord(suffix[i]) && suffix[i] != '_' || suffix[i] == '-')
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	if !ok || digits == "" || digits[0] < '1' || digits[0] > '9' || strings.TrimLeft(digits, "0123456789") != "" {
		return 0, form.Invalid(`1 validation error detected: Value at 'versionId' failed to satisfy constraint: Member must satisfy regular expression pattern: v[1-9][0-9]*(\.[A-Za-z0-9-]*)?`)
	}
	if err != nil || dotted {
		return 0, nil
	}
	return n, nil
}

// policyOut is a policy as lists answer it.
func (s *Service) policyOut(tx *store.Tx, h home, p managedPolicy) iamapi.Policy {
	c, _ := s.tables.counts.Get(tx, h.account, p.ref)
	out := iamapi.Policy{
		PolicyName: aws.Some(p.name()), Path: aws.Some(p.path()), Arn: aws.Some(p.arn(h)), IsAttachable: aws.Some(true),
		AttachmentCount: aws.Some(c.Attached), PermissionsBoundaryUsageCount: aws.Some(c.Bounding),
	}
	if p.aws != nil {
		out.PolicyId, out.DefaultVersionId = aws.Some(p.aws.ID), aws.Some(versionID(uint64(p.aws.Default)))
		out.CreateDate, out.UpdateDate = aws.Some(p.aws.Created), aws.Some(p.aws.Updated)
	} else {
		out.PolicyId, out.DefaultVersionId = aws.Some(p.own.ID), aws.Some(versionID(p.own.Default))
		out.CreateDate, out.UpdateDate = aws.Some(form.At(p.own.Created)), aws.Some(form.At(p.own.Updated))
	}
	return out
}

// CreatePolicy is iam:CreatePolicy.
func (s *Service) CreatePolicy(ctx context.Context, in *iamapi.CreatePolicyInput) (*iamapi.CreatePolicyOutput, error) {
	if err := checkDocument(in.PolicyDocument); err != nil {
		return nil, err
	}
	return update(ctx, s, func(tx *store.Tx, h home) (*iamapi.CreatePolicyOutput, error) {
		n, err := s.claim(tx, h, aPolicy, in.PolicyName, in.Path, in.Tags)
		if err != nil {
			return nil, err
		}
		p := policyRecord{named: n.kept(), Description: in.Description.V, Updated: n.Created, Default: 1, Last: 1}
		s.tables.policies.Set(tx, p, h.account, p.ID)
		s.tables.versions.Set(tx, versionRecord{Document: in.PolicyDocument, Created: n.Created}, h.account, p.ID, uint64(1))
		out := s.policyOut(tx, h, managedPolicy{ref: p.ID, own: p})
		out.Tags = form.Tags(n.Tags)
		return &iamapi.CreatePolicyOutput{Policy: &out}, nil
	})
}

// checkDocument checks the document of a managed policy.
func checkDocument(document string) error {
	if err := malformed(document, policy.Identity); err != nil {
		return err
	}
	if weight(document) > maxPolicySize {
		return form.OverQuota("PolicySize", maxPolicySize)
	}
	return nil
}

// GetPolicy is iam:GetPolicy.
func (s *Service) GetPolicy(ctx context.Context, in *iamapi.GetPolicyInput) (*iamapi.GetPolicyOutput, error) {
	return view(ctx, s, func(tx *store.Tx, h home) (*iamapi.GetPolicyOutput, error) {
		p, ok, err := s.policyOf(tx, h, in.PolicyArn)
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, noPolicy(in.PolicyArn)
		}
		out := s.policyOut(tx, h, p)
		out.Description = aws.NonZero(p.own.Description)
		out.Tags = tagDetails(p.own.Tags)
		return &iamapi.GetPolicyOutput{Policy: &out}, nil
	})
}

// ListPolicies is iam:ListPolicies: the account's own first, then AWS's, in the order of their names.
func (s *Service) ListPolicies(ctx context.Context, in *iamapi.ListPoliciesInput) (*iamapi.ListPoliciesOutput, error) {
	scope := in.Scope.Or(iamapi.PolicyScopeTypeAll)
	return view(ctx, s, func(tx *store.Tx, h home) (*iamapi.ListPoliciesOutput, error) {
		pg, err := form.NewPage(in.Marker, in.MaxItems)
		if err != nil {
			return nil, err
		}
		used := s.usedPolicies(tx, h)
		wanted := func(p managedPolicy) bool {
			c := used[p.ref]
			switch {
			case !strings.HasPrefix(p.path(), in.PathPrefix.V):
				return false
			case in.PolicyUsageFilter.V == iamapi.PolicyUsageTypePermissionsBoundary:
				return c.Bounding > 0
			case in.OnlyAttached.V, in.PolicyUsageFilter.V == iamapi.PolicyUsageTypePermissionsPolicy:
				return c.Attached > 0
			}
			return true
		}
		out := &iamapi.ListPoliciesOutput{Policies: []iamapi.Policy{}}
		// show reports whether there may be more to show.
		show := func(key string, p managedPolicy) bool {
			if key <= pg.After || !wanted(p) {
				return true
			}
			if !pg.Add(key) {
				return false
			}
			out.Policies = append(out.Policies, s.policyOut(tx, h, p))
			return true
		}
		more := true
		if scope != iamapi.PolicyScopeTypeAWS {
			for key, id := range s.tables.names.Scan(tx, store.ScanOptions{}, h.account, aPolicy.key()) {
				if p, ok := s.policyBy(tx, h, id); ok {
					if more = show("1"+key.String(2), p); !more {
						break
					}
				}
			}
		}
		if more && scope != iamapi.PolicyScopeTypeLocal {
			for _, theirs := range managed.All() {
				if !show("2"+form.Fold(theirs.Name), managedPolicy{ref: byAWS + theirs.Path + theirs.Name, aws: theirs}) {
					break
				}
			}
		}
		out.IsTruncated, out.Marker = pg.Truncated(), pg.Marker()
		return out, nil
	})
}

// usedPolicies are the policies that something in the account uses, and how often.
func (s *Service) usedPolicies(tx *store.Tx, h home) map[string]countRecord {
	used := map[string]countRecord{}
	for key, c := range s.tables.counts.Scan(tx, store.ScanOptions{}, h.account) {
		used[strings.Clone(key.String(1))] = c
	}
	return used
}

// DeletePolicy is iam:DeletePolicy.
func (s *Service) DeletePolicy(ctx context.Context, in *iamapi.DeletePolicyInput) (*iamapi.DeletePolicyOutput, error) {
	return update(ctx, s, func(tx *store.Tx, h home) (*iamapi.DeletePolicyOutput, error) {
		p, err := s.ownPolicy(ctx, tx, h, in.PolicyArn, "DeletePolicy")
		if err != nil {
			return nil, err
		}
		if c, used := s.tables.counts.Get(tx, h.account, p.ID); used && c.Attached+c.Bounding > 0 {
			return nil, iamapi.DeleteConflictException("Cannot delete a policy attached to entities.")
		}
		if len(s.versionsOf(tx, h, p.ID)) > 1 {
			return nil, iamapi.DeleteConflictException("This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.")
		}
		s.tables.policies.Delete(tx, h.account, p.ID)
		s.tables.versions.DeleteAll(tx, h.account, p.ID)
		s.tables.counts.Delete(tx, h.account, p.ID)
		return nil, s.release(tx, h, aPolicy, p.named)
	})
}

// versionsOf are the numbers of a policy's versions, in their order.
func (s *Service) versionsOf(tx *store.Tx, h home, policy string) (numbers []uint64) {
	for key := range s.tables.versions.Keys(tx, store.ScanOptions{}, h.account, policy) {
		numbers = append(numbers, key.Uint64(2))
	}
	return numbers
}

// CreatePolicyVersion is iam:CreatePolicyVersion.
func (s *Service) CreatePolicyVersion(ctx context.Context, in *iamapi.CreatePolicyVersionInput) (*iamapi.CreatePolicyVersionOutput, error) {
	if err := checkDocument(in.PolicyDocument); err != nil {
		return nil, err
	}
	return update(ctx, s, func(tx *store.Tx, h home) (*iamapi.CreatePolicyVersionOutput, error) {
		p, err := s.ownPolicy(ctx, tx, h, in.PolicyArn, "CreatePolicyVersion")
		if err != nil {
			return nil, err
		}
		if len(s.versionsOf(tx, h, p.ID)) >= maxVersions {
			return nil, iamapi.LimitExceededException("A managed policy can have up to %d versions. Before you create a new version, you must delete an existing version.", maxVersions)
		}
		p.Last++
		p.Updated = form.Seconds(tx)
		if in.SetAsDefault.V {
			p.Default = p.Last
		}
		s.tables.versions.Set(tx, versionRecord{Document: in.PolicyDocument, Created: p.Updated}, h.account, p.ID, p.Last)
		s.tables.policies.Set(tx, p, h.account, p.ID)
		return &iamapi.CreatePolicyVersionOutput{PolicyVersion: &iamapi.PolicyVersion{
			VersionId: aws.Some(versionID(p.Last)), IsDefaultVersion: aws.Some(p.Default == p.Last), CreateDate: aws.Some(form.At(p.Updated)),
		}}, nil
	})
}

// policyVersions are the versions of a policy, newest first.
func (s *Service) policyVersions(tx *store.Tx, h home, p managedPolicy) (list []iamapi.PolicyVersion) {
	if p.aws != nil {
		for _, v := range p.aws.Versions {
			list = append(list, iamapi.PolicyVersion{
				VersionId: aws.Some(versionID(uint64(v.Number))), IsDefaultVersion: aws.Some(v.Number == p.aws.Default), CreateDate: aws.Some(v.Created),
			})
		}
		return list
	}
	for key, v := range s.tables.versions.Scan(tx, store.ScanOptions{Reverse: true}, h.account, p.ref) {
		list = append(list, iamapi.PolicyVersion{
			VersionId: aws.Some(versionID(key.Uint64(2))), IsDefaultVersion: aws.Some(key.Uint64(2) == p.own.Default), CreateDate: aws.Some(form.At(v.Created)),
		})
	}
	return list
}

// document is the text of a version of a policy; ok is false where there is no such version.
func (s *Service) document(tx *store.Tx, h home, p managedPolicy, version uint64) (text string, ok bool, err error) {
	if p.aws == nil {
		v, ok := s.tables.versions.Get(tx, h.account, p.ref, version)
		return v.Document, ok, nil
	}
	if _, ok := p.aws.Version(int(min(version, 1<<30))); !ok {
		return "", false, nil
	}
	text, err = p.aws.Document(h.partition, int(version))
	return text, err == nil, err
}

// inForce is the text of a policy's default version.
func (s *Service) inForce(tx *store.Tx, h home, p managedPolicy) (string, error) {
	version := p.own.Default
	if p.aws != nil {
		version = uint64(p.aws.Default)
	}
	text, ok, err := s.document(tx, h, p, version)
	if err == nil && !ok {
		err = fmt.Errorf("iam: policy %s has no version %d", p.ref, version)
	}
	return text, err
}

// GetPolicyVersion is iam:GetPolicyVersion.
func (s *Service) GetPolicyVersion(ctx context.Context, in *iamapi.GetPolicyVersionInput) (*iamapi.GetPolicyVersionOutput, error) {
	number, err := versionNumber(in.VersionId)
	if err != nil {
		return nil, err
	}
	return view(ctx, s, func(tx *store.Tx, h home) (*iamapi.GetPolicyVersionOutput, error) {
		p, ok, err := s.policyOf(tx, h, in.PolicyArn)
		if err != nil {
			return nil, err
		}
		var text string
		if ok {
			if text, ok, err = s.document(tx, h, p, number); err != nil {
				return nil, err
			}
		}
		if !ok {
			return nil, noVersion(in.PolicyArn, in.VersionId)
		}
		versions := s.policyVersions(tx, h, p)
		i := slices.IndexFunc(versions, func(v iamapi.PolicyVersion) bool { return v.VersionId.V == versionID(number) })
		versions[i].Document = aws.Some(escaped(text))
		return &iamapi.GetPolicyVersionOutput{PolicyVersion: &versions[i]}, nil
	})
}

// ListPolicyVersions is iam:ListPolicyVersions.
func (s *Service) ListPolicyVersions(ctx context.Context, in *iamapi.ListPolicyVersionsInput) (*iamapi.ListPolicyVersionsOutput, error) {
	return view(ctx, s, func(tx *store.Tx, h home) (*iamapi.ListPolicyVersionsOutput, error) {
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
		versions := form.Slice(pg, s.policyVersions(tx, h, p), func(v iamapi.PolicyVersion) string {
			n, _ := versionNumber(v.VersionId.V)
			return fmt.Sprintf("%020d", ^n) // newest first
		})
		if versions == nil {
			versions = []iamapi.PolicyVersion{}
		}
		return &iamapi.ListPolicyVersionsOutput{Versions: versions, IsTruncated: pg.Truncated(), Marker: pg.Marker()}, nil
	})
}

// ownVersion is a policy and a version of it, to be changed.
func (s *Service) ownVersion(ctx context.Context, tx *store.Tx, h home, arn, id, action string) (policyRecord, uint64, error) {
	number, err := versionNumber(id)
	if err != nil {
		return policyRecord{}, 0, err
	}
	p, err := s.ownPolicy(ctx, tx, h, arn, action)
	if e, ok := errors.AsType[*aws.Error](err); ok && e.ErrorShape == iamapi.ErrNoSuchEntityException || err == nil && !s.tables.versions.Has(tx, h.account, p.ID, number) {
		return p, 0, noVersion(arn, id)
	}
	return p, number, err
}

// DeletePolicyVersion is iam:DeletePolicyVersion.
func (s *Service) DeletePolicyVersion(ctx context.Context, in *iamapi.DeletePolicyVersionInput) (*iamapi.DeletePolicyVersionOutput, error) {
	return update(ctx, s, func(tx *store.Tx, h home) (*iamapi.DeletePolicyVersionOutput, error) {
		p, number, err := s.ownVersion(ctx, tx, h, in.PolicyArn, in.VersionId, "DeletePolicyVersion")
		if err != nil {
			return nil, err
		}
		if number == p.Default {
			return nil, iamapi.DeleteConflictException("Cannot delete the default version of a policy.")
		}
		s.tables.versions.Delete(tx, h.account, p.ID, number)
		return nil, nil
	})
}

// SetDefaultPolicyVersion is iam:SetDefaultPolicyVersion.
func (s *Service) SetDefaultPolicyVersion(ctx context.Context, in *iamapi.SetDefaultPolicyVersionInput) (*iamapi.SetDefaultPolicyVersionOutput, error) {
	return update(ctx, s, func(tx *store.Tx, h home) (*iamapi.SetDefaultPolicyVersionOutput, error) {
		p, number, err := s.ownVersion(ctx, tx, h, in.PolicyArn, in.VersionId, "SetDefaultPolicyVersion")
		if err != nil {
			return nil, err
		}
		p.Default, p.Updated = number, form.Seconds(tx)
		s.tables.policies.Set(tx, p, h.account, p.ID)
		return nil, nil
	})
}
