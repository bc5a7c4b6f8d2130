package shape

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/obidos-cloud/obidos/internal/api/logsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/lang/criteria"
	"github.com/obidos-cloud/obidos/internal/lang/insights"
	"github.com/obidos-cloud/obidos/internal/lang/logtransform"
	"github.com/obidos-cloud/obidos/internal/service/logs/form"
	"github.com/obidos-cloud/obidos/internal/store"
)

// transformerRecord is what was done to the events that came from a time on: a group's transformer, or an account's. Events stay as
// they were sent. What has become of one is computed when it is asked for, by the transformer that held when it came, so that one
// that is made, changed or deleted later changes nothing for it.
type transformerRecord struct {
	store.Unknown
	Config   string `cbor:"1,keyasint,omitempty"` // JSON; none where from then on nothing is done
	Created  int64  `cbor:"2,keyasint"`
	Modified int64  `cbor:"3,keyasint"`
	Criteria string `cbor:"4,keyasint,omitempty"` // of an account's: which groups it is for
}

// maxVersions is how many transformers a group can have had. The oldest is forgotten then, and its events are as they were sent.
const maxVersions = 500

// ahead is how much later than its time an event can come.
const ahead = 2 * time.Hour

// compiled are transformers that were used lately.
type compiled struct {
	mu  sync.Mutex
	all map[string]*logtransform.Transformer
}

const maxCompiled = 128

func (c *compiled) get(config string) (*logtransform.Transformer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t := c.all[config]; t != nil {
		return t, nil
	}
	t, err := logtransform.Parse([]byte(config))
	if err != nil {
		return nil, err
	}
	if c.all == nil || len(c.all) >= maxCompiled {
		c.all = map[string]*logtransform.Transformer{}
	}
	c.all[strings.Clone(config)] = t
	return t, nil
}

// configOf is processors as they are kept.
func configOf(p []logsapi.Processor) (string, error) {
	config := documentOf(p)
	return string(config), CheckTransformer(string(config))
}

// CheckTransformer refuses processors that are no transformer.
func CheckTransformer(config string) error {
	_, err := logtransform.Parse([]byte(config))
	if e, ok := errors.AsType[*logtransform.Error](err); ok {
		return form.Invalid("%s", e.Message)
	}
	return err
}

// transformer is the transformer that a group has now; false where it has none.
func (t *tables) transformer(tx *store.Tx, group uint64) (r transformerRecord, ok bool) {
	for _, v := range t.transformers.Scan(tx, store.ScanOptions{}, group) {
		r = v // the last is the newest
	}
	return r, r.Config != ""
}

// PutTransformer is logs:PutTransformer.
func (s *Shapes) PutTransformer(ctx context.Context, in *logsapi.PutTransformerInput) (*logsapi.PutTransformerOutput, error) {
	name, err := form.Identify(ctx, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	config, err := configOf(in.TransformerConfig)
	if err != nil {
		return nil, err
	}
	return nil, s.transform(ctx, name, func(tx *store.Tx, was transformerRecord, has bool) (transformerRecord, error) {
		now := tx.Now().UnixMilli()
		is := transformerRecord{Config: config, Created: now, Modified: now}
		if has {
			is.Created = was.Created
		}
		return is, nil
	})
}

// DeleteTransformer is logs:DeleteTransformer.
func (s *Shapes) DeleteTransformer(ctx context.Context, in *logsapi.DeleteTransformerInput) (*logsapi.DeleteTransformerOutput, error) {
	name, err := form.Identify(ctx, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	return nil, s.transform(ctx, name, func(_ *store.Tx, was transformerRecord, has bool) (transformerRecord, error) {
		if !has {
			return was, noTransformer()
		}
		return transformerRecord{}, nil
	})
}

func noTransformer() *aws.Error {
	return logsapi.ResourceNotFoundException("The specified log group has no transformer.")
}

// transform gives a group another transformer, or none.
func (s *Shapes) transform(ctx context.Context, name string, fn func(tx *store.Tx, was transformerRecord, has bool) (transformerRecord, error)) error {
	_, err := store.Update(ctx, s.space, func(tx *store.Tx) (struct{}, error) {
		g, ok := s.host.Group(tx, name)
		if !ok {
			return struct{}{}, form.NoGroup()
		}
		if g.Class != string(logsapi.LogGroupClassSTANDARD) {
			return struct{}{}, logsapi.InvalidOperationException("Transformers are supported only for log groups of the Standard class.")
		}
		was, has := s.tables.transformer(tx, g.Number)
		is, err := fn(tx, was, has)
		if err != nil {
			return struct{}{}, err
		}
		var versions []int64
		for k := range s.tables.transformers.Keys(tx, store.ScanOptions{}, g.Number) {
			versions = append(versions, k.Int64(1))
		}
		s.tables.transformers.Set(tx, is, g.Number, s.since(tx, versions))
		for _, from := range outlived(&g, versions) {
			s.tables.transformers.Delete(tx, g.Number, from)
		}
		s.transformerBecame(ctx, tx, name, was.Config, is.Config)
		return struct{}{}, nil
	})
	return err
}

// since is from when on a transformer that is put now holds. One that is put in the same millisecond takes the place of the one before.
func (s *Shapes) since(tx *store.Tx, versions []int64) int64 {
	now := tx.Now().UnixMilli()
	if n := len(versions); n > 0 {
		now = max(now, versions[n-1])
	}
	return now
}

// outlived are the versions of which no event is left, and those beyond what is kept.
func outlived(g *Group, versions []int64) (gone []int64) {
	expired := g.Expired - ahead.Milliseconds()
	for i, from := range versions[:max(0, len(versions)-1)] {
		if g.Expired > 0 && versions[i+1] < expired || len(versions)-i > maxVersions {
			gone = append(gone, from)
		}
	}
	return gone
}

// GetTransformer is logs:GetTransformer.
func (s *Shapes) GetTransformer(ctx context.Context, in *logsapi.GetTransformerInput) (*logsapi.GetTransformerOutput, error) {
	name, err := form.Identify(ctx, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	return store.View(ctx, s.space, func(tx *store.Tx) (*logsapi.GetTransformerOutput, error) {
		g, ok := s.host.Group(tx, name)
		if !ok {
			return nil, form.NoGroup()
		}
		r, ok := s.tables.transformer(tx, g.Number)
		if !ok {
			return nil, noTransformer()
		}
		out := &logsapi.GetTransformerOutput{
			LogGroupIdentifier: aws.Some(form.GroupARN(tx.Scope(), name)), CreationTime: aws.Some(r.Created), LastModifiedTime: aws.Some(r.Modified),
		}
		return out, readDocument([]byte(r.Config), &out.TransformerConfig)
	})
}

// TestTransformer is logs:TestTransformer. What cannot be transformed is shown without a transformed message.
func (s *Shapes) TestTransformer(ctx context.Context, in *logsapi.TestTransformerInput) (*logsapi.TestTransformerOutput, error) {
	config, err := configOf(in.TransformerConfig)
	if err != nil {
		return nil, err
	}
	t, err := s.compiled.get(config)
	if err != nil {
		return nil, err
	}
	scope := aws.RequestOf(ctx).Scope
	out := &logsapi.TestTransformerOutput{TransformedLogs: []logsapi.TransformedLogRecord{}}
	for i, m := range in.LogEventMessages {
		r := logsapi.TransformedLogRecord{EventNumber: aws.Some(int64(i + 1)), EventMessage: aws.Some(m)}
		if transformed, err := t.Apply(logtransform.Event{Message: m, Account: scope.Account, Region: scope.Region}); err == nil {
			r.TransformedEventMessage = aws.Some(transformed)
		}
		out.TransformedLogs = append(out.TransformedLogs, r)
	}
	return out, nil
}

// shape is what was done to the events that came from a time on.
type shape struct {
	from        int64
	transformer *logtransform.Transformer // nil: nothing
}

// Forms are what was done to the events of a group, in the order of their times. Most groups have none.
type Forms struct {
	Group string // its name

	account, region string
	all             []shape
}

// Of are the forms of a group: those its own transformers made, and where it had none those of its account's.
func (s *Shapes) Of(tx *store.Tx, name string, g Group) (Forms, error) {
	sh := Forms{Group: name, account: tx.Scope().Account, region: tx.Scope().Region}
	if g.Class != string(logsapi.LogGroupClassSTANDARD) {
		return sh, nil
	}
	type version struct {
		from   int64
		config string
	}
	var own []version
	for k, r := range s.tables.transformers.Scan(tx, store.ScanOptions{}, g.Number) {
		own = append(own, version{k.Int64(1), r.Config})
	}
	var policies []string // in the order of their names
	accounts := map[string][]version{}
	var times []int64
	for k, r := range s.tables.accountTransformers.Scan(tx, store.ScanOptions{}) {
		config := r.Config
		if config != "" && !selects(r.Criteria, name) {
			config = ""
		}
		policy := strings.Clone(k.String(0))
		if accounts[policy] == nil {
			if config == "" {
				continue // it has never been for this group
			}
			policies = append(policies, policy)
		}
		accounts[policy] = append(accounts[policy], version{k.Int64(1), config})
		times = append(times, k.Int64(1))
	}
	if len(own) == 0 && len(accounts) == 0 {
		return sh, nil
	}
	for _, v := range own {
		times = append(times, v.from)
	}
	slices.Sort(times)
	at := func(list []version, t int64) (config string) {
		for _, v := range list {
			if v.from <= t {
				config = v.config
			}
		}
		return config
	}
	for _, t := range slices.Compact(times) {
		config := at(own, t)
		for _, policy := range policies {
			config = cmp.Or(config, at(accounts[policy], t))
		}
		next := shape{from: t}
		if config != "" {
			var err error
			if next.transformer, err = s.compiled.get(config); err != nil {
				return sh, err
			}
		}
		sh.all = append(sh.all, next)
	}
	return sh, nil
}

// selects reports whether an account's policy is for a group.
func selects(text, group string) bool {
	if text == "" {
		return true
	}
	c, err := criteria.Parse(text)
	return err == nil && c.Match(func(field, value string) bool {
		if field == "LogGroupNamePrefix" {
			return strings.HasPrefix(group, value)
		}
		return group == value
	})
}

// None reports whether all events are as they were sent.
func (sh *Forms) None() bool { return len(sh.all) == 0 }

// Apply is the message of an event as it became, and why it could not be transformed, where it could not.
func (sh *Forms) Apply(stream, message string, ingested int64) (is, failure string) {
	for i := len(sh.all) - 1; i >= 0; i-- {
		if sh.all[i].from > ingested {
			continue
		}
		if sh.all[i].transformer == nil {
			return message, ""
		}
		transformed, err := sh.all[i].transformer.Apply(logtransform.Event{Message: message, Group: sh.Group, Stream: stream, Account: sh.account, Region: sh.region})
		if err != nil {
			return message, err.Error()
		}
		return transformed, ""
	}
	return message, ""
}

// Yield gives events on as they became.
func (sh *Forms) Yield(yield func(insights.Event) bool) func(insights.Event) bool {
	return func(e insights.Event) bool {
		e.Message, e.Failure = sh.Apply(e.Stream, e.Message, e.Ingested)
		return yield(e)
	}
}

// TransformAccount has an account's policy of that name transform the events that come from now on, of the groups that its criteria say;
// with no config it does so no more.
func (s *Shapes) TransformAccount(tx *store.Tx, policy, config, criteria string) {
	var versions []int64
	created := tx.Now().UnixMilli()
	for k, r := range s.tables.accountTransformers.Scan(tx, store.ScanOptions{}, policy) {
		versions = append(versions, k.Int64(1))
		created = r.Created
	}
	if config == "" && len(versions) == 0 {
		return
	}
	s.tables.accountTransformers.Set(tx, transformerRecord{Config: config, Created: created, Modified: tx.Now().UnixMilli(), Criteria: criteria}, policy, s.since(tx, versions))
	for _, from := range versions[:max(0, len(versions)-maxVersions)] {
		s.tables.accountTransformers.Delete(tx, policy, from)
	}
}
