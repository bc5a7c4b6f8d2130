package logs

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/obidos-cloud/obidos/internal/api/logsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/lang/insights"
	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/task"
)

// queryRecord is a query of Insights: what was asked, and what has become of it.
type queryRecord struct {
	store.Unknown
	Groups   []string `cbor:"1,keyasint"`
	Text     string   `cbor:"2,keyasint"`
	Start    int64    `cbor:"3,keyasint"` // milliseconds, both inclusive
	End      int64    `cbor:"4,keyasint"`
	Limit    int32    `cbor:"5,keyasint,omitempty"`
	Created  int64    `cbor:"6,keyasint"`
	Status   string   `cbor:"7,keyasint"`
	Rows     int64    `cbor:"8,keyasint,omitempty"`
	Matched  float64  `cbor:"9,keyasint,omitempty"`
	Scanned  float64  `cbor:"10,keyasint,omitempty"`
	Bytes    float64  `cbor:"11,keyasint,omitempty"`
	Skipped  float64  `cbor:"12,keyasint,omitempty"` // bytes that were known to have nothing
	Duration int64    `cbor:"13,keyasint,omitempty"` // milliseconds

	Principal string `cbor:"70,keyasint,omitempty"` // who asked, by an ARN
	Client    string `cbor:"71,keyasint,omitempty"` // with what
}

// resultRecord is rows of a query's result.
type resultRecord struct {
	store.Unknown
	Rows [][][2]string `cbor:"1,keyasint"` // of each its fields: name and value
}

// queryTask has a query be run, or forgotten.
type queryTask struct {
	ID string `cbor:"1,keyasint"`
}

const (
	keptResults = 7 * 24 * time.Hour // how long AWS keeps them
	resultRows  = 200                // in a record
	resultBytes = 512 << 10
	maxGroups   = 50
)

// groupsOf is the groups that a query is about.
func groupsOf(ctx context.Context, in *logsapi.StartQueryInput) (groups []string, err error) {
	ways := 0
	if in.LogGroupName.Set {
		ways++
		groups = []string{in.LogGroupName.V}
	}
	if len(in.LogGroupNames) > 0 {
		ways++
		groups = in.LogGroupNames
	}
	if len(in.LogGroupIdentifiers) > 0 {
		ways++
		groups = nil
		for _, id := range in.LogGroupIdentifiers {
			name, err := identify(ctx, id)
			if err != nil {
				return nil, err
			}
			groups = append(groups, name)
		}
	}
	if ways != 1 {
		return nil, invalid("A query needs exactly one of logGroupName, logGroupNames and logGroupIdentifiers.")
	}
	if len(groups) > maxGroups {
		return nil, invalid("A query can be about at most %d log groups.", maxGroups)
	}
	for _, name := range groups {
		if err := checkGroupName(name); err != nil {
			return nil, err
		}
	}
	groups = slices.Clone(groups)
	slices.Sort(groups)
	return slices.Compact(groups), nil
}

// StartQuery is logs:StartQuery.
func (s *Service) StartQuery(ctx context.Context, in *logsapi.StartQueryInput) (*logsapi.StartQueryOutput, error) {
	if err := checkOne(in.QueryLanguage, "queryLanguage"); err != nil {
		return nil, err
	}
	if in.QueryLanguage.Set && in.QueryLanguage.V != logsapi.QueryLanguageCWLI {
		return nil, invalid("The query language %s is not served.", in.QueryLanguage.V)
	}
	groups, err := groupsOf(ctx, in)
	if err != nil {
		return nil, err
	}
	compiled, err := insights.Parse(in.QueryString)
	if err != nil {
		return nil, malformed(err)
	}
	q := queryRecord{
		Groups: groups, Text: in.QueryString, Start: milliseconds(in.StartTime), End: milliseconds(in.EndTime), Limit: in.Limit.V,
		Status: string(logsapi.QueryStatusScheduled), Principal: aws.RequestOf(ctx).Principal.ARN, Client: aws.RequestOf(ctx).UserAgent,
	}
	if q.End == in.EndTime*1000 {
		q.End += 999 // the second is inclusive
	}
	if q.End < q.Start {
		return nil, invalid("End time should not be less than start time.")
	}
	return store.Update(ctx, s.space, func(tx *store.Tx) (*logsapi.StartQueryOutput, error) {
		for _, name := range groups {
			if !s.tables.groups.Has(tx, name) {
				return nil, logsapi.ResourceNotFoundException("Log group '%s' does not exist for account ID '%s'", name, tx.Scope().Account)
			}
		}
		if err := s.CheckLookups(tx, compiled.Lookups()); err != nil {
			return nil, malformed(err)
		}
		id := tx.NewID()
		q.Created = tx.Now().UnixMilli()
		s.tables.queries.Set(tx, q, id)
		s.runs.Add(tx, queryTask{id}, task.Add{Target: tx.Scope().Account})
		s.forgets.At(tx, tx.Now().Add(keptResults), id, queryTask{id})
		return &logsapi.StartQueryOutput{QueryId: aws.Some(id)}, nil
	})
}

// malformed is AWS's answer to a query that cannot be compiled.
func malformed(err error) error {
	e, ok := errors.AsType[*insights.Error](err)
	if !ok {
		return err
	}
	return logsapi.MalformedQueryException("%s", e.Message).With(&logsapi.MalformedQueryExceptionMembers{QueryCompileError: &logsapi.QueryCompileError{
		Location: &logsapi.QueryCompileErrorLocation{StartCharOffset: aws.Some(int32(e.Start)), EndCharOffset: aws.Some(int32(e.End))},
		Message:  aws.Some(e.Message),
	}})
}

// running reports whether nothing has ended a query yet.
func (q *queryRecord) running() bool {
	return q.Status == string(logsapi.QueryStatusScheduled) || q.Status == string(logsapi.QueryStatusRunning)
}

// runQuery carries a query out. It may be done again, after a crash: then its result is written anew.
func (s *Service) runQuery(ctx context.Context, _ string, t queryTask) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s.runningMu.Lock()
	s.running[t.ID] = cancel
	s.runningMu.Unlock()
	defer func() {
		s.runningMu.Lock()
		delete(s.running, t.ID)
		s.runningMu.Unlock()
	}()
	q, err := s.setQuery(ctx, t.ID, func(tx *store.Tx, q *queryRecord) {
		q.Status, q.Rows = string(logsapi.QueryStatusRunning), 0
		s.tables.results.DeleteAll(tx, t.ID)
	})
	if err != nil || !q.running() {
		return err
	}
	began := s.space.Now()
	result, skipped, err := s.answer(ctx, &q)
	status, failure := logsapi.QueryStatusComplete, ""
	switch {
	case errors.Is(context.Cause(ctx), errStopped):
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		status, failure = logsapi.QueryStatusFailed, err.Error() // trying again would not help: it asks for too much
	}
	if err := s.saveResult(ctx, t.ID, result.Rows); errors.Is(err, store.ErrLimit) {
		status, failure = logsapi.QueryStatusFailed, "The result is too large."
	} else if err != nil {
		return err
	}
	_, err = s.setQuery(ctx, t.ID, func(tx *store.Tx, q *queryRecord) {
		q.Status, q.Rows = string(status), int64(len(result.Rows))
		q.Matched, q.Scanned, q.Bytes = result.Statistics.RecordsMatched, result.Statistics.RecordsScanned, result.Statistics.BytesScanned
		q.Skipped, q.Duration = float64(skipped), s.space.Now().Sub(began).Milliseconds()
		s.vendQuery(tx, t.ID, q, failure)
	})
	return err
}

var errStopped = errors.New("logs: the query was stopped")

// setQuery changes a query that nothing has ended, and answers it as it is then.
func (s *Service) setQuery(ctx context.Context, id string, fn func(tx *store.Tx, q *queryRecord)) (queryRecord, error) {
	return store.Update(ctx, s.space, func(tx *store.Tx) (queryRecord, error) {
		q, ok := s.tables.queries.Get(tx, id)
		if ok && q.running() {
			fn(tx, &q)
			s.tables.queries.Set(tx, q, id)
			if !q.running() {
				s.QueryEnded(tx, id)
			}
		}
		return q, nil
	})
}

// answer runs a query over one snapshot of its groups.
func (s *Service) answer(ctx context.Context, q *queryRecord) (result insights.Result, skipped int64, err error) {
	compiled, err := insights.Parse(q.Text)
	if err != nil {
		return result, 0, err
	}
	result, err = store.View(ctx, s.space, func(tx *store.Tx) (insights.Result, error) {
		veils, err := s.veils(tx, q.Groups)
		if err != nil {
			return insights.Result{}, err
		}
		terms := compiled.Terms()
		if veils != nil && starred(terms) {
			terms = nil
		}
		r := reading{s: s, tx: tx, terms: terms, indexed: compiled.Indexed(), masked: veils != nil}
		var failed error
		events := func(from, to int64) iter.Seq[insights.Event] {
			return func(yield func(insights.Event) bool) {
				for _, group := range q.Groups {
					more, err := r.events(group, from, to, yield)
					if failed = cmp.Or(failed, err); err != nil || !more {
						return
					}
				}
			}
		}
		o := insights.Options{Now: tx.Now().UnixMilli(), Limit: int(q.Limit)}
		if o.Tables, err = s.LookedInto(tx, compiled.Lookups()); err != nil {
			return insights.Result{}, err
		}
		if veils != nil {
			o.Mask = func(e *insights.Event) string { return veils[e.Group].Mask(e.Ingested, e.Message) }
		}
		if from, to, ok := compiled.Earlier(q.Start, q.End); ok {
			o.Previous = events(from, to)
		}
		compiled := compiled.With(o)
		r.screen = compiled.Screen
		result, err := compiled.Run(ctx, events(q.Start, q.End))
		skipped = r.skipped
		result.Statistics.RecordsScanned += r.left.RecordsScanned
		result.Statistics.BytesScanned += r.left.BytesScanned
		return result, cmp.Or(err, failed)
	})
	return result, skipped, err
}

// saveResult writes the rows of a result, a record at a time: what is not told as complete is not shown.
func (s *Service) saveResult(ctx context.Context, id string, rows [][]insights.Field) error {
	for at := 0; at < len(rows); {
		var r resultRecord
		first, bytes := at, 0
		for at < len(rows) && len(r.Rows) < resultRows && bytes < resultBytes {
			row := make([][2]string, len(rows[at]))
			for i, f := range rows[at] {
				row[i] = [2]string{f.Name, f.Value}
				bytes += len(f.Name) + len(f.Value)
			}
			if bytes >= resultBytes && at > first {
				break
			}
			r.Rows = append(r.Rows, row)
			at++
		}
		if _, err := store.Update(ctx, s.space, func(tx *store.Tx) (struct{}, error) {
			s.tables.results.Set(tx, r, id, first)
			return struct{}{}, nil
		}); err != nil {
			return err
		}
	}
	return nil
}

// forget deletes a query whose time is over.
func (s *Service) forget(ctx context.Context, t queryTask) error {
	_, err := store.Update(ctx, s.space, func(tx *store.Tx) (struct{}, error) {
		s.tables.queries.Delete(tx, t.ID)
		s.tables.results.DeleteAll(tx, t.ID)
		return struct{}{}, nil
	})
	return err
}

func noQuery(id string) *aws.Error {
	return logsapi.ResourceNotFoundException("The specified query %s does not exist.", id)
}

// GetQueryResults is logs:GetQueryResults.
func (s *Service) GetQueryResults(ctx context.Context, in *logsapi.GetQueryResultsInput) (*logsapi.GetQueryResultsOutput, error) {
	from := int64(0)
	if in.NextToken.Set {
		var err error
		if from, err = strconv.ParseInt(in.NextToken.V, 10, 64); err != nil || from < 0 {
			return nil, errToken()
		}
	}
	limit := int64(in.MaxItems.Or(maxPage))
	if limit == 0 {
		limit = maxPage
	}
	return store.View(ctx, s.space, func(tx *store.Tx) (*logsapi.GetQueryResultsOutput, error) {
		q, ok := s.tables.queries.Get(tx, in.QueryId)
		if !ok {
			return nil, noQuery(in.QueryId)
		}
		out := &logsapi.GetQueryResultsOutput{
			QueryLanguage: aws.Some(logsapi.QueryLanguageCWLI), Status: aws.Some(logsapi.QueryStatus(q.Status)),
			Results: [][]logsapi.ResultField{}, Statistics: q.statistics(),
		}
		if q.Status != string(logsapi.QueryStatusComplete) {
			return out, nil
		}
		for k, r := range s.tables.results.Scan(tx, store.ScanOptions{From: []any{max(0, from-resultRows)}}, in.QueryId) {
			for i, row := range r.Rows {
				at := k.Int64(1) + int64(i)
				if at < from {
					continue
				}
				if at == from+limit {
					out.NextToken = aws.Some(strconv.FormatInt(at, 10))
					return out, nil
				}
				fields := make([]logsapi.ResultField, len(row))
				for j, f := range row {
					fields[j] = logsapi.ResultField{Field: aws.Some(f[0]), Value: aws.Some(f[1])}
				}
				out.Results = append(out.Results, fields)
			}
		}
		return out, nil
	})
}

func (q *queryRecord) statistics() *logsapi.QueryStatistics {
	skipped := 0.0 // records: as large as those that were scanned
	if q.Bytes > 0 {
		skipped = math.Round(q.Skipped / (q.Bytes/q.Scanned + perEvent))
	}
	return &logsapi.QueryStatistics{
		RecordsMatched: aws.Some(q.Matched), RecordsScanned: aws.Some(q.Scanned), BytesScanned: aws.Some(q.Bytes),
		EstimatedRecordsSkipped: aws.Some(skipped), EstimatedBytesSkipped: aws.Some(q.Skipped), LogGroupsScanned: aws.Some(float64(len(q.Groups))),
	}
}

// StopQuery is logs:StopQuery.
func (s *Service) StopQuery(ctx context.Context, in *logsapi.StopQueryInput) (*logsapi.StopQueryOutput, error) {
	return store.Update(ctx, s.space, func(tx *store.Tx) (*logsapi.StopQueryOutput, error) {
		q, ok := s.tables.queries.Get(tx, in.QueryId)
		if !ok {
			return nil, noQuery(in.QueryId)
		}
		if !q.running() {
			return nil, invalid("The specified query is not running.")
		}
		q.Status = string(logsapi.QueryStatusCancelled)
		s.tables.queries.Set(tx, q, in.QueryId)
		s.QueryEnded(tx, in.QueryId)
		tx.OnCommit(func() { // where it runs on another node it ends for nothing
			s.runningMu.Lock()
			defer s.runningMu.Unlock()
			if cancel := s.running[in.QueryId]; cancel != nil {
				cancel(errStopped)
			}
		})
		s.vendQuery(tx, in.QueryId, &q, "")
		return &logsapi.StopQueryOutput{Success: aws.Some(true)}, nil
	})
}

// source is a query as DescribeQueries shows it.
func (q *queryRecord) source() string {
	names := make([]string, len(q.Groups))
	for i, g := range q.Groups {
		names[i] = strconv.Quote(g)
	}
	return "SOURCE " + strings.Join(names, ", ") + " START=" + strconv.FormatInt(q.Start, 10) + " END=" + strconv.FormatInt(q.End, 10) + " | " + q.Text
}

// DescribeQueries is logs:DescribeQueries: the newest first.
func (s *Service) DescribeQueries(ctx context.Context, in *logsapi.DescribeQueriesInput) (*logsapi.DescribeQueriesOutput, error) {
	if err := cmp.Or(checkOne(in.Status, "status"), checkOne(in.QueryLanguage, "queryLanguage"), checkGroupName(in.LogGroupName.V)); err != nil {
		return nil, err
	}
	after, err := pageAfter(in.NextToken)
	if err != nil {
		return nil, err
	}
	return store.View(ctx, s.space, func(tx *store.Tx) (*logsapi.DescribeQueriesOutput, error) {
		out := &logsapi.DescribeQueriesOutput{Queries: []logsapi.QueryInfo{}}
		if in.LogGroupName.Set && !s.tables.groups.Has(tx, in.LogGroupName.V) {
			return nil, noGroup()
		}
		if in.QueryLanguage.Set && in.QueryLanguage.V != logsapi.QueryLanguageCWLI {
			return out, nil
		}
		type named struct {
			id, place string
			queryRecord
		}
		var all []named
		for k, q := range s.tables.queries.Scan(tx, store.ScanOptions{}) {
			if in.LogGroupName.Set && !slices.Contains(q.Groups, in.LogGroupName.V) || in.Status.Set && q.Status != string(in.Status.V) {
				continue
			}
			id := strings.Clone(k.String(0))
			all = append(all, named{id, strconv.FormatInt(math.MaxInt64-q.Created, 10) + " " + id, q})
		}
		slices.SortFunc(all, func(a, b named) int { return strings.Compare(a.place, b.place) })
		limit := int(in.MaxResults.Or(1000))
		for _, q := range all {
			if q.place <= after {
				continue
			}
			if len(out.Queries) == limit {
				return out, nil
			}
			out.Queries = append(out.Queries, logsapi.QueryInfo{
				QueryLanguage: aws.Some(logsapi.QueryLanguageCWLI), QueryId: aws.Some(q.id), QueryString: aws.Some(q.source()),
				Status: aws.Some(logsapi.QueryStatus(q.Status)), CreateTime: aws.Some(q.Created), LogGroupName: aws.Some(q.Groups[0]),
			})
			out.NextToken = pageToken(q.place)
		}
		out.NextToken = aws.Opt[string]{}
		return out, nil
	})
}
