package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/obidos-cloud/obidos/internal/platform"
)

func demoCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "demo",
		Short: "Start obidos on a free port, run queues through their lives, and say how to do it oneself",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return demo(c.Context(), c.OutOrStdout()) },
	}
}

// demo runs a whole obidos in a temporary directory and tells what it does.
func demo(ctx context.Context, out io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "obidos-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	begin := time.Now()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	p, err := platform.Open(platform.Options{Data: dir, Version: version, Logger: newLogger(os.Stderr, "warn", "auto")})
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	serving, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- p.Run(serving, listener) }()
	defer func() {
		stop()
		err = errors.Join(err, <-ended, p.Close())
	}()
	if err := p.Ready(ctx); err != nil {
		return err
	}
	d := &demonstration{out: out, url: "http://" + listener.Addr().String(), painter: paint(os.Stdout)}
	d.say("%s is ready at %s after %s; its state is in %s", d.bold("obidos"), d.bold(d.url), d.green(time.Since(begin).Round(time.Millisecond).String()), dir)
	return d.run(ctx)
}

// demonstration makes AWS calls as any client would, over HTTP, and tells about them.
type demonstration struct {
	out io.Writer
	url string
	painter
}

func (d *demonstration) say(format string, args ...any) { fmt.Fprintf(d.out, format+"\n", args...) }

// step tells what comes next.
func (d *demonstration) step(what string) { d.say("\n%s", d.bold(what)) }

// typed tells the command that does the same.
func (d *demonstration) typed(command string, args ...any) {
	d.say("  %s %s", d.dim("$"), d.cyan(fmt.Sprintf(command, args...)))
}

// came tells what came of it.
func (d *demonstration) came(format string, args ...any) {
	d.say("  %s", fmt.Sprintf(format, args...))
}

type object = map[string]any

// ask makes a request and decodes its answer.
func (d *demonstration) ask(ctx context.Context, path, target string, in object) (object, error) {
	text, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.url+path, bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	if target != "" {
		req.Header.Set("Content-Type", "application/x-amz-json-1.0")
		req.Header.Set("X-Amz-Target", target)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered %s: %s", path+target, resp.Status, answer)
	}
	if len(answer) == 0 {
		return nil, nil
	}
	var out object
	return out, json.Unmarshal(answer, &out)
}

func (d *demonstration) call(ctx context.Context, operation string, in object) (object, error) {
	return d.ask(ctx, "/", "AmazonSQS."+operation, in)
}

// advance moves the clock as `obidos clock advance` does.
func (d *demonstration) advance(ctx context.Context, by string) error {
	d.typed("obidos clock advance %s", by)
	_, err := d.ask(ctx, "/_obidos/clock", "", object{"advance": by})
	return err
}

// create makes a queue and returns its URL.
func (d *demonstration) create(ctx context.Context, name string, attributes object) (string, error) {
	out, err := d.call(ctx, "CreateQueue", object{"QueueName": name, "Attributes": attributes})
	url, _ := out["QueueUrl"].(string)
	return url, err
}

// receive takes the one message that must be there.
func (d *demonstration) receive(ctx context.Context, queue string) (object, error) {
	got, err := d.call(ctx, "ReceiveMessage", object{"QueueUrl": queue, "WaitTimeSeconds": 5, "MessageSystemAttributeNames": []string{"All"}})
	if err != nil {
		return nil, err
	}
	messages, _ := got["Messages"].([]any)
	if len(messages) == 0 {
		return nil, errors.New("the message did not arrive")
	}
	m, _ := messages[0].(object)
	attributes, _ := m["Attributes"].(object)
	try := ""
	if n := attributes["ApproximateReceiveCount"]; n != "1" {
		try = d.dim(fmt.Sprintf("  (try %v)", n))
	}
	d.came("%s %q%s", d.green("received"), m["Body"], try)
	return m, nil
}

const (
	account = "000000000000"
	deadARN = "arn:aws:sqs:us-east-1:" + account + ":orders-dead"
)

func (d *demonstration) run(ctx context.Context) error {
	d.step("A queue for orders, and one for those that fail twice.")
	d.typed("aws sqs create-queue --queue-name orders-dead")
	dead, err := d.create(ctx, "orders-dead", nil)
	if err != nil {
		return err
	}
	d.came("%s", dead)
	d.typed("aws sqs create-queue --queue-name orders --attributes '{%q:%q}'", "RedrivePolicy", "…")
	orders, err := d.create(ctx, "orders", object{"RedrivePolicy": `{"deadLetterTargetArn":"` + deadARN + `","maxReceiveCount":"2"}`})
	if err != nil {
		return err
	}
	d.came("%s", orders)

	d.step("A good message: sent, received, deleted. It was on disk before the answer.")
	d.typed("aws sqs send-message --queue-url %s --message-body 'one coffee'", "…/orders")
	if _, err := d.call(ctx, "SendMessage", object{"QueueUrl": orders, "MessageBody": "one coffee"}); err != nil {
		return err
	}
	d.typed("aws sqs receive-message --queue-url %s", "…/orders")
	m, err := d.receive(ctx, orders)
	if err != nil {
		return err
	}
	if _, err := d.call(ctx, "DeleteMessage", object{"QueueUrl": orders, "ReceiptHandle": m["ReceiptHandle"]}); err != nil {
		return err
	}

	d.step("A poison message: its consumer dies each time. No need to wait for its visibility timeout.")
	d.typed("aws sqs send-message --queue-url %s --message-body '{broken'", "…/orders")
	if _, err := d.call(ctx, "SendMessage", object{"QueueUrl": orders, "MessageBody": "{broken"}); err != nil {
		return err
	}
	for range 2 {
		if _, err := d.receive(ctx, orders); err != nil {
			return err
		}
		if err := d.advance(ctx, "31s"); err != nil {
			return err
		}
	}
	if got, err := d.call(ctx, "ReceiveMessage", object{"QueueUrl": orders}); err != nil || got["Messages"] != nil {
		return fmt.Errorf("the poison message came a third time: %v %w", got, err)
	}
	d.typed("aws sqs receive-message --queue-url %s", "…/orders-dead")
	if m, err = d.receive(ctx, dead); err != nil {
		return err
	}
	if _, err := d.call(ctx, "ChangeMessageVisibility", object{"QueueUrl": dead, "ReceiptHandle": m["ReceiptHandle"], "VisibilityTimeout": 0}); err != nil {
		return err
	}

	d.step("The bug is mended: everything in the dead-letter queue moves back.")
	d.typed("aws sqs start-message-move-task --source-arn %s", deadARN)
	if _, err := d.call(ctx, "StartMessageMoveTask", object{"SourceArn": deadARN}); err != nil {
		return err
	}
	d.typed("aws sqs receive-message --queue-url %s", "…/orders")
	if m, err = d.receive(ctx, orders); err != nil {
		return err
	}
	if _, err := d.call(ctx, "DeleteMessage", object{"QueueUrl": orders, "ReceiptHandle": m["ReceiptHandle"]}); err != nil {
		return err
	}
	return d.farewell()
}

// farewell tells how to go on, with the program that was started.
func (d *demonstration) farewell() error {
	self := "obidos"
	if name := os.Args[0]; strings.ContainsRune(name, os.PathSeparator) {
		self = name
	}
	d.step("Now you:")
	d.typed("%s start", self)
	d.typed("%s exec -- aws sqs create-queue --queue-name orders", self)
	return nil
}
