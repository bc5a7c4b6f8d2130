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
	"sync"
	"time"
)

// workload is one operation as users count them; it may take several calls.
type workload struct {
	name string
	once func(c *connection, queueURL, body string) error
}

var (
	sends = workload{"send", func(c *connection, queueURL, body string) error {
		_, err := c.call("SendMessage", `{"QueueUrl":"`+queueURL+`","MessageBody":"`+body+`"}`)
		return err
	}}
	cycles = workload{"send+receive+delete", func(c *connection, queueURL, body string) error {
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
)

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
	name := "bench-" + strconv.FormatInt(time.Now().UnixNano(), 36)
	answer, err := setup.call("CreateQueue", `{"QueueName":"`+name+`"}`)
	if err != nil {
		return figure{}, err
	}
	queueURL, ok := field(answer, "QueueUrl")
	if !ok {
		queueURL = "http://" + p.address + "/000000000000/" + name
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
				if err = w.once(c, queueURL, body); err == nil {
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
	if _, err := setup.call("DeleteQueue", `{"QueueUrl":"`+queueURL+`"}`); err != nil {
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
	r    *bufio.Reader
	host string
	echo bool
	out  []byte
	in   []byte
}

func dial(p *process) (*connection, error) {
	c, err := net.DialTimeout("tcp", p.address, 5*time.Second)
	if err != nil {
		return nil, err
	}
	return &connection{Conn: c, r: bufio.NewReaderSize(c, 8<<10), host: p.address, echo: p.echo}, nil
}

// call makes one awsJson call of SQS and returns the answer's body, valid until the next call.
func (c *connection) call(operation, body string) ([]byte, error) {
	c.out = append(c.out[:0], "POST / HTTP/1.1\r\nHost: "...)
	c.out = append(c.out, c.host...)
	c.out = append(c.out, "\r\nContent-Type: application/x-amz-json-1.0\r\nX-Amz-Target: AmazonSQS."...)
	c.out = append(c.out, operation...)
	c.out = append(c.out, "\r\nX-Amz-Date: 20260101T000000Z\r\nAuthorization: AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/sqs/aws4_request, SignedHeaders=content-type;host;x-amz-date;x-amz-target, Signature=0000000000000000000000000000000000000000000000000000000000000000\r\nContent-Length: "...)
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
