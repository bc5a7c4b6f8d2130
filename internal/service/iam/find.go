package iam

import (
	"context"
	"strings"

	"github.com/obidos-cloud/obidos/internal/api/iamapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/service/iam/form"
	"github.com/obidos-cloud/obidos/internal/store"
)

// traits are what tells the kinds of named things apart.
type traits struct {
	arn    string // what its resource in ARNs begins with
	word   string // in messages
	prefix string // of unique ids
	quota  string
	most   int // an account may have
	typ    string
}

func (k kind) traits() traits {
	switch k {
	case aUser:
		return traits{"user", "user", userID, "UsersPerAccount", 5000, "AWS::IAM::User"}
	case aGroup:
		return traits{"group", "group", groupID, "GroupsPerAccount", 300, "AWS::IAM::Group"}
	case aRole:
		return traits{"role", "role", roleID, "RolesPerAccount", 1000, "AWS::IAM::Role"}
	case aPolicy:
		return traits{"policy", "policy", policyID, "PoliciesPerAccount", 1500, "AWS::IAM::ManagedPolicy"}
	}
	return traits{"instance-profile", "instance profile", profileID, "InstanceProfilesPerAccount", 1000, "AWS::IAM::InstanceProfile"}
}

// quota is how many of a kind an account may have.
func (k kind) quota() (name string, most int) { t := k.traits(); return t.quota, t.most }

func (k kind) key() uint64 { return uint64(k) }

// arnOf names a thing of the account.
func (h home) arnOf(k kind, n named) string { return h.arn(k.traits().arn + n.Path + n.Name) }

// base is what everything with a name has, of a record of any kind.
func (n named) base() named { return n }

type record interface{ base() named }

// id is the unique id of what is called so, empty where nothing is.
func (s *Service) id(tx *store.Tx, h home, k kind, name string) string {
	id, _ := s.tables.names.Get(tx, h.account, k.key(), form.Fold(name))
	return id
}

// user is the user of that name.
func (s *Service) user(tx *store.Tx, h home, name string) (userRecord, error) {
	if u, ok := s.tables.users.Get(tx, h.account, s.id(tx, h, aUser, name)); ok {
		s.look(tx, h, aUser, u.ID)
		return u, nil
	}
	return userRecord{}, form.Missing("user", name)
}

// group is the group of that name.
func (s *Service) group(tx *store.Tx, h home, name string) (groupRecord, error) {
	if g, ok := s.tables.groups.Get(tx, h.account, s.id(tx, h, aGroup, name)); ok {
		s.look(tx, h, aGroup, g.ID)
		return g, nil
	}
	return groupRecord{}, form.Missing("group", name)
}

// role is the role of that name.
func (s *Service) role(tx *store.Tx, h home, name string) (roleRecord, error) {
	if r, ok := s.tables.roles.Get(tx, h.account, s.id(tx, h, aRole, name)); ok {
		s.look(tx, h, aRole, r.ID)
		return r, nil
	}
	return roleRecord{}, form.Missing("role", name)
}

// profile is the instance profile of that name.
func (s *Service) profile(tx *store.Tx, h home, name string) (profileRecord, error) {
	if p, ok := s.tables.profiles.Get(tx, h.account, s.id(tx, h, aProfile, name)); ok {
		s.look(tx, h, aProfile, p.ID)
		return p, nil
	}
	return profileRecord{}, iamapi.NoSuchEntityException("Instance Profile %s cannot be found.", name)
}

// claim is what a new thing of that name begins with: an id of its own, by which the name finds it from then on.
func (s *Service) claim(tx *store.Tx, h home, k kind, name string, path aws.Opt[string], tags []iamapi.Tag) (n named, err error) {
	if n.Path, err = form.CheckPath(path); err != nil {
		return n, err
	}
	if err := form.CheckName(nameMember(k), name); err != nil {
		return n, err
	}
	if n.Tags, err = form.AddTags(nil, tags, k == aUser || k == aRole); err != nil {
		return n, err
	}
	if s.id(tx, h, k, name) != "" {
		return n, taken(k, name)
	}
	if err := s.count(tx, h, k, 1); err != nil {
		return n, err
	}
	n.ID, n.Name, n.Created = form.NewID(k.traits().prefix), name, form.Seconds(tx)
	s.tables.names.Set(tx, n.ID, h.account, k.key(), form.Fold(name))
	s.look(tx, h, k, n.ID)
	return n, nil
}

// nameMember is the member that a name comes in, as AWS's errors call it.
func nameMember(k kind) string {
	switch k {
	case aPolicy:
		return "policyName"
	case aProfile:
		return "instanceProfileName"
	}
	return k.traits().word + "Name"
}

// taken is the answer where there is one of that name already.
func taken(k kind, name string) *aws.Error {
	switch k {
	case aPolicy:
		return iamapi.EntityAlreadyExistsException("A policy called %s already exists. Duplicate names are not allowed.", name)
	case aProfile:
		return iamapi.EntityAlreadyExistsException("Instance Profile %s already exists.", name)
	}
	word := k.traits().word
	return iamapi.EntityAlreadyExistsException("%s with name %s already exists.", strings.ToUpper(word[:1])+word[1:], name)
}

// rename gives a thing another name and path, where there are any. The caller writes it.
func (s *Service) rename(tx *store.Tx, h home, k kind, n *named, name, path aws.Opt[string]) error {
	if path.Set {
		p, err := form.CheckPath(path)
		if err != nil {
			return err
		}
		n.Path = p
	}
	if !name.Set || name.V == n.Name {
		return nil
	}
	if err := form.CheckName("new"+strings.ToUpper(nameMember(k)[:1])+nameMember(k)[1:], name.V); err != nil {
		return err
	}
	if id := s.id(tx, h, k, name.V); id != "" && id != n.ID {
		return taken(k, name.V)
	}
	s.tables.names.Delete(tx, h.account, k.key(), form.Fold(n.Name))
	s.tables.names.Set(tx, n.ID, h.account, k.key(), form.Fold(name.V))
	n.Name = name.V
	return nil
}

// release takes a name away from what is deleted.
func (s *Service) release(tx *store.Tx, h home, k kind, n named) error {
	s.tables.names.Delete(tx, h.account, k.key(), form.Fold(n.Name))
	return s.count(tx, h, k, -1)
}

// count adds n to how many of a kind an account has.
func (s *Service) count(tx *store.Tx, h home, k kind, n int) error {
	a, _ := s.tables.accounts.Get(tx, h.account)
	if a.Counts == nil {
		a.Counts = map[kind]int{}
	}
	if a.Created == 0 {
		a.Created = form.Seconds(tx)
	}
	a.Counts[k] += n
	if quota, most := k.quota(); n > 0 && a.Counts[k] > most {
		return form.OverQuota(quota, most)
	}
	s.tables.accounts.Set(tx, a, h.account)
	return nil
}

// list shows the things of a kind whose paths begin so, in the order of their names.
func list[R record, O any](ctx context.Context, s *Service, k kind, table store.Table[R], marker aws.Opt[string], items aws.Opt[int32],
	prefix aws.Opt[string], show func(tx *store.Tx, h home, r R) O,
) ([]O, *form.Page, error) {
	var p *form.Page
	out, err := view(ctx, s, func(tx *store.Tx, h home) (out []O, err error) {
		if p, err = form.NewPage(marker, items); err != nil {
			return nil, err
		}
		out = []O{}
		for key, id := range s.tables.names.Scan(tx, p.Options(), h.account, k.key()) {
			r, ok := table.Get(tx, h.account, id)
			if !ok || !strings.HasPrefix(r.base().Path, prefix.V) {
				continue
			}
			if !p.Add(key.String(2)) {
				break
			}
			out = append(out, show(tx, h, r))
		}
		return out, nil
	})
	return out, p, err
}
