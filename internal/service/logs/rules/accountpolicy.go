package rules

import (
	"context"
	"errors"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/obidos-cloud/obidos/internal/api/logsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/lang/criteria"
	"github.com/obidos-cloud/obidos/internal/service/logs/form"
	"github.com/obidos-cloud/obidos/internal/store"
)

// Carrier carries out the policies of accounts that are about more than what is kept here.
type Carrier interface {
	// Ask finds out whether a policy can hold, where others have to be asked: before the transaction that has it hold.
	Ask(ctx context.Context, p AccountPolicy) error
	// Carry has a policy of that name hold from now on, for the groups that its criteria say, in place of the one of that name and
	// type; with no document none holds any more. Its errors are the API's, and then nothing holds that did not before.
	Carry(ctx context.Context, tx *store.Tx, p AccountPolicy) error
}

// AccountPolicy is a policy of an account.
type AccountPolicy struct {
	Type                     logsapi.PolicyType
	Name, Document, Criteria string
}

// accountPolicyRecord is a policy of an account.
type accountPolicyRecord struct {
	store.Unknown
	Document string `cbor:"1,keyasint"`
	Updated  int64  `cbor:"2,keyasint"` // milliseconds
	Criteria string `cbor:"3,keyasint,omitempty"`
}

func (r *accountPolicyRecord) show(scope aws.Scope, kind logsapi.PolicyType, name string) logsapi.AccountPolicy {
	return logsapi.AccountPolicy{
		PolicyName: aws.Some(strings.Clone(name)), PolicyType: aws.Some(kind), PolicyDocument: aws.Some(r.Document), LastUpdatedTime: aws.Some(r.Updated),
		Scope: aws.Some(logsapi.ScopeALL), SelectionCriteria: aws.NonZero(r.Criteria), AccountId: aws.Some(scope.Account),
	}
}

// AWS's limits.
const (
	maxDocument = 30_720    // characters
	maxCriteria = 25 * 1024 // bytes
)

// kindOfPolicy is what AWS lets be said of a type of policy.
type kindOfPolicy struct {
	kind     logsapi.PolicyType
	most     int    // with criteria; one without
	field    string // that criteria may be about; empty: there are none
	excludes bool   // they say what the policy is not for
}

func kindOf(t logsapi.PolicyType) (k kindOfPolicy, err error) {
	kinds := [...]kindOfPolicy{
		{logsapi.PolicyTypeDATAPROTECTIONPOLICY, 0, "", false},
		{logsapi.PolicyTypeSUBSCRIPTIONFILTERPOLICY, 1, "LogGroupName", true},
		{logsapi.PolicyTypeFIELDINDEXPOLICY, 20, "LogGroupNamePrefix", false},
		{logsapi.PolicyTypeTRANSFORMERPOLICY, 20, "LogGroupNamePrefix", false},
	}
	for _, k := range kinds {
		if k.kind == t {
			return k, nil
		}
	}
	if err := form.CheckOne(aws.Some(t), "policyType"); err != nil {
		return k, err
	}
	return k, form.Invalid("Account policies of the type %s are not served.", t)
}

// prefixes are what criteria name; checked.
func (k *kindOfPolicy) prefixes(text string) ([]string, error) {
	if text == "" {
		return nil, nil
	}
	if k.field == "" {
		return nil, form.Invalid("selectionCriteria cannot be used with the policy type %s.", k.kind)
	}
	if len(text) > maxCriteria {
		return nil, form.Invalid("selectionCriteria has %d bytes, more than %d.", len(text), maxCriteria)
	}
	c, err := criteria.Parse(text)
	if e, ok := errors.AsType[*criteria.Error](err); ok {
		return nil, form.Invalid("selectionCriteria is not valid: %s", e.Message)
	}
	if err != nil {
		return nil, err
	}
	all := c.Conditions()
	if len(all) != 1 || all[0].Field != k.field || all[0].Not != k.excludes || len(all[0].Values) == 0 {
		not := ""
		if k.excludes {
			not = "NOT "
		}
		return nil, form.Invalid("selectionCriteria of the policy type %s must be %s %sIN [...].", k.kind, k.field, not)
	}
	return slices.Clone(all[0].Values), nil
}

// checkOthers refuses a policy beside which others would be about the same groups, or too many.
func (s *Rules) checkOthers(tx *store.Tx, k *kindOfPolicy, name string, prefixes []string) error {
	others := 0
	for key, r := range s.accountPolicies.Scan(tx, store.ScanOptions{}, string(k.kind)) {
		if key.String(1) == name {
			continue
		}
		if others++; others >= max(k.most, 1) {
			return logsapi.LimitExceededException("Resource limit exceeded.")
		}
		theirs, err := k.prefixes(r.Criteria)
		if err != nil {
			return err
		}
		overlap := len(theirs) == 0 || len(prefixes) == 0
		for _, a := range theirs {
			overlap = overlap || slices.ContainsFunc(prefixes, func(b string) bool { return strings.HasPrefix(a, b) || strings.HasPrefix(b, a) })
		}
		if overlap {
			return form.Invalid("The selection criteria overlap with those of the policy %s.", key.String(1))
		}
	}
	return nil
}

// PutAccountPolicy is logs:PutAccountPolicy.
func (s *Rules) PutAccountPolicy(ctx context.Context, in *logsapi.PutAccountPolicyInput) (*logsapi.PutAccountPolicyOutput, error) {
	if err := form.CheckOne(in.Scope, "scope"); err != nil {
		return nil, err
	}
	k, err := kindOf(in.PolicyType)
	if err != nil {
		return nil, err
	}
	prefixes, err := k.prefixes(in.SelectionCriteria.V)
	switch {
	case err != nil:
		return nil, err
	case in.PolicyName == "" || strings.HasPrefix(in.PolicyName, "aws/"):
		return nil, form.Invalid("policyName must not be empty, and must not begin with aws/.")
	case utf8.RuneCountInString(in.PolicyDocument) > maxDocument:
		return nil, form.Invalid("policyDocument has more than %d characters.", maxDocument)
	case in.DryRun.V:
		return nil, form.Invalid("dryRun can be used only with the policy type RETENTION_POLICY.")
	}
	p := AccountPolicy{in.PolicyType, in.PolicyName, in.PolicyDocument, in.SelectionCriteria.V}
	if err := s.carrier.Ask(ctx, p); err != nil {
		return nil, err
	}
	return store.Update(ctx, s.space, func(tx *store.Tx) (*logsapi.PutAccountPolicyOutput, error) {
		if err := s.checkOthers(tx, &k, in.PolicyName, prefixes); err != nil {
			return nil, err
		}
		if err := s.carry(ctx, tx, p); err != nil {
			return nil, err
		}
		r := accountPolicyRecord{Document: in.PolicyDocument, Updated: tx.Now().UnixMilli(), Criteria: in.SelectionCriteria.V}
		var was *accountPolicyModel
		if old, ok := s.accountPolicies.Get(tx, string(in.PolicyType), in.PolicyName); ok {
			was = accountModelOf(tx.Scope().Account, string(in.PolicyType), in.PolicyName, &old)
		}
		s.accountPolicies.Set(tx, r, string(in.PolicyType), in.PolicyName)
		is := accountModelOf(tx.Scope().Account, string(in.PolicyType), in.PolicyName, &r)
		became(ctx, s, tx, accountPolicyType, is.id(), was, is)
		shown := r.show(tx.Scope(), in.PolicyType, in.PolicyName)
		return &logsapi.PutAccountPolicyOutput{AccountPolicy: &shown}, nil
	})
}

// carry has a policy hold, or, without a document, hold no more.
func (s *Rules) carry(ctx context.Context, tx *store.Tx, p AccountPolicy) error {
	switch p.Type {
	case logsapi.PolicyTypeDATAPROTECTIONPOLICY:
	case logsapi.PolicyTypeFIELDINDEXPOLICY:
		return s.carryIndex(tx, p)
	default:
		return s.carrier.Carry(ctx, tx, p)
	}
	if p.Document != "" {
		parsed, err := checkProtection(p.Document)
		if err != nil {
			return err
		}
		if err := s.checkFindings(tx, parsed.Destinations); err != nil {
			return err
		}
	}
	if protect(tx, &s.accountProtections, p.Document) {
		a, _ := s.accounts.Get(tx)
		if !a.Protected {
			a.Protected = true
			s.setAccount(tx, a)
		}
	}
	return nil
}

// carryIndex has the fields of a policy be indexed: those that come look for it themselves.
func (s *Rules) carryIndex(tx *store.Tx, p AccountPolicy) error {
	if p.Document == "" {
		return nil
	}
	if _, err := readIndexPolicy(p.Document); err != nil {
		return err
	}
	a, _ := s.accounts.Get(tx)
	if !a.Indexed {
		a.Indexed = true
		s.setAccount(tx, a)
	}
	return nil
}

// DeleteAccountPolicy is logs:DeleteAccountPolicy.
func (s *Rules) DeleteAccountPolicy(ctx context.Context, in *logsapi.DeleteAccountPolicyInput) (*logsapi.DeleteAccountPolicyOutput, error) {
	if err := form.CheckOne(aws.Some(in.PolicyType), "policyType"); err != nil {
		return nil, err
	}
	if in.DryRun.V {
		return nil, form.Invalid("dryRun can be used only with the policy type RETENTION_POLICY.")
	}
	return store.Update(ctx, s.space, func(tx *store.Tx) (*logsapi.DeleteAccountPolicyOutput, error) {
		r, ok := s.accountPolicies.Get(tx, string(in.PolicyType), in.PolicyName)
		if !ok {
			return nil, noPolicy(in.PolicyName)
		}
		if err := s.carry(ctx, tx, AccountPolicy{Type: in.PolicyType, Name: in.PolicyName}); err != nil {
			return nil, err
		}
		s.accountPolicies.Delete(tx, string(in.PolicyType), in.PolicyName)
		was := accountModelOf(tx.Scope().Account, string(in.PolicyType), in.PolicyName, &r)
		became(ctx, s, tx, accountPolicyType, was.id(), was, nil)
		return nil, nil
	})
}

// DescribeAccountPolicies is logs:DescribeAccountPolicies.
func (s *Rules) DescribeAccountPolicies(ctx context.Context, in *logsapi.DescribeAccountPoliciesInput) (*logsapi.DescribeAccountPoliciesOutput, error) {
	if err := form.CheckOne(aws.Some(in.PolicyType), "policyType"); err != nil {
		return nil, err
	}
	if err := form.CheckAccounts(ctx, aws.Some(true), in.AccountIdentifiers); err != nil {
		return nil, err
	}
	if in.NextToken.Set {
		return nil, form.BadToken() // all there are fit into one answer
	}
	return store.View(ctx, s.space, func(tx *store.Tx) (*logsapi.DescribeAccountPoliciesOutput, error) {
		o := &logsapi.DescribeAccountPoliciesOutput{AccountPolicies: []logsapi.AccountPolicy{}}
		for k, r := range s.accountPolicies.Scan(tx, store.ScanOptions{}, string(in.PolicyType)) {
			if name := k.String(1); !in.PolicyName.Set || in.PolicyName.V == name {
				o.AccountPolicies = append(o.AccountPolicies, r.show(tx.Scope(), in.PolicyType, name))
			}
		}
		if in.PolicyName.Set && len(o.AccountPolicies) == 0 {
			return nil, noPolicy(in.PolicyName.V)
		}
		return o, nil
	})
}

// Needs are the permissions that an operation of an account's policies needs besides its own.
func Needs(in any) []string {
	what := func(verb string, t logsapi.PolicyType) []string {
		switch t {
		case logsapi.PolicyTypeDATAPROTECTIONPOLICY:
			return []string{"logs:" + verb + "DataProtectionPolicy"}
		case logsapi.PolicyTypeSUBSCRIPTIONFILTERPOLICY:
			return []string{"logs:" + verb + "SubscriptionFilter"}
		case logsapi.PolicyTypeTRANSFORMERPOLICY:
			return []string{"logs:" + verb + "Transformer"}
		case logsapi.PolicyTypeFIELDINDEXPOLICY:
			return []string{"logs:" + verb + "IndexPolicy"}
		}
		return nil
	}
	switch in := in.(type) {
	case *logsapi.PutAccountPolicyInput:
		return what("Put", in.PolicyType)
	case *logsapi.DeleteAccountPolicyInput:
		return what("Delete", in.PolicyType)
	case *logsapi.DescribeAccountPoliciesInput:
		switch in.PolicyType {
		case logsapi.PolicyTypeSUBSCRIPTIONFILTERPOLICY:
			return []string{"logs:DescribeSubscriptionFilters"}
		case logsapi.PolicyTypeFIELDINDEXPOLICY:
			return []string{"logs:DescribeIndexPolicies"}
		}
		return what("Get", in.PolicyType)
	}
	return nil
}
