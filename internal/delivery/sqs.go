package delivery

import (
	"context"
	"strings"

	"github.com/obidos-cloud/obidos/internal/api/sqsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/model"
)

// sendMessage has a queue take an event in, as a message. The queue is named by its ARN: a URL would say under which host
// somebody knows it.
func sendMessage(ctx context.Context, door model.Invoker, _ aws.ARN, e Event) error {
	in := &sqsapi.SendMessageInput{
		QueueUrl:       e.Target,
		MessageBody:    string(e.Body),
		MessageGroupId: aws.NonZero(e.Group),
	}
	if strings.HasSuffix(e.Target, ".fifo") {
		in.MessageDeduplicationId = aws.NonZero(e.Deduplication)
	}
	if len(e.Attributes) > 0 {
		in.MessageAttributes = make(map[string]sqsapi.MessageAttributeValue, len(e.Attributes))
		for name, a := range e.Attributes {
			v := sqsapi.MessageAttributeValue{DataType: a.Type}
			if strings.HasPrefix(a.Type, "Binary") {
				v.BinaryValue = a.Binary
			} else {
				v.StringValue = aws.Some(a.String)
			}
			in.MessageAttributes[name] = v
		}
	}
	if e.Trace != "" {
		in.MessageSystemAttributes = map[sqsapi.MessageSystemAttributeNameForSends]sqsapi.MessageSystemAttributeValue{
			"AWSTraceHeader": {DataType: "String", StringValue: aws.Some(e.Trace)},
		}
	}
	_, err := sqsapi.Client{Invoker: door}.SendMessage(ctx, in)
	return err
}
