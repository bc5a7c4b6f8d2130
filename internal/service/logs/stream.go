package logs

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/obidos-cloud/obidos/internal/api/logsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/task"
)

// stream is the record of a stream, and of the group it is in.
func (s *Service) stream(tx *store.Tx, group, name string) (groupRecord, streamRecord, error) {
	g, err := s.group(tx, group)
	if err != nil {
		return g, streamRecord{}, err
	}
	r, ok := s.tables.streams.Get(tx, g.Number, name)
	if !ok {
		return g, r, noStream()
	}
	return g, r, nil
}

func (s *Service) streamBecame(ctx context.Context, tx *store.Tx, group, name string, was, is bool) {
	if !s.o.Changes.Watched(streamType) {
		return
	}
	text := func(there bool) string {
		if !there {
			return ""
		}
		b, err := json.Marshal(streamModel{LogGroupName: group, LogStreamName: name})
		if err != nil {
			panic(err) // it is made of strings
		}
		return string(b)
	}
	s.o.Changes.Became(ctx, tx, streamType, streamARN(tx.Scope(), group, name), text(was), text(is))
}

// CreateLogStream is logs:CreateLogStream.
func (s *Service) CreateLogStream(ctx context.Context, in *logsapi.CreateLogStreamInput) (*logsapi.CreateLogStreamOutput, error) {
	if err := cmp.Or(checkGroupName(in.LogGroupName), checkStreamName(in.LogStreamName)); err != nil {
		return nil, err
	}
	return store.Update(ctx, s.space, func(tx *store.Tx) (*logsapi.CreateLogStreamOutput, error) {
		g, err := s.group(tx, in.LogGroupName)
		if err != nil {
			return nil, err
		}
		if s.tables.streams.Has(tx, g.Number, in.LogStreamName) {
			return nil, logsapi.ResourceAlreadyExistsException("The specified log stream already exists")
		}
		r := streamRecord{number: s.tables.number(tx, g.Number), created: tx.Now().UnixMilli()}
		s.tables.streams.Set(tx, r, g.Number, in.LogStreamName)
		s.streamBecame(ctx, tx, in.LogGroupName, in.LogStreamName, false, true)
		return nil, nil
	})
}

// DeleteLogStream is logs:DeleteLogStream.
func (s *Service) DeleteLogStream(ctx context.Context, in *logsapi.DeleteLogStreamInput) (*logsapi.DeleteLogStreamOutput, error) {
	if err := cmp.Or(checkGroupName(in.LogGroupName), checkStreamName(in.LogStreamName)); err != nil {
		return nil, err
	}
	return store.UpdateWith(ctx, s.space, store.UpdateOptions{Frees: true}, func(tx *store.Tx) (*logsapi.DeleteLogStreamOutput, error) {
		g, r, err := s.stream(tx, in.LogGroupName, in.LogStreamName)
		if err != nil {
			return nil, err
		}
		if g.Protected {
			return nil, errProtected(in.LogGroupName)
		}
		s.tables.streams.Delete(tx, g.Number, in.LogStreamName)
		s.tables.grow(tx, g.Number, r.number, -r.bytes)
		s.tables.chunks.DeleteAll(tx, g.Number, r.number)
		s.tables.terms.DeleteAll(tx, g.Number, r.number)
		s.tables.indexes.DeleteAll(tx, g.Number, r.number)
		if r.last > 0 {
			s.clears.Add(tx, clearTask{g.Number, r.number}, task.Add{Target: streamKey(g.Number, r.number)})
		}
		s.streamBecame(ctx, tx, in.LogGroupName, in.LogStreamName, true, false)
		return nil, nil
	})
}

// describeStream is a stream as DescribeLogStreams shows it.
func describeStream(scope aws.Scope, group, name string, r streamRecord) logsapi.LogStream {
	name = strings.Clone(name)
	out := logsapi.LogStream{
		LogStreamName: aws.Some(name), CreationTime: aws.Some(r.created), Arn: aws.Some(streamARN(scope, group, name)),
		StoredBytes: aws.Some[int64](0), // AWS tells it of groups alone since 2019
	}
	if r.last > 0 {
		out.FirstEventTimestamp, out.LastEventTimestamp, out.LastIngestionTime = aws.Some(r.first), aws.Some(r.latest), aws.Some(r.ingested)
		out.UploadSequenceToken = aws.Some(sequenceToken(r))
	}
	return out
}

// sequenceToken is what AWS still answers, and nobody has to send any more.
func sequenceToken(r streamRecord) string {
	digits := strconv.FormatUint(r.number, 10) + strconv.FormatUint(1e15+r.last, 10)
	return "49" + strings.Repeat("0", max(0, 54-len(digits))) + digits
}

// DescribeLogStreams is logs:DescribeLogStreams.
func (s *Service) DescribeLogStreams(ctx context.Context, in *logsapi.DescribeLogStreamsInput) (*logsapi.DescribeLogStreamsOutput, error) {
	group, err := identified(ctx, in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	byTime := in.OrderBy.V == logsapi.OrderByLastEventTime
	if err := cmp.Or(checkOne(in.OrderBy, "orderBy"), checkStreamName(in.LogStreamNamePrefix.V)); err != nil {
		return nil, err
	}
	if byTime && in.LogStreamNamePrefix.Set {
		return nil, invalid("Cannot order by LastEventTime with a logStreamNamePrefix.")
	}
	after, err := pageAfter(in.NextToken)
	if err != nil {
		return nil, err
	}
	list := s.streamsByName
	if byTime {
		list = s.streamsByTime
	}
	return store.View(ctx, s.space, func(tx *store.Tx) (*logsapi.DescribeLogStreamsOutput, error) {
		g, err := s.group(tx, group)
		if err != nil {
			return nil, err
		}
		page, next, err := list(tx, g.Number, streamPage{prefix: in.LogStreamNamePrefix.V, after: after, descending: in.Descending.V, limit: int(in.Limit.Or(50))})
		if err != nil {
			return nil, err
		}
		out := &logsapi.DescribeLogStreamsOutput{LogStreams: make([]logsapi.LogStream, 0, len(page))}
		for _, r := range page {
			out.LogStreams = append(out.LogStreams, describeStream(tx.Scope(), group, r.name, r.streamRecord))
		}
		if next != "" {
			out.NextToken = pageToken(next)
		}
		return out, nil
	})
}

// streamPage is which streams to list.
type streamPage struct {
	prefix, after string
	descending    bool
	limit         int
}

type namedStream struct {
	name string
	streamRecord
}

// streamsByName is a page in the order of names, and what the next goes on behind.
func (s *Service) streamsByName(tx *store.Tx, group uint64, p streamPage) (page []namedStream, next string, _ error) {
	o := store.ScanOptions{Reverse: p.descending}
	switch {
	case p.descending && p.after != "":
		o.Before = []any{p.after}
	case p.after != "":
		o.After = []any{p.after}
	case p.prefix != "" && !p.descending:
		o.From = []any{p.prefix}
	}
	for k, r := range s.tables.streams.Scan(tx, o, group) {
		name := k.String(1)
		if !strings.HasPrefix(name, p.prefix) {
			if (name < p.prefix) == p.descending {
				break
			}
			continue
		}
		if len(page) == p.limit {
			return page, page[len(page)-1].name, nil
		}
		page = append(page, namedStream{strings.Clone(name), r})
	}
	return page, "", nil
}

// streamsByTime is a page in the order of the streams' last events; those without any are the oldest. The place of each is
// its time and name: what is written meanwhile moves to where it belongs.
func (s *Service) streamsByTime(tx *store.Tx, group uint64, p streamPage) (page []namedStream, next string, _ error) {
	order := func(a, b namedStream) int {
		c := cmp.Or(cmp.Compare(a.latest, b.latest), strings.Compare(a.name, b.name))
		if p.descending {
			return -c
		}
		return c
	}
	var after namedStream
	if p.after != "" {
		at, name, ok := strings.Cut(p.after, " ")
		n, err := strconv.ParseInt(at, 10, 64)
		if !ok || err != nil {
			return nil, "", errToken()
		}
		after = namedStream{name, streamRecord{latest: n}}
	}
	more := false
	for k, r := range s.tables.streams.Scan(tx, store.ScanOptions{}, group) {
		n := namedStream{k.String(1), r}
		if p.after != "" && order(n, after) <= 0 {
			continue
		}
		if len(page) == p.limit {
			more = true
			if order(n, page[len(page)-1]) > 0 {
				continue
			}
			page = page[:len(page)-1]
		}
		n.name = strings.Clone(n.name)
		i, _ := slices.BinarySearchFunc(page, n, order)
		page = slices.Insert(page, i, n)
	}
	if more {
		last := page[len(page)-1]
		next = strconv.FormatInt(last.latest, 10) + " " + last.name
	}
	return page, next, nil
}
