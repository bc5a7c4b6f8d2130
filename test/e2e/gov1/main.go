// The SQS scenario with the AWS SDK for Go v1, from the time of the query protocol.
package main

import (
	"fmt"
	"log"
	"os"

	"github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/aws/awserr"
	"github.com/aws/aws-sdk-go/aws/session"
	"github.com/aws/aws-sdk-go/service/sqs"
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
	tag := os.Args[1]
	client := sqs.New(must(session.NewSession(&aws.Config{Endpoint: aws.String(os.Getenv("AWS_ENDPOINT_URL"))})))
	queue := must(client.CreateQueue(&sqs.CreateQueueInput{QueueName: aws.String("e2e-" + tag), Attributes: map[string]*string{"VisibilityTimeout": aws.String("30")}})).QueueUrl
	must(client.SendMessage(&sqs.SendMessageInput{QueueUrl: queue, MessageBody: aws.String("hello & <goodbye>"), MessageAttributes: map[string]*sqs.MessageAttributeValue{
		"bytes": {DataType: aws.String("Binary"), BinaryValue: []byte{0, 1, 255}},
	}}))
	receive := func(queue *string) []*sqs.Message {
		return must(client.ReceiveMessage(&sqs.ReceiveMessageInput{QueueUrl: queue, MaxNumberOfMessages: aws.Int64(10), AttributeNames: []*string{aws.String("All")}, MessageAttributeNames: []*string{aws.String("All")}})).Messages
	}
	got := receive(queue)
	check(len(got) == 1 && *got[0].Body == "hello & <goodbye>" && string(got[0].MessageAttributes["bytes"].BinaryValue) == "\x00\x01\xff", "the message arrives as it was sent")
	must(client.ChangeMessageVisibility(&sqs.ChangeMessageVisibilityInput{QueueUrl: queue, ReceiptHandle: got[0].ReceiptHandle, VisibilityTimeout: aws.Int64(0)}))
	got = receive(queue)
	check(len(got) == 1 && *got[0].Attributes["ApproximateReceiveCount"] == "2", "it comes back")
	must(client.DeleteMessage(&sqs.DeleteMessageInput{QueueUrl: queue, ReceiptHandle: got[0].ReceiptHandle}))
	batch := must(client.SendMessageBatch(&sqs.SendMessageBatchInput{QueueUrl: queue, Entries: []*sqs.SendMessageBatchRequestEntry{
		{Id: aws.String("a"), MessageBody: aws.String("1")}, {Id: aws.String("b"), MessageBody: aws.String("2")},
	}}))
	check(len(batch.Successful) == 2, "two are sent at once")
	attributes := must(client.GetQueueAttributes(&sqs.GetQueueAttributesInput{QueueUrl: queue, AttributeNames: []*string{aws.String("All")}})).Attributes
	check(*attributes["ApproximateNumberOfMessages"] == "2" && *attributes["VisibilityTimeout"] == "30", "the attributes are right")
	must(client.DeleteQueue(&sqs.DeleteQueueInput{QueueUrl: queue}))
	_, err := client.GetQueueUrl(&sqs.GetQueueUrlInput{QueueName: aws.String("e2e-" + tag)})
	e, ok := err.(awserr.RequestFailure)
	check(ok && e.Code() == sqs.ErrCodeQueueDoesNotExist && e.StatusCode() == 400, fmt.Sprint("a deleted queue is gone, by AWS's code: ", err))
	fmt.Println("ok: Go SDK v1")
}
