package filter

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/obidos-cloud/obidos/internal/api/logsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/lang/criteria"
	"github.com/obidos-cloud/obidos/internal/service/logs/filter/metric"
	"github.com/obidos-cloud/obidos/internal/service/logs/form"
	"github.com/obidos-cloud/obidos/internal/store"
)

// accountRecord is what an account has set for the events of all its groups.
type accountRecord struct {
	store.Unknown
	Version      uint64              `cbor:"1,keyasint"` // grows with every change
	Name         string              `cbor:"2,keyasint,omitempty"`
	Subscription *subscriptionRecord `cbor:"3,keyasint,omitempty"`
	Criteria     string              `cbor:"4,keyasint,omitempty"` // which groups it is for
}

// accountDocument is the document of an account's policy.
type accountDocument struct {
	DestinationArn string
	RoleArn        string
	FilterPattern  *string
	Distribution   string
}

// accountFilterOf is the filter of a document, checked.
func accountFilterOf(scope aws.Scope, document string) (*subscriptionRecord, error) {
	var d accountDocument
	in := json.NewDecoder(strings.NewReader(document))
	in.DisallowUnknownFields()
	if err := in.Decode(&d); err != nil || in.More() {
		return nil, form.Invalid("policyDocument is not valid: it must be a JSON object with DestinationArn, FilterPattern, RoleArn and Distribution.")
	}
	if d.DestinationArn == "" || d.FilterPattern == nil {
		return nil, form.Invalid("policyDocument is not valid: DestinationArn and FilterPattern are required.")
	}
	if d.Distribution == "" {
		d.Distribution = string(logsapi.DistributionByLogStream)
	}
	if err := form.CheckOne(aws.Some(logsapi.Distribution(d.Distribution)), "Distribution"); err != nil {
		return nil, err
	}
	r := &subscriptionRecord{Pattern: *d.FilterPattern, Destination: d.DestinationArn, Role: d.RoleArn, Distribution: d.Distribution}
	return r, r.check(placeOf(scope, ""))
}

// AskAccount finds out whether the destination of an account's subscription filter takes events.
func (s *Filters) AskAccount(ctx context.Context, document string) error {
	scope := aws.RequestOf(ctx).Scope
	r, err := accountFilterOf(scope, document)
	if err != nil {
		return err
	}
	to, err := store.View(ctx, s.space, func(tx *store.Tx) (sink, error) { return s.sinkOf(tx, r, form.GroupARN(scope, "*")) })
	if err != nil {
		return err
	}
	return s.probe(ctx, to)
}

// CarryAccount has an account's subscription filter of that name get the events that come from now on, of the groups that a selection
// says; without a document there is none any more.
func (s *Filters) CarryAccount(tx *store.Tx, name, document, selection string) error {
	a, _ := s.accounts.Get(tx)
	is := accountRecord{Unknown: a.Unknown, Version: a.Version + 1}
	if document != "" {
		r, err := accountFilterOf(tx.Scope(), document)
		if err != nil {
			return err
		}
		is.Name, is.Subscription, is.Criteria = name, r, selection
	}
	s.accounts.Set(tx, is)
	s.groups.Observe(tx)
	return nil
}

// watch adds what an account has set to what is done with the events of a place.
func (a *accountRecord) watch(at metric.Place, w *Watch) error {
	if a.Subscription == nil {
		return nil
	}
	chosen, err := appliesTo(a.Criteria, at.Group)
	if err != nil || !chosen {
		return err
	}
	f, err := a.Subscription.watched(accountFilter, at)
	if f != nil {
		w.subscriptions = append(w.subscriptions, *f)
	}
	return err
}

// appliesTo reports whether the criteria of an account's policy select a group.
func appliesTo(text, group string) (bool, error) {
	if text == "" {
		return true, nil
	}
	c, err := criteria.Parse(text)
	if err != nil {
		return false, err
	}
	return c.Match(func(_, value string) bool { return value == group }), nil
}
