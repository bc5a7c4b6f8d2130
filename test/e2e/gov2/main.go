// The SQS scenario with the AWS SDK for Go v2.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}

func check(ok bool, what string) {
	if !ok {
		log.Fatal("not so: ", what)
	}
}

func main() {
	ctx, tag := context.Background(), os.Args[1]
	client := sqs.NewFromConfig(must(config.LoadDefaultConfig(ctx)))
	queue := must(client.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("e2e-" + tag), Tags: map[string]string{"team": "e2e"}})).QueueUrl
	check(*must(client.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: aws.String("e2e-" + tag)})).QueueUrl == *queue, "the URL is found")
	must(client.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: queue, MessageBody: aws.String("hello & <goodbye>"), MessageAttributes: map[string]types.MessageAttributeValue{
		"text":  {DataType: aws.String("String"), StringValue: aws.String("ünïcødé")},
		"bytes": {DataType: aws.String("Binary"), BinaryValue: []byte{0, 1, 255}},
	}}))
	receive := func(queue *string, most, wait int32) []types.Message {
		return must(client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
			QueueUrl: queue, MaxNumberOfMessages: most, WaitTimeSeconds: wait,
			MessageAttributeNames: []string{"All"}, MessageSystemAttributeNames: []types.MessageSystemAttributeName{"All"},
		})).Messages
	}
	got := receive(queue, 1, 0)
	check(len(got) == 1 && *got[0].Body == "hello & <goodbye>" && string(got[0].MessageAttributes["bytes"].BinaryValue) == "\x00\x01\xff", "the message arrives as it was sent")
	must(client.ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{QueueUrl: queue, ReceiptHandle: got[0].ReceiptHandle}))
	got = receive(queue, 1, 0)
	check(len(got) == 1 && got[0].Attributes["ApproximateReceiveCount"] == "2", "it comes back")
	must(client.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: queue, ReceiptHandle: got[0].ReceiptHandle}))
	check(len(receive(queue, 1, 0)) == 0, "deleted is gone")

	var entries []types.SendMessageBatchRequestEntry
	for i := range 10 {
		entries = append(entries, types.SendMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), MessageBody: aws.String("m" + strconv.Itoa(i))})
	}
	check(len(must(client.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: queue, Entries: entries})).Successful) == 10, "ten are sent at once")
	for seen := 0; seen < 10; {
		got := receive(queue, 10, 2)
		check(len(got) > 0, "the rest arrives")
		var done []types.DeleteMessageBatchRequestEntry
		for i, m := range got {
			done = append(done, types.DeleteMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), ReceiptHandle: m.ReceiptHandle})
		}
		seen += len(must(client.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{QueueUrl: queue, Entries: done})).Successful)
	}
	_, err := client.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: queue, Entries: []types.SendMessageBatchRequestEntry{entries[0], entries[0]}})
	var same *types.BatchEntryIdsNotDistinct
	check(errors.As(err, &same), fmt.Sprint("two entries with one id are refused by type: ", err))

	fifo := must(client.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("e2e-" + tag + ".fifo"), Attributes: map[string]string{"FifoQueue": "true", "ContentBasedDeduplication": "true"}})).QueueUrl
	for _, body := range []string{"one", "two", "two", "three"} {
		must(client.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: fifo, MessageBody: aws.String(body), MessageGroupId: aws.String("g")}))
	}
	ordered := receive(fifo, 10, 0)
	check(len(ordered) == 3 && *ordered[0].Body == "one" && *ordered[1].Body == "two" && *ordered[2].Body == "three", "a FIFO queue keeps order")
	must(client.DeleteQueue(ctx, &sqs.DeleteQueueInput{QueueUrl: fifo}))

	sent := make(chan struct{})
	go func() {
		defer close(sent)
		time.Sleep(300 * time.Millisecond)
		must(client.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: queue, MessageBody: aws.String("woken")}))
	}()
	got = receive(queue, 1, 10)
	check(len(got) == 1 && *got[0].Body == "woken", "a long poll is woken")
	<-sent
	must(client.PurgeQueue(ctx, &sqs.PurgeQueueInput{QueueUrl: queue}))
	must(client.DeleteQueue(ctx, &sqs.DeleteQueueInput{QueueUrl: queue}))
	_, err = client.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: aws.String("e2e-" + tag)})
	var gone *types.QueueDoesNotExist
	check(errors.As(err, &gone), fmt.Sprint("a deleted queue is gone by type: ", err))
	fmt.Println("ok: Go SDK v2")
}
