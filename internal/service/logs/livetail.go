package logs

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/obidos-cloud/obidos/internal/api/logsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/lang/logfilter"
	"github.com/obidos-cloud/obidos/internal/service/logs/tail"
	"github.com/obidos-cloud/obidos/internal/store"
)

// tailed are the groups that a session is about, by number: as its client named them.
type tailed struct {
	groups map[uint64]string
	id     string // of the session
}

// checkTail is what a session looks at, and the names of its groups.
func checkTail(ctx context.Context, in *logsapi.StartLiveTailInput) (c tail.Choice, names []string, err error) {
	for _, id := range in.LogGroupIdentifiers {
		if strings.HasSuffix(id, "*") || !strings.HasPrefix(id, "arn:") {
			return c, nil, invalid("The log group identifier %s is not valid: Live Tail takes ARNs that do not end with an asterisk.", id)
		}
		name, err := identify(ctx, id)
		if err != nil {
			return c, nil, err
		}
		if slices.Contains(names, name) {
			return c, nil, invalid("The log group identifier %s is there twice.", id)
		}
		names = append(names, name)
	}
	byStream := len(in.LogStreamNames) + len(in.LogStreamNamePrefixes)
	if len(in.LogStreamNames) > 0 && len(in.LogStreamNamePrefixes) > 0 {
		return c, nil, invalid("logStreamNames and logStreamNamePrefixes are mutually exclusive parameters.")
	}
	if byStream > 0 && len(names) > 1 {
		return c, nil, invalid("Log streams can be named only where a session is about one log group.")
	}
	for _, name := range slices.Concat(in.LogStreamNames, in.LogStreamNamePrefixes) {
		if err := checkStreamName(name); err != nil {
			return c, nil, err
		}
		if clone := strings.Clone(name); len(in.LogStreamNames) > 0 {
			c.Streams = append(c.Streams, clone)
		} else {
			c.Prefixes = append(c.Prefixes, clone)
		}
	}
	if in.LogEventFilterPattern.V != "" {
		f, err := logfilter.Parse(strings.Clone(in.LogEventFilterPattern.V))
		if e, ok := errors.AsType[*logfilter.Error](err); ok {
			return c, nil, invalid("%s", e.Search)
		}
		if err != nil {
			return c, nil, err
		}
		if f.Kind() != logfilter.Everything {
			c.Match = f.Match
		}
	}
	return c, names, nil
}

// StartLiveTail is logs:StartLiveTail. The session lives as long as the call's context, or until its stream has been read.
func (s *Service) StartLiveTail(ctx context.Context, in *logsapi.StartLiveTailInput) (*logsapi.StartLiveTailOutput, error) {
	choice, names, err := checkTail(ctx, in)
	if err != nil {
		return nil, err
	}
	t, err := store.View(ctx, s.space, func(tx *store.Tx) (tailed, error) {
		t := tailed{groups: map[uint64]string{}, id: tx.NewID()}
		for i, name := range names {
			g, err := s.group(tx, name)
			if err != nil {
				return t, err
			}
			if g.Class != string(logsapi.LogGroupClassSTANDARD) {
				return t, logsapi.InvalidOperationException("Live Tail is not supported for log groups of class %s.", g.Class)
			}
			t.groups[g.Number] = strings.Clone(in.LogGroupIdentifiers[i])
		}
		return t, nil
	})
	if err != nil {
		return nil, err
	}
	for number := range t.groups {
		choice.Groups = append(choice.Groups, number)
	}
	request := aws.RequestOf(ctx)
	session, err := s.tails.Open(request.Account+" "+request.Region, choice)
	if errors.Is(err, tail.ErrMany) {
		return nil, logsapi.LimitExceededException("An account can have %d Live Tail sessions at a time.", tail.MaxSessions)
	}
	if err != nil {
		return nil, logsapi.ServiceUnavailableException("obidos is stopping.").Because(err)
	}
	over := context.AfterFunc(ctx, session.Close)
	start := &logsapi.LiveTailSessionStart{
		RequestId: aws.Some(request.ID), SessionId: aws.Some(t.id), LogGroupIdentifiers: slices.Clone(in.LogGroupIdentifiers),
		LogStreamNames: choice.Streams, LogStreamNamePrefixes: choice.Prefixes, LogEventFilterPattern: in.LogEventFilterPattern,
	}
	return &logsapi.StartLiveTailOutput{ResponseStream: aws.EventsOf(func(yield func(*logsapi.StartLiveTailResponseStream, error) bool) {
		defer over()
		defer session.Close()
		if !yield(&logsapi.StartLiveTailResponseStream{SessionStart: start}, nil) {
			return
		}
		for {
			u, err := session.Next(ctx)
			switch {
			case err == nil:
				if !yield(&logsapi.StartLiveTailResponseStream{SessionUpdate: t.update(u)}, nil) {
					return
				}
				continue
			case errors.Is(err, tail.ErrTimeout):
				yield(nil, logsapi.SessionTimeoutException("The session has been open for three hours."))
			case errors.Is(err, tail.ErrStopped):
				yield(nil, logsapi.SessionStreamingException("obidos is stopping."))
			}
			return // else the client has gone
		}
	})}, nil
}

// update is what a session's client is told.
func (t *tailed) update(u tail.Update) *logsapi.LiveTailSessionUpdate {
	out := &logsapi.LiveTailSessionUpdate{
		SessionMetadata: &logsapi.LiveTailSessionMetadata{Sampled: aws.Some(u.Sampled)},
		SessionResults:  make([]logsapi.LiveTailSessionLogEvent, 0, len(u.Events)),
	}
	for i := range u.Events {
		e := &u.Events[i]
		out.SessionResults = append(out.SessionResults, logsapi.LiveTailSessionLogEvent{
			LogGroupIdentifier: aws.Some(t.groups[e.Group]), LogStreamName: aws.Some(e.Stream), Message: aws.Some(e.Message),
			Timestamp: aws.Some(e.Time), IngestionTime: aws.Some(e.Ingested),
		})
	}
	return out
}

// streamTail is where events were written to: in which group, and when.
type streamTail struct {
	group    uint64
	ingested int64
}

// tell has the sessions about a group told of events that were committed to a stream of it.
func (s *Service) tell(at streamTail, stream string, events []logsapi.InputLogEvent) {
	if len(events) == 0 || !s.tails.Wanted(at.group) {
		return
	}
	b := tail.Batch{Group: at.group, Stream: stream, Ingested: at.ingested, Events: make([]tail.Written, len(events))}
	for i := range events {
		b.Events[i] = tail.Written{Time: events[i].Timestamp, Message: events[i].Message}
	}
	s.tails.Tell(&b)
}

// Run serves the sessions that are told of events as they come, until ctx ends. Then they end.
func (s *Service) Run(ctx context.Context) error { return s.tails.Run(ctx) }

// Tails is where the sessions are: for what the nodes tell each other about them.
func (s *Service) Tails() *tail.Hub { return s.tails }
