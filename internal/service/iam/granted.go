package iam

import (
	"context"
	"slices"
	"strings"

	"github.com/obidos-cloud/obidos/internal/api/iamapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/lang/policy"
	"github.com/obidos-cloud/obidos/internal/service/iam/form"
	"github.com/obidos-cloud/obidos/internal/store"
)

// sourceOf is the user, group or role of the account that an ARN names.
func sourceOf(h home, arn string) (k kind, name string, err error) {
	a, ok := aws.ParseARN(arn)
	what, path, _ := strings.Cut(a.Resource, "/")
	name = path[strings.LastIndexByte(path, '/')+1:]
	for _, k := range [...]kind{aUser, aGroup, aRole} {
		if ok && a.Service == "iam" && what == k.traits().arn && name != "" {
			if a.Account != h.account {
				return k, name, form.Missing(k.traits().word, name)
			}
			return k, name, nil
		}
	}
	return 0, "", iamapi.InvalidInputException("Invalid Entity Arn: %s does not clearly define entity type and name.", arn)
}

// policiesOf are all policies of a user, group or role, a user's groups' among them, and its permissions boundary.
func (s *Service) policiesOf(tx *store.Tx, h home, k kind, name string) (list []given, boundary *given, err error) {
	e, err := s.entity(tx, h, k, name)
	if err != nil {
		return nil, nil, err
	}
	add := func(k kind, n named, p permits) error {
		for _, i := range p.Inline {
			g := given{text: i.Document, kind: k, name: n.Name}
			g.Name, g.Type = k.traits().word+"_"+n.Name+"_"+i.Name, string(identityPolicy)
			if g.Policy, err = s.directory.compiled.Read(i.Document); err != nil {
				return err
			}
			list = append(list, g)
		}
		for _, m := range s.attachedTo(tx, h, &p) {
			g, err := s.give(tx, h, m)
			if err != nil {
				return err
			}
			list = append(list, g)
		}
		return nil
	}
	if err := add(k, *e.named, *e.permits); err != nil {
		return nil, nil, err
	}
	if k == aUser {
		u, _ := s.tables.users.Get(tx, h.account, e.ID)
		for _, g := range s.groupsOf(tx, h, u) {
			if err := add(aGroup, g.named, g.permits); err != nil {
				return nil, nil, err
			}
		}
	}
	if m, ok := s.policyBy(tx, h, e.Boundary); ok {
		g, err := s.give(tx, h, m)
		return list, &g, err
	}
	return list, nil, nil
}

// give is a managed policy for a simulation.
func (s *Service) give(tx *store.Tx, h home, m managedPolicy) (g given, err error) {
	g.Source, err = s.directory.source(tx, h, m)
	if err != nil {
		return g, err
	}
	g.arn, g.Type = g.ARN, string(identityPolicy)
	g.text, err = s.inForce(tx, h, m)
	return g, err
}

// inlineName is what an inline policy is called without what it hangs on.
func (g *given) inlineName() string {
	return strings.TrimPrefix(g.Name, g.kind.traits().word+"_"+g.name+"_")
}

// exclusionOf reports of a policy, and whether it is a boundary, that a simulation is to go without it.
func exclusionOf(list []iamapi.PolicyIdentifier) (func(g *given, boundary bool) bool, error) {
	for _, x := range list {
		if x.PolicyArn.Set {
			if a, ok := aws.ParseARN(x.PolicyArn.V); !ok || a.Service != "iam" || strings.ContainsAny(a.Account+a.Partition, "*?") || strings.Count(a.Resource, "*") > 1 {
				return nil, iamapi.InvalidInputException("Invalid policy ARN: %s", x.PolicyArn.V)
			}
		}
	}
	return func(g *given, boundary bool) bool {
		return slices.ContainsFunc(list, func(x iamapi.PolicyIdentifier) bool {
			switch {
			case x.PolicyArn.Set:
				return g.arn != "" && wild(x.PolicyArn.V, g.arn)
			case x.InlinePolicyIdentifier != nil:
				i := x.InlinePolicyIdentifier
				return g.arn == "" && strings.EqualFold(string(i.AttachmentType), g.kind.traits().word) && i.PolicyName == g.inlineName() && wild(i.AttachmentName, g.name)
			}
			theirs := strings.Contains(g.arn, ":iam::aws:policy/")
			switch x.PolicyType.V {
			case iamapi.PolicyIdentifierPolicyTypeInline:
				return g.arn == ""
			case iamapi.PolicyIdentifierPolicyTypeAwsManaged:
				return theirs && !boundary
			case iamapi.PolicyIdentifierPolicyTypeUserManaged:
				return g.arn != "" && !theirs && !boundary
			case iamapi.PolicyIdentifierPolicyTypePermissionBoundary:
				return boundary
			}
			return false
		})
	}, nil
}

// wild reports whether a pattern with * and ? matches all of s.
func wild(pattern, s string) bool {
	star, from := -1, 0 // the last * seen, and where in s what it matches ends
	p, i := 0, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, from = p, i
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == s[i]):
			p++
			i++
		case star >= 0:
			from++
			p, i = star+1, from
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// keysOf are the condition keys that policies ask for, once each.
func keysOf(list []given) []string {
	keys := []string{}
	for _, g := range list {
		for _, key := range g.Policy.Keys() {
			if !slices.ContainsFunc(keys, func(k string) bool { return strings.EqualFold(k, key) }) {
				keys = append(keys, key)
			}
		}
	}
	return keys
}

// GetContextKeysForCustomPolicy is iam:GetContextKeysForCustomPolicy.
func (s *Service) GetContextKeysForCustomPolicy(_ context.Context, in *iamapi.GetContextKeysForCustomPolicyInput) (*iamapi.GetContextKeysForCustomPolicyOutput, error) {
	list, err := giveAll("PolicyInputList", in.PolicyInputList, policy.Identity)
	return &iamapi.GetContextKeysForCustomPolicyOutput{ContextKeyNames: keysOf(list)}, err
}

// GetContextKeysForPrincipalPolicy is iam:GetContextKeysForPrincipalPolicy.
func (s *Service) GetContextKeysForPrincipalPolicy(ctx context.Context, in *iamapi.GetContextKeysForPrincipalPolicyInput) (*iamapi.GetContextKeysForPrincipalPolicyOutput, error) {
	more, err := giveAll("PolicyInputList", in.PolicyInputList, policy.Identity)
	if err != nil {
		return nil, err
	}
	return view(ctx, s, func(tx *store.Tx, h home) (*iamapi.GetContextKeysForPrincipalPolicyOutput, error) {
		k, name, err := sourceOf(h, in.PolicySourceArn)
		if err != nil {
			return nil, err
		}
		list, _, err := s.policiesOf(tx, h, k, name)
		return &iamapi.GetContextKeysForPrincipalPolicyOutput{ContextKeyNames: keysOf(append(list, more...))}, err
	})
}

// ListPoliciesGrantingServiceAccess is iam:ListPoliciesGrantingServiceAccess: of each service, the policies with a statement that
// allows something of it, whatever else denies it.
func (s *Service) ListPoliciesGrantingServiceAccess(ctx context.Context, in *iamapi.ListPoliciesGrantingServiceAccessInput) (*iamapi.ListPoliciesGrantingServiceAccessOutput, error) {
	if in.Marker.Set { // all are told at once, and no marker is given
		return nil, form.Invalid("Invalid Marker.")
	}
	return view(ctx, s, func(tx *store.Tx, h home) (*iamapi.ListPoliciesGrantingServiceAccessOutput, error) {
		k, name, err := sourceOf(h, in.Arn)
		if err != nil {
			return nil, err
		}
		list, _, err := s.policiesOf(tx, h, k, name)
		if err != nil {
			return nil, err
		}
		out := &iamapi.ListPoliciesGrantingServiceAccessOutput{IsTruncated: aws.Some(false), PoliciesGrantingServiceAccess: []iamapi.ListPoliciesGrantingServiceAccessEntry{}}
		for _, service := range in.ServiceNamespaces {
			e := iamapi.ListPoliciesGrantingServiceAccessEntry{ServiceNamespace: aws.Some(service), Policies: []iamapi.PolicyGrantingServiceAccess{}}
			for _, g := range list {
				if !g.Policy.AllowsService(service) {
					continue
				}
				p := iamapi.PolicyGrantingServiceAccess{PolicyName: g.Name, PolicyType: iamapi.PolicyTypeMANAGED, PolicyArn: aws.NonZero(g.arn)}
				if g.arn == "" {
					p.PolicyName, p.PolicyType = g.inlineName(), iamapi.PolicyTypeINLINE
					p.EntityType, p.EntityName = aws.Some(iamapi.PolicyOwnerEntityType(strings.ToUpper(g.kind.traits().word))), aws.Some(g.name)
				}
				e.Policies = append(e.Policies, p)
			}
			out.PoliciesGrantingServiceAccess = append(out.PoliciesGrantingServiceAccess, e)
		}
		return out, nil
	})
}
