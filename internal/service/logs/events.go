package logs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/obidos-cloud/obidos/internal/api/logsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/lang/logfilter"
	"github.com/obidos-cloud/obidos/internal/store"
)

// eventID names an event for ever, in 56 digits as AWS has it: it tells when and where it is.
func eventID(time int64, stream, seq uint64) string {
	return fmt.Sprintf("3%015d%020d%020d", time, stream, seq)
}

// readEventID is what eventID was made of.
func readEventID(s string) (time int64, stream, seq uint64, ok bool) {
	if len(s) != 56 || s[0] != '3' {
		return 0, 0, 0, false
	}
	t, err1 := strconv.ParseUint(s[1:16], 10, 64)
	stream, err2 := strconv.ParseUint(s[16:36], 10, 64)
	seq, err3 := strconv.ParseUint(s[36:], 10, 64)
	return int64(t), stream, seq, cmp.Or(err1, err2, err3) == nil
}

// readable refuses to read events of a group whose class AWS does not let be read so.
func readable(g *groupRecord, operation string) error {
	if g.Class != string(logsapi.LogGroupClassSTANDARD) && g.Class != string(logsapi.LogGroupClassESSENTIALS) {
		return invalid("%s is not supported for log groups of class %s.", operation, g.Class)
	}
	return nil
}

// GetLogEvents is logs:GetLogEvents. A token is a place between two events, and the direction to go from there.
func (s *Service) GetLogEvents(ctx context.Context, in *logsapi.GetLogEventsInput) (*logsapi.GetLogEventsOutput, error) {
	group, err := identified(ctx, in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	if err := checkStreamName(in.LogStreamName); err != nil {
		return nil, err
	}
	return store.View(ctx, s.space, func(tx *store.Tx) (*logsapi.GetLogEventsOutput, error) {
		g, r, err := s.stream(tx, group, in.LogStreamName)
		if err != nil {
			return nil, err
		}
		if err := readable(&g, "GetLogEvents"); err != nil {
			return nil, err
		}
		veil, err := s.VeilFor(tx, g.ruled(), in.Unmask.V)
		if err != nil {
			return nil, err
		}
		q := &query{
			group: g.Number, stream: r.number, name: in.LogStreamName, span: r.span,
			from: max(in.StartTime.V, g.expiry(tx.Now())), to: in.EndTime.Or(math.MaxInt64),
			backward: !in.StartFromHead.V, limit: int(in.Limit.Or(maxPage)),
		}
		q.hidden(veil)
		if in.EndTime.Set {
			q.to-- // it is exclusive here
		}
		if q.backward {
			q.after = cut{time: math.MaxInt64}
		}
		if in.NextToken.Set {
			if q.after, q.backward, err = readStreamToken(in.NextToken.V, r.number); err != nil {
				return nil, err
			}
		}
		p, err := s.read(ctx, tx, q)
		if err != nil {
			return nil, err
		}
		out := &logsapi.GetLogEventsOutput{Events: make([]logsapi.OutputLogEvent, 0, len(p.events))}
		for i := range p.events {
			e := &p.events[i]
			out.Events = append(out.Events, logsapi.OutputLogEvent{Timestamp: aws.Some(e.time), Message: aws.Some(e.message), IngestionTime: aws.Some(e.ingested)})
		}
		first, last := q.after, q.after
		if n := len(p.events); n > 0 {
			first, last = q.at(&p.events[0]), q.behind(&p.events[n-1])
		} else if !in.NextToken.Set {
			first = cut{time: min(max(q.from, 0), maxTime)} // whatever comes is behind it
			last = first
		}
		out.NextForwardToken = aws.Some("f/" + eventID(last.time, r.number, last.seq) + "/s")
		out.NextBackwardToken = aws.Some("b/" + eventID(first.time, r.number, first.seq) + "/s")
		return out, nil
	})
}

const maxTime = 999999999999999 // what fits into an event's id

// readStreamToken is the place that a token of a stream tells.
func readStreamToken(token string, stream uint64) (at cut, backward bool, err error) {
	way, rest, _ := strings.Cut(token, "/")
	id, ok := strings.CutSuffix(rest, "/s")
	time, of, seq, valid := readEventID(id)
	if !ok || !valid || of != stream || way != "f" && way != "b" {
		return cut{}, false, errToken()
	}
	return cut{time: time, stream: stream, seq: seq}, way == "b", nil
}

// FilterLogEvents is logs:FilterLogEvents.
func (s *Service) FilterLogEvents(ctx context.Context, in *logsapi.FilterLogEventsInput) (*logsapi.FilterLogEventsOutput, error) {
	group, err := identified(ctx, in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	if in.LogStreamNamePrefix.Set && len(in.LogStreamNames) > 0 {
		return nil, invalid("logStreamNamePrefix and logStreamNames are mutually exclusive parameters.")
	}
	q := &query{
		span: day, from: in.StartTime.V, to: in.EndTime.Or(math.MaxInt64), backward: in.StartFromHead.Set && !in.StartFromHead.V,
		limit: int(in.Limit.Or(maxPage)), streams: streamChoice(in),
	}
	if in.FilterPattern.V != "" {
		f, err := logfilter.Parse(in.FilterPattern.V)
		if err != nil {
			if e, ok := errors.AsType[*logfilter.Error](err); ok {
				return nil, invalid("%s", e.Search)
			}
			return nil, err
		}
		if f.Kind() != logfilter.Everything {
			q.match = f.Match
		}
		q.terms, q.escaped = f.Terms(), f.Kind() == logfilter.JSON
	}
	if q.backward {
		q.after = cut{time: math.MaxInt64}
	}
	if in.NextToken.Set {
		if q.after, err = readGroupToken(in.NextToken.V, q.backward); err != nil {
			return nil, err
		}
	}
	return store.View(ctx, s.space, func(tx *store.Tx) (*logsapi.FilterLogEventsOutput, error) {
		q := *q
		g, err := s.group(tx, group)
		if err != nil {
			return nil, err
		}
		if err := readable(&g, "FilterLogEvents"); err != nil {
			return nil, err
		}
		q.group, q.from = g.Number, max(q.from, g.expiry(tx.Now()))
		for _, name := range in.LogStreamNames {
			r, ok := s.tables.streams.Get(tx, g.Number, name)
			if !ok {
				return nil, noStream()
			}
			if len(in.LogStreamNames) == 1 {
				q.stream, q.name, q.span = r.number, name, r.span
			}
		}
		veil, err := s.VeilFor(tx, g.ruled(), in.Unmask.V)
		if err != nil {
			return nil, err
		}
		q.hidden(veil)
		p, err := s.read(ctx, tx, &q)
		if err != nil {
			return nil, err
		}
		out := &logsapi.FilterLogEventsOutput{Events: make([]logsapi.FilteredLogEvent, 0, len(p.events)), SearchedLogStreams: []logsapi.SearchedLogStream{}}
		for i := range p.events {
			e := &p.events[i]
			out.Events = append(out.Events, logsapi.FilteredLogEvent{
				LogStreamName: aws.Some(strings.Clone(e.name)), Timestamp: aws.Some(e.time), Message: aws.Some(e.message),
				IngestionTime: aws.Some(e.ingested), EventId: aws.Some(eventID(e.time, e.stream, e.seq)),
			})
		}
		if q.backward {
			slices.Reverse(out.Events)
		}
		if p.full {
			out.NextToken = aws.Some(groupToken(p.end, q.backward))
		}
		return out, nil
	})
}

// streamChoice is which streams a request names; nil where all.
func streamChoice(in *logsapi.FilterLogEventsInput) func(name string) bool {
	switch {
	case len(in.LogStreamNames) > 0:
		return func(name string) bool { return slices.Contains(in.LogStreamNames, name) }
	case in.LogStreamNamePrefix.Set:
		return func(name string) bool { return strings.HasPrefix(name, in.LogStreamNamePrefix.V) }
	}
	return nil
}

// groupToken is where a search of a group goes on.
func groupToken(at cut, backward bool) string {
	way := "f"
	if backward {
		way = "b"
	}
	return fmt.Sprintf("%s_%d_%d_%d_%d", way, at.time, at.ingested, at.stream, at.seq)
}

func readGroupToken(token string, backward bool) (at cut, err error) {
	parts := strings.Split(token, "_")
	if len(parts) != 5 || parts[0] != "f" && parts[0] != "b" || (parts[0] == "b") != backward {
		return at, errToken()
	}
	var errs [4]error
	at.time, errs[0] = strconv.ParseInt(parts[1], 10, 64)
	at.ingested, errs[1] = strconv.ParseInt(parts[2], 10, 64)
	at.stream, errs[2] = strconv.ParseUint(parts[3], 10, 64)
	at.seq, errs[3] = strconv.ParseUint(parts[4], 10, 64)
	if cmp.Or(errs[:]...) != nil {
		return at, errToken()
	}
	return at, nil
}
