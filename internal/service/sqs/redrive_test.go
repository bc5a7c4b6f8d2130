package sqs_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/obidos-cloud/obidos/internal/api/sqsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/service/sqs"
	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/store/memory"
	"github.com/obidos-cloud/obidos/internal/store/pebble"
)

// Messages that nobody can work off go to the dead-letter queue, and back by a move task: each once, whatever happens on
// the way.
func redrive(t *testing.T, messages int, restart func(*platform) *platform, p *platform, rng *rand.Rand, fifo bool) {
	ctx := t.Context()
	suffix, attributes, groups := "", []string{}, 0
	if fifo {
		suffix, attributes, groups = ".fifo", []string{"FifoQueue", "true", "ContentBasedDeduplication", "true"}, 5
	}
	dead := p.create(ctx, "dead"+suffix, attributes...)
	arn := "arn:aws:sqs:" + region + ":" + account + ":"
	work := p.create(ctx, "work"+suffix, append(attributes, "VisibilityTimeout", "0",
		"RedrivePolicy", `{"deadLetterTargetArn":"`+arn+"dead"+suffix+`","maxReceiveCount":2}`)...)
	p.sendMany(ctx, work, 0, messages, groups)

	p = trouble(ctx, p, restart, rng, func(ctx context.Context, p *platform) {
		rng := rand.New(rand.NewPCG(uint64(messages), 0))
		for ctx.Err() == nil {
			p.ReceiveMessage(ctx, &sqsapi.ReceiveMessageInput{QueueUrl: work, MaxNumberOfMessages: aws.Some(int32(1 + rng.IntN(10)))})
			time.Sleep(5 * time.Millisecond)
		}
	}, func(p *platform) bool { return p.counts(ctx, work) == [3]int{} && p.counts(ctx, dead)[0] == messages })

	start := &sqsapi.StartMessageMoveTaskInput{SourceArn: arn + "dead" + suffix, MaxNumberOfMessagesPerSecond: aws.Some(int32(100))}
	if _, err := p.StartMessageMoveTask(ctx, start); err != nil {
		t.Fatal(err)
	}
	p = trouble(ctx, p, restart, rng, func(ctx context.Context, p *platform) { <-ctx.Done() },
		func(p *platform) bool {
			out, err := p.ListMessageMoveTasks(ctx, &sqsapi.ListMessageMoveTasksInput{SourceArn: start.SourceArn})
			return err == nil && out.Results[0].Status.V == "COMPLETED" && out.Results[0].ApproximateNumberOfMessagesMoved.V == int64(messages) &&
				p.counts(ctx, work)[0] == messages
		})
	if got := p.counts(ctx, dead); got != [3]int{} {
		t.Errorf("%v messages are left in the dead-letter queue", got)
	}
	if _, err := p.SetQueueAttributes(ctx, &sqsapi.SetQueueAttributesInput{
		QueueUrl: work, Attributes: map[sqsapi.QueueAttributeName]string{"VisibilityTimeout": "30"},
	}); err != nil {
		t.Fatal(err)
	}
	back := p.drain(ctx, work, 2*messages)
	if groups > 0 {
		last := map[int]int{}
		for _, n := range back {
			if before, ok := last[n%groups]; ok && n < before {
				t.Errorf("%d came back after %d of its group", n, before)
			}
			last[n%groups] = n
		}
	}
	slices.Sort(back)
	if !slices.Equal(back, upTo(messages)) {
		t.Errorf("%d messages came back, want %d once each", len(back), messages)
	}
	p.stop()
}

// trouble does what it is given, with restarts, until done.
func trouble(ctx context.Context, p *platform, restart func(*platform) *platform, rng *rand.Rand, do func(context.Context, *platform), done func(*platform) bool) *platform {
	for try := 0; ; try++ {
		working, stop := context.WithCancel(ctx)
		var wg sync.WaitGroup
		wg.Go(func() { do(working, p) })
		time.Sleep(time.Duration(200+rng.IntN(600)) * time.Millisecond)
		if try < 4 {
			next := restart(p)
			stop()
			wg.Wait()
			if next != p {
				p.stop()
				p.closeEngine()
			}
			p = next
			continue
		}
		stop()
		wg.Wait()
		synctest.Wait()
		if done(p) {
			return p
		}
		if try > 400 {
			p.t.Fatal("it does not come to its end")
		}
	}
}

func (p *platform) closeEngine() {
	if c, ok := p.engine.(interface{ Close() error }); ok {
		c.Close()
	}
}

// Many queues may give one dead-letter queue their messages at the same time.
func TestManySourcesOfOneDeadLetterQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := Start(t), t.Context()
		dead := p.create(ctx, "dead")
		policy := `{"deadLetterTargetArn":"arn:aws:sqs:` + region + ":" + account + `:dead","maxReceiveCount":1}`
		const sources = 100
		var all sync.WaitGroup
		for i := range sources {
			url := p.create(ctx, fmt.Sprint("work-", i), "VisibilityTimeout", "0", "RedrivePolicy", policy)
			p.send(ctx, url, strconv.Itoa(i))
			p.receive(ctx, url, 1)
			all.Go(func() { p.receive(ctx, url, 1) })
		}
		all.Wait()
		synctest.Wait()
		if got := p.counts(ctx, dead); got != [3]int{sources, 0, 0} {
			t.Errorf("the dead-letter queue counts %v, want %d messages", got, sources)
		}
		came := p.drain(ctx, dead, 2*sources)
		slices.Sort(came)
		if !slices.Equal(came, upTo(sources)) {
			t.Errorf("%d messages came out of the dead-letter queue, want %d once each", len(came), sources)
		}
		p.stop()
	})
}

func TestRedriveOnHostileEngine(t *testing.T) {
	for seed := range uint64(4) {
		t.Run("seed "+strconv.Itoa(int(seed)), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := memory.New(memory.Options{Hostile: memory.Hostile{Seed: seed + 1, Unknown: 0.05, Fenced: 0.01, Delay: time.Millisecond}})
				redrive(t, 200, func(p *platform) *platform { return p }, start(t, e, sqs.Options{}), rand.New(rand.NewPCG(seed, 0)), seed%2 == 1)
			})
		})
	}
}

func TestRedriveThroughPowerCuts(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rng := rand.New(rand.NewPCG(seed, 0))
				fs := vfs.NewCrashableMem()
				open := func() store.Engine {
					e, err := pebble.Open("data", pebble.Options{FS: fs})
					if err != nil {
						t.Fatal(err)
					}
					return e
				}
				p := start(t, open(), sqs.Options{})
				last := p
				redrive(t, 200, func(*platform) *platform {
					fs = fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(101), RNG: rng})
					last = start(t, open(), sqs.Options{})
					return last
				}, p, rng, seed%2 == 1)
				last.closeEngine()
			})
		})
	}
}
