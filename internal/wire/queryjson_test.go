package wire_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/obidos-cloud/obidos/internal/api"
	"github.com/obidos-cloud/obidos/internal/api/sqsapi"
	"github.com/obidos-cloud/obidos/internal/api/stsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/model"
	"github.com/obidos-cloud/obidos/internal/wire"
)

const acceptJSON = "Accept: application/json"

func TestQueryErrorsInJSON(t *testing.T) {
	t.Parallel()
	w := wire.New(api.All()...)
	for _, c := range []struct {
		name    string
		request *http.Request
		status  int
		kind    string
		want    string
	}{
		{
			"unknown action", request("POST", "/", "Action=Nothing&Version=2012-11-05", form, signed("sqs"), acceptJSON), 400, "application/json",
			`{"Error":{"Code":"InvalidAction","Message":"The action Nothing is not valid for this endpoint.","Type":"Sender"},"RequestId":"REQ"}`,
		},
		{
			"required", request("POST", "/", "Action=SendMessage&QueueUrl=x", form, signed("sqs"), acceptJSON), 400, "application/json",
			`{"Error":{"Code":"MissingParameter","Message":"The request must contain the parameter MessageBody.","Type":"Sender"},"RequestId":"REQ"}`,
		},
		{
			"not served", request("GET", "/?Action=ListTopics", "", signed("sns"), acceptJSON), 501, "application/json",
			`{"Error":{"Code":"NotImplemented","Message":"obidos does not serve ListTopics of Amazon Simple Notification Service","Type":"Receiver"},"RequestId":"REQ"}`,
		},
		{"no action is told in XML", request("GET", "/000000000000/q", "", signed("sqs"), acceptJSON), 404, "text/xml", "<UnknownOperationException/>\n"},
	} {
		_, in, rec := exchange(t, w, c.request)
		if got := rec.Body.String(); in != nil || rec.Code != c.status || got != c.want || rec.Header().Get("Content-Type") != c.kind {
			t.Errorf("%s: answered %d %s\n%s\nwant %d\n%s", c.name, rec.Code, rec.Header(), got, c.status, c.want)
		}
	}
}

// Errors have members of their own too.
func TestMembersOfQueryErrorsInJSON(t *testing.T) {
	t.Parallel()
	m, in, rec := exchange(t, wire.New(shopAPI("shop", model.Query)), request("POST", "/", "Action=Make&shelf=s&count=1", form, signed("shop"), acceptJSON))
	if in == nil {
		t.Fatal(rec.Body)
	}
	if err := m.WriteError(rec, "REQ", errBroken.New("shelf %d", 7).With(&brokenMembers{Seconds: aws.Some(int32(9))})); err != nil {
		t.Fatal(err)
	}
	want := `{"Error":{"Code":"Shop.ShelfBroken","Message":"shelf 7","Seconds":9,"Shelf":null,"Type":"Sender"},"RequestId":"REQ"}`
	if got := rec.Body.String(); rec.Code != 409 || got != want {
		t.Errorf("answered %d\n%s\nwant\n%s", rec.Code, got, want)
	}
}

func TestWhoIsAnsweredInJSON(t *testing.T) {
	t.Parallel()
	w := wire.New(api.All()...)
	for _, c := range []struct {
		accept, params string
		json           bool
	}{
		{"", "", false},
		{"*/*", "", false},
		{"text/xml", "", false},
		{"text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", "", false},
		{"*/*, application/json", "", false},
		{"application/jsonp", "", false},
		{"", "&ContentType=XML", false},
		{"", "&MessageBody=ContentType%3DJSON", false},
		{"application/json", "", true},
		{"Application/JSON; charset=utf-8", "", true},
		{"application/json, text/plain, */*", "", true},
		{"text/plain, application/json", "", true},
		{"", "&ContentType=JSON", true},
		{"*/*", "&ContentType=JSON", true},
	} {
		m, in, rec := exchange(t, w, request("GET", "/?Action=DeleteMessage&QueueUrl=u&ReceiptHandle=r"+c.params, "", signed("sqs"), "Accept: "+c.accept))
		if in == nil {
			t.Fatal(rec.Body)
		}
		if err := m.WriteOutput(rec, "REQ", &sqsapi.DeleteMessageOutput{}); err != nil {
			t.Fatal(err)
		}
		const want = `{"DeleteMessageResponse":{"ResponseMetadata":{"RequestId":"REQ"}}}`
		if got := rec.Body.String(); (got == want) != c.json || (rec.Header().Get("Content-Type") == "application/json") != c.json {
			t.Errorf("Accept %q, %q: answered %s\n%s", c.accept, c.params, rec.Header(), got)
		}
	}
	// Other protocols have one form only.
	m, in, rec := exchange(t, w, request("POST", "/", `{"QueueUrl":"u"}`, "X-Amz-Target: AmazonSQS.ReceiveMessage", acceptJSON))
	if in == nil {
		t.Fatal(rec.Body)
	}
	if err := m.WriteOutput(rec, "REQ", &sqsapi.ReceiveMessageOutput{}); err != nil || rec.Body.String() != "{}" {
		t.Errorf("answered %s, %v", rec.Body, err)
	}
}

// The answers of SQS are AWS's as its users have published them, but for their values: what API Gateway passes on from it.
func TestQueryOutputInJSON(t *testing.T) {
	t.Parallel()
	w := wire.New(api.All()...)
	shop := wire.New(shopAPI("shop", model.Query))
	queue := "QueueUrl=u&"
	for _, c := range []struct {
		w               *wire.Wire
		service, params string
		out             any
		want            string
	}{
		{
			w, "sqs", queue + "Action=SendMessage&MessageBody=b", &sqsapi.SendMessageOutput{MD5OfMessageBody: aws.Some("00"), MessageId: aws.Some("id")},
			`{"SendMessageResponse":{"ResponseMetadata":{"RequestId":"REQ"},"SendMessageResult":{"MD5OfMessageAttributes":null,"MD5OfMessageBody":"00",` +
				`"MD5OfMessageSystemAttributes":null,"MessageId":"id","SequenceNumber":null}}}`,
		},
		{
			w, "sqs", queue + "Action=ReceiveMessage", &sqsapi.ReceiveMessageOutput{},
			`{"ReceiveMessageResponse":{"ReceiveMessageResult":{"messages":null},"ResponseMetadata":{"RequestId":"REQ"}}}`,
		},
		{
			w, "sqs", queue + "Action=ReceiveMessage", &sqsapi.ReceiveMessageOutput{Messages: []sqsapi.Message{{
				MessageId: aws.Some("id"), Body: aws.Some("a<\"\n"), MD5OfBody: aws.Some("00"), ReceiptHandle: aws.Some("r"),
			}}},
			`{"ReceiveMessageResponse":{"ReceiveMessageResult":{"messages":[{"Attributes":null,"Body":"a<\"\n","MD5OfBody":"00","MD5OfMessageAttributes":null,` +
				`"MessageAttributes":null,"MessageId":"id","ReceiptHandle":"r"}]},"ResponseMetadata":{"RequestId":"REQ"}}}`,
		},
		{
			w, "sqs", queue + "Action=ReceiveMessage", &sqsapi.ReceiveMessageOutput{Messages: []sqsapi.Message{{
				Attributes:        map[sqsapi.MessageSystemAttributeName]string{"SentTimestamp": "1", "SenderId": "me"},
				MessageAttributes: map[string]sqsapi.MessageAttributeValue{"k": {DataType: "Binary", BinaryValue: []byte{0, 1}}},
			}}},
			`{"ReceiveMessageResponse":{"ReceiveMessageResult":{"messages":[{"Attributes":[{"Name":"SenderId","Value":"me"},{"Name":"SentTimestamp","Value":"1"}],` +
				`"Body":null,"MD5OfBody":null,"MD5OfMessageAttributes":null,"MessageAttributes":[{"Name":"k","Value":{"BinaryListValues":null,"BinaryValue":"AAE=",` +
				`"DataType":"Binary","StringListValues":null,"StringValue":null}}],"MessageId":null,"ReceiptHandle":null}]},"ResponseMetadata":{"RequestId":"REQ"}}}`,
		},
		{
			w, "sqs", "Action=ListQueues", &sqsapi.ListQueuesOutput{},
			`{"ListQueuesResponse":{"ListQueuesResult":{"NextToken":null,"queueUrls":[]},"ResponseMetadata":{"RequestId":"REQ"}}}`,
		},
		{
			w, "sqs", queue + "Action=ListQueueTags", &sqsapi.ListQueueTagsOutput{Tags: map[string]string{"b": "2", "a": ""}},
			`{"ListQueueTagsResponse":{"ListQueueTagsResult":{"Tags":[{"Key":"a","Value":""},{"Key":"b","Value":"2"}]},"ResponseMetadata":{"RequestId":"REQ"}}}`,
		},
		{
			w, "sts", "Action=GetCallerIdentity", &stsapi.GetCallerIdentityOutput{Account: aws.Some("1"), Arn: aws.Some("a"), UserId: aws.Some("u")},
			`{"GetCallerIdentityResponse":{"GetCallerIdentityResult":{"Account":"1","Arn":"a","UserId":"u"},"ResponseMetadata":{"RequestId":"REQ"}}}`,
		},
		{ // times are seconds, maps objects, whatever else the model says
			shop, "shop", "Action=Make&shelf=s&count=1", &makeOutput{ID: "1", When: aws.Some(time.UnixMilli(1426966683448)), Labels: map[string]string{"k": "v"}, Parts: []part{{Name: "p", Weight: aws.Some(0.5)}}},
			`{"MakeResponse":{"MakeResult":{"Code":null,"Trace":null,"id":"1","labels":{"k":"v"},"parts":[{"Colors":null,"Weight":0.5,"name":"p"}],"when":1426966683.448},` +
				`"ResponseMetadata":{"RequestId":"REQ"}}}`,
		},
	} {
		m, in, rec := exchange(t, c.w, request("POST", "/", c.params, form, signed(c.service), acceptJSON))
		if in == nil {
			t.Fatal(rec.Body)
		}
		if err := m.WriteOutput(rec, "REQ", c.out); err != nil {
			t.Fatal(err)
		}
		if got := rec.Body.String(); got != c.want || rec.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%s: answered %s\n%s\nwant\n%s", c.params, rec.Header(), got, c.want)
		}
	}
}
