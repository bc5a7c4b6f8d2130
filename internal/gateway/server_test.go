package gateway_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/obidos-cloud/obidos/internal/api"
	"github.com/obidos-cloud/obidos/internal/api/sqsapi"
	"github.com/obidos-cloud/obidos/internal/auth"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/gateway"
	"github.com/obidos-cloud/obidos/internal/model"
	"github.com/obidos-cloud/obidos/internal/sigv4"
	"github.com/obidos-cloud/obidos/internal/wire"
)

// door answers every operation at once, but for receives, which wait as long as they ask to.
type door struct {
	mu      sync.Mutex
	asked   []string // operations, in the order they came
	ended   []error  // of receives: why they did
	request aws.Request
}

func (d *door) Invoke(ctx context.Context, op *model.Operation, in any) (any, error) {
	d.mu.Lock()
	d.asked = append(d.asked, op.Name)
	d.request = *aws.RequestOf(ctx)
	d.mu.Unlock()
	switch in := in.(type) {
	case *sqsapi.ReceiveMessageInput:
		wait := in.WaitTimeSeconds.Or(0)
		var err error
		select {
		case <-ctx.Done():
			err = ctx.Err()
		case <-time.After(time.Duration(wait) * time.Second):
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		d.ended = append(d.ended, err)
		return &sqsapi.ReceiveMessageOutput{}, err
	case *sqsapi.DeleteQueueInput:
		return nil, errors.New("the disk hums a strange tune")
	case *sqsapi.ListQueuesInput:
		return &sqsapi.ListQueuesOutput{}, nil
	case *sqsapi.SendMessageInput:
		return &sqsapi.SendMessageOutput{MessageId: aws.Some("id")}, nil
	}
	return nil, model.Unserved(op.Service.Title, op.Name)
}

// keys is a directory of one key.
type keys struct{ auth.Directory }

const knownKey = "AKIDKNOWN"

func (keys) AccessKey(_ context.Context, id string) (auth.AccessKey, bool, error) {
	return auth.AccessKey{Secret: "secret", Account: "111122223333", ARN: "arn:aws:iam::111122223333:user/u"}, id == knownKey, nil
}

// world is a server behind connections without a network.
type world struct {
	t      *testing.T
	door   door
	log    bytes.Buffer
	server *gateway.Server
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newServer(w *world) *gateway.Server {
	return &gateway.Server{
		Wire: wire.New(api.All()...), Auth: auth.New(auth.Options{Directory: keys{}}), Door: &w.door, Admin: http.NotFoundHandler(),
		Log: slog.New(slog.NewTextHandler(&w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
}

// serve runs a server inside the bubble that t is in. It has ended, with all its goroutines, before the test does: a bubble
// does not end otherwise.
func serve(t *testing.T) *world {
	w := &world{t: t, conns: make(chan net.Conn), closed: make(chan struct{})}
	w.server = newServer(w)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- gateway.Serve(ctx, w, gateway.HTTP(w.server, w.server.Log), &gateway.Certificates{}) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("serving ended with %v", err)
		}
		if strings.Contains(w.log.String(), "panic") {
			t.Errorf("something panicked:\n%s", w.log.String())
		}
	})
	return w
}

func (w *world) Accept() (net.Conn, error) {
	select {
	case c := <-w.conns:
		return c, nil
	case <-w.closed:
		return nil, net.ErrClosed
	}
}

func (w *world) Close() error {
	w.once.Do(func() { close(w.closed) })
	return nil
}

func (w *world) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 4566} }

// dial connects, and hangs up when the test ends.
func (w *world) dial() net.Conn {
	theirs, ours := net.Pipe()
	w.conns <- theirs
	w.t.Cleanup(func() { ours.Close() })
	return ours
}

// answerOf reads one answer; nil where the connection was closed instead.
func answerOf(t *testing.T, c net.Conn) (status int, header http.Header, body string) {
	t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0, nil, ""
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Errorf("the answer breaks off: %v", err)
	}
	return resp.StatusCode, resp.Header, string(text)
}

const send = "POST / HTTP/1.1\r\nHost: localhost\r\nX-Amz-Target: AmazonSQS.SendMessage\r\nContent-Type: application/x-amz-json-1.0\r\n"

func TestSlowClientsAreCutOff(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		head   string        // sent at once
		drip   string        // then sent byte by byte
		within time.Duration // the server is done with it
		status int           // 0: closed without an answer
	}{
		{"says nothing", "", "", 2*time.Minute + time.Second, 0},
		{"headers that do not end", "POST / HTTP/1.1\r\n", "X-A: 1\r\nX-B: 2\r\nX-C: 3\r\nX-D: 4\r\n\r\n", 21 * time.Second, 0},
		{"a body that never comes", send + "Content-Length: 100\r\n\r\n", "", 21 * time.Second, 400},
		{"a body that drips", send + "Content-Length: 60\r\n\r\n", strings.Repeat("x", 60), 21 * time.Second, 400},
		{"chunks that never end", send + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "", 21 * time.Second, 400},
		{"half of a TLS handshake", "\x16\x03\x01\x02\x00", "", 6 * time.Minute, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := serve(t)
				conn, begin := w.dial(), time.Now()
				sent := make(chan struct{})
				go func() {
					defer close(sent)
					if _, err := io.WriteString(conn, c.head); err != nil {
						return
					}
					for i := range len(c.drip) {
						time.Sleep(700 * time.Millisecond) // never at the very moment of a deadline
						if _, err := io.WriteString(conn, c.drip[i:i+1]); err != nil {
							return
						}
					}
				}()
				status, _, body := answerOf(t, conn)
				if status != c.status {
					t.Errorf("answered %d, want %d: %s", status, c.status, body)
				}
				io.Copy(io.Discard, conn) // until it is closed
				if took := time.Since(begin); took > c.within {
					t.Errorf("held on for %v, want at most %v", took, c.within)
				}
				conn.Close()
				<-sent
			})
		})
	}
}

func TestALongBodyMayTakeLonger(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := serve(t)
		conn := w.dial()
		message := strings.Repeat("x", 1<<20-100)
		go func() {
			fmt.Fprintf(conn, "%sContent-Length: %d\r\n\r\n", send, len(message)+50)
			text := fmt.Sprintf(`{"QueueUrl":"http://localhost/1/q","MessageBody":"%s"}`, message)
			text = text[:len(message)+48] + `"}`
			for part := range 40 { // 40 s at 26 KB/s
				time.Sleep(time.Second)
				size := len(text) / 40
				end := (part + 1) * size
				if part == 39 {
					end = len(text)
				}
				if _, err := io.WriteString(conn, text[part*size:end]); err != nil {
					return
				}
			}
		}()
		if status, _, body := answerOf(t, conn); status != 200 {
			t.Errorf("answered %d: %s", status, body)
		}
	})
}

func TestAClientThatDoesNotReadIsLetGo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := serve(t)
		conn := w.dial()
		io.WriteString(conn, send+"Content-Length: 2\r\n\r\n{}")
		time.Sleep(2 * time.Minute) // the answer, or a part of it, fills what a network would hold
		if n, err := io.Copy(io.Discard, conn); err != nil || n > 0 {
			t.Errorf("read %d bytes, %v; want a closed connection", n, err)
		}
	})
}

func TestLongPollEndsWithItsClient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := serve(t)
		conn, begin := w.dial(), time.Now()
		text := `{"QueueUrl":"http://localhost/1/q","WaitTimeSeconds":20}`
		fmt.Fprintf(conn, "%sContent-Length: %d\r\n\r\n%s", strings.Replace(send, "Send", "Receive", 1), len(text), text)
		synctest.Wait()
		time.Sleep(3 * time.Second)
		conn.Close()
		synctest.Wait()
		w.door.mu.Lock()
		defer w.door.mu.Unlock()
		if len(w.door.ended) != 1 || !errors.Is(w.door.ended[0], context.Canceled) || time.Since(begin) != 3*time.Second {
			t.Errorf("after %v the poll ended with %v", time.Since(begin), w.door.ended)
		}
		if strings.Contains(w.log.String(), "level=ERROR") {
			t.Errorf("a client that went away is no error of ours:\n%s", w.log.String())
		}
	})
}

func TestLongPollOutlivesTheTimeForBodies(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := serve(t)
		conn := w.dial()
		for range 3 { // on one connection: no deadline of an earlier request may be left
			text := `{"QueueUrl":"http://localhost/1/q","WaitTimeSeconds":20}`
			go fmt.Fprintf(conn, "%sContent-Length: %d\r\n\r\n%s", strings.Replace(send, "Send", "Receive", 1), len(text), text)
			if status, _, body := answerOf(t, conn); status != 200 {
				t.Fatalf("answered %d: %s", status, body)
			}
		}
	})
}

// ask makes one request of a server without connections.
func ask(s http.Handler, method, target, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://localhost:4566"+target, strings.NewReader(body))
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	rec := httptest.NewRecorder()
	s.ServeHTTP(rec, r)
	return rec
}

const claim = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/%s/aws4_request, SignedHeaders=host, Signature=00"

func TestBadInputIsAnsweredInItsProtocol(t *testing.T) {
	t.Parallel()
	w := &world{t: t}
	s := newServer(w)
	sqsJSON := []string{"X-Amz-Target", "AmazonSQS.SendMessage", "Content-Type", "application/x-amz-json-1.0"}
	form := []string{"Content-Type", "application/x-www-form-urlencoded"}
	signedFor := func(service string, more ...string) []string {
		return append([]string{"Authorization", fmt.Sprintf(claim, service)}, more...)
	}
	for _, c := range []struct {
		name           string
		method, target string
		body           string
		headers        []string
		status         int
		contains       string
	}{
		{"JSON that ends early", "POST", "/", `{"QueueUrl":`, sqsJSON, 400, `SerializationException`},
		{"JSON that is no object", "POST", "/", `[1,2]`, sqsJSON, 400, `SerializationException`},
		{"JSON of another type", "POST", "/", `{"QueueUrl":{"a":1}}`, sqsJSON, 400, `SerializationException`},
		{"JSON that is not UTF-8", "POST", "/", "{\"QueueUrl\":\"\xff\xfe\"}", sqsJSON, 400, `__type`},
		{"JSON nested without end", "POST", "/", strings.Repeat(`{"a":`, 100_000), sqsJSON, 400, `__type`},
		{"members nobody knows", "POST", "/", `{"QueueUrl":"http://localhost/1/q","MessageBody":"a","Colour":{"red":[1,{}]}}`, sqsJSON, 200, `MessageId`},
		{"gzip that is none", "POST", "/", `{}`, append([]string{"Content-Encoding", "gzip"}, sqsJSON...), 400, `__type`},
		{"more than any body may hold", "POST", "/", strings.Repeat("x", 64<<20), sqsJSON, 413, ``},
		{"an operation nobody knows", "POST", "/", `{}`, []string{"X-Amz-Target", "AmazonSQS.FryMessage"}, 400, `UnknownOperationException`},
		{"a service nobody knows", "POST", "/", `{}`, []string{"X-Amz-Target", "AmazonFish.Fry", "Content-Type", "application/x-amz-json-1.1"}, 400, ``},
		{"a form with broken escapes", "POST", "/", "Action=SendMessage&QueueUrl=%zz", signedFor("sqs", form...), 404, `<Error>`},
		{"a form without an action", "POST", "/", "Fish=fried", signedFor("sqs", form...), 404, `<UnknownOperationException/>`},
		{"a form with another action", "POST", "/", "Action=FryMessage", signedFor("sqs", form...), 400, `InvalidAction`},
		{"a form with an index beyond all", "POST", "/", "Action=SendMessageBatch&SendMessageBatchRequestEntry.99999999999.Id=a", signedFor("sqs", form...), 400, `<Error>`},
		{"CBOR that ends early", "POST", "/service/GraniteServiceVersion20100801/operation/ListMetrics", "\xbf\x61", []string{"Smithy-Protocol", "rpc-v2-cbor"}, 501, ``},
		{"CBOR for a service nobody knows", "POST", "/service/Fish/operation/Fry", "\xa0", []string{"Smithy-Protocol", "rpc-v2-cbor"}, 400, `UnknownOperationException`},
		{"another Smithy protocol", "POST", "/service/Fish/operation/Fry", "{}", []string{"Smithy-Protocol", "rpc-v9"}, 400, `UnknownOperationException`},
		{"a service not served, in JSON", "POST", "/", `{}`, []string{"X-Amz-Target", "DynamoDB_20120810.ListTables"}, 501, `ListTables`},
		{"a service not served, in XML", "GET", "/bucket?location", "", signedFor("s3"), 501, `<Error>`},
		{"a service not served, in REST JSON", "GET", "/2015-03-31/functions/", "", signedFor("lambda"), 501, `ListFunctions`},
		{"a service not served, in EC2's query", "POST", "/", "Action=DescribeInstances&Version=2016-11-15", signedFor("ec2", form...), 501, `<Errors>`},
		{"nothing anybody knows", "GET", "/", "", nil, 501, ``},
	} {
		t.Run(c.name, func(t *testing.T) {
			rec := ask(s, c.method, c.target, c.body, c.headers...)
			if rec.Code != c.status || !strings.Contains(rec.Body.String(), c.contains) {
				t.Errorf("answered %d, want %d with %q: %v %.300s", rec.Code, c.status, c.contains, rec.Header(), rec.Body)
			}
			if rec.Header().Get("X-Amzn-Requestid") == "" {
				t.Errorf("no request id: %v", rec.Header())
			}
		})
	}
	if log := w.log.String(); strings.Contains(log, "level=ERROR") || strings.Contains(log, "panic") {
		t.Errorf("what clients get wrong is no error of ours:\n%.2000s", log)
	}
}

func TestAFailureOfOursIsLoggedOnceAndToldWithItsID(t *testing.T) {
	t.Parallel()
	w := &world{t: t}
	rec := ask(newServer(w), "POST", "/", `{"QueueUrl":"http://localhost/1/q"}`, "X-Amz-Target", "AmazonSQS.DeleteQueue")
	id := rec.Header().Get("X-Amzn-Requestid")
	if rec.Code != 500 || strings.Contains(rec.Body.String(), "tune") || len(id) != 36 {
		t.Errorf("answered %d, id %q: %s", rec.Code, id, rec.Body)
	}
	if log := w.log.String(); strings.Count(log, "level=ERROR") != 1 || !strings.Contains(log, "strange tune") || !strings.Contains(log, id) {
		t.Errorf("the log says\n%s", log)
	}
}

func TestOneLineForEachRequest(t *testing.T) {
	t.Parallel()
	w := &world{t: t}
	ask(newServer(w), "POST", "/", `{}`, "X-Amz-Target", "AmazonSQS.ListQueues", "Authorization", fmt.Sprintf(claim, "sqs"))
	log := w.log.String()
	if strings.Count(log, "\n") != 1 || !strings.Contains(log, "operation=sqs:ListQueues") || !strings.Contains(log, "s account=000000000000 region=us-east-1") {
		t.Errorf("the log says\n%s", log)
	}
}

// signed is a request of a client that has the key in the directory, or pretends to.
func signed(s http.Handler, secret string, at time.Time, change func(r *http.Request)) *httptest.ResponseRecorder {
	body := `{"QueueUrl":"http://localhost/1/q","MessageBody":"a"}`
	r := httptest.NewRequest("POST", "http://localhost:4566/", strings.NewReader(body))
	r.Header.Set("X-Amz-Target", "AmazonSQS.SendMessage")
	r.Header.Set("Content-Type", "application/x-amz-json-1.0")
	sigv4.Sign(r, sigv4.Credentials{AccessKey: knownKey, Secret: secret}, "sqs", "eu-west-1", at, sigv4.Hash([]byte(body)))
	change(r)
	rec := httptest.NewRecorder()
	s.ServeHTTP(rec, r)
	return rec
}

func TestKnownKeysMustSignWell(t *testing.T) {
	t.Parallel()
	unchanged := func(*http.Request) {}
	for _, c := range []struct {
		name     string
		secret   string
		off      time.Duration
		change   func(r *http.Request)
		status   int
		contains string
	}{
		{"as it should be", "secret", 0, unchanged, 200, "MessageId"},
		{"with another secret", "sekret", 0, unchanged, 403, "The request signature we calculated does not match"},
		{"for another body", "secret", 0, func(r *http.Request) {
			r.Body = io.NopCloser(strings.NewReader(`{"QueueUrl":"http://localhost/1/q","MessageBody":"b"}`))
		}, 403, "The request signature we calculated does not match"},
		{"for another operation", "secret", 0, func(r *http.Request) { r.Header.Set("X-Amz-Target", "AmazonSQS.PurgeQueue") }, 403, "The request signature"},
		{"for another service", "secret", 0, func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "/sqs/", "/sns/", 1))
		}, 403, ""},
		{"an hour ago", "secret", -time.Hour, unchanged, 403, "Signature expired"},
		{"in an hour", "secret", time.Hour, unchanged, 403, "Signature not yet current"},
		{"within the skew that is allowed", "secret", -14 * time.Minute, unchanged, 200, "MessageId"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := &world{t: t}
			rec := signed(newServer(w), c.secret, time.Now().Add(c.off), c.change)
			if rec.Code != c.status || !strings.Contains(rec.Body.String(), c.contains) {
				t.Errorf("answered %d, want %d with %q: %s", rec.Code, c.status, c.contains, rec.Body)
			}
			if (len(w.door.asked) > 0) != (c.status == 200) {
				t.Errorf("performed %v", w.door.asked)
			}
			if c.status == 200 && (w.door.request.Account != "111122223333" || w.door.request.Region != "eu-west-1") {
				t.Errorf("performed as %+v", w.door.request)
			}
		})
	}
}

func TestWhatTheRequestTellsTheOperation(t *testing.T) {
	t.Parallel()
	w := &world{t: t}
	s := newServer(w)
	ask(s, "POST", "/", `{}`, "X-Amz-Target", "AmazonSQS.ListQueues", "Authorization", strings.Replace(fmt.Sprintf(claim, "sqs"), "test/", "123456789012/", 1), "User-Agent", "fish/1")
	if r := w.door.request; r.Account != "123456789012" || r.Region != "us-east-1" || r.Endpoint != "http://localhost:4566" || r.SourceIP != "192.0.2.1" || r.UserAgent != "fish/1" || r.Query {
		t.Errorf("the request is %+v", r)
	}
	for header, want := range map[string]string{
		"Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1": "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1",
		"nonsense": "", "Root=1-5759e988-bd862e3fe1be46a994272793;Lineage=" + strings.Repeat("x", 1<<10): "",
	} {
		ask(s, "POST", "/", `{}`, "X-Amz-Target", "AmazonSQS.ListQueues", "X-Amzn-Trace-Id", header)
		if got := w.door.request.XRay; got != want {
			t.Errorf("of the trace header %.40q the operation is told %q", header, got)
		}
	}
	s.PublicURL = "https://obidos.example.com/aws"
	ask(s, "POST", "/", "Action=ListQueues", "Content-Type", "application/x-www-form-urlencoded", "Authorization", fmt.Sprintf(claim, "sqs"))
	if r := w.door.request; r.Endpoint != s.PublicURL || !r.Query {
		t.Errorf("the request is %+v", r)
	}
}

func TestOurEndpointsAreForThisMachine(t *testing.T) {
	t.Parallel()
	w := &world{t: t}
	s := newServer(w)
	s.Admin = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	for _, c := range []struct {
		method, path, from string
		want               int
	}{
		{"POST", "/_obidos/reset", "127.0.0.1:1234", http.StatusTeapot},
		{"POST", "/_obidos/reset", "[::1]:1234", http.StatusTeapot},
		{"POST", "/_obidos/reset", "192.0.2.1:1234", http.StatusForbidden},
		{"GET", "/_obidos/faults", "192.0.2.1:1234", http.StatusForbidden},
		{"GET", "/_obidos/health", "192.0.2.1:1234", http.StatusTeapot},
		{"POST", "/_obidos/health", "192.0.2.1:1234", http.StatusForbidden},
		{"GET", "/_localstack/health", "192.0.2.1:1234", http.StatusTeapot},
		{"GET", "/_obidos/metrics", "192.0.2.1:1234", http.StatusTeapot},
	} {
		r := httptest.NewRequest(c.method, "http://localhost:4566"+c.path, nil)
		r.RemoteAddr = c.from
		rec := httptest.NewRecorder()
		s.ServeHTTP(rec, r)
		if rec.Code != c.want {
			t.Errorf("%s %s from %s: answered %d, want %d", c.method, c.path, c.from, rec.Code, c.want)
		}
	}
}

func TestAPageThatMayCallReadsTheAnswer(t *testing.T) {
	t.Parallel()
	w := &world{t: t}
	s := newServer(w)
	rec := ask(s, "OPTIONS", "/", "", "Origin", "http://localhost:3000", "Access-Control-Request-Method", "POST",
		"Access-Control-Request-Headers", "amz-sdk-invocation-id,amz-sdk-request,authorization,content-type,x-amz-content-sha256,x-amz-date,x-amz-target,x-amz-user-agent")
	if rec.Code != http.StatusNoContent || !strings.Contains(rec.Header().Get("Access-Control-Allow-Headers"), "amz-sdk-invocation-id") {
		t.Errorf("the preflight is answered %d %v", rec.Code, rec.Header())
	}
	rec = ask(s, "POST", "/", `{"QueueUrl":"q"}`, "Origin", "http://localhost:3000", "X-Amz-Target", "AmazonSQS.DeleteQueue")
	if h := rec.Header(); h.Get("Access-Control-Allow-Origin") != "http://localhost:3000" || !strings.Contains(h.Get("Access-Control-Expose-Headers"), "x-amzn-RequestId") {
		t.Errorf("an error is answered with %v: the page sees none of it", h)
	}
}

// FuzzRequest looks for what brings the server down.
func FuzzRequest(f *testing.F) {
	auths := fmt.Sprintf(claim, "sqs")
	for _, seed := range []struct{ method, target, amz, content, authorization, smithy, body string }{
		{"POST", "/", "AmazonSQS.SendMessage", "application/x-amz-json-1.0", auths, "", `{"QueueUrl":"http://localhost/1/q","MessageBody":"a"}`},
		{"POST", "/", "", "application/x-www-form-urlencoded", auths, "", "Action=SendMessage&QueueUrl=q&MessageBody=a&MessageAttribute.1.Name=n"},
		{"GET", "/?Action=ListQueues&X-Amz-Credential=a/b/c/d/e", "", "", "", "", ""},
		{"POST", "/service/SQS/operation/SendMessage", "", "application/cbor", auths, "rpc-v2-cbor", "\xbf\x61a\x01\xff"},
		{"PUT", "/bucket/key?partNumber=1", "", "", fmt.Sprintf(claim, "s3"), "", "x"},
		{"POST", "/2015-03-31/functions/f/invocations", "", "application/json", fmt.Sprintf(claim, "lambda"), "", "{}"},
		{"POST", "/000000000000/q", "", "application/x-www-form-urlencoded", "", "", "Action=ReceiveMessage"},
		{"POST", "/", "Kinesis_20131202.PutRecord", "application/x-amz-cbor-1.1", "", "", "\xa0"},
	} {
		f.Add(seed.method, seed.target, seed.amz, seed.content, seed.authorization, seed.smithy, seed.body)
	}
	w := &world{}
	s := newServer(w)
	s.Log = slog.New(slog.DiscardHandler)
	f.Fuzz(func(t *testing.T, method, target, amz, content, authorization, smithy, body string) {
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(fmt.Sprintf("%s %s HTTP/1.1\r\nHost: localhost\r\n\r\n", method, target))))
		if err != nil {
			t.Skip()
		}
		for name, value := range map[string]string{"X-Amz-Target": amz, "Content-Type": content, "Authorization": authorization, "Smithy-Protocol": smithy} {
			if value != "" {
				r.Header.Set(name, value)
			}
		}
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // nobody waits for a long poll
		rec := httptest.NewRecorder()
		defer func() {
			if v := recover(); v != nil && v != http.ErrAbortHandler {
				panic(v)
			}
		}()
		s.ServeHTTP(rec, r.WithContext(ctx))
		if rec.Code/100 == 5 && rec.Code != http.StatusNotImplemented && rec.Code != 500 {
			t.Errorf("answered %d: %s", rec.Code, rec.Body)
		}
	})
}

// Where requests are authorized, our own endpoints are for signed requests of those who may use them.
func TestOwnEndpointsAskWhoItIs(t *testing.T) {
	var asked string
	s := &gateway.Server{
		Auth: auth.New(auth.Options{Mode: auth.IAM, Directory: keys{}}), Log: slog.New(slog.DiscardHandler),
		Admin: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }),
		Permit: func(ctx context.Context, action string) error {
			asked = aws.RequestOf(ctx).Principal.ARN + " " + action
			if strings.HasPrefix(action, "obidos:Change") {
				return errors.New("it may not")
			}
			return nil
		},
	}
	for _, c := range []struct {
		name, method, path, secret string
		status                     int
		asked                      string
	}{
		{"unsigned", "GET", "/_obidos/clock", "", 403, ""},
		{"a wrong secret", "GET", "/_obidos/clock", "guess", 403, ""},
		{"who may", "GET", "/_obidos/clock", "secret", 204, "arn:aws:iam::111122223333:user/u obidos:ReadClock"},
		{"who may not", "POST", "/_obidos/clock", "secret", 403, "arn:aws:iam::111122223333:user/u obidos:ChangeClock"},
		{"a path below", "DELETE", "/_obidos/snapshots/base", "secret", 403, "arn:aws:iam::111122223333:user/u obidos:ChangeSnapshots"},
		{"LocalStack's", "POST", "/_localstack/state/reset", "", 403, ""},
		{"what all may know", "GET", "/_obidos/health", "", 204, ""},
	} {
		asked = ""
		r := httptest.NewRequest(c.method, "http://localhost:4566"+c.path, strings.NewReader("{}"))
		r.RemoteAddr = "127.0.0.1:5000"
		if c.secret != "" {
			sigv4.Sign(r, sigv4.Credentials{AccessKey: knownKey, Secret: c.secret}, "obidos", "us-east-1", time.Now(), sigv4.Hash([]byte("{}")))
		}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code != c.status || asked != c.asked {
			t.Errorf("%s: %d %s, asked %q", c.name, w.Code, w.Body, asked)
		}
	}
}
