package platform_test

import (
	"bytes"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/obidos-cloud/obidos/internal/api/iamapi"
	"github.com/obidos-cloud/obidos/internal/api/sqsapi"
	"github.com/obidos-cloud/obidos/internal/auth"
	"github.com/obidos-cloud/obidos/internal/model"
	"github.com/obidos-cloud/obidos/internal/platform"
	"github.com/obidos-cloud/obidos/internal/sigv4"
)

// discard is an answer that nobody reads.
type discard struct{ h http.Header }

func (d *discard) Header() http.Header         { return d.h }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(int)             {}

// What it costs that a SendMessage is verified and authorized: one caller, in memory, no network.
func BenchmarkSend(b *testing.B) {
	for _, mode := range []auth.Mode{auth.Open, auth.Log, auth.IAM} {
		b.Run(mode.String(), func(b *testing.B) {
			n := serve(b, open(b, platform.Options{Identity: platform.Identity{Mode: mode, RootKey: rootKey}}))
			url, err := sqsapi.Client{Invoker: asked(n, model.JSON10, rootKey.ID, rootKey.Secret)}.CreateQueue(b.Context(), &sqsapi.CreateQueueInput{QueueName: "q"})
			if err != nil {
				b.Fatal(err)
			}
			has := document{"2012-10-17", []documentStatement{
				{"Allow", []string{"sqs:ReceiveMessage", "sqs:DeleteMessage"}, []string{"arn:aws:sqs:*:*:orders-*"}},
				{"Allow", []string{"sqs:SendMessage"}, []string{"arn:aws:sqs:us-east-1:000000000000:q"}},
			}}
			key := userWith(b, iamapi.Client{Invoker: asked(n, model.Query, rootKey.ID, rootKey.Secret)}, "bob", has)
			body := []byte(`{"QueueUrl":"` + url.QueueUrl.V + `","MessageBody":"hello"}`)
			reader := bytes.NewReader(body)
			r, err := http.NewRequest(http.MethodPost, n.url+"/", nil)
			if err != nil {
				b.Fatal(err)
			}
			r.Header.Set("X-Amz-Target", "AmazonSQS.SendMessage")
			r.Header.Set("Content-Type", "application/x-amz-json-1.0")
			r.ContentLength, r.RemoteAddr, r.RequestURI = int64(len(body)), "127.0.0.1:5000", "/"
			credentials := sigv4.Credentials{AccessKey: key.AccessKeyId, Secret: key.SecretAccessKey}
			if mode == auth.Open { // a key that is not known is taken at its word
				credentials = sigv4.Credentials{AccessKey: "test", Secret: "test"}
			}
			sigv4.Sign(r, credentials, "sqs", "us-east-1", time.Now(), sigv4.Hash(body))
			w := &discard{http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				reader.Reset(body)
				r.Body = io.NopCloser(reader)
				clear(w.h)
				n.ServeHTTP(w, r)
			}
		})
	}
}
