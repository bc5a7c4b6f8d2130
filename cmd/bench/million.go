package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// million measures one queue with a great backlog: what a receive takes beside one from an almost empty queue, how much
// memory a waiting message costs, how soon a long poll is woken, and how soon it is all there again after a restart.
func million(ctx context.Context, s settings, dir string) error {
	fmt.Printf("a queue with %d messages of %d bytes, data in %s, %s added to each sync\n\n", s.messages, s.body, s.dir, s.syncDelay)
	srv := server{name: "obidos, durable", command: func(port int) []string {
		return []string{s.obidos, "start", "--listen", address(port), "--data", filepath.Join(dir, "million"), "--sync-delay", s.syncDelay}
	}}
	p, err := srv.start(ctx)
	if err != nil {
		return err
	}
	defer func() { p.stop() }()
	backlog, err := p.queue("backlog")
	if err != nil {
		return err
	}
	if err := p.memoryOfBacklog(ctx, s, backlog); err != nil {
		return err
	}
	if err := p.receives(ctx, s, backlog); err != nil {
		return err
	}
	if err := p.wakes(ctx); err != nil {
		return err
	}
	for _, how := range []struct {
		name string
		end  func(*process)
	}{{"a clean stop", (*process).stop}, {"kill -9", (*process).kill}} {
		var ready, first []time.Duration
		for range 5 {
			how.end(p)
			begin := time.Now()
			if p, err = srv.start(ctx); err != nil {
				return err
			}
			ready = append(ready, p.ready)
			c, err := dial(p)
			if err != nil {
				return err
			}
			// The address is a new one, the queue the same.
			answer, err := c.call("ReceiveMessage", `{"QueueUrl":"http://`+p.address+`/000000000000/backlog","VisibilityTimeout":0}`)
			if err != nil {
				return err
			}
			if _, ok := field(answer, "ReceiptHandle"); !ok {
				return errors.New("the backlog is gone after a restart")
			}
			first = append(first, time.Since(begin))
			c.Close()
		}
		slices.Sort(ready)
		slices.Sort(first)
		fmt.Printf("start after %-16s ready after %v (most %v), first message received after %v (most %v)\n", how.name,
			ready[2].Round(time.Millisecond/10), ready[4].Round(time.Millisecond/10), first[2].Round(time.Millisecond/10), first[4].Round(time.Millisecond/10))
	}
	return nil
}

// queue makes a queue and returns its URL.
func (p *process) queue(name string) (url string, err error) {
	c, err := dial(p)
	if err != nil {
		return "", err
	}
	defer c.Close()
	answer, err := c.call("CreateQueue", `{"QueueName":"`+name+`","Attributes":{"VisibilityTimeout":"600"}}`)
	if err != nil {
		return "", err
	}
	url, ok := field(answer, "QueueUrl")
	if !ok {
		return "", errors.New("no QueueUrl")
	}
	return url, nil
}

// memoryOfBacklog fills the queue. The caches are full long before half of it is there, so what the second half adds is
// what its messages cost.
func (p *process) memoryOfBacklog(ctx context.Context, s settings, url string) error {
	idle := p.settled()
	begin := time.Now()
	if err := p.fill(ctx, s, url, s.messages/2); err != nil {
		return err
	}
	took := time.Since(begin)
	half := p.settled()
	begin = time.Now()
	if err := p.fill(ctx, s, url, s.messages-s.messages/2); err != nil {
		return err
	}
	took += time.Since(begin)
	full := p.settled()
	fmt.Printf("filled in %v: %.0f messages/s in batches of ten\n", took.Round(time.Second/10), float64(s.messages)/took.Seconds())
	fmt.Printf("memory %.1f MiB idle, %.1f with half of them, %.1f with all: %.1f B for each of the second half\n",
		float64(idle)/(1<<20), float64(half)/(1<<20), float64(full)/(1<<20), float64(full-half)/float64(s.messages-s.messages/2))
	return nil
}

// settled is the memory the process holds once it has come to rest.
func (p *process) settled() int64 {
	least := int64(math.MaxInt64)
	for range 20 {
		time.Sleep(250 * time.Millisecond)
		least = min(least, p.resident())
	}
	return least
}

func (p *process) fill(ctx context.Context, s settings, url string, messages int) error {
	var entries []string
	for i := range 10 {
		entries = append(entries, `{"Id":"`+strconv.Itoa(i)+`","MessageBody":"`+strings.Repeat("x", s.body)+`"}`)
	}
	body := `{"QueueUrl":"` + url + `","Entries":[` + strings.Join(entries, ",") + `]}`
	var left atomic.Int64
	left.Store(int64(messages))
	var all sync.WaitGroup
	errs := make([]error, 16)
	for i := range errs {
		all.Go(func() {
			c, err := dial(p)
			if err != nil {
				errs[i] = err
				return
			}
			defer c.Close()
			for left.Add(-10) >= 0 && ctx.Err() == nil && errs[i] == nil {
				_, errs[i] = c.call("SendMessageBatch", body)
			}
		})
	}
	all.Wait()
	return errors.Join(append(errs, ctx.Err())...)
}

// receives receives in turn from the backlog and from a queue that is almost empty, one message and ten at a time.
func (p *process) receives(ctx context.Context, s settings, backlog string) error {
	near, err := p.queue("near")
	if err != nil {
		return err
	}
	c, err := dial(p)
	if err != nil {
		return err
	}
	defer c.Close()
	for _, n := range []int{1, 10} {
		took := [2][]time.Duration{}
		var entries []string
		for i := range n {
			entries = append(entries, `{"Id":"`+strconv.Itoa(i)+`","MessageBody":"`+strings.Repeat("x", s.body)+`"}`)
		}
		for range 3000 {
			for i, url := range []string{near, backlog} {
				if ctx.Err() != nil {
					return ctx.Err()
				}
				if _, err := c.call("SendMessageBatch", `{"QueueUrl":"`+url+`","Entries":[`+strings.Join(entries, ",")+`]}`); err != nil {
					return err
				}
				begin := time.Now()
				answer, err := c.call("ReceiveMessage", `{"QueueUrl":"`+url+`","MaxNumberOfMessages":`+strconv.Itoa(n)+`}`)
				if err != nil {
					return err
				}
				took[i] = append(took[i], time.Since(begin))
				var done []string
				for handle, rest, ok := nextField(answer, "ReceiptHandle"); ok; handle, rest, ok = nextField(rest, "ReceiptHandle") {
					done = append(done, `{"Id":"`+strconv.Itoa(len(done))+`","ReceiptHandle":"`+handle+`"}`)
				}
				if len(done) != n {
					return fmt.Errorf("received %d messages of %d", len(done), n)
				}
				if _, err := c.call("DeleteMessageBatch", `{"QueueUrl":"`+url+`","Entries":[`+strings.Join(done, ",")+`]}`); err != nil {
					return err
				}
			}
		}
		var p50, p99 [2]time.Duration
		for i := range took {
			slices.Sort(took[i])
			p50[i], p99[i] = took[i][len(took[i])/2], took[i][len(took[i])*99/100]
		}
		fmt.Printf("receive %-2d     almost empty: p50 %v, p99 %v; backlog: p50 %v, p99 %v: %.2f × the p99\n", n,
			micro(p50[0]), micro(p99[0]), micro(p50[1]), micro(p99[1]), float64(p99[1])/float64(p99[0]))
	}
	return nil
}

func micro(d time.Duration) time.Duration { return d.Round(time.Microsecond) }

// wakes measures, from the answer to a send on, how long the long poll takes that it ends.
func (p *process) wakes(ctx context.Context) error {
	url, err := p.queue("polled")
	if err != nil {
		return err
	}
	sender, err := dial(p)
	if err != nil {
		return err
	}
	defer sender.Close()
	poller, err := dial(p)
	if err != nil {
		return err
	}
	defer poller.Close()
	type answer struct {
		at  time.Time
		err error
	}
	var took []time.Duration
	for range 500 {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		answered := make(chan answer, 1)
		go func() {
			body, err := poller.call("ReceiveMessage", `{"QueueUrl":"`+url+`","WaitTimeSeconds":20}`)
			at := time.Now()
			if err == nil {
				handle, ok := field(body, "ReceiptHandle")
				if !ok {
					err = errors.New("the poll was woken for nothing")
				} else {
					_, err = poller.call("DeleteMessage", `{"QueueUrl":"`+url+`","ReceiptHandle":"`+handle+`"}`)
				}
			}
			answered <- answer{at, err}
		}()
		time.Sleep(3 * time.Millisecond) // until the poll waits
		if _, err := sender.call("SendMessage", `{"QueueUrl":"`+url+`","MessageBody":"wake up"}`); err != nil {
			return err
		}
		sent := time.Now()
		a := <-answered
		if a.err != nil {
			return a.err
		}
		took = append(took, max(0, a.at.Sub(sent)))
	}
	slices.Sort(took)
	fmt.Printf("long poll      woken %v after its message was acknowledged (p50), %v (p99)\n", micro(took[len(took)/2]), micro(took[len(took)*99/100]))
	return nil
}
