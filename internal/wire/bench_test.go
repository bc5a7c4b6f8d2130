package wire_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/obidos-cloud/obidos/internal/api"
	"github.com/obidos-cloud/obidos/internal/api/sqsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/model"
	"github.com/obidos-cloud/obidos/internal/wire"
)

// A table's API in small, with DynamoDB's shapes: what nests most of all that clients send.
type (
	attributeValue struct {
		S    aws.Opt[string]
		N    aws.Opt[string]
		B    []byte
		SS   []string
		NS   []string
		BS   [][]byte
		M    []model.Pair[attributeValue]
		L    []attributeValue
		NULL aws.Opt[bool]
		BOOL aws.Opt[bool]
	}
	putItemInput struct {
		TableName                 string `v:"req,min=1,max=1024"`
		Item                      []model.Pair[attributeValue]
		ConditionExpression       aws.Opt[string]
		ExpressionAttributeNames  map[string]string
		ExpressionAttributeValues []model.Pair[attributeValue]
		ReturnValues              aws.Opt[string]
	}
	putItemOutput struct {
		Item []model.Pair[attributeValue]
	}
	tables interface {
		PutItem(context.Context, *putItemInput) (*putItemOutput, error)
	}
)

func tablesAPI() *model.Service {
	s := &model.Service{Name: "tables", SigningName: "tables", TargetPrefix: "Tables", Protocols: []model.Protocol{model.JSON10, model.CBOR}}
	return s.Fill([]model.Operation{model.Op(tables.PutItem, model.Operation{Name: "PutItem"})}, "")
}

const putItem = `{"TableName":"orders","Item":{"pk":{"S":"CUSTOMER#0000000042"},"sk":{"S":"ORDER#2026-11-23T06:28:00Z#000017"},"status":{"S":"PENDING"},
"total":{"N":"129.95"},"currency":{"S":"EUR"},"paid":{"BOOL":false},"note":{"NULL":true},"tags":{"SS":["new","express","gift"]},
"address":{"M":{"street":{"S":"Rua Direita 12"},"city":{"S":"Obidos"},"zip":{"S":"2510-001"},"country":{"S":"PT"}}},
"lines":{"L":[{"M":{"sku":{"S":"A-1"},"qty":{"N":"2"},"price":{"N":"19.95"}}},{"M":{"sku":{"S":"B-7"},"qty":{"N":"1"},"price":{"N":"90.05"}}}]},
"created":{"N":"1795415280"},"ttl":{"N":"1798007280"},"etag":{"B":"3q2+7w=="},"version":{"N":"3"}},
"ConditionExpression":"attribute_not_exists(pk) OR #v < :v","ExpressionAttributeNames":{"#v":"version"},"ExpressionAttributeValues":{":v":{"N":"3"}},"ReturnValues":"ALL_OLD"}`

var sendMessage = fmt.Sprintf(`{"QueueUrl":"http://127.0.0.1:4566/000000000000/orders","MessageBody":"%s","MessageAttributes":{"kind":{"DataType":"String","StringValue":"order"}}}`, oneKiB)

var oneKiB = strings.Repeat("0123456789abcdef", 64)

func sendMessageBatch() string {
	var b strings.Builder
	b.WriteString(`{"QueueUrl":"http://127.0.0.1:4566/000000000000/orders","Entries":[`)
	for i := range 10 {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"Id":"m%d","MessageBody":"%s","DelaySeconds":0,"MessageAttributes":{"kind":{"DataType":"String","StringValue":"order"}}}`, i, oneKiB[:256])
	}
	return b.String() + "]}"
}

// sink is a ResponseWriter that keeps nothing.
type sink struct{ h http.Header }

func (s *sink) Header() http.Header         { return s.h }
func (s *sink) WriteHeader(int)             {}
func (s *sink) Write(b []byte) (int, error) { return len(b), nil }

// decoding is a request that is routed and decoded again and again.
type decoding struct {
	w    *wire.Wire
	r    *http.Request
	body []byte
}

func newDecoding(w *wire.Wire, r *http.Request, body string) *decoding {
	return &decoding{w, r, []byte(body)}
}

func (d *decoding) once(t testing.TB) (wire.Match, any) {
	m, e := d.w.Route(d.r, func() ([]byte, error) { return d.body, nil })
	if e != nil {
		t.Fatal(e)
	}
	in, e := m.Decode(d.r, d.body)
	if e != nil {
		t.Fatal(e)
	}
	return m, in
}

func cases() map[string]*decoding {
	all := wire.New(append(api.All(), tablesAPI())...)
	target := func(t, kind string) *http.Request {
		return request("POST", "/", "", "X-Amz-Target: "+t, "Content-Type: "+kind, signed("sqs"))
	}
	query := "Action=SendMessage&Version=2012-11-05&QueueUrl=http%3A%2F%2F127.0.0.1%3A4566%2F000000000000%2Forders&MessageBody=" + oneKiB +
		"&MessageAttribute.1.Name=kind&MessageAttribute.1.Value.DataType=String&MessageAttribute.1.Value.StringValue=order"
	return map[string]*decoding{
		"PutItem":          newDecoding(all, target("Tables.PutItem", "application/x-amz-json-1.0"), putItem),
		"SendMessage":      newDecoding(all, target("AmazonSQS.SendMessage", "application/x-amz-json-1.0"), sendMessage),
		"SendMessageQuery": newDecoding(all, request("POST", "/", "", form, signed("sqs")), query),
		"SendMessageBatch": newDecoding(all, target("AmazonSQS.SendMessageBatch", "application/x-amz-json-1.0"), sendMessageBatch()),
		"ReceiveMessage":   newDecoding(all, target("AmazonSQS.ReceiveMessage", "application/x-amz-json-1.0"), `{"QueueUrl":"http://127.0.0.1:4566/000000000000/orders","MaxNumberOfMessages":10}`),
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, name := range []string{"PutItem", "SendMessage", "SendMessageQuery", "SendMessageBatch", "ReceiveMessage"} {
		d := cases()[name]
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(d.body)))
			for b.Loop() {
				d.once(b)
			}
		})
	}
}

func outputs() map[string]struct {
	*decoding
	out any
} {
	c := cases()
	type pair = struct {
		*decoding
		out any
	}
	_, item := c["PutItem"].once(nil)
	var messages []sqsapi.Message
	for range 10 {
		messages = append(messages, sqsapi.Message{
			MessageId: aws.Some("b1b53fe7-26e0-4e0b-8626-c2a8ee601fc2"), ReceiptHandle: aws.Some(oneKiB[:180]), Body: aws.Some(oneKiB),
			MD5OfBody:  aws.Some("d41d8cd98f00b204e9800998ecf8427e"),
			Attributes: map[sqsapi.MessageSystemAttributeName]string{"ApproximateReceiveCount": "1", "SentTimestamp": "1795415280000"},
		})
	}
	return map[string]pair{
		"SendMessage":      {c["SendMessage"], &sqsapi.SendMessageOutput{MessageId: aws.Some("b1b53fe7-26e0-4e0b-8626-c2a8ee601fc2"), MD5OfMessageBody: aws.Some("d41d8cd98f00b204e9800998ecf8427e")}},
		"SendMessageQuery": {c["SendMessageQuery"], &sqsapi.SendMessageOutput{MessageId: aws.Some("b1b53fe7-26e0-4e0b-8626-c2a8ee601fc2"), MD5OfMessageBody: aws.Some("d41d8cd98f00b204e9800998ecf8427e")}},
		"ReceiveMessage":   {c["ReceiveMessage"], &sqsapi.ReceiveMessageOutput{Messages: messages}},
		"GetItem":          {c["PutItem"], &putItemOutput{Item: item.(*putItemInput).Item}},
	}
}

func BenchmarkEncode(b *testing.B) {
	for _, name := range []string{"SendMessage", "SendMessageQuery", "ReceiveMessage", "GetItem"} {
		c := outputs()[name]
		b.Run(name, func(b *testing.B) {
			m, _ := c.once(b)
			w := &sink{http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				clear(w.h)
				if err := m.WriteOutput(w, "4f5f4a2e-0000-4000-8000-000000000000", c.out); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkEncodingJSON is what the standard library needs for the same.
func BenchmarkEncodingJSON(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		var v putItemPlain
		if err := json.Unmarshal([]byte(putItem), &v); err != nil {
			b.Fatal(err)
		}
	}
}

type plainValue struct {
	S, N       *string
	B          []byte
	SS, NS     []string
	BS         [][]byte
	M          map[string]plainValue
	L          []plainValue
	NULL, BOOL *bool
}

type putItemPlain struct {
	TableName                 string
	Item                      map[string]plainValue
	ConditionExpression       *string
	ExpressionAttributeNames  map[string]string
	ExpressionAttributeValues map[string]plainValue
	ReturnValues              *string
}

// What a request may cost in allocations, routing and decoding and answering each taken alone.
func TestAllocations(t *testing.T) {
	if raced {
		t.Skip("under the race detector pools forget on purpose")
	}
	for name, want := range map[string]float64{"PutItem": 20, "SendMessage": 6, "SendMessageQuery": 8, "SendMessageBatch": 36, "ReceiveMessage": 3} {
		d := cases()[name]
		if got := testing.AllocsPerRun(100, func() { d.once(t) }); got > want {
			t.Errorf("decoding %s: %v allocations, want at most %v", name, got, want)
		}
	}
	for name, want := range map[string]float64{"SendMessage": 2, "SendMessageQuery": 2, "ReceiveMessage": 3, "GetItem": 2} {
		c := outputs()[name]
		m, _ := c.once(t)
		w := &sink{http.Header{}}
		if got := testing.AllocsPerRun(100, func() {
			clear(w.h)
			if err := m.WriteOutput(w, "id", c.out); err != nil {
				t.Fatal(err)
			}
		}); got > want {
			t.Errorf("encoding %s: %v allocations, want at most %v", name, got, want)
		}
	}
}
