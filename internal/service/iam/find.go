package iam

import (
	"github.com/obidos-cloud/obidos/internal/api/iamapi"
	"github.com/obidos-cloud/obidos/internal/store"
)

// id is the unique id of what is called so, empty where nothing is.
func (s *Service) id(tx *store.Tx, h home, k kind, name string) string {
	id, _ := s.tables.names.Get(tx, h.account, k.key(), fold(name))
	return id
}

func (k kind) key() uint64 { return uint64(k) }

// user is the user of that name.
func (s *Service) user(tx *store.Tx, h home, name string) (userRecord, error) {
	if u, ok := s.tables.users.Get(tx, h.account, s.id(tx, h, aUser, name)); ok {
		return u, nil
	}
	return userRecord{}, missing("user", name)
}

// group is the group of that name.
func (s *Service) group(tx *store.Tx, h home, name string) (groupRecord, error) {
	if g, ok := s.tables.groups.Get(tx, h.account, s.id(tx, h, aGroup, name)); ok {
		return g, nil
	}
	return groupRecord{}, missing("group", name)
}

// role is the role of that name.
func (s *Service) role(tx *store.Tx, h home, name string) (roleRecord, error) {
	if r, ok := s.tables.roles.Get(tx, h.account, s.id(tx, h, aRole, name)); ok {
		return r, nil
	}
	return roleRecord{}, missing("role", name)
}

// profile is the instance profile of that name.
func (s *Service) profile(tx *store.Tx, h home, name string) (profileRecord, error) {
	if p, ok := s.tables.profiles.Get(tx, h.account, s.id(tx, h, aProfile, name)); ok {
		return p, nil
	}
	return profileRecord{}, iamapi.NoSuchEntityException("Instance Profile %s cannot be found.", name)
}

// quotas are how many of each kind an account may have.
func (k kind) quota() (name string, n int) {
	switch k {
	case aUser:
		return "UsersPerAccount", 5000
	case aGroup:
		return "GroupsPerAccount", 300
	case aRole:
		return "RolesPerAccount", 1000
	case aPolicy:
		return "PoliciesPerAccount", 1500
	}
	return "InstanceProfilesPerAccount", 1000
}

// count adds n to how many of a kind an account has.
func (s *Service) count(tx *store.Tx, h home, k kind, n int) error {
	a, _ := s.tables.accounts.Get(tx, h.account)
	if a.Counts == nil {
		a.Counts = map[kind]int{}
	}
	a.Counts[k] += n
	if quota, most := k.quota(); n > 0 && a.Counts[k] > most {
		return overQuota(quota, most)
	}
	s.tables.accounts.Set(tx, a, h.account)
	return nil
}
