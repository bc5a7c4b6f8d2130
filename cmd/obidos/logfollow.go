package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/obidos-cloud/obidos/internal/api/logsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
)

const (
	perSession  = 10     // groups, as AWS has it
	remembered  = 20_000 // events that were printed lately
	retryAfter  = 200 * time.Millisecond
	retryAtMost = 2 * time.Second
)

// follow prints what there is from a time on and then what comes. Where a session ends, as it does after three hours and when obidos is
// started again, the next goes on from there.
func (l *logReader) follow(ctx context.Context, groups []group, from int64) error {
	f := &follower{logReader: l, groups: groups, byARN: map[string]string{}, from: from}
	for _, g := range groups {
		f.byARN[g.arn] = g.name
	}
	pause := retryAfter
	for {
		err := f.session(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if !f.began { // it never worked
			return err
		}
		if e, ok := errors.AsType[*aws.Error](err); ok && e.Code != "SessionTimeoutException" && e.Code != "SessionStreamingException" && !e.Receiver {
			return err
		}
		if f.heard {
			pause, f.heard = retryAfter, false
			if err != nil && !errors.Is(err, errTimeIsUp) {
				fmt.Fprintln(l.warn, l.printer.dim("the connection ended; waiting for obidos"))
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
			pause = min(2*pause, retryAtMost)
		}
	}
}

var errTimeIsUp = errors.New("the session's time is up")

// follower prints each event once, whether it read it or was told of it.
type follower struct {
	*logReader
	groups []group
	byARN  map[string]string
	from   int64 // what was before was printed
	began  bool
	heard  bool             // since the last session began
	recent []logEvent       // printed lately
	seen   map[logEvent]int // of these; those that may come again
}

// session opens sessions about all groups, reads what is there by then, and prints what they tell until one ends.
func (f *follower) session(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	updates, failed := make(chan *logsapi.LiveTailSessionUpdate), make(chan error, 1)
	fail := func(err error) {
		select {
		case failed <- err:
		default:
		}
	}
	for part := range slices.Chunk(f.groups, perSession) {
		in := &logsapi.StartLiveTailInput{LogEventFilterPattern: aws.NonZero(f.o.filter)}
		for _, g := range part {
			in.LogGroupIdentifiers = append(in.LogGroupIdentifiers, g.arn)
		}
		if f.o.stream != "" && len(part) == 1 {
			in.LogStreamNamePrefixes = []string{f.o.stream}
		}
		out, err := f.StartLiveTail(ctx, in)
		if err != nil {
			return err
		}
		all.Go(func() {
			for e, err := range out.ResponseStream.All() {
				if err != nil {
					fail(err)
					return
				}
				if e.SessionUpdate == nil {
					continue
				}
				select {
				case updates <- e.SessionUpdate:
				case <-ctx.Done():
					return
				}
			}
			fail(errTimeIsUp)
		})
	}
	if err := f.catchUp(ctx); err != nil {
		return err
	}
	f.began, f.heard = true, true
	for {
		select {
		case u := <-updates:
			if err := f.told(u); err != nil {
				return err
			}
		case err := <-failed:
			return err
		}
	}
}

// catchUp prints what was written before the session began, and after what was printed.
func (f *follower) catchUp(ctx context.Context) error {
	before := map[logEvent]int{}
	for _, e := range f.recent {
		before[e]++
	}
	f.recent, f.seen = nil, map[logEvent]int{}
	for e, err := range f.past(ctx, f.groups, f.from) {
		if err != nil {
			return err
		}
		f.remember(e)
		f.seen[e]++
		if before[e] > 0 { // a session before told of it
			before[e]--
			continue
		}
		if err := f.printer.event(e); err != nil {
			return err
		}
	}
	return nil
}

// remember notes what was printed.
func (f *follower) remember(e logEvent) {
	f.from = max(f.from, e.time-time.Minute.Milliseconds()) // events come late, and out of order
	if f.recent = append(f.recent, e); len(f.recent) >= 2*remembered {
		for _, old := range f.recent[:remembered] {
			delete(f.seen, old)
		}
		f.recent = slices.Delete(f.recent, 0, remembered)
	}
}

// told prints what a session tells, but for what was read already.
func (f *follower) told(u *logsapi.LiveTailSessionUpdate) error {
	for _, r := range u.SessionResults {
		e := logEvent{f.byARN[r.LogGroupIdentifier.V], r.LogStreamName.V, r.Message.V, r.Timestamp.V}
		if f.o.stream != "" && !strings.HasPrefix(e.stream, f.o.stream) {
			continue
		}
		if f.seen[e] > 0 {
			f.seen[e]--
			continue
		}
		f.remember(e)
		if err := f.printer.event(e); err != nil {
			return err
		}
	}
	if u.SessionMetadata != nil && u.SessionMetadata.Sampled.V {
		fmt.Fprintln(f.warn, f.printer.dim("more than 500 events in a second: some are left out here"))
	}
	return nil
}
