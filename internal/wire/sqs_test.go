package wire_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/obidos-cloud/obidos/internal/api"
	"github.com/obidos-cloud/obidos/internal/api/sqsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/wire"
)

const scope = "AWS4-HMAC-SHA256 Credential=AKID/20260101/us-east-1/SERVICE/aws4_request, SignedHeaders=host, Signature=00"

// request is an HTTP request with the headers given as "Name: value" lines.
func request(method, target, body string, headers ...string) *http.Request {
	r := httptest.NewRequest(method, "http://127.0.0.1:4566"+target, strings.NewReader(body))
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	return r
}

func signed(service string) string {
	return "Authorization: " + strings.Replace(scope, "SERVICE", service, 1)
}

const form = "Content-Type: application/x-www-form-urlencoded"

// exchange routes and decodes r. Where that fails the error is written as the answer.
func exchange(t *testing.T, w *wire.Wire, r *http.Request) (wire.Match, any, *httptest.ResponseRecorder) {
	t.Helper()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	m, e := w.Route(r, func() ([]byte, error) { return body, nil })
	rec := httptest.NewRecorder()
	var in any
	if e == nil {
		in, e = m.Decode(r, body)
	}
	if e != nil {
		if err := m.WriteError(rec, "REQ", e); err != nil {
			t.Fatal(err)
		}
		return m, nil, rec
	}
	return m, in, rec
}

func TestErrorsInTheProtocolOfTheCaller(t *testing.T) {
	w := wire.New(api.All()...)
	for _, c := range []struct {
		name    string
		request *http.Request
		status  int
		header  string
		want    string
	}{
		{
			"unknown operation", request("POST", "/", "{}", "X-Amz-Target: AmazonSQS.Nothing", "Content-Type: application/x-amz-json-1.0"),
			400, "", `{"__type":"com.amazon.coral.service#UnknownOperationException"}`,
		},
		{
			"unknown action", request("POST", "/", "Action=Nothing&Version=2012-11-05", form, signed("sqs")), 400, "",
			`<?xml version="1.0"?><ErrorResponse xmlns="http://queue.amazonaws.com/doc/2012-11-05/"><Error><Type>Sender</Type><Code>InvalidAction</Code>` +
				`<Message>The action Nothing is not valid for this endpoint.</Message><Detail/></Error><RequestId>REQ</RequestId></ErrorResponse>`,
		},
		{
			"action that is none of a queue's", request("GET", "/000000000000/q?Action=ListQueues&Version=2012-11-05", ""), 400, "",
			`<?xml version="1.0"?><ErrorResponse xmlns="http://queue.amazonaws.com/doc/2012-11-05/"><Error><Type>Sender</Type><Code>InvalidAction</Code>` +
				`<Message>The action ListQueues is not valid for this endpoint.</Message><Detail/></Error><RequestId>REQ</RequestId></ErrorResponse>`,
		},
		{"no action", request("GET", "/000000000000/q", "", signed("sqs")), 404, "Content-Type: text/xml", "<UnknownOperationException/>\n"},
		{"no JSON", request("POST", "/", "{", "X-Amz-Target: AmazonSQS.SendMessage"), 400, "", `{"__type":"com.amazon.coral.service#SerializationException"}`},
		{
			"wrong type", request("POST", "/", `{"QueueUrl":7}`, "X-Amz-Target: AmazonSQS.SendMessage"), 400, "",
			`{"__type":"com.amazon.coral.service#SerializationException","message":"NUMBER_VALUE cannot be converted to String"}`,
		},
		{
			"required, JSON", request("POST", "/", `{"MessageBody":"x"}`, "X-Amz-Target: AmazonSQS.SendMessage"), 400, "X-Amzn-Query-Error: MissingParameter;Sender",
			`{"__type":"com.amazon.coral.service#MissingRequiredParameterException","message":"The request must contain the parameter QueueUrl."}`,
		},
		{
			"required, query", request("POST", "/", "Action=SendMessage&QueueUrl=x&Version=2012-11-05", form, signed("sqs")), 400, "",
			`<?xml version="1.0"?><ErrorResponse xmlns="http://queue.amazonaws.com/doc/2012-11-05/"><Error><Type>Sender</Type><Code>MissingParameter</Code>` +
				`<Message>The request must contain the parameter MessageBody.</Message><Detail/></Error><RequestId>REQ</RequestId></ErrorResponse>`,
		},
	} {
		_, in, rec := exchange(t, w, c.request)
		if in != nil {
			t.Errorf("%s: was decoded", c.name)
			continue
		}
		if got := rec.Body.String(); rec.Code != c.status || got != c.want {
			t.Errorf("%s: answered %d\n%s\nwant %d\n%s", c.name, rec.Code, got, c.status, c.want)
		}
		if name, value, _ := strings.Cut(c.header, ": "); rec.Header().Get(name) != value && name != "" {
			t.Errorf("%s: header %s = %q, want %q", c.name, name, rec.Header().Get(name), value)
		}
		if rec.Header().Get("X-Amzn-RequestId") != "REQ" {
			t.Errorf("%s: no request id", c.name)
		}
	}
}

func TestSameInputInBothProtocols(t *testing.T) {
	w := wire.New(api.All()...)
	want := &sqsapi.SendMessageBatchInput{
		QueueUrl: "http://127.0.0.1:4566/000000000000/q",
		Entries: []sqsapi.SendMessageBatchRequestEntry{
			{Id: "a", MessageBody: "grüße & \"more\"\n", DelaySeconds: aws.Some(int32(3)), MessageAttributes: map[string]sqsapi.MessageAttributeValue{
				"one": {DataType: "String", StringValue: aws.Some("1")},
				"two": {DataType: "Binary", BinaryValue: []byte("xyz")},
			}},
			{Id: "b", MessageBody: "two"},
		},
	}
	json := `{"Entries":[{"Id":"a","MessageBody":"gr\u00fc\u00dfe & \"more\"\n","DelaySeconds":3,"Unknown":[{"x":1}],"MessageAttributes":{"one":{"DataType":"String","StringValue":"1"},
		"two":{"BinaryValue":"eHl6","DataType":"Binary","StringValue":null}}},{"MessageBody":"two","Id":"b"}],"QueueUrl":"http://127.0.0.1:4566/000000000000/q"}`
	params := "SendMessageBatchRequestEntry.2.Id=b&SendMessageBatchRequestEntry.2.MessageBody=two&SendMessageBatchRequestEntry.1.Id=a" +
		"&SendMessageBatchRequestEntry.1.MessageBody=gr%C3%BC%C3%9Fe+%26%20%22more%22%0A&SendMessageBatchRequestEntry.1.DelaySeconds=3" +
		"&SendMessageBatchRequestEntry.1.MessageAttribute.1.Name=one&SendMessageBatchRequestEntry.1.MessageAttribute.1.Value.DataType=String" +
		"&SendMessageBatchRequestEntry.1.MessageAttribute.1.Value.StringValue=1&SendMessageBatchRequestEntry.1.MessageAttribute.2.Name=two" +
		"&SendMessageBatchRequestEntry.1.MessageAttribute.2.Value.DataType=Binary&SendMessageBatchRequestEntry.1.MessageAttribute.2.Value.BinaryValue=eHl6" +
		"&Action=SendMessageBatch&Version=2012-11-05"
	queue := "/000000000000/q"
	for name, r := range map[string]*http.Request{
		"json":             request("POST", "/", json, "X-Amz-Target: AmazonSQS.SendMessageBatch", "Content-Type: application/x-amz-json-1.0"),
		"json at a path":   request("POST", queue, json, "X-Amz-Target: AmazonSQS.SendMessageBatch"),
		"query":            request("POST", "/", params+"&QueueUrl=http://127.0.0.1:4566/000000000000/q", form, signed("sqs")),
		"query, queue URL": request("POST", queue, params, form, signed("sqs")),
		"query, unsigned":  request("POST", queue, params, form),
		"query, GET":       request("GET", queue+"?"+params, ""),
	} {
		_, in, rec := exchange(t, w, r)
		if in == nil {
			t.Errorf("%s: %s", name, rec.Body)
			continue
		}
		if !reflect.DeepEqual(in, want) {
			t.Errorf("%s: decoded\n%+v\nwant\n%+v", name, in, want)
		}
	}
}

// Maps and lists of tags, as the query clients of before JSON write them (Java, Go v1, boto3).
func TestTagsInQueryRequests(t *testing.T) {
	w := wire.New(api.All()...)
	tags := map[string]string{"team": "a b", "empty": ""}
	for name, c := range map[string]struct {
		params string
		want   any
	}{
		"create": {
			"Action=CreateQueue&QueueName=q&Tag.1.Key=team&Tag.1.Value=a%20b&Tag.2.Key=empty&Tag.2.Value=&Attribute.1.Name=DelaySeconds&Attribute.1.Value=3",
			&sqsapi.CreateQueueInput{QueueName: "q", Tags: tags, Attributes: map[sqsapi.QueueAttributeName]string{"DelaySeconds": "3"}},
		},
		"tag":        {"Action=TagQueue&QueueUrl=q&Tag.2.Value=a+b&Tag.2.Key=team&Tag.1.Key=empty&Tag.1.Value=", &sqsapi.TagQueueInput{QueueUrl: "q", Tags: tags}},
		"tag, a gap": {"Action=TagQueue&QueueUrl=q&Tag.1.Key=team&Tag.1.Value=a+b&Tag.12.Key=empty&Tag.12.Value=", &sqsapi.TagQueueInput{QueueUrl: "q", Tags: tags}},
		"tag, as Java writes it": {
			"Action=TagQueue&QueueUrl=q&Tags.1.Key=team&Tags.1.Value=a+b&Tags.2.Key=empty&Tags.2.Value=", &sqsapi.TagQueueInput{QueueUrl: "q", Tags: tags},
		},
		"tag, both names": {"Action=TagQueue&QueueUrl=q&Tags.1.Key=team&Tags.1.Value=a+b&Tag.1.Key=empty&Tag.1.Value=", &sqsapi.TagQueueInput{QueueUrl: "q", Tags: tags}},
		"untag, plural":   {"Action=UntagQueue&QueueUrl=q&TagKeys.1=team&TagKeys.2=empty", &sqsapi.UntagQueueInput{QueueUrl: "q", TagKeys: []string{"team", "empty"}}},
		"untag":           {"Action=UntagQueue&QueueUrl=q&TagKey.1=team&TagKey.2=empty", &sqsapi.UntagQueueInput{QueueUrl: "q", TagKeys: []string{"team", "empty"}}},
		"untag, tenth":    {"Action=UntagQueue&QueueUrl=q&TagKey.10=last&TagKey.2=first", &sqsapi.UntagQueueInput{QueueUrl: "q", TagKeys: []string{"first", "last"}}},
	} {
		t.Run(name, func(t *testing.T) {
			_, in, rec := exchange(t, w, request("POST", "/", c.params+"&Version=2012-11-05", form, signed("sqs")))
			if !reflect.DeepEqual(in, c.want) {
				t.Errorf("decoded %+v, want %+v; %s", in, c.want, rec.Body)
			}
		})
	}
}

// What came to replace AttributeNames has a name of its own, beside the old one.
func TestBothNamesOfAttributesToReceive(t *testing.T) {
	w := wire.New(api.All()...)
	params := "Action=ReceiveMessage&QueueUrl=q&AttributeName.1=SenderId&MessageSystemAttributeName.1=All&MessageAttributeName.1=a"
	_, in, rec := exchange(t, w, request("POST", "/", params, form, signed("sqs")))
	want := &sqsapi.ReceiveMessageInput{
		QueueUrl: "q", AttributeNames: []sqsapi.QueueAttributeName{"SenderId"}, MessageAttributeNames: []string{"a"},
		MessageSystemAttributeNames: []sqsapi.MessageSystemAttributeName{"All"},
	}
	if !reflect.DeepEqual(in, want) {
		t.Errorf("decoded %+v, want %+v; %s", in, want, rec.Body)
	}
}

func TestOutputInBothProtocols(t *testing.T) {
	w := wire.New(api.All()...)
	out := &sqsapi.ReceiveMessageOutput{Messages: []sqsapi.Message{{
		MessageId: aws.Some("id"), Body: aws.Some("a<b>&\"\x01\r\n"), MD5OfBody: aws.Some("00"),
		Attributes:        map[sqsapi.MessageSystemAttributeName]string{"SentTimestamp": "1", "ApproximateReceiveCount": "2"},
		MessageAttributes: map[string]sqsapi.MessageAttributeValue{"k": {DataType: "Binary", BinaryValue: []byte{0, 1}}},
	}}}
	for _, c := range []struct {
		request    *http.Request
		kind, want string
	}{
		{
			request("POST", "/", `{"QueueUrl":"u"}`, "X-Amz-Target: AmazonSQS.ReceiveMessage"), "application/x-amz-json-1.0",
			`{"Messages":[{"MessageId":"id","MD5OfBody":"00","Body":"a<b>&\"\u0001\r\n","Attributes":{"ApproximateReceiveCount":"2","SentTimestamp":"1"},` +
				`"MessageAttributes":{"k":{"BinaryValue":"AAE=","DataType":"Binary"}}}]}`,
		},
		{
			request("GET", "/?Action=ReceiveMessage&QueueUrl=u", "", signed("sqs")), "text/xml",
			`<?xml version="1.0"?><ReceiveMessageResponse xmlns="http://queue.amazonaws.com/doc/2012-11-05/"><ReceiveMessageResult><Message><MessageId>id</MessageId>` +
				"<MD5OfBody>00</MD5OfBody><Body>a&lt;b&gt;&amp;&quot;\uFFFD&#xD;\n</Body><Attribute><Name>ApproximateReceiveCount</Name><Value>2</Value></Attribute>" +
				`<Attribute><Name>SentTimestamp</Name><Value>1</Value></Attribute><MessageAttribute><Name>k</Name><Value><BinaryValue>AAE=</BinaryValue>` +
				`<DataType>Binary</DataType></Value></MessageAttribute></Message></ReceiveMessageResult><ResponseMetadata><RequestId>REQ</RequestId></ResponseMetadata></ReceiveMessageResponse>`,
		},
	} {
		m, in, rec := exchange(t, w, c.request)
		if in == nil {
			t.Fatal(rec.Body)
		}
		if err := m.WriteOutput(rec, "REQ", out); err != nil {
			t.Fatal(err)
		}
		if got := rec.Body.String(); got != c.want || rec.Header().Get("Content-Type") != c.kind {
			t.Errorf("answered %s\n%s\nwant\n%s", rec.Header(), got, c.want)
		}
	}
}

func TestNothingToAnswer(t *testing.T) {
	w := wire.New(api.All()...)
	m, in, rec := exchange(t, w, request("GET", "/?Action=ReceiveMessage&QueueUrl=u", "", signed("sqs")))
	if in == nil {
		t.Fatal(rec.Body)
	}
	if err := m.WriteOutput(rec, "REQ", &sqsapi.ReceiveMessageOutput{}); err != nil {
		t.Fatal(err)
	}
	want := `<?xml version="1.0"?><ReceiveMessageResponse xmlns="http://queue.amazonaws.com/doc/2012-11-05/"><ReceiveMessageResult/>` +
		`<ResponseMetadata><RequestId>REQ</RequestId></ResponseMetadata></ReceiveMessageResponse>`
	if got := rec.Body.String(); got != want {
		t.Errorf("answered\n%s\nwant\n%s", got, want)
	}
}

// An error before anything is known of the request has a protocol too.
func TestZeroMatchAnswers(t *testing.T) {
	var m wire.Match
	rec := httptest.NewRecorder()
	if err := m.WriteError(rec, "REQ", wire.Failure(io.ErrUnexpectedEOF)); err != nil {
		t.Fatal(err)
	}
	want := "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>InternalFailure</Code><Message>We encountered an internal error. Please try again.</Message>" +
		"<RequestId>REQ</RequestId><HostId>REQ</HostId></Error>"
	if rec.Code != 500 || rec.Body.String() != want {
		t.Errorf("answered %d %s", rec.Code, rec.Body)
	}
}
