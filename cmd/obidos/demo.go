package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
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
func demo(ctx context.Context, out io.Writer) error {
	dir, err := os.MkdirTemp("", "obidos-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	begin := time.Now()
	p, err := platform.Open(platform.Options{Data: dir, Version: version, Logger: newLogger(os.Stderr, "warn", "auto")})
	if err != nil {
		return err
	}
	serving, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- p.Run(serving, listener) }()
	d := &demonstration{out: out, url: "http://" + listener.Addr().String()}
	d.say("obidos is ready at %s after %v; its state is in %s\n", d.url, time.Since(begin).Round(time.Millisecond), dir)
	err = d.run(ctx)
	stop()
	if ended := <-ended; err == nil {
		err = ended
	}
	if closed := p.Close(); err == nil {
		err = closed
	}
	return err
}

// demonstration makes AWS calls as any client would, over HTTP, and tells about them.
type demonstration struct {
	out io.Writer
	url string
}

func (d *demonstration) say(format string, args ...any) { fmt.Fprintf(d.out, format+"\n", args...) }

// step tells what comes next and how to do the same with the AWS CLI.
func (d *demonstration) step(what, command string) {
	d.say("• %s\n    $ aws %s", what, command)
}

type object = map[string]any

// call makes one awsJson call of SQS.
func (d *demonstration) call(ctx context.Context, operation string, in object) (object, error) {
	text, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.url, bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-amz-json-1.0")
	req.Header.Set("X-Amz-Target", "AmazonSQS."+operation)
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
		return nil, fmt.Errorf("%s answered %s: %s", operation, resp.Status, answer)
	}
	if len(answer) == 0 {
		return nil, nil
	}
	var out object
	return out, json.Unmarshal(answer, &out)
}

// receive takes one message of a queue, nil where there is none.
func (d *demonstration) receive(ctx context.Context, queue string, wait int) (object, error) {
	got, err := d.call(ctx, "ReceiveMessage", object{"QueueUrl": queue, "WaitTimeSeconds": wait, "MessageSystemAttributeNames": []string{"All"}})
	if err != nil {
		return nil, err
	}
	messages, _ := got["Messages"].([]any)
	if len(messages) == 0 {
		return nil, nil
	}
	m, _ := messages[0].(object)
	return m, nil
}

func (d *demonstration) run(ctx context.Context) error {
	d.step("a queue for what fails, and one that sends a message there after two failed tries", "sqs create-queue --queue-name orders --attributes …")
	dead, err := d.call(ctx, "CreateQueue", object{"QueueName": "orders-dead"})
	if err != nil {
		return err
	}
	attributes, err := d.call(ctx, "GetQueueAttributes", object{"QueueUrl": dead["QueueUrl"], "AttributeNames": []string{"QueueArn"}})
	if err != nil {
		return err
	}
	deadARN := attributes["Attributes"].(object)["QueueArn"].(string)
	orders, err := d.call(ctx, "CreateQueue", object{"QueueName": "orders", "Attributes": object{
		"VisibilityTimeout": "1", "RedrivePolicy": `{"deadLetterTargetArn":"` + deadARN + `","maxReceiveCount":"2"}`,
	}})
	if err != nil {
		return err
	}
	queue, deadQueue := orders["QueueUrl"].(string), dead["QueueUrl"].(string)
	d.say("    %s\n    %s", queue, deadQueue)

	d.step("a good message: sent, received, deleted", "sqs send-message --queue-url "+queue+" --message-body 'one coffee'")
	if _, err := d.call(ctx, "SendMessage", object{"QueueUrl": queue, "MessageBody": "one coffee"}); err != nil {
		return err
	}
	m, err := d.receive(ctx, queue, 0)
	if err != nil || m == nil {
		return fmt.Errorf("the message did not arrive: %w", err)
	}
	d.say("    received %q", m["Body"])
	if _, err := d.call(ctx, "DeleteMessage", object{"QueueUrl": queue, "ReceiptHandle": m["ReceiptHandle"]}); err != nil {
		return err
	}

	d.step("a poison message: its consumer dies twice without deleting it", "sqs receive-message --queue-url "+queue+" --wait-time-seconds 5")
	if _, err := d.call(ctx, "SendMessage", object{"QueueUrl": queue, "MessageBody": "{broken"}); err != nil {
		return err
	}
	for range 2 {
		m, err := d.receive(ctx, queue, 5)
		if err != nil || m == nil {
			return fmt.Errorf("the message did not come back: %w", err)
		}
		d.say("    received %q, try %v", m["Body"], m["Attributes"].(object)["ApproximateReceiveCount"])
	}
	if m, err = d.receive(ctx, queue, 2); err != nil || m != nil {
		return fmt.Errorf("the poison message came a third time: %v %w", m, err)
	}
	if m, err = d.receive(ctx, deadQueue, 5); err != nil || m == nil {
		return fmt.Errorf("the message is not in the dead-letter queue: %w", err)
	}
	d.say("    now it is in the dead-letter queue: %q", m["Body"])
	if _, err := d.call(ctx, "ChangeMessageVisibility", object{"QueueUrl": deadQueue, "ReceiptHandle": m["ReceiptHandle"], "VisibilityTimeout": 0}); err != nil {
		return err
	}

	d.step("the bug is mended: everything moves back", "sqs start-message-move-task --source-arn "+deadARN)
	if _, err := d.call(ctx, "StartMessageMoveTask", object{"SourceArn": deadARN}); err != nil {
		return err
	}
	if m, err = d.receive(ctx, queue, 10); err != nil || m == nil {
		return fmt.Errorf("the message did not move back: %w", err)
	}
	d.say("    received %q from the queue it came from", m["Body"])
	if _, err := d.call(ctx, "DeleteMessage", object{"QueueUrl": queue, "ReceiptHandle": m["ReceiptHandle"]}); err != nil {
		return err
	}
	d.say(`
All of it was on disk before it was answered. To do it yourself:

    bin/obidos start
    bin/obidos exec -- aws sqs create-queue --queue-name orders`)
	return nil
}
