// Package insights is the query language of CloudWatch Logs Insights: a query is parsed and compiled once, and then run over a
// stream of log events. What a query means is taken from AWS's documentation of its query language; what is not understood is
// refused with the place where it stands, never ignored.
//
// It promises bounded memory: a query keeps the rows that can still be part of its answer, the groups of its stats commands and
// the patterns it found, and ends with ErrMemory when these grow beyond Options.Memory. The strings of an event need to stay as they
// are only until the next event is asked for: what is kept is copied.
//
// Where AWS does not say: a field that is missing equals nothing, so != and the forms with not hold for it; values that look like
// numbers are compared as numbers unless both are strings; JSON's true and false are 1 and 0; computed numbers are rounded to four
// places; weeks begin on Mondays; rows of stats that were not sorted come newest bin first, or as their groups were first met.
package insights

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"
)

// Event is a log event as a query sees it.
type Event struct {
	Time, Ingested int64  // milliseconds since 1970
	Message        string // @message
	Stream         string // @logStream
	Group          string // @log: the account's id, a colon and the group's name
	Ptr            string // @ptr
	Passed         bool   // a Screen of the query let it pass
	Failure        string // @transformationError; empty where nothing failed
}

// Field is a column of a row. Fields that a row does not have are left out of it.
type Field struct{ Name, Value string }

// Statistics tell how much a query has read.
type Statistics struct {
	RecordsMatched, RecordsScanned, BytesScanned float64
}

// Result is what a query answers.
type Result struct {
	Rows       [][]Field
	Statistics Statistics
}

// Error is a query that cannot be compiled: MalformedQueryException. The offsets count UTF-16 units, the end is exclusive.
type Error struct {
	Start, End int
	Message    string
}

func (e *Error) Error() string { return e.Message }

// ErrMemory ends a query that would have to keep more than Options.Memory.
var ErrMemory = errors.New("the query keeps more rows or groups than its memory allows; narrow it down with filter, limit or fewer groups")

// What holds unless Options say otherwise, and AWS's limits.
const (
	DefaultLimit  = 10_000
	MaxLimit      = 100_000
	DefaultMemory = 256 << 20
	maxQuery      = 10_000 // characters
)

// Options are what a query needs to know beside its events.
type Options struct {
	Now      int64                 // milliseconds since 1970, for now()
	Limit    int                   // of rows where the query has no limit; 0: DefaultLimit
	Memory   int                   // bytes; 0: DefaultMemory
	Previous iter.Seq[Event]       // the events that diff compares with, see Query.Earlier
	Mask     func(e *Event) string // its message without what is protected; nil: nothing is hidden
	Tables   map[string]*Table     // lookup tables, see Query.Lookups
}

// Query is a compiled query. It is immutable and may be run by several goroutines.
type Query struct {
	program *program
	options Options
}

// Parse compiles a query. Its error is an *Error.
func Parse(text string) (*Query, error) {
	if len(text) > maxQuery {
		return nil, &Error{Start: 0, End: maxQuery, Message: fmt.Sprintf("the query has more than %d characters", maxQuery)}
	}
	p, err := compile(text)
	if err != nil {
		return nil, err
	}
	return &Query{program: p}, nil
}

// With returns the query with other options.
func (q *Query) With(o Options) *Query { return &Query{program: q.program, options: o} }

// Terms are texts that the message of every event contains that the query can match: events without one need not be read. They
// count as scanned though, so whoever skips them adds them to the statistics. With a Mask it is the masked message that has them.
func (q *Query) Terms() []string { return q.program.terms }

// Unmasks tells whether the query asks to see what data protection masks, which needs the permission logs:Unmask.
func (q *Query) Unmasks() bool { return q.program.unmask }

// Earlier tells with which earlier range of time diff compares the range from start to end, in milliseconds. It is false of a query
// without diff.
func (q *Query) Earlier(start, end int64) (from, to int64, ok bool) {
	shift := func(months, days int) (int64, int64, bool) {
		at := func(ms int64) int64 { return time.UnixMilli(ms).UTC().AddDate(0, -months, -days).UnixMilli() }
		from := at(start)
		return from, from + (end - start), true
	}
	switch q.program.diff {
	case "previous":
		return start - (end - start), start - 1, true
	case "previousday":
		return shift(0, 1)
	case "previousweek":
		return shift(0, 7)
	case "previousmonth":
		return shift(1, 0)
	}
	return 0, 0, false
}

// Run reads the events and answers the query. Its errors are the context's, and ErrMemory.
func (q *Query) Run(ctx context.Context, events iter.Seq[Event]) (Result, error) {
	r, err := newRun(q.program, q.options)
	if err != nil {
		return Result{}, err
	}
	if q.program.diff != "" && q.options.Previous != nil {
		r.earlier = true
		if err := r.read(ctx, q.options.Previous); err != nil {
			return Result{}, err
		}
		r.earlier = false
	}
	if err := r.read(ctx, events); err != nil {
		return Result{}, err
	}
	return r.finish()
}
