package awslocal_test

import (
	"bytes"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/obidos-cloud/obidos/internal/api"
	"github.com/obidos-cloud/obidos/internal/api/sqsapi"
	"github.com/obidos-cloud/obidos/internal/awslocal"
	"github.com/obidos-cloud/obidos/internal/model"
	"github.com/obidos-cloud/obidos/internal/sigv4"
	"github.com/obidos-cloud/obidos/internal/wire"
)

// asked is a server that answers every SQS request with answer, and remembers the last one.
func asked(t *testing.T, status int, answer string) (c *awslocal.Command, last func() string, out *bytes.Buffer) {
	t.Helper()
	var body string
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &httptest.Server{Listener: l, Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var b bytes.Buffer
		b.ReadFrom(r.Body)
		body = r.Header.Get("X-Amz-Target") + b.String()
		if !strings.Contains(r.Header.Get("Authorization"), "/eu-west-1/sqs/aws4_request") {
			body = "unsigned: " + r.Header.Get("Authorization")
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		w.WriteHeader(status)
		w.Write([]byte(answer))
	})}}
	s.Start()
	t.Cleanup(s.Close)
	out = new(bytes.Buffer)
	return &awslocal.Command{
		Services: api.All(), Endpoint: s.URL, Region: "eu-west-1", Credentials: sigv4.Credentials{AccessKey: "test", Secret: "test"},
		Client: s.Client(), Out: out,
	}, func() string { return body }, out
}

func TestWhatItCannotDoItSays(t *testing.T) {
	t.Parallel()
	c, last, _ := asked(t, 200, `{}`)
	for _, args := range []string{
		"", "sqs", "s3 cp a b", "nothing at-all", "sqs make-coffee", "sqs create-queue --queue-nam x", "sqs list-queues --output table",
		"sqs create-queue --queue-name x --attributes nonsense", "sqs create-queue --queue-name x --query a|b", "sqs create-queue --queue-name a b",
	} {
		err := c.Run(t.Context(), strings.Fields(args))
		if _, ok := errors.AsType[*awslocal.UsageError](err); !ok && !strings.Contains(args, "--query") {
			t.Errorf("%q: %v, want a refusal", args, err)
		} else if err == nil {
			t.Errorf("%q was done", args)
		}
	}
	if strings.Contains(last(), "Coffee") || strings.Contains(last(), "ListQueues") {
		t.Errorf("it asked for %s", last())
	}
	err := c.Run(t.Context(), strings.Fields("s3api create-bucket --bucket b"))
	if err == nil {
		t.Error("a service that is not there was asked")
	}
}

func TestErrorsAreTheAnswersOwn(t *testing.T) {
	t.Parallel()
	c, _, _ := asked(t, 400, `{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"The specified queue does not exist."}`)
	err := c.Run(t.Context(), strings.Fields("sqs get-queue-url --queue-name q"))
	if err == nil || !strings.Contains(err.Error(), "(AWS.SimpleQueueService.NonExistentQueue)") || !strings.Contains(err.Error(), "GetQueueUrl operation: The specified queue does not exist.") {
		t.Errorf("said %v", err)
	}
}

func TestRequests(t *testing.T) {
	t.Parallel()
	c, last, _ := asked(t, 200, `{}`)
	file := filepath.Join(t.TempDir(), "attributes.json")
	if err := os.WriteFile(file, []byte(`{"FifoQueue":"true"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		args []string
		want string
	}{
		{[]string{"sqs", "create-queue", "--queue-name", "q"}, `CreateQueue{"QueueName":"q"}`},
		{[]string{"--region", "eu-west-1", "sqs", "create-queue", "--queue-name=q", "--no-cli-pager"}, `CreateQueue{"QueueName":"q"}`},
		{[]string{"sqs", "create-queue", "--queue-name", "q", "--attributes", "VisibilityTimeout=5"}, `CreateQueue{"QueueName":"q","Attributes":{"VisibilityTimeout":"5"}}`},
		{[]string{"sqs", "create-queue", "--queue-name", "q.fifo", "--attributes", "file://" + file}, `CreateQueue{"QueueName":"q.fifo","Attributes":{"FifoQueue":"true"}}`},
		{[]string{"sqs", "create-queue", "--queue-name", "q", "--attributes", `{"DelaySeconds":"1"}`, "--tags", `a="x,y"`}, `CreateQueue{"QueueName":"q","Attributes":{"DelaySeconds":"1"},"tags":{"a":"x,y"}}`},
		{
			[]string{"sqs", "receive-message", "--queue-url", "u", "--max-number-of-messages", "3", "--attribute-names", "All", "--message-attribute-names", "a", "b"},
			`ReceiveMessage{"QueueUrl":"u","AttributeNames":["All"],"MessageAttributeNames":["a","b"],"MaxNumberOfMessages":3}`,
		},
		{
			[]string{"sqs", "send-message-batch", "--queue-url", "u", "--entries", "Id=1,MessageBody=one", `Id=2,MessageBody="a,b=c",DelaySeconds=4`},
			`SendMessageBatch{"QueueUrl":"u","Entries":[{"Id":"1","MessageBody":"one"},{"Id":"2","MessageBody":"a,b=c","DelaySeconds":4}]}`,
		},
		{[]string{"sqs", "send-message", "--cli-input-json", `{"QueueUrl":"u","MessageBody":"b"}`, "--message-body", "--", "--delay-seconds", "2"}, ""},
		{[]string{"sqs", "send-message", "--cli-input-json", `{"QueueUrl":"u","MessageBody":"b"}`, "--message-body", "mine"}, `SendMessage{"QueueUrl":"u","MessageBody":"mine"}`},
	} {
		err := c.Run(t.Context(), x.args)
		if x.want == "" {
			if err == nil {
				t.Errorf("%q was done", x.args)
			}
			continue
		}
		if got := strings.TrimPrefix(last(), "AmazonSQS."); err != nil || got != x.want {
			t.Errorf("%q: asked %s (%v), want %s", x.args, got, err, x.want)
		}
	}
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	c, _, out := asked(t, 200, `{"Messages":[{"MessageId":"1","Body":"a<b","Attributes":{"SentTimestamp":"7"}},{"MessageId":"2","Body":"two"}]}`)
	for _, x := range []struct{ options, want string }{
		{"--output text", "MESSAGES\ta<b\t1\nATTRIBUTES\t7\nMESSAGES\ttwo\t2\n"},
		{"--query Messages[1].Body --output text", "two\n"},
		{"--query Messages[-1].Body", "\"two\"\n"},
		{"--query Messages[7].Body --output text", "None\n"},
		{"--query Nothing", "null\n"},
		{"--query Messages[0].Attributes", "{\n    \"SentTimestamp\": \"7\"\n}\n"},
	} {
		out.Reset()
		if err := c.Run(t.Context(), strings.Fields("sqs receive-message --queue-url u "+x.options)); err != nil || out.String() != x.want {
			t.Errorf("%s: said %q (%v), want %q", x.options, out, err, x.want)
		}
	}
	c, _, out = asked(t, 200, `{}`)
	if err := c.Run(t.Context(), strings.Fields("sqs list-queues")); err != nil || out.Len() > 0 {
		t.Errorf("an empty answer is %q (%v), want nothing", out, err)
	}
}

func FuzzArguments(f *testing.F) {
	f.Add("sqs\ncreate-queue\n--queue-name\nq\n--attributes\na=b,c,\"d\\\"\",e='")
	f.Add("--query\na[0].b[-1]\nsqs\nlist-queues\n--output=text")
	services := []*model.Service{sqsapi.API()}
	wire.New(services...)
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "file") {
			return
		}
		c := &awslocal.Command{Services: services, Endpoint: "http://127.0.0.1:1", Region: "eu-west-1", Client: &http.Client{Transport: refuse{}}, Out: new(bytes.Buffer)}
		_ = c.Run(t.Context(), strings.Split(text, "\n"))
	})
}

// refuse sends nothing.
type refuse struct{}

func (refuse) RoundTrip(*http.Request) (*http.Response, error) { return nil, errors.New("refused") }
