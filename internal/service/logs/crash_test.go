package logs_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/obidos-cloud/obidos/internal/api/logsapi"
	"github.com/obidos-cloud/obidos/internal/store/pebble"
)

// After a power cut in the middle of ingest every acknowledged event is there, once and in order.
func TestAcknowledgedEventsSurviveAPowerCut(t *testing.T) {
	t.Parallel()
	const writers = 4
	for _, kept := range []int{0, 50} { // percent of what was not synced
		fs := vfs.NewCrashableMem()
		e, err := pebble.Open("data", pebble.Options{FS: fs})
		if err != nil {
			t.Fatal(err)
		}
		p, ctx := start(t, e), context.Background()
		if _, err := p.CreateLogGroup(ctx, &logsapi.CreateLogGroupInput{LogGroupName: "/app"}); err != nil {
			t.Fatal(err)
		}
		var (
			mu    sync.Mutex
			acked [writers]int
			all   sync.WaitGroup
		)
		living, end := context.WithCancel(ctx)
		at := p.clock.Now().UnixMilli()
		for w := range writers {
			if _, err := p.CreateLogStream(ctx, &logsapi.CreateLogStreamInput{LogGroupName: "/app", LogStreamName: fmt.Sprint(w)}); err != nil {
				t.Fatal(err)
			}
			all.Go(func() {
				for n := 0; living.Err() == nil; n++ {
					in := &logsapi.PutLogEventsInput{LogGroupName: "/app", LogStreamName: fmt.Sprint(w), LogEvents: []logsapi.InputLogEvent{{Timestamp: at + int64(n), Message: fmt.Sprint(n)}}}
					if _, err := p.PutLogEvents(ctx, in); err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					acked[w] = n + 1
					mu.Unlock()
				}
			})
		}
		time.Sleep(200 * time.Millisecond) // long enough for chunks to be merged meanwhile
		mu.Lock()
		before := acked
		mu.Unlock()
		after := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: kept, RNG: rand.New(rand.NewPCG(1, uint64(kept)))})
		end()
		all.Wait()
		p.stop()
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}

		e, err = pebble.Open("data", pebble.Options{FS: after})
		if err != nil {
			t.Fatal(err)
		}
		p = start(t, e)
		for w, n := range before {
			got := p.readStream(ctx, t, "/app", fmt.Sprint(w), 10000, true)
			for i, m := range got {
				if m != fmt.Sprint(i) {
					t.Fatalf("stream %d: event %s is at place %d", w, m, i)
				}
			}
			if len(got) < n || n == 0 {
				t.Errorf("stream %d: %d events are left of %d", w, len(got), n)
			}
		}
		p.stop()
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
