// Package rules is what is set for log groups, one by one or for all that an account has: who may write to them, which sensitive
// data is masked in them, which fields are indexed, and the keys of KMS that are kept for them.
//
// It keeps its records in the space of the service that it is a part of, and performs the operations that set, show and remove them.
package rules

import (
	"context"

	"github.com/obidos-cloud/obidos/internal/api/logsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/resource"
	"github.com/obidos-cloud/obidos/internal/service/logs/form"
	"github.com/obidos-cloud/obidos/internal/store"
)

// Group is what is to be known of a log group.
type Group struct {
	Number uint64 // never given again
	Class  string
}

// Groups are the groups that rules are about.
type Groups interface {
	// Find is the group of a name; false where there is none.
	Find(tx *store.Tx, name string) (Group, bool)
	// Observe is told of every change that may have events be looked at as they come: without one IntakeOf need not be asked.
	Observe(tx *store.Tx)
	// Changing is called before, and what it returns after, what a group has for itself is changed.
	Changing(ctx context.Context, tx *store.Tx, name string) (done func())
}

// Rules are what is set. The methods that are called like operations of the API perform them.
type Rules struct {
	space   store.Space
	groups  Groups
	carrier Carrier
	changes *resource.Feed // may be nil
	finders finders

	accounts           store.Table[accountRecord]        // () → what there is for all groups
	states             store.Table[stateRecord]          // group → what there is for it
	policies           store.Table[resourcePolicyRecord] // name → a resource policy of the account
	groupPolicies      store.Table[resourcePolicyRecord] // name of a group → its resource policy
	protections        store.Table[protectionRecord]     // group, time → what sensitive data is looked for in events from then on
	accountProtections store.Table[protectionRecord]     // time → the same, of all groups
	accountPolicies    store.Table[accountPolicyRecord]  // type, name → a policy of the account
	indexPolicies      store.Table[indexPolicyRecord]    // group → which fields of its events are indexed
	indexed            store.Table[indexedRecord]        // group, shard → when fields were met
}

// New are the rules of groups. Their tables are numbered from 40 to 49.
func New(s store.Space, groups Groups, carrier Carrier, changes *resource.Feed) *Rules {
	return &Rules{
		space: s, groups: groups, carrier: carrier, changes: changes,

		accounts:           store.NewTable[accountRecord](s, 40, "account"),
		policies:           store.NewTable[resourcePolicyRecord](s, 41, "resource policy"),
		groupPolicies:      store.NewTable[resourcePolicyRecord](s, 42, "resource policy of a group"),
		protections:        store.NewTable[protectionRecord](s, 43, "data protection policy", store.Global),
		accountProtections: store.NewTable[protectionRecord](s, 44, "data protection policy of an account"),
		states:             store.NewTable[stateRecord](s, 45, "rules of a group", store.Global),
		accountPolicies:    store.NewTable[accountPolicyRecord](s, 46, "policy of an account"),
		indexPolicies:      store.NewTable[indexPolicyRecord](s, 47, "index policy", store.Global),
		indexed:            store.NewTable[indexedRecord](s, 48, "indexed field", store.Global),
	}
}

// accountRecord is what an account has set for all its groups in a region. Most have none.
type accountRecord struct {
	store.Unknown
	ResultKey string `cbor:"1,keyasint,omitempty"` // KMS, for the results of queries
	Protected bool   `cbor:"2,keyasint,omitempty"` // it has a data protection policy, or had one
	Indexed   bool   `cbor:"3,keyasint,omitempty"` // it has policies of indexes, or had some
}

// stateRecord is what there is to look for of a group. Most have none.
type stateRecord struct {
	store.Unknown
	Protection string `cbor:"1,keyasint,omitempty"` // whether it has a data protection policy, or had one
	Indexed    bool   `cbor:"2,keyasint,omitempty"` // it has an index policy
}

// group is the group of a name.
func (s *Rules) group(tx *store.Tx, name string) (Group, error) {
	g, ok := s.groups.Find(tx, name)
	if !ok {
		return g, form.NoGroup()
	}
	return g, nil
}

// DeleteGroup removes what was set for a group.
func (s *Rules) DeleteGroup(tx *store.Tx, name string, number uint64) {
	s.groupPolicies.Delete(tx, name)
	s.states.Delete(tx, number)
	s.protections.DeleteAll(tx, number)
	s.indexPolicies.Delete(tx, number)
	s.indexed.DeleteAll(tx, number)
}

// Own is what is set for a group alone: documents, empty where there are none.
type Own struct{ Protection, Index, Resource string }

// OwnOf is that of a group of that name.
func (s *Rules) OwnOf(tx *store.Tx, name string, g Group) (o Own) {
	if r, ok := protection(tx, &s.protections, g.Number); ok {
		o.Protection = r.Document
	}
	if r, ok := s.indexPolicies.Get(tx, g.Number); ok {
		o.Index = r.Document
	}
	if r, ok := s.groupPolicies.Get(tx, name); ok {
		o.Resource = r.Document
	}
	return o
}

// Describe adds what is set for a group to what is shown of it.
func (s *Rules) Describe(tx *store.Tx, g Group, shown *logsapi.LogGroup) {
	state, _ := s.states.Get(tx, g.Number)
	shown.DataProtectionStatus = aws.NonZero(logsapi.DataProtectionStatus(state.Protection))
	if _, ok := s.accountProtection(tx, g); ok {
		shown.InheritedProperties = []logsapi.InheritedProperty{logsapi.InheritedPropertyACCOUNTDATAPROTECTION}
	}
}

// SetResultKey keeps the key that the results of queries are to be encrypted with; empty for none.
func (s *Rules) SetResultKey(tx *store.Tx, key string) {
	a, _ := s.accounts.Get(tx)
	a.ResultKey = key
	s.setAccount(tx, a)
}

func (s *Rules) setAccount(tx *store.Tx, a accountRecord) {
	s.accounts.Set(tx, a)
	s.groups.Observe(tx)
}

func (s *Rules) setState(tx *store.Tx, state stateRecord, group uint64) {
	s.states.Set(tx, state, group)
	s.groups.Observe(tx)
}

// About is what an operation of the rules is about, as IAM is asked; nil where that is told by the input or it is another's.
func About(ctx context.Context, in any) []string {
	of := func(identifier string) []string {
		return []string{form.StreamARN(aws.RequestOf(ctx).Scope, form.NameOf(identifier), "")}
	}
	all := func(identifiers []string) (arns []string) {
		for _, id := range identifiers {
			arns = append(arns, of(id)...)
		}
		return arns
	}
	switch in := in.(type) {
	case *logsapi.PutDataProtectionPolicyInput:
		return of(in.LogGroupIdentifier)
	case *logsapi.GetDataProtectionPolicyInput:
		return of(in.LogGroupIdentifier)
	case *logsapi.DeleteDataProtectionPolicyInput:
		return of(in.LogGroupIdentifier)
	case *logsapi.PutIndexPolicyInput:
		return of(in.LogGroupIdentifier)
	case *logsapi.DeleteIndexPolicyInput:
		return of(in.LogGroupIdentifier)
	case *logsapi.DescribeIndexPoliciesInput:
		return all(in.LogGroupIdentifiers)
	case *logsapi.DescribeFieldIndexesInput:
		return all(in.LogGroupIdentifiers)
	}
	return nil
}
