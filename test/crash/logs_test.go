package crash

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// writer puts batches of numbered events into a stream of its own, and knows what was acknowledged. A batch whose answer never
// came is there whole or not at all.
type writer struct {
	door   *door
	stream string
	next   int
	acked  []span
	open   []span // of unknown outcome
}

// span is the numbers of a batch's events.
type span struct{ from, to int } // to is behind the last

type logEvent struct {
	Timestamp int64  `json:"timestamp"`
	Message   string `json:"message"`
}

// put puts a batch.
func (w *writer) put(ctx context.Context, rng *rand.Rand) error {
	b := span{w.next, w.next + 1 + rng.IntN(40)}
	w.next = b.to
	var events []logEvent
	for n := b.from; n < b.to; n++ {
		events = append(events, logEvent{time.Now().UnixMilli(), bodyOf(strconv.Itoa(n), rng.IntN(200))})
	}
	err := w.door.logs(ctx, "PutLogEvents", object{"logGroupName": "g", "logStreamName": w.stream, "logEvents": events}, nil)
	switch {
	case err == nil:
		w.acked = append(w.acked, b)
	case refused(err):
		return err
	default:
		w.open = append(w.open, b)
	}
	return nil
}

// verify reads the whole stream: what was acknowledged is there once and in order, and of the rest nothing in part.
func (w *writer) verify(ctx context.Context, t *testing.T) {
	t.Helper()
	there := make([]bool, w.next)
	last, token := -1, ""
	for {
		in := object{"logGroupName": "g", "logStreamName": w.stream, "startFromHead": true}
		if token != "" {
			in["nextToken"] = token
		}
		var out struct {
			Events           []logEvent `json:"events"`
			NextForwardToken string     `json:"nextForwardToken"`
		}
		if err := w.door.logs(ctx, "GetLogEvents", in, &out); err != nil {
			t.Errorf("read stream %s: %v", w.stream, err)
			return
		}
		for _, e := range out.Events {
			m := message{Body: e.Message}
			n, err := strconv.Atoi(m.name())
			if err != nil || n >= w.next || !strings.HasSuffix(e.Message, m.tail()) {
				t.Errorf("stream %s has what nobody put there: %q", w.stream, e.Message)
				return
			}
			if n <= last {
				t.Errorf("stream %s: event %d comes after %d", w.stream, n, last)
			}
			last, there[n] = n, true
		}
		if out.NextForwardToken == token {
			break
		}
		token = out.NextForwardToken
	}
	count := func(b span) (n int) {
		for _, is := range there[b.from:b.to] {
			if is {
				n++
			}
		}
		return n
	}
	for _, b := range w.acked {
		if n := count(b); n != b.to-b.from {
			t.Errorf("stream %s has %d of the events %d to %d, which were acknowledged", w.stream, n, b.from, b.to-1)
		}
	}
	for _, b := range w.open {
		if n := count(b); n != 0 && n != b.to-b.from {
			t.Errorf("stream %s has %d of the events %d to %d: a part of a batch", w.stream, n, b.from, b.to-1)
		}
	}
}

// A process is killed while events are put: each that was acknowledged is there once, in order, and a batch is never there in part.
func TestKillLosesNoEvents(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := newServer(t, t.TempDir())
	d := &door{}
	d.lead(s.url(), s.newClient())
	s.start(t)
	defer func() { s.kill(t) }()
	s.ready(ctx, t, d)
	if err := d.logs(ctx, "CreateLogGroup", object{"logGroupName": "g"}, nil); err != nil {
		t.Fatal(err)
	}
	var writers []*writer
	for i := range 6 {
		w := &writer{door: d, stream: fmt.Sprint("s", i)}
		if err := d.logs(ctx, "CreateLogStream", object{"logGroupName": "g", "logStreamName": w.stream}, nil); err != nil {
			t.Fatal(err)
		}
		writers = append(writers, w)
	}
	rounds(t, 4, 10, func(t *testing.T, seed uint64) {
		rng := rand.New(rand.NewPCG(seed, 7))
		stop := make(chan struct{})
		var all sync.WaitGroup
		for i, w := range writers {
			all.Go(func() {
				rng := rand.New(rand.NewPCG(seed, uint64(100+i)))
				for {
					select {
					case <-stop:
						return
					default:
					}
					if err := w.put(ctx, rng); err != nil {
						t.Errorf("put into %s: %v", w.stream, err)
						return
					}
				}
			})
		}
		time.Sleep(time.Duration(20+rng.IntN(400)) * time.Millisecond)
		s.kill(t)
		close(stop)
		all.Wait()
		s.start(t)
		s.ready(ctx, t, d)
		for _, w := range writers {
			w.verify(ctx, t)
		}
	})
	acked, open := 0, 0
	for _, w := range writers {
		for _, b := range w.acked {
			acked += b.to - b.from
		}
		open += len(w.open)
	}
	if acked == 0 {
		t.Error("nothing was acknowledged")
	}
	t.Logf("%d events acknowledged, %d batches of unknown outcome", acked, open)
}
