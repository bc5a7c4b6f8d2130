package rules

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/obidos-cloud/obidos/internal/api/logsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/service/logs/form"
	"github.com/obidos-cloud/obidos/internal/store"
)

// indexPolicyRecord is the fields that are indexed in a group.
type indexPolicyRecord struct {
	store.Unknown
	Document string            `cbor:"1,keyasint"`
	Updated  int64             `cbor:"2,keyasint"` // milliseconds
	Fields   map[string]string `cbor:"3,keyasint"` // name → type
}

// indexedRecord is when the fields that were indexed in a group were met.
type indexedRecord struct {
	store.Unknown
	Fields map[string]metRecord `cbor:"1,keyasint"`
}

// metRecord is when a field was met. Times are in milliseconds.
type metRecord struct {
	First   int64 `cbor:"1,keyasint"`
	Last    int64 `cbor:"2,keyasint"`
	Scanned int64 `cbor:"3,keyasint"`
}

// AWS's limits.
const (
	maxFields    = 20
	maxFieldName = 100
)

// readIndexPolicy reads the document of a policy.
func readIndexPolicy(text string) (indexPolicyRecord, error) {
	var d struct {
		Fields   []string
		FieldsV2 map[string]struct {
			Type string `json:"type"`
		}
	}
	dec := json.NewDecoder(strings.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&d); err != nil || dec.More() {
		return indexPolicyRecord{}, form.Invalid("The index policy is not valid: it must be a JSON object with Fields, FieldsV2 or both.")
	}
	r := indexPolicyRecord{Document: text, Fields: map[string]string{}}
	add := func(name, kind string) error {
		_, twice := r.Fields[name]
		switch {
		case name == "" || utf8.RuneCountInString(name) > maxFieldName:
			return form.Invalid("The name of a field has from 1 to %d characters: %s", maxFieldName, name)
		case twice:
			return form.Invalid("The field %s is named twice.", name)
		case strings.HasPrefix(name, "@"):
			return form.Invalid("The field %s cannot be indexed.", name)
		}
		r.Fields[name] = kind
		return nil
	}
	for _, name := range d.Fields {
		if err := add(name, string(logsapi.IndexTypeFIELDINDEX)); err != nil {
			return r, err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(d.FieldsV2)) {
		kind := logsapi.IndexType(d.FieldsV2[name].Type)
		if !slices.Contains(kind.Values(), string(kind)) {
			return r, form.Invalid("The type of the field %s must be one of %s.", name, strings.Join(kind.Values(), ", "))
		}
		if err := add(name, string(kind)); err != nil {
			return r, err
		}
	}
	if n := len(r.Fields); n == 0 || n > maxFields {
		return r, form.Invalid("An index policy has from 1 to %d fields.", maxFields)
	}
	return r, nil
}

// indexPolicy is the policy that a group of that name has: its own, or an account's. from is the name of the latter.
func (s *Rules) indexPolicy(tx *store.Tx, name string, g Group) (r indexPolicyRecord, from string, ok bool) {
	if g.Class != string(logsapi.LogGroupClassSTANDARD) {
		return r, "", false
	}
	if r, ok = s.indexPolicies.Get(tx, g.Number); ok {
		return r, "", true
	}
	if a, _ := s.accounts.Get(tx); !a.Indexed {
		return r, "", false
	}
	k, err := kindOf(logsapi.PolicyTypeFIELDINDEXPOLICY)
	if err != nil {
		return r, "", false
	}
	for key, p := range s.accountPolicies.Scan(tx, store.ScanOptions{}, string(logsapi.PolicyTypeFIELDINDEXPOLICY)) {
		prefixes, err := k.prefixes(p.Criteria)
		if err != nil || len(prefixes) > 0 && !slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(name, p) }) {
			continue
		}
		if r, err = readIndexPolicy(p.Document); err == nil {
			r.Updated = p.Updated
			return r, strings.Clone(key.String(1)), true
		}
	}
	return r, "", false
}

// IndexedFields are the fields that are indexed in the events that come to a group of that name now.
func (s *Rules) IndexedFields(tx *store.Tx, name string, g Group) []string {
	r, _, ok := s.indexPolicy(tx, name, g)
	if !ok {
		return nil
	}
	return slices.Sorted(maps.Keys(r.Fields))
}

// indexedShards is into how many rows what a group's fields were met is split, so that writers of different streams seldom meet.
const indexedShards = 16

// Met notes that fields were indexed over events from one time to another, and which of them the events have.
func (s *Rules) Met(tx *store.Tx, group, stream uint64, all, met []string, from, to int64) {
	r, _ := s.indexed.Get(tx, group, stream%indexedShards)
	if r.Fields == nil {
		r.Fields = map[string]metRecord{}
	}
	for _, name := range all {
		m := r.Fields[name]
		m.Scanned = tx.Now().UnixMilli()
		if slices.Contains(met, name) {
			if m.First == 0 || from < m.First {
				m.First = from
			}
			m.Last = max(m.Last, to)
		}
		r.Fields[name] = m
	}
	s.indexed.Set(tx, r, group, stream%indexedShards)
}

func (r *indexPolicyRecord) show(arn, from string) logsapi.IndexPolicy {
	o := logsapi.IndexPolicy{
		LogGroupIdentifier: aws.Some(arn), LastUpdateTime: aws.Some(r.Updated), PolicyDocument: aws.Some(r.Document),
		PolicyName: aws.NonZero(from), Source: aws.Some(logsapi.IndexSourceLOGGROUP),
	}
	if from != "" {
		o.Source = aws.Some(logsapi.IndexSourceACCOUNT)
	}
	return o
}

// PutIndexPolicy is logs:PutIndexPolicy.
func (s *Rules) PutIndexPolicy(ctx context.Context, in *logsapi.PutIndexPolicyInput) (*logsapi.PutIndexPolicyOutput, error) {
	name, err := form.Identify(ctx, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	r, err := readIndexPolicy(in.PolicyDocument)
	if err != nil {
		return nil, err
	}
	return store.Update(ctx, s.space, func(tx *store.Tx) (*logsapi.PutIndexPolicyOutput, error) {
		g, err := s.group(tx, name)
		if err != nil {
			return nil, err
		}
		if g.Class != string(logsapi.LogGroupClassSTANDARD) {
			return nil, form.Invalid("Field indexes are not supported for log groups of class %s.", g.Class)
		}
		r := r
		r.Updated = tx.Now().UnixMilli()
		done := s.groups.Changing(ctx, tx, name)
		s.indexPolicies.Set(tx, r, g.Number)
		s.setIndexed(tx, g, true)
		done()
		shown := r.show(form.GroupARN(tx.Scope(), name), "")
		return &logsapi.PutIndexPolicyOutput{IndexPolicy: &shown}, nil
	})
}

// setIndexed says that a group has a policy of its own.
func (s *Rules) setIndexed(tx *store.Tx, g Group, has bool) {
	state, _ := s.states.Get(tx, g.Number)
	state.Indexed = has
	s.setState(tx, state, g.Number)
}

// DeleteIndexPolicy is logs:DeleteIndexPolicy.
func (s *Rules) DeleteIndexPolicy(ctx context.Context, in *logsapi.DeleteIndexPolicyInput) (*logsapi.DeleteIndexPolicyOutput, error) {
	name, err := form.Identify(ctx, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	return store.Update(ctx, s.space, func(tx *store.Tx) (*logsapi.DeleteIndexPolicyOutput, error) {
		g, err := s.group(tx, name)
		if err != nil {
			return nil, err
		}
		if !s.indexPolicies.Has(tx, g.Number) {
			return nil, logsapi.ResourceNotFoundException("The specified log group has no index policy.")
		}
		done := s.groups.Changing(ctx, tx, name)
		s.indexPolicies.Delete(tx, g.Number)
		s.setIndexed(tx, g, false)
		done()
		return nil, nil
	})
}

// DescribeIndexPolicies is logs:DescribeIndexPolicies.
func (s *Rules) DescribeIndexPolicies(ctx context.Context, in *logsapi.DescribeIndexPoliciesInput) (*logsapi.DescribeIndexPoliciesOutput, error) {
	if in.NextToken.Set {
		return nil, form.BadToken() // all there are fit into one answer
	}
	return store.View(ctx, s.space, func(tx *store.Tx) (*logsapi.DescribeIndexPoliciesOutput, error) {
		o := &logsapi.DescribeIndexPoliciesOutput{IndexPolicies: []logsapi.IndexPolicy{}}
		for _, id := range in.LogGroupIdentifiers {
			name, err := form.Identify(ctx, id)
			if err != nil {
				return nil, err
			}
			g, err := s.group(tx, name)
			if err != nil {
				return nil, err
			}
			if r, from, ok := s.indexPolicy(tx, name, g); ok {
				o.IndexPolicies = append(o.IndexPolicies, r.show(form.GroupARN(tx.Scope(), name), from))
			}
		}
		return o, nil
	})
}

// DescribeFieldIndexes is logs:DescribeFieldIndexes: of the fields that a policy names, or named, and events have been looked through for.
func (s *Rules) DescribeFieldIndexes(ctx context.Context, in *logsapi.DescribeFieldIndexesInput) (*logsapi.DescribeFieldIndexesOutput, error) {
	for _, c := range in.IndexCategories {
		if err := form.CheckOne(aws.Some(c), "indexCategories"); err != nil {
			return nil, err
		}
	}
	if in.NextToken.Set {
		return nil, form.BadToken() // all there are fit into one answer
	}
	wanted := func(c logsapi.IndexCategory) bool {
		return len(in.IndexCategories) == 0 || slices.Contains(in.IndexCategories, c)
	}
	return store.View(ctx, s.space, func(tx *store.Tx) (*logsapi.DescribeFieldIndexesOutput, error) {
		o := &logsapi.DescribeFieldIndexesOutput{FieldIndexes: []logsapi.FieldIndex{}}
		for _, id := range in.LogGroupIdentifiers {
			name, err := form.Identify(ctx, id)
			if err != nil {
				return nil, err
			}
			g, err := s.group(tx, name)
			if err != nil {
				return nil, err
			}
			now, _, _ := s.indexPolicy(tx, name, g)
			all := map[string]metRecord{}
			for _, r := range s.indexed.Scan(tx, store.ScanOptions{}, g.Number) {
				for field, m := range r.Fields {
					was, ok := all[field]
					if ok && was.First != 0 && (m.First == 0 || was.First < m.First) {
						m.First = was.First
					}
					m.Last, m.Scanned = max(m.Last, was.Last), max(m.Scanned, was.Scanned)
					all[field] = m
				}
			}
			for _, field := range slices.Sorted(maps.Keys(all)) {
				category, kind := logsapi.IndexCategoryCUSTOM, now.Fields[field]
				if kind == "" {
					category, kind = logsapi.IndexCategoryINACTIVE, string(logsapi.IndexTypeFIELDINDEX)
				}
				if m := all[field]; wanted(category) {
					o.FieldIndexes = append(o.FieldIndexes, logsapi.FieldIndex{
						LogGroupIdentifier: aws.Some(form.GroupARN(tx.Scope(), name)), FieldIndexName: aws.Some(field), LastScanTime: aws.Some(m.Scanned),
						FirstEventTime: aws.NonZero(m.First), LastEventTime: aws.NonZero(m.Last), Type: aws.Some(logsapi.IndexType(kind)),
						IndexCategory: aws.Some(category),
					})
				}
			}
		}
		return o, nil
	})
}
