package iam

import (
	"context"
	"slices"
	"strings"

	"github.com/obidos-cloud/obidos/internal/api/iamapi"
	"github.com/obidos-cloud/obidos/internal/auth"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/model"
	"github.com/obidos-cloud/obidos/internal/service/iam/form"
	"github.com/obidos-cloud/obidos/internal/store"
)

// Resources implements call.Resourcer: what the input names, with the paths that only IAM knows. Where an input names no user it is about
// the caller's own.
func (s *Service) Resources(ctx context.Context, op *model.Operation, in any) []string {
	a := model.AuthorizationOf(op)
	if a == nil || len(a.Actions) == 0 {
		return nil
	}
	arns, exact := a.Actions[0].Resources(nil, in, aws.RequestOf(ctx).Scope)
	if len(arns) == 1 && arns[0] == "*" {
		return nil
	}
	whole, err := view(ctx, s, func(tx *store.Tx, h home) ([]string, error) {
		for i := range arns {
			if exact {
				arns[i] = s.canonical(tx, h, arns[i])
				continue
			}
			arns[i] = s.withPath(ctx, tx, h, in, arns[i])
		}
		return s.renamed(tx, h, in, arns), nil
	})
	if err != nil {
		return arns
	}
	return whole
}

// canonical is the ARN of what operations find by arn. They look at no region; of what has a name at no path either, and letters of either
// case are the same to them.
func (s *Service) canonical(tx *store.Tx, h home, arn string) string {
	a, _ := aws.ParseARN(arn)
	what, path, _ := strings.Cut(a.Resource, "/")
	if a.Service != "iam" || a.Account != h.account || a.Partition != h.partition {
		return arn
	}
	for _, k := range []kind{aUser, aGroup, aRole, aPolicy, aProfile} {
		if k.traits().arn != what {
			continue
		}
		if n, ok := s.byName(tx, h, k, path[strings.LastIndexByte(path, '/')+1:]); ok {
			return h.arnOf(k, n)
		}
	}
	return h.arn(a.Resource)
}

// renamed adds what a thing is to be called from now on: who may not make one of that name and path may not move one there.
func (s *Service) renamed(tx *store.Tx, h home, in any, arns []string) []string {
	var (
		k          kind
		n          named
		name, path aws.Opt[string]
	)
	switch in := in.(type) {
	case *iamapi.UpdateUserInput:
		k, name, path = aUser, in.NewUserName, in.NewPath
		n, _ = s.byName(tx, h, k, in.UserName)
	case *iamapi.UpdateGroupInput:
		k, name, path = aGroup, in.NewGroupName, in.NewPath
		n, _ = s.byName(tx, h, k, in.GroupName)
	case *iamapi.UpdateServerCertificateInput:
		if was, ok := s.ServerPath(tx, form.Home{Account: h.account, Partition: h.partition}, in.ServerCertificateName); ok {
			at := strings.LastIndexByte(was, '/') + 1
			if to := h.arn("server-certificate" + in.NewPath.Or(was[:at]) + in.NewServerCertificateName.Or(was[at:])); !slices.Contains(arns, to) {
				arns = append(arns, to)
			}
		}
		return arns
	}
	if n.ID == "" {
		return arns
	}
	n.Name, n.Path = name.Or(n.Name), path.Or(n.Path)
	if to := h.arnOf(k, n); !slices.Contains(arns, to) {
		arns = append(arns, to)
	}
	return arns
}

// Named implements auth.Namer: what other permissions that a call needs are about, with its path.
func (s *Service) Named(ctx context.Context, _ any, arns []string) []string {
	whole, err := view(ctx, s, func(tx *store.Tx, h home) ([]string, error) {
		whole := make([]string, len(arns))
		for i := range arns {
			whole[i] = s.withPath(ctx, tx, h, nil, arns[i])
		}
		return whole, nil
	})
	if err != nil {
		return arns
	}
	return whole
}

// withPath is an ARN with the path of what it names, as it is where there is nothing of that name.
func (s *Service) withPath(ctx context.Context, tx *store.Tx, h home, in any, arn string) string {
	switch in := in.(type) {
	case *iamapi.CreateServiceLinkedRoleInput:
		short, _ := strings.CutSuffix(strings.TrimSuffix(in.AWSServiceName, ".cn"), ".amazonaws.com")
		role := linkedRoles()[short].role
		if in.CustomSuffix.Set {
			role += "_" + in.CustomSuffix.V
		}
		return h.arn("role" + serviceRolePath + in.AWSServiceName + "/" + role)
	case *iamapi.GetServiceLinkedRoleDeletionStatusInput: // "task/aws-service-role/SERVICE/ROLE/ID"
		if task, ok := strings.CutPrefix(in.DeletionTaskId, "task/"); ok {
			return h.arn("role/" + task[:max(strings.LastIndexByte(task, '/'), 0)])
		}
		return arn
	case *iamapi.GetAccessKeyLastUsedInput:
		if k, ok := s.tables.keys.Get(tx, in.AccessKeyId); ok && k.Account == h.account {
			if u, ok := s.tables.users.Get(tx, k.Account, k.User); ok {
				return h.arnOf(aUser, u.named)
			}
		}
		return arn
	}
	a, _ := aws.ParseARN(arn)
	what, name, _ := strings.Cut(a.Resource, "/")
	if what == "user" && name == "*" {
		if own, _ := form.Caller(ctx); own != "" {
			name = own
		}
	}
	if what == "server-certificate" {
		if path, ok := s.ServerPath(tx, form.Home{Account: h.account, Partition: h.partition}, name); ok {
			return h.arn(what + path)
		}
	}
	for _, k := range []kind{aUser, aGroup, aRole, aProfile} {
		if k.traits().arn != what {
			continue
		}
		if n, ok := s.byName(tx, h, k, name); ok {
			return h.arnOf(k, n)
		}
		if k == aUser {
			return h.arn("user/" + name)
		}
	}
	return arn
}

// byName is what everything with a name has, of what is called so.
func (s *Service) byName(tx *store.Tx, h home, k kind, name string) (n named, ok bool) {
	id := s.id(tx, h, k, name)
	switch k {
	case aUser:
		r, ok := s.tables.users.Get(tx, h.account, id)
		return r.named, ok
	case aGroup:
		r, ok := s.tables.groups.Get(tx, h.account, id)
		return r.named, ok
	case aRole:
		r, ok := s.tables.roles.Get(tx, h.account, id)
		return r.named, ok
	case aPolicy:
		r, ok := s.tables.policies.Get(tx, h.account, id)
		return r.named, ok
	}
	r, ok := s.tables.profiles.Get(tx, h.account, id)
	return r.named, ok
}

// Hold implements auth.Holder: the tags of what has a name, and the permissions boundary that it has already. IAM's own resources have no policies that IAM asks: a role's trust policy is
// STS's question.
func (s *Service) Hold(ctx context.Context, arn string) (auth.Held, error) {
	a, ok := aws.ParseARN(arn)
	if !ok || a.Service != "iam" || !aws.IsAccount(a.Account) {
		return auth.Held{}, nil
	}
	what, path, _ := strings.Cut(a.Resource, "/")
	name := path[strings.LastIndexByte(path, '/')+1:]
	return store.View(ctx, s.space, func(tx *store.Tx) (held auth.Held, err error) {
		tags := slices.Concat(s.Credentials.TagsOf(tx, a.Account, a.Resource), s.Providers.TagsOf(tx, a.Account, a.Resource))
		for _, k := range []kind{aUser, aRole, aPolicy, aProfile} {
			if k.traits().arn == what {
				n, _ := s.byName(tx, homeIn(a.Account, a.Partition), k, name)
				for _, t := range n.Tags {
					tags = append(tags, form.Tag(t))
				}
			}
		}
		for _, k := range []kind{aUser, aRole} {
			if k.traits().arn != what {
				continue
			}
			h := homeIn(a.Account, a.Partition)
			if e, err := s.entity(tx, h, k, name); err == nil && e.Boundary != "" {
				if m, ok := s.policyBy(tx, h, e.Boundary); ok {
					held.Keys = map[string]string{"iam:permissionsboundary": m.arn(h)}
				}
			}
		}
		if len(tags) > 0 {
			held.Tags = make(map[string]string, len(tags))
		}
		for _, t := range tags {
			held.Tags[t.Key] = t.Value
		}
		return held, nil
	})
}
