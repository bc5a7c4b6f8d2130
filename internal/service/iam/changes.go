package iam

import (
	"context"
	"time"

	"github.com/obidos-cloud/obidos/internal/resource"
	"github.com/obidos-cloud/obidos/internal/service/iam/declared"
	"github.com/obidos-cloud/obidos/internal/service/iam/form"
	"github.com/obidos-cloud/obidos/internal/store"
)

// changes are what a transaction has looked up to change it, as it was: the feed is told what became of it.
type changes struct{ looked []looked }

type looked struct {
	kind   kind
	id     string
	arn    string
	before string // properties; empty where it is made here
}

// look remembers a thing as it is, before it is changed. Every look-up in a transaction that changes something does it; it
// costs nothing where nobody wants to know.
func (s *Service) look(tx *store.Tx, h home, k kind, id string) {
	if h.changes == nil || !s.o.Changes.Watched(k.traits().typ) {
		return
	}
	for _, l := range h.changes.looked {
		if l.id == id {
			return
		}
	}
	arn, before := s.properties(tx, h, k, id)
	h.changes.looked = append(h.changes.looked, looked{k, id, arn, before})
}

// tell tells the feed, with the transaction, what has become of what was looked up in it.
func (s *Service) tell(ctx context.Context, tx *store.Tx, h home) {
	if h.changes == nil {
		return
	}
	for _, l := range h.changes.looked {
		arn, after := s.properties(tx, h, l.kind, l.id)
		c := resource.Change{Type: l.kind.traits().typ, ARN: arn, Action: resource.Updated, Before: l.before, After: after}
		switch {
		case l.before == after:
			continue
		case l.before == "":
			c.Action = resource.Created
		case after == "":
			c.Action, c.ARN = resource.Deleted, l.arn
		}
		s.o.Changes.Note(ctx, tx, c)
	}
}

// properties are a thing's properties as JSON, as reading it as a resource tells them; empty where it is not there.
func (s *Service) properties(tx *store.Tx, h home, k kind, id string) (arn, text string) {
	switch k {
	case aUser:
		if u, ok := s.tables.users.Get(tx, h.account, id); ok {
			m := declared.User{UserName: u.Name, Arn: h.arnOf(k, u.named), Path: u.Path, Tags: tagProperties(u.named)}
			m.Policies, m.ManagedPolicyArns, m.PermissionsBoundary = s.policyProperties(tx, h, u.permits)
			for _, g := range s.groupsOf(tx, h, u) {
				m.Groups = append(m.Groups, g.Name)
			}
			return m.Arn, resource.Text(m)
		}
	case aGroup:
		if g, ok := s.tables.groups.Get(tx, h.account, id); ok {
			m := declared.Group{GroupName: g.Name, Arn: h.arnOf(k, g.named), Path: g.Path}
			m.Policies, m.ManagedPolicyArns, _ = s.policyProperties(tx, h, g.permits)
			return m.Arn, resource.Text(m)
		}
	case aRole:
		if r, ok := s.tables.roles.Get(tx, h.account, id); ok {
			session := int(r.MaxSession)
			m := declared.Role{
				RoleName: r.Name, RoleId: r.ID, Arn: h.arnOf(k, r.named), Path: r.Path, Description: r.Description, MaxSessionDuration: &session,
				AssumeRolePolicyDocument: declared.Document(s.trustNow(tx, h, &r)), Tags: tagProperties(r.named),
			}
			m.Policies, m.ManagedPolicyArns, m.PermissionsBoundary = s.policyProperties(tx, h, r.permits)
			return m.Arn, resource.Text(m)
		}
	case aPolicy:
		if p, ok := s.policyBy(tx, h, id); ok {
			return p.arn(h), resource.Text(s.managedProperties(tx, h, p))
		}
	case aProfile:
		if p, ok := s.tables.profiles.Get(tx, h.account, id); ok {
			m := declared.Profile{InstanceProfileName: p.Name, Arn: h.arnOf(k, p.named), Path: p.Path}
			if r, ok := s.tables.roles.Get(tx, h.account, p.Role); ok {
				m.Roles = []string{r.Name}
			}
			return m.Arn, resource.Text(m)
		}
	}
	return "", ""
}

func tagProperties(n named) (tags []declared.Tag) {
	for _, t := range n.Tags {
		tags = append(tags, declared.Tag{Key: t.Key, Value: t.Value})
	}
	return tags
}

// policyProperties are what a user, group or role has of policies, as properties.
func (s *Service) policyProperties(tx *store.Tx, h home, p permits) (inline []declared.Inline, arns []string, boundary string) {
	for _, i := range p.Inline {
		inline = append(inline, declared.Inline{PolicyName: i.Name, PolicyDocument: declared.Document(i.Document)})
	}
	for _, m := range s.attachedTo(tx, h, &p) {
		arns = append(arns, m.arn(h))
	}
	if m, ok := s.policyBy(tx, h, p.Boundary); ok {
		boundary = m.arn(h)
	}
	return inline, arns, boundary
}

// managedProperties are those of a managed policy that are its own: who it is attached to is told of them.
func (s *Service) managedProperties(tx *store.Tx, h home, p managedPolicy) declared.ManagedPolicy {
	text, _, _ := s.document(tx, h, p, p.own.Default) // one of the account's own is read, not unpacked
	attachable := true
	return declared.ManagedPolicy{
		PolicyArn: p.arn(h), PolicyId: p.own.ID, ManagedPolicyName: p.own.Name, Path: p.own.Path, Description: p.own.Description, PolicyDocument: declared.Document(text),
		IsAttachable: &attachable, DefaultVersionId: versionID(p.own.Default), CreateDate: form.At(p.own.Created).Format(time.RFC3339), UpdateDate: form.At(p.own.Updated).Format(time.RFC3339),
	}
}
