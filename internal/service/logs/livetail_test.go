package logs_test

import (
	"context"
	"errors"
	"iter"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/obidos-cloud/obidos/internal/api/logsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/store/memory"
)

// tailed is a session of Live Tail that a test listens to.
type tailed struct {
	next func() (*logsapi.StartLiveTailResponseStream, error, bool)
	stop func()
}

func (p *platform) tail(ctx context.Context, in *logsapi.StartLiveTailInput) (*tailed, error) {
	out, err := p.StartLiveTail(ctx, in)
	if err != nil {
		return nil, err
	}
	var s tailed
	s.next, s.stop = iter.Pull2(out.ResponseStream.All())
	return &s, nil
}

// update is the next update's messages.
func (s *tailed) update(t *testing.T) (messages []string) {
	t.Helper()
	e, err, ok := s.next()
	if !ok || err != nil || e.SessionUpdate == nil {
		t.Fatalf("no update: %+v %v %v", e, err, ok)
	}
	for _, r := range e.SessionUpdate.SessionResults {
		messages = append(messages, r.Message.V)
	}
	return messages
}

func (p *platform) write(ctx context.Context, t testing.TB, group, stream string, messages ...string) {
	t.Helper()
	in := &logsapi.PutLogEventsInput{LogGroupName: group, LogStreamName: stream}
	for _, m := range messages {
		in.LogEvents = append(in.LogEvents, logsapi.InputLogEvent{Timestamp: p.clock.Now().UnixMilli(), Message: m})
	}
	if _, err := p.PutLogEvents(ctx, in); err != nil {
		t.Fatal(err)
	}
}

func TestLiveTail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := start(t, memory.New(memory.Options{}))
		defer p.stop()
		ctx := aws.WithRequest(t.Context(), request())
		arn := func(name string) string { return "arn:aws:logs:" + region + ":" + account + ":log-group:" + name }
		for _, g := range []string{"/a", "/b", "/rare"} {
			in := &logsapi.CreateLogGroupInput{LogGroupName: g}
			if g == "/rare" {
				in.LogGroupClass = aws.Some(logsapi.LogGroupClassINFREQUENTACCESS)
			}
			if _, err := p.CreateLogGroup(ctx, in); err != nil {
				t.Fatal(err)
			}
			if _, err := p.CreateLogStream(ctx, &logsapi.CreateLogStreamInput{LogGroupName: g, LogStreamName: "s"}); err != nil {
				t.Fatal(err)
			}
		}
		for _, c := range []struct {
			in   logsapi.StartLiveTailInput
			code string
		}{
			{logsapi.StartLiveTailInput{LogGroupIdentifiers: []string{arn("/none")}}, "ResourceNotFoundException"},
			{logsapi.StartLiveTailInput{LogGroupIdentifiers: []string{strings.Replace(arn("/a"), region, "eu-west-1", 1)}}, "ResourceNotFoundException"},
			{logsapi.StartLiveTailInput{LogGroupIdentifiers: []string{arn("/a") + ":*"}}, "InvalidParameterException"},
			{logsapi.StartLiveTailInput{LogGroupIdentifiers: []string{"/a"}}, "InvalidParameterException"},
			{logsapi.StartLiveTailInput{LogGroupIdentifiers: []string{arn("/a"), arn("/a")}}, "InvalidParameterException"},
			{logsapi.StartLiveTailInput{LogGroupIdentifiers: []string{arn("/rare")}}, "InvalidOperationException"},
			{logsapi.StartLiveTailInput{LogGroupIdentifiers: []string{arn("/a"), arn("/b")}, LogStreamNames: []string{"s"}}, "InvalidParameterException"},
			{logsapi.StartLiveTailInput{LogGroupIdentifiers: []string{arn("/a")}, LogStreamNames: []string{"s"}, LogStreamNamePrefixes: []string{"s"}}, "InvalidParameterException"},
			{logsapi.StartLiveTailInput{LogGroupIdentifiers: []string{arn("/a")}, LogStreamNames: []string{"s:"}}, "InvalidParameterException"},
			{logsapi.StartLiveTailInput{LogGroupIdentifiers: []string{arn("/a")}, LogEventFilterPattern: aws.Some("{ $.a")}, "InvalidParameterException"},
		} {
			_, err := p.tail(ctx, &c.in)
			if e, ok := errors.AsType[*aws.Error](err); !ok || e.Code != c.code {
				t.Errorf("%+v: %v, want %s", c.in, err, c.code)
			}
		}
		both, err := p.tail(ctx, &logsapi.StartLiveTailInput{LogGroupIdentifiers: []string{arn("/a"), arn("/b")}, LogEventFilterPattern: aws.Some("-quiet")})
		if err != nil {
			t.Fatal(err)
		}
		e, err, _ := both.next()
		if err != nil || e.SessionStart == nil || e.SessionStart.SessionId.V == "" || len(e.SessionStart.LogGroupIdentifiers) != 2 || e.SessionStart.LogEventFilterPattern.V != "-quiet" {
			t.Fatalf("began with %+v %v", e, err)
		}
		began := time.Now()
		p.write(ctx, t, "/b", "s", "one", "a quiet one", "two")
		e, err, _ = both.next()
		if err != nil || time.Since(began) != 0 {
			t.Errorf("told %v after %v", err, time.Since(began))
		}
		got := e.SessionUpdate.SessionResults
		if len(got) != 2 || got[1].Message.V != "two" || got[1].LogGroupIdentifier.V != arn("/b") || got[1].LogStreamName.V != "s" ||
			got[1].Timestamp.V != began.UnixMilli() || got[1].IngestionTime.V != began.UnixMilli() || e.SessionUpdate.SessionMetadata.Sampled.V {
			t.Errorf("told %+v", got)
		}
		if got := both.update(t); len(got) != 0 || time.Since(began) != time.Second {
			t.Errorf("told %v after %v", got, time.Since(began))
		}
		both.stop()

		gone, cancel := context.WithCancel(ctx)
		var sessions []*tailed
		for range 15 {
			s, err := p.tail(gone, &logsapi.StartLiveTailInput{LogGroupIdentifiers: []string{arn("/a")}, LogStreamNamePrefixes: []string{"t"}})
			if err != nil {
				t.Fatal(err)
			}
			sessions = append(sessions, s)
		}
		_, err = p.tail(ctx, &logsapi.StartLiveTailInput{LogGroupIdentifiers: []string{arn("/a")}})
		if e, ok := errors.AsType[*aws.Error](err); !ok || e.Code != "LimitExceededException" {
			t.Errorf("one too many: %v", err)
		}
		p.write(ctx, t, "/a", "s", "of another stream")
		if _, _, ok := sessions[0].next(); !ok {
			t.Error("no beginning")
		}
		if got := sessions[0].update(t); len(got) != 0 {
			t.Errorf("told %v", got)
		}
		cancel() // the clients go
		synctest.Wait()
		if s, err := p.tail(ctx, &logsapi.StartLiveTailInput{LogGroupIdentifiers: []string{arn("/a")}}); err != nil {
			t.Errorf("after they have gone: %v", err)
		} else {
			s.next()
			for range 3*3600 - 1 {
				s.update(t)
			}
			var err error
			for range 3 {
				if _, e, ok := s.next(); ok && e != nil {
					err = e
				}
			}
			if e, ok := errors.AsType[*aws.Error](err); !ok || e.Code != "SessionTimeoutException" {
				t.Errorf("after three hours: %v", err)
			}
		}
		for _, s := range sessions {
			s.stop()
		}
	})
}
