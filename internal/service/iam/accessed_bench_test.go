package iam_test

import (
	"testing"
	"time"

	"github.com/obidos-cloud/obidos/internal/auth"
	"github.com/obidos-cloud/obidos/internal/aws"
)

// BenchmarkAccessed is what noting an access costs a request, of one that was noted lately.
func BenchmarkAccessed(b *testing.B) {
	a, ctx := newAccount(b), b.Context()
	what := auth.Access{
		Principal: aws.Principal{Account: number, ARN: root, UserID: number}, Action: "sqs:SendMessage", Region: "us-east-1", Time: time.Unix(a.now.Load(), 0),
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := a.service.Accessed(ctx, what); err != nil {
			b.Fatal(err)
		}
	}
}
