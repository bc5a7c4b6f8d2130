package crash

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// smallDisk is a directory on a disk of so many MiB.
func smallDisk(t *testing.T, mib int) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%dm", mib)); err != nil {
		t.Skipf("needs root: a disk small enough to fill is a tmpfs, and mounting one says: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return dir
}

// A disk fills up under load: sends are refused with an answer that says what is missing where, deletes give room back, and
// it goes on; also where it is killed and started again meanwhile.
func TestFullDiskLosesNothingAcknowledged(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	dir := smallDisk(t, 2*smallRoom)
	s := newServer(t, filepath.Join(dir, "data"))
	s.small = true
	c := newCallers(1, 0)
	c.lead(s.url(), s.newClient())
	s.start(t)
	defer func() { s.kill(t) }()
	s.ready(ctx, t, c.door)
	c.prepare(ctx, t)
	big, bigFifo := &queue{name: "big"}, &queue{name: "big.fifo", fifo: true}
	c.drained = append(c.drained[:len(c.drained):len(c.drained)], big, bigFifo)
	for _, q := range []*queue{big, bigFifo} {
		attributes := object{"VisibilityTimeout": "5"}
		if q.fifo {
			attributes["FifoQueue"] = "true"
		}
		if err := c.call(ctx, "CreateQueue", object{"QueueName": q.name, "Attributes": attributes}, nil); err != nil {
			t.Fatal(err)
		}
	}

	c.begin(ctx)
	if refusals := c.fill(ctx, big, bigFifo); refusals < 100 {
		t.Fatalf("the disk did not fill up: %d MiB are free", free(t, dir)>>20)
	}
	c.end()
	other := filepath.Join(dir, "other")
	leave(t, other, smallRoom<<20*3/4) // lest a compaction makes room now
	c.fill(ctx, big)
	if !strings.Contains(c.told, "disk full: "+dir) || !strings.Contains(c.told, "free at least") {
		t.Errorf("a full disk is answered with %q, which should name %s and what is missing", c.told, dir)
	}
	if text, status := query(ctx, t, s, big); status != 503 || !strings.Contains(text, "<Code>ServiceUnavailable</Code>") || !strings.Contains(text, "disk full: "+dir) {
		t.Errorf("the query protocol says %d %s", status, text)
	}

	s.kill(t) // and it starts on a full disk
	s.start(t)
	t.Logf("with %d MiB free, ready again after %v", free(t, dir)>>20, s.ready(ctx, t, c.door))
	rng := rand.New(rand.NewPCG(1, 0))
	start := time.Now()
	for ok := true; ok; { // what was left to compact gives room back for a while
		if time.Since(start) > 30*time.Second {
			t.Fatalf("after a restart the disk is not full any more; %d MiB are free:%s", free(t, dir)>>20, files(dir))
		}
		leave(t, other, smallRoom<<20*3/4)
		_, ok = c.sendBig(ctx, big, rng)
	}

	// Consumers make room, although others keep sending.
	var sending sync.WaitGroup
	enough := make(chan struct{})
	for i := range 4 {
		rng := rand.New(rand.NewPCG(2, uint64(i)))
		sending.Go(func() {
			for {
				select {
				case <-enough:
					return
				case <-time.After(time.Millisecond):
					c.sendBig(ctx, big, rng)
				}
			}
		})
	}
	taken, before := 0, c.full.Load()
	start = time.Now()
	for n := 1; n > 0 && time.Since(start) < 2*time.Second; taken += n {
		n = c.take(ctx, t, bigFifo, 20) + c.take(ctx, t, big, 20)
	}
	close(enough)
	sending.Wait()
	t.Logf("took %d messages in %v, while others sent; refused %d times for want of room", taken, time.Since(start), c.full.Load()-before)
	for c.take(ctx, t, big, 100)+c.take(ctx, t, bigFifo, 100) > 0 {
	}
	start = time.Now()
	for _, ok := c.sendBig(ctx, big, rng); !ok; _, ok = c.sendBig(ctx, big, rng) {
		if time.Since(start) > 20*time.Second {
			t.Fatalf("it does not go on, though all is deleted; %d MiB are free:%s\n%s", free(t, dir)>>20, files(dir), s.out.last())
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Logf("it went on %v after the last delete, with %d MiB free", time.Since(start), free(t, dir)>>20)

	// Somebody else takes all there is.
	c.h.doubt(true)
	c.begin(ctx)
	if err := writeFile(other, 2*smallRoom<<20); err == nil {
		t.Error("the disk has room for all that")
	}
	time.Sleep(time.Second)
	if err := os.Remove(other); err != nil {
		t.Error(err)
	}
	start = time.Now()
	for _, ok := c.sendBig(ctx, big, rng); !ok; _, ok = c.sendBig(ctx, big, rng) {
		if time.Since(start) > 20*time.Second {
			t.Fatalf("it does not go on, though there is room again: %d MiB\n%s", free(t, dir)>>20, s.out.last())
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Logf("it went on %v after there was room again", time.Since(start))
	c.end()
	c.verify(ctx, t, s.pass(ctx, t, c.door))
}

// fill sends large messages until some were refused.
func (c *callers) fill(ctx context.Context, queues ...*queue) (refusals int64) {
	var n atomic.Int64
	var all sync.WaitGroup
	for i := range 6 {
		rng := rand.New(rand.NewPCG(9, uint64(i)))
		all.Go(func() {
			for start := time.Now(); time.Since(start) < time.Minute && n.Load() < 100; {
				if _, ok := c.sendBig(ctx, queues[rng.IntN(len(queues))], rng); !ok {
					n.Add(1)
					time.Sleep(time.Millisecond)
				}
			}
		})
	}
	all.Wait()
	return n.Load()
}

// noise is text that cannot be compressed.
func noise(rng *rand.Rand, n int) string {
	b := make([]byte, 0, n+8)
	for len(b) < n {
		b = binary.LittleEndian.AppendUint64(b, rng.Uint64())
	}
	return base64.StdEncoding.EncodeToString(b[:n*3/4])
}

func (c *callers) sendBig(ctx context.Context, q *queue, rng *rand.Rand) (name string, ok bool) {
	name = c.name(q, "", rng)
	in := object{"QueueUrl": q.url(), "MessageBody": sealed(name + " " + noise(rng, 100_000))}
	if q.fifo {
		in["MessageGroupId"], in["MessageDeduplicationId"] = name, name
	}
	c.h.sending(q, name, name)
	var out sent
	one := c.h.begin()
	err := c.call(ctx, "SendMessage", in, &out)
	if isFull(err) {
		c.mu.Lock()
		c.told = err.Error()
		c.mu.Unlock()
	}
	return name, one.sent(name, out, err)
}

// take receives and deletes up to n messages, on a disk that may be full.
func (c *callers) take(ctx context.Context, t *testing.T, q *queue, n int) (taken int) {
	t.Helper()
	for empty := 0; taken < n && empty < 3; {
		var out struct{ Messages []message }
		one := c.h.begin()
		err := c.insist(func() error {
			return c.call(ctx, "ReceiveMessage", object{"QueueUrl": q.url(), "MaxNumberOfMessages": 10}, &out)
		})
		if err != nil {
			t.Fatalf("receive from %s on a full disk: %v", q.name, err)
		}
		if !one.received(q, out.Messages, err) || len(out.Messages) == 0 {
			empty++
			continue
		}
		for _, m := range out.Messages {
			c.h.deleting(m.name())
			two := c.h.begin()
			err := c.insist(func() error {
				return c.call(ctx, "DeleteMessage", object{"QueueUrl": q.url(), "ReceiptHandle": m.ReceiptHandle}, nil)
			})
			two.deleted(m.name(), one.start, time.Minute, err)
			if err != nil {
				t.Fatalf("delete from %s on a full disk: %v", q.name, err)
			}
			taken++
		}
	}
	return taken
}

// insist makes a call that a full disk must not refuse for long: only while what is being tidied up takes the last of it.
func (c *callers) insist(call func() error) (err error) {
	for start := time.Now(); time.Since(start) < 10*time.Second; time.Sleep(5 * time.Millisecond) {
		if err = call(); !isFull(err) {
			break
		}
		c.full.Add(1)
	}
	return err
}

func free(t *testing.T, dir string) int64 {
	t.Helper()
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		t.Fatal(err)
	}
	return int64(s.Bavail) * s.Bsize
}

// leave has a file take what is free on its disk, but for so many bytes, and returns when that stays so: the server tidies up
// in the background.
func leave(t *testing.T, name string, bytes int64) {
	t.Helper()
	for steady := 0; steady < 4; steady++ {
		more := free(t, filepath.Dir(name)) - bytes
		if more > 2<<20 || more < -2<<20 {
			steady = 0
			if info, err := os.Stat(name); err == nil {
				more += info.Size()
			}
			if err := writeFile(name, more); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(150 * time.Millisecond)
	}
}

// files are those below dir that have a size worth naming.
func files(dir string) (list string) {
	filepath.WalkDir(dir, func(p string, d os.DirEntry, _ error) error {
		if info, err := d.Info(); err == nil && info.Size() > 100<<10 {
			list += fmt.Sprintf(" %s %d KiB,", strings.TrimPrefix(p, dir), info.Size()>>10)
		}
		return nil
	})
	return list
}

func writeFile(name string, size int64) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	block := make([]byte, 1<<20)
	for ; size > 0; size -= int64(len(block)) {
		if _, err := f.Write(block); err != nil {
			return err
		}
	}
	return nil
}
