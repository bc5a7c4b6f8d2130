package sqs_test

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/obidos-cloud/obidos/internal/api/sqsapi"
	"github.com/obidos-cloud/obidos/internal/store/postgres"
	"github.com/obidos-cloud/obidos/internal/store/postgres/pgtest"
)

// BenchmarkSendPostgres sends 1 KiB messages to owned queues on a PostgreSQL server that adds 1 ms to each sync of its log, on tmpfs.
func BenchmarkSendPostgres(b *testing.B) {
	if _, err := os.Stat("/dev/shm"); err != nil {
		b.Skip(err)
	}
	server := pgtest.Start(b, pgtest.In("/dev/shm"), pgtest.SlowSync(time.Millisecond))
	for _, callers := range []int{1, 16, 64, 256} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			e, err := postgres.Open(b.Context(), server.URL(), postgres.Options{Cluster: fmt.Sprintf("bench-%d-%d", callers, b.N)})
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { e.Close() })
			s, ctx := bench(b, e)
			var queues [16]string
			for i := range queues {
				out, err := s.CreateQueue(ctx, &sqsapi.CreateQueueInput{QueueName: fmt.Sprint("q", i)})
				if err != nil {
					b.Fatal(err)
				}
				queues[i] = out.QueueUrl.V
			}
			var (
				next atomic.Int64
				wg   sync.WaitGroup
			)
			b.ReportAllocs()
			b.ResetTimer()
			for range callers {
				wg.Go(func() {
					for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
						if _, err := s.SendMessage(ctx, &sqsapi.SendMessageInput{QueueUrl: queues[n%16], MessageBody: body}); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "sends/s")
		})
	}
}
