package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// workload is one operation as users count them; it may take several calls. It is done at a place that is made before, a queue or
// a log group, and deleted after.
type workload struct {
	name string
	at   func(c *connection, name string) (place string, err error)
	drop func(c *connection, place string) error
	once func(c *connection, place, body string) error
}

// workloads are what is measured. Those that only obidos and the echo can do come last.
var (
	workloads = []workload{sends, cycles, puts}

	sends = workload{"send", newQueue, dropQueue, func(c *connection, queueURL, body string) error {
		_, err := c.call("SendMessage", `{"QueueUrl":"`+queueURL+`","MessageBody":"`+body+`"}`)
		return err
	}}
	cycles = workload{"send+receive+delete", newQueue, dropQueue, func(c *connection, queueURL, body string) error {
		if _, err := c.call("SendMessage", `{"QueueUrl":"`+queueURL+`","MessageBody":"`+body+`"}`); err != nil {
			return err
		}
		answer, err := c.call("ReceiveMessage", `{"QueueUrl":"`+queueURL+`","MaxNumberOfMessages":1}`)
		if err != nil {
			return err
		}
		handle, ok := field(answer, "ReceiptHandle")
		if !ok {
			if c.echo {
				handle = "none"
			} else {
				return nil // another connection was given this one's message and will delete it
			}
		}
		_, err = c.call("DeleteMessage", `{"QueueUrl":"`+queueURL+`","ReceiptHandle":"`+handle+`"}`)
		return err
	}}
	puts = workload{
		"put 10 log events",
		func(c *connection, name string) (string, error) {
			_, err := c.do(cloudWatchLogs, "CreateLogGroup", `{"logGroupName":"`+name+`"}`)
			return name, err
		},
		func(c *connection, group string) error {
			_, err := c.do(cloudWatchLogs, "DeleteLogGroup", `{"logGroupName":"`+group+`"}`)
			return err
		},
		func(c *connection, group, body string) error {
			place := `{"logGroupName":"` + group + `","logStreamName":"` + c.LocalAddr().String()[len("127.0.0.1:"):] + `"`
			if !c.began {
				if _, err := c.do(cloudWatchLogs, "CreateLogStream", place+"}"); err != nil {
					return err
				}
				c.began = true
			}
			now := strconv.FormatInt(time.Now().UnixMilli(), 10)
			event := `{"timestamp":` + now + `,"message":"` + body[:len(body)/10] + `"}`
			_, err := c.do(cloudWatchLogs, "PutLogEvents", place+`,"logEvents":[`+strings.Repeat(event+",", 9)+event+`]}`)
			return err
		},
	}
)

func newQueue(c *connection, name string) (string, error) {
	answer, err := c.call("CreateQueue", `{"QueueName":"`+name+`"}`)
	if err != nil {
		return "", err
	}
	queueURL, ok := field(answer, "QueueUrl")
	if !ok {
		queueURL = "http://" + c.host + "/000000000000/" + name
	}
	return queueURL, nil
}

func dropQueue(c *connection, queueURL string) error {
	_, err := c.call("DeleteQueue", `{"QueueUrl":"`+queueURL+`"}`)
	return err
}

// field is the string member name of a flat JSON answer.
func field(answer []byte, name string) (string, bool) {
	value, _, ok := nextField(answer, name)
	return value, ok
}

// nextField is field, with what stands behind it.
func nextField(answer []byte, name string) (value string, rest []byte, ok bool) {
	_, rest, ok = bytes.Cut(answer, []byte(`"`+name+`":`))
	if !ok {
		return "", nil, false
	}
	text, rest, ok := bytes.Cut(bytes.TrimLeft(rest, ` "`), []byte(`"`))
	return string(text), rest, ok
}

// load runs w on p with so many connections for d, and says what it reached.
func load(ctx context.Context, p *process, w workload, body string, connections int, d time.Duration) (figure, error) {
	setup, err := dial(p)
	if err != nil {
		return figure{}, err
	}
	defer setup.Close()
	place, err := w.at(setup, "bench-"+strconv.FormatInt(time.Now().UnixNano(), 36))
	if err != nil {
		return figure{}, err
	}

	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	var (
		all  sync.WaitGroup
		mu   sync.Mutex // guards what follows
		took []time.Duration
		bad  error
	)
	cpu, begin := p.cpu(), time.Now()
	for range connections {
		all.Go(func() {
			c, err := dial(p)
			if err == nil {
				defer c.Close()
			}
			var mine []time.Duration
			for err == nil && ctx.Err() == nil {
				start := time.Now()
				if err = w.once(c, place, body); err == nil {
					mine = append(mine, time.Since(start))
				}
			}
			mu.Lock()
			defer mu.Unlock()
			took = append(took, mine...)
			bad = errors.Join(bad, err)
		})
	}
	all.Wait()
	wall, used := time.Since(begin), p.cpu()-cpu
	if bad != nil {
		return figure{}, bad
	}
	if len(took) == 0 {
		return figure{}, errors.New("nothing was answered in time")
	}
	if err := w.drop(setup, place); err != nil {
		return figure{}, err
	}
	slices.Sort(took)
	return figure{
		perSecond: float64(len(took)) / wall.Seconds(),
		cpu:       used / time.Duration(len(took)),
		p50:       took[len(took)/2],
		p99:       took[len(took)*99/100],
	}, nil
}

// connection is one keep-alive HTTP/1.1 connection whose requests are written by hand: an SDK would cost more than the
// server that is measured.
type connection struct {
	net.Conn
	r     *bufio.Reader
	host  string
	echo  bool
	began bool // what a workload makes for each connection is there
	out   []byte
	in    []byte
}

// api is how an awsJson API is called.
type api struct{ target, service, version string }

var (
	sqs            = api{"AmazonSQS", "sqs", "1.0"}
	cloudWatchLogs = api{"Logs_20140328", "logs", "1.1"}
)

func dial(p *process) (*connection, error) {
	c, err := net.DialTimeout("tcp", p.address, 5*time.Second)
	if err != nil {
		return nil, err
	}
	return &connection{Conn: c, r: bufio.NewReaderSize(c, 8<<10), host: p.address, echo: p.echo}, nil
}

// call is do with SQS.
func (c *connection) call(operation, body string) ([]byte, error) { return c.do(sqs, operation, body) }

// do makes one call and returns the answer's body, valid until the next call.
func (c *connection) do(to api, operation, body string) ([]byte, error) {
	c.out = append(c.out[:0], "POST / HTTP/1.1\r\nHost: "...)
	c.out = append(c.out, c.host...)
	c.out = append(c.out, "\r\nContent-Type: application/x-amz-json-"...)
	c.out = append(c.out, to.version...)
	c.out = append(c.out, "\r\nX-Amz-Target: "...)
	c.out = append(c.out, to.target...)
	c.out = append(c.out, '.')
	c.out = append(c.out, operation...)
	c.out = append(c.out, "\r\nX-Amz-Date: 20260101T000000Z\r\nAuthorization: AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/"...)
	c.out = append(c.out, to.service...)
	c.out = append(c.out, "/aws4_request, SignedHeaders=content-type;host;x-amz-date;x-amz-target, Signature=0000000000000000000000000000000000000000000000000000000000000000\r\nContent-Length: "...)
	c.out = strconv.AppendInt(c.out, int64(len(body)), 10)
	c.out = append(c.out, "\r\n\r\n"...)
	c.out = append(c.out, body...)
	if _, err := c.Write(c.out); err != nil {
		return nil, err
	}
	status, err := c.r.ReadSlice('\n')
	if err != nil {
		return nil, err
	}
	good := bytes.HasPrefix(status, []byte("HTTP/1.1 200"))
	first := string(bytes.TrimSpace(status[:min(len(status), 16)]))
	length := -1
	for {
		line, err := c.r.ReadSlice('\n')
		if err != nil {
			return nil, err
		}
		if len(line) <= 2 {
			break
		}
		if name, value, _ := bytes.Cut(line, []byte(":")); bytes.EqualFold(name, []byte("Content-Length")) {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return nil, err
			}
		}
	}
	if length < 0 {
		return nil, errors.New(operation + ": the answer has no Content-Length")
	}
	c.in = slices.Grow(c.in[:0], length)[:length]
	if _, err := io.ReadFull(c.r, c.in); err != nil {
		return nil, err
	}
	if !good {
		return nil, fmt.Errorf("%s: %s: %s", operation, first, c.in)
	}
	return c.in, nil
}
