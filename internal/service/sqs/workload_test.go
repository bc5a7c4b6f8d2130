package sqs_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/obidos-cloud/obidos/internal/api/sqsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/owner"
	"github.com/obidos-cloud/obidos/internal/service/sqs"
	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/store/memory"
	"github.com/obidos-cloud/obidos/internal/store/pebble"
)

// witness watches senders and consumers of a queue and knows what must not be: that an acknowledged message is lost, that
// one comes again after its delete was acknowledged, that a group is out of order.
type witness struct {
	t    testing.TB
	fifo bool

	mu      sync.Mutex
	life    int             // which run of the service; what is answered by one that is over counts for nothing
	sent    map[string]bool // acknowledged
	done    map[string]bool // a delete was asked for, or whether it was sent is not known
	deleted map[string]bool // acknowledged
	seen    map[string]bool
	next    map[string]int // of a group, the last number that was sent
	low     map[string]int // of a group, up to which all are done
}

func newWitness(t testing.TB, fifo bool) *witness {
	return &witness{
		t: t, fifo: fifo, sent: map[string]bool{}, done: map[string]bool{}, deleted: map[string]bool{}, seen: map[string]bool{}, next: map[string]int{},
		low: map[string]int{},
	}
}

// work sends to and consumes from a queue until ctx ends. Errors are what a client has to live with.
func (w *witness) work(ctx context.Context, p *platform, url string, seed uint64) {
	w.mu.Lock()
	life := w.life
	w.mu.Unlock()
	var wg sync.WaitGroup
	for sender := range 3 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(seed, uint64(sender)))
			group := fmt.Sprint("g", seed, "x", sender)
			for ctx.Err() == nil {
				in := &sqsapi.SendMessageBatchInput{QueueUrl: url}
				w.mu.Lock()
				for i := range 1 + rng.IntN(3) {
					w.next[group]++
					body := group + "-" + strconv.Itoa(w.next[group])
					e := sqsapi.SendMessageBatchRequestEntry{Id: strconv.Itoa(i), MessageBody: body}
					if w.fifo {
						e.MessageGroupId, e.MessageDeduplicationId = aws.Some(group), aws.Some(body)
					} else if rng.IntN(4) == 0 {
						e.DelaySeconds = aws.Some(int32(1))
					}
					in.Entries = append(in.Entries, e)
				}
				w.mu.Unlock()
				out, err := p.SendMessageBatch(ctx, in)
				w.mu.Lock()
				if err != nil {
					for _, e := range in.Entries {
						w.done[e.MessageBody] = true
					}
				} else if w.life == life {
					for _, s := range out.Successful {
						n, _ := strconv.Atoi(s.Id)
						w.sent[in.Entries[n].MessageBody] = true
					}
				}
				w.mu.Unlock()
				time.Sleep(time.Duration(rng.IntN(30)) * time.Millisecond)
			}
		})
	}
	for consumer := range 3 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(seed, uint64(100+consumer)))
			for ctx.Err() == nil {
				w.consume(ctx, p, url, life, rng, 1)
			}
		})
	}
	wg.Wait()
}

// consume receives once, and deletes most of it.
func (w *witness) consume(ctx context.Context, p *platform, url string, life int, rng *rand.Rand, wait int32) int {
	w.mu.Lock()
	before := map[string]bool{} // deleted before the receive began
	for b := range w.deleted {
		before[b] = true
	}
	w.mu.Unlock()
	out, err := p.ReceiveMessage(ctx, &sqsapi.ReceiveMessageInput{
		QueueUrl: url, MaxNumberOfMessages: aws.Some(int32(1 + rng.IntN(10))), WaitTimeSeconds: aws.Some(wait),
	})
	if err != nil {
		time.Sleep(10 * time.Millisecond)
		return 0
	}
	w.mu.Lock()
	if w.life == life {
		here := map[string]bool{}
		for _, m := range out.Messages {
			w.seen[m.Body.V] = true
			if before[m.Body.V] {
				w.t.Errorf("%s came again after it was deleted", m.Body.V)
			}
			if w.fifo {
				w.inOrder(m.Body.V, here)
			}
			here[m.Body.V] = true
		}
	}
	w.mu.Unlock()
	for _, m := range out.Messages {
		if rng.IntN(8) == 0 {
			if w.fifo {
				break // what comes after it in its group must wait for it
			}
			continue
		}
		w.mu.Lock()
		w.done[m.Body.V] = true
		w.mu.Unlock()
		if _, err := p.DeleteMessage(ctx, &sqsapi.DeleteMessageInput{QueueUrl: url, ReceiptHandle: m.ReceiptHandle.V}); err != nil {
			break
		}
		w.mu.Lock()
		if w.life == life {
			w.deleted[m.Body.V] = true
		}
		w.mu.Unlock()
	}
	return len(out.Messages)
}

// inOrder sees that a message comes only when all before it in its group are done with, or came with it, which here says.
// (In what order deletes are answered means nothing: one that was under way while its node died is answered late.)
func (w *witness) inOrder(body string, here map[string]bool) {
	group, number, _ := strings.Cut(body, "-")
	n, _ := strconv.Atoi(number)
	for i := w.low[group] + 1; i < n; i++ {
		switch b := group + "-" + strconv.Itoa(i); {
		case w.done[b] && i == w.low[group]+1:
			w.low[group]++
		case w.sent[b] && !w.done[b] && !here[b]:
			w.t.Errorf("%s came while %s was neither deleted nor received with it", body, b)
		}
	}
}

// settle consumes what is left and sees that nothing is missing.
func (w *witness) settle(ctx context.Context, p *platform, url string) {
	rng := rand.New(rand.NewPCG(0, 0))
	for idle := 0; idle < 20; {
		if w.consume(ctx, p, url, w.life, rng, 2) > 0 {
			idle = 0
		} else {
			idle++
		}
	}
	lost := 0
	for b := range w.sent {
		if !w.seen[b] {
			lost++
			w.t.Errorf("%s was acknowledged and never came", b)
		}
	}
	if got := p.counts(ctx, url); got != [3]int{} {
		w.t.Errorf("in the end %v messages are counted", got)
	}
	w.t.Logf("%d messages sent, %d deleted", len(w.sent), len(w.deleted))
	if len(w.sent) < 50 {
		w.t.Errorf("only %d messages were sent", len(w.sent))
	}
}

func workQueue(ctx context.Context, p *platform, fifo bool) string {
	if fifo {
		return p.create(ctx, "work.fifo", "FifoQueue", "true", "VisibilityTimeout", "2")
	}
	return p.create(ctx, "work", "VisibilityTimeout", "2")
}

// The service on an engine that does only what its contract promises.
func TestHostileEngine(t *testing.T) {
	for seed := range uint64(6) {
		fifo := seed%2 == 1
		t.Run(fmt.Sprint("seed ", seed+1), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := memory.Hostile{Seed: seed + 1, Unknown: 0.05, Fenced: 0.01, Delay: time.Millisecond}
				p, ctx := start(t, memory.New(memory.Options{Hostile: h}), sqs.Options{}), t.Context()
				url := workQueue(ctx, p, fifo)
				w := newWitness(t, fifo)
				working, stop := context.WithTimeout(ctx, 5*time.Second)
				w.work(working, p, url, seed)
				stop()
				w.settle(ctx, p, url)
				p.stop()
			})
		})
	}
}

// Power cuts: what was acknowledged is there, what was deleted is not, groups are in order.
func TestPowerCuts(t *testing.T) {
	lives := 4
	if testing.Short() {
		lives = 2
	}
	for seed := range uint64(4) {
		fifo := seed%2 == 1
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rng := rand.New(rand.NewPCG(seed, 7))
				fs := vfs.NewCrashableMem()
				open := func() *pebble.Engine {
					e, err := pebble.Open("data", pebble.Options{FS: fs})
					if err != nil {
						t.Fatal(err)
					}
					return e
				}
				ctx := t.Context()
				w := newWitness(t, fifo)
				url := ""
				for range lives {
					e := open()
					p := start(t, e, sqs.Options{})
					if url == "" {
						url = workQueue(ctx, p, fifo)
					}
					working, stop := context.WithCancel(ctx)
					var wg sync.WaitGroup
					wg.Go(func() { w.work(working, p, url, seed) })
					time.Sleep(time.Second + time.Duration(rng.IntN(1000))*time.Millisecond)
					w.mu.Lock()
					w.life++
					fs2 := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(101), RNG: rng})
					w.mu.Unlock()
					stop()
					wg.Wait()
					p.stop()
					if err := e.Close(); err != nil {
						t.Error(err)
					}
					fs = fs2
				}
				e := open()
				p := start(t, e, sqs.Options{})
				w.settle(ctx, p, url)
				p.stop()
				if err := e.Close(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// mortal is an engine as a node sees it that may die: from then on nothing reaches the store any more.
type mortal struct {
	store.Engine
	dead atomic.Bool
}

func (m *mortal) Update(ctx context.Context, o store.UpdateOptions, fn func(store.Txn) error) error {
	if m.dead.Load() {
		return store.ErrClosed
	}
	return m.Engine.Update(ctx, o, fn)
}

func (m *mortal) View(ctx context.Context, fn func(store.Reader) error) error {
	if m.dead.Load() {
		return store.ErrClosed
	}
	return m.Engine.View(ctx, fn)
}

// Two nodes over one store, asked in turn. One dies, the other takes its queues over.
func TestTwoNodes(t *testing.T) {
	for seed := range uint64(2) {
		fifo := seed%2 == 1
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				engine, bell, peers := memory.New(memory.Options{}), &owner.Bell{}, map[string]*platform{}
				first := &mortal{Engine: engine}
				one := startNode(t, first, sqs.Options{}, owner.Options{ID: "one", Bell: bell}, peers)
				two := startNode(t, engine, sqs.Options{}, owner.Options{ID: "two", Bell: bell}, peers)
				ctx := t.Context()
				url := workQueue(ctx, one, fifo)
				w := newWitness(t, fifo)
				working, stop := context.WithCancel(ctx)
				var wg sync.WaitGroup
				for i, p := range []*platform{one, two} {
					wg.Go(func() { w.work(working, p, url, seed*10+uint64(i)) })
				}
				time.Sleep(time.Second)
				first.dead.Store(true)
				time.Sleep(4 * time.Second)
				stop()
				wg.Wait()
				w.settle(ctx, two, url)
				one.stop()
				two.stop()
			})
		})
	}
}
