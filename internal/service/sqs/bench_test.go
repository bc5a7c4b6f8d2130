package sqs_test

import (
	"context"
	"encoding/binary"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/obidos-cloud/obidos/internal/api/sqsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/clock"
	"github.com/obidos-cloud/obidos/internal/owner"
	"github.com/obidos-cloud/obidos/internal/service/sqs"
	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/store/memory"
	"github.com/obidos-cloud/obidos/internal/store/pebble"
	"github.com/obidos-cloud/obidos/internal/store/pebble/slowsync"
	"github.com/obidos-cloud/obidos/internal/task"
	"github.com/obidos-cloud/obidos/internal/timer"
)

// bench is the service on an engine, outside a bubble.
func bench(b *testing.B, e store.Engine) (sqsapi.Service, context.Context) {
	c := clock.New()
	s := &store.Store{Engine: e, Clock: c}
	n := owner.New(s.Space("owner"), c, owner.Options{ID: "one", Alone: true})
	tasks := task.NewRunner(s.Space("task"), c, task.RunnerOptions{})
	timers := timer.New(s.Space("timer"), c, timer.Options{})
	service := sqs.New(s.Space("sqs"), n, tasks, timers, task.NewLedger(s.Space("task")), sqs.Options{})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- n.Run(ctx) }()
	b.Cleanup(func() {
		cancel()
		<-done
		c.Close()
	})
	return service, aws.WithRequest(context.Background(), request())
}

var body = strings.Repeat("0123456789abcdef", 64) // 1 KiB

// BenchmarkSend is what a send costs besides the wire and the disk.
func BenchmarkSend(b *testing.B) {
	s, ctx := bench(b, memory.New(memory.Options{}))
	out, err := s.CreateQueue(ctx, &sqsapi.CreateQueueInput{QueueName: "q"})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.SendMessage(ctx, &sqsapi.SendMessageInput{QueueUrl: out.QueueUrl.V, MessageBody: body}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCycle is a send, a receive and a delete.
func BenchmarkCycle(b *testing.B) {
	s, ctx := bench(b, memory.New(memory.Options{}))
	out, err := s.CreateQueue(ctx, &sqsapi.CreateQueueInput{QueueName: "q"})
	if err != nil {
		b.Fatal(err)
	}
	url := out.QueueUrl.V
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.SendMessage(ctx, &sqsapi.SendMessageInput{QueueUrl: url, MessageBody: body}); err != nil {
			b.Fatal(err)
		}
		got, err := s.ReceiveMessage(ctx, &sqsapi.ReceiveMessageInput{QueueUrl: url})
		if err != nil || len(got.Messages) != 1 {
			b.Fatal(err, got)
		}
		if _, err := s.DeleteMessage(ctx, &sqsapi.DeleteMessageInput{QueueUrl: url, ReceiptHandle: got.Messages[0].ReceiptHandle.V}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDurable is sends, and cycles, of 64 clients on a disk that takes a millisecond to sync, beside bare pebble's group
// commit of the same bytes.
func BenchmarkDurable(b *testing.B) {
	const clients = 64
	open := func(b *testing.B) *pebble.Engine {
		dir, err := os.MkdirTemp("/dev/shm", "sqs")
		if err != nil {
			b.Skip(err)
		}
		e, err := pebble.Open(dir, pebble.Options{FS: slowsync.New(vfs.Default, time.Millisecond)})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() {
			e.Close()
			os.RemoveAll(dir)
		})
		return e
	}
	b.Run("bare", func(b *testing.B) {
		e := open(b)
		var n atomic.Uint64
		b.SetParallelism(clients / runtime.GOMAXPROCS(0))
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				key := binary.BigEndian.AppendUint64([]byte("messages"), n.Add(1))
				if err := e.Update(context.Background(), store.UpdateOptions{}, func(tx store.Txn) error {
					tx.Set(key, []byte(body))
					return nil
				}); err != nil {
					b.Fatal(err)
				}
			}
		})
	})
	b.Run("send", func(b *testing.B) {
		s, ctx := bench(b, open(b))
		out, err := s.CreateQueue(ctx, &sqsapi.CreateQueueInput{QueueName: "q"})
		if err != nil {
			b.Fatal(err)
		}
		b.SetParallelism(clients / runtime.GOMAXPROCS(0))
		b.ReportAllocs()
		b.ResetTimer()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := s.SendMessage(ctx, &sqsapi.SendMessageInput{QueueUrl: out.QueueUrl.V, MessageBody: body}); err != nil {
					b.Fatal(err)
				}
			}
		})
	})
	b.Run("cycle", func(b *testing.B) {
		s, ctx := bench(b, open(b))
		out, err := s.CreateQueue(ctx, &sqsapi.CreateQueueInput{QueueName: "q"})
		if err != nil {
			b.Fatal(err)
		}
		url := out.QueueUrl.V
		b.SetParallelism(clients / runtime.GOMAXPROCS(0))
		b.ResetTimer()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := s.SendMessage(ctx, &sqsapi.SendMessageInput{QueueUrl: url, MessageBody: body}); err != nil {
					b.Fatal(err)
				}
				got, err := s.ReceiveMessage(ctx, &sqsapi.ReceiveMessageInput{QueueUrl: url})
				if err != nil || len(got.Messages) != 1 {
					b.Fatal(err, got)
				}
				if _, err := s.DeleteMessage(ctx, &sqsapi.DeleteMessageInput{QueueUrl: url, ReceiptHandle: got.Messages[0].ReceiptHandle.V}); err != nil {
					b.Fatal(err)
				}
			}
		})
	})
}

// BenchmarkBacklog receives from a queue with so many messages waiting.
func BenchmarkBacklog(b *testing.B) {
	for _, size := range []struct {
		name string
		n    int
	}{{"10", 10}, {"1M", 1_000_000}} {
		b.Run(size.name, func(b *testing.B) {
			s, ctx := bench(b, memory.New(memory.Options{}))
			out, err := s.CreateQueue(ctx, &sqsapi.CreateQueueInput{QueueName: "q"})
			if err != nil {
				b.Fatal(err)
			}
			url := out.QueueUrl.V
			in := &sqsapi.SendMessageBatchInput{QueueUrl: url}
			for i := range 10 {
				in.Entries = append(in.Entries, sqsapi.SendMessageBatchRequestEntry{Id: string(rune('a' + i)), MessageBody: "short"})
			}
			for n := 0; n < size.n; n += 10 {
				if _, err := s.SendMessageBatch(ctx, in); err != nil {
					b.Fatal(err)
				}
			}
			runtime.GC()
			for b.Loop() {
				got, err := s.ReceiveMessage(ctx, &sqsapi.ReceiveMessageInput{QueueUrl: url})
				if err != nil || len(got.Messages) != 1 {
					b.Fatal(err, got)
				}
				if _, err := s.DeleteMessage(ctx, &sqsapi.DeleteMessageInput{QueueUrl: url, ReceiptHandle: got.Messages[0].ReceiptHandle.V}); err != nil {
					b.Fatal(err)
				}
				if _, err := s.SendMessage(ctx, &sqsapi.SendMessageInput{QueueUrl: url, MessageBody: "short"}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
