package logs

import (
	"cmp"
	"context"
	"encoding/base64"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/obidos-cloud/obidos/internal/api/logsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/lang/insights"
	"github.com/obidos-cloud/obidos/internal/service/logs/rules"
	"github.com/obidos-cloud/obidos/internal/service/logs/shape"
	"github.com/obidos-cloud/obidos/internal/store"
)

// ptrPrefix is what pointers to the events of a stream begin with.
func ptrPrefix(group string, number, stream uint64) []byte {
	b := make([]byte, 0, 2*len(group)+64)
	b = base64.RawURLEncoding.AppendEncode(b, []byte(group))
	b = strconv.AppendUint(append(b, '.'), number, 36)
	return strconv.AppendUint(append(b, '.'), stream, 36)
}

// ptrOf is a pointer to an event, as @ptr has it.
func ptrOf(prefix []byte, time int64, seq uint64) []byte {
	prefix = strconv.AppendInt(append(prefix, '.'), time, 36)
	return strconv.AppendUint(append(prefix, '.'), seq, 36)
}

// readPtr is the group that a pointer names, its number, and the place of the event.
func readPtr(ptr string) (group string, number uint64, at cut) {
	parts := strings.Split(ptr, ".")
	if len(parts) != 5 {
		return "", 0, cut{}
	}
	name, err := base64.RawURLEncoding.DecodeString(parts[0])
	var errs [4]error
	number, errs[0] = strconv.ParseUint(parts[1], 36, 64)
	at.stream, errs[1] = strconv.ParseUint(parts[2], 36, 64)
	at.time, errs[2] = strconv.ParseInt(parts[3], 36, 64)
	at.seq, errs[3] = strconv.ParseUint(parts[4], 36, 64)
	if cmp.Or(err, cmp.Or(errs[:]...)) != nil || checkGroupName(string(name)) != nil {
		return "", 0, cut{}
	}
	return string(name), number, at
}

// GetLogRecord is logs:GetLogRecord.
func (s *Service) GetLogRecord(ctx context.Context, in *logsapi.GetLogRecordInput) (*logsapi.GetLogRecordOutput, error) {
	group, number, at := readPtr(in.LogRecordPointer)
	if group == "" {
		return nil, invalid("The specified log record pointer is invalid.")
	}
	return store.View(ctx, s.space, func(tx *store.Tx) (*logsapi.GetLogRecordOutput, error) {
		g, err := s.group(tx, group)
		gone := logsapi.ResourceNotFoundException("The specified log record does not exist.")
		if err != nil || g.Number != number || at.time < g.expiry(tx.Now()) {
			return nil, gone
		}
		sh, err := s.formsOf(tx, group, &g)
		if err != nil {
			return nil, err
		}
		veil, err := s.VeilFor(tx, g.ruled(), in.Unmask.V)
		if err != nil {
			return nil, err
		}
		for c := range s.candidates(tx, &query{group: number, span: day, from: at.time, to: at.time}) {
			if c.stream != at.stream || c.seq > at.seq {
				continue
			}
			record, ok := s.tables.chunks.Get(tx, number, c.stream, c.seq)
			if !ok {
				continue
			}
			var out *logsapi.GetLogRecordOutput
			if err := s.packer.each(&record, func(e event) bool {
				if e.seq == at.seq && e.time == at.time {
					out = &logsapi.GetLogRecordOutput{LogRecord: recordOf(tx.Scope(), &sh, veil, c.name, e, in.LogRecordPointer)}
				}
				return out == nil
			}); err != nil || out != nil {
				return out, err
			}
		}
		return nil, gone
	})
}

// recordOf is all fields of an event, as it became.
func recordOf(scope aws.Scope, sh *shape.Forms, veil *rules.Veil, stream string, e event, ptr string) map[string]string {
	log := scope.Account + ":" + sh.Group
	all := map[string]string{}
	failure := ""
	e.message, failure = sh.Apply(stream, e.message, e.ingested)
	e.message = veil.Mask(e.ingested, e.message)
	for _, f := range insights.Fields(insights.Event{Time: e.time, Ingested: e.ingested, Message: e.message, Stream: stream, Group: log, Ptr: ptr, Failure: failure}) {
		all[strings.Clone(f.Name)] = strings.Clone(f.Value)
	}
	all["@message"], all["@ptr"], all["@log"], all["@logStream"] = strings.Clone(e.message), strings.Clone(ptr), log, strings.Clone(stream)
	all["@timestamp"], all["@ingestionTime"] = strconv.FormatInt(e.time, 10), strconv.FormatInt(e.ingested, 10)
	return all
}

const sampled = 10_000 // events that GetLogGroupFields looks at

// GetLogGroupFields is logs:GetLogGroupFields: which fields the events of a few minutes have, and how many of the events have them.
func (s *Service) GetLogGroupFields(ctx context.Context, in *logsapi.GetLogGroupFieldsInput) (*logsapi.GetLogGroupFieldsOutput, error) {
	group, err := identified(ctx, in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	return store.View(ctx, s.space, func(tx *store.Tx) (*logsapi.GetLogGroupFieldsOutput, error) {
		g, err := s.group(tx, group)
		if err != nil {
			return nil, err
		}
		veil, err := s.VeilOf(tx, g.ruled())
		if err != nil {
			return nil, err
		}
		to := tx.Now().UnixMilli()
		from := to - (15 * time.Minute).Milliseconds()
		if in.Time.Set {
			at, around := milliseconds(in.Time.V), (8 * time.Minute).Milliseconds()
			from, to = at-around, at+around
		}
		n, counts := 0, map[string]int{}
		r := reading{s: s, tx: tx}
		if _, err := r.events(group, from, to, func(e insights.Event) bool {
			n++
			e.Message = veil.Mask(e.Ingested, e.Message)
			seen := map[string]bool{"@message": true, "@timestamp": true, "@ingestionTime": true, "@logStream": true, "@log": true, "@ptr": true}
			for _, f := range insights.Fields(e) {
				if !seen[f.Name] {
					counts[strings.Clone(f.Name)]++
				}
				seen[f.Name] = true
			}
			return n < sampled
		}); err != nil {
			return nil, err
		}
		out := &logsapi.GetLogGroupFieldsOutput{LogGroupFields: []logsapi.LogGroupField{}}
		if n == 0 {
			return out, nil
		}
		for _, name := range []string{"@ingestionTime", "@log", "@logStream", "@message", "@ptr", "@timestamp"} {
			counts[name] = n
		}
		for name, c := range counts {
			out.LogGroupFields = append(out.LogGroupFields, logsapi.LogGroupField{Name: aws.Some(name), Percent: aws.Some(int32(math.Round(float64(c) * 100 / float64(n))))})
		}
		slices.SortFunc(out.LogGroupFields, func(a, b logsapi.LogGroupField) int {
			return cmp.Or(cmp.Compare(b.Percent.V, a.Percent.V), strings.Compare(a.Name.V, b.Name.V))
		})
		return out, nil
	})
}
