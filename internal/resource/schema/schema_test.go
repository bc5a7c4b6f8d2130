package schema_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/obidos-cloud/obidos/internal/resource/schema"
)

func TestUnknownTypes(t *testing.T) {
	for _, name := range []string{"", "AWS", "AWS::SQS", "AWS::SQS::", "AWS::SQS::Topic", "AWS::LocalStack::DoesNotExist", "AWS::SQS::Queue::MODULE", "aws::sqs::queue"} {
		if s := schema.Find(name); s != nil {
			t.Errorf("%q is %s", name, s.Name)
		}
	}
}

func TestProblemsInAWSWords(t *testing.T) {
	for _, c := range []struct{ of, properties, want string }{
		{"AWS::S3::Bucket", `{"BucketName": "bucket", "DOESNOTEXIST": "x"}`, `#: extraneous key [DOESNOTEXIST] is not permitted`},
		{"AWS::S3::Bucket", `{"BucketName": true}`, `#/BucketName: expected type: String, found: Boolean`},
		{"AWS::SQS::Queue", `{"DelaySeconds": "7"}`, `#/DelaySeconds: expected type: Integer, found: String`},
		{"AWS::SQS::Queue", `{"DelaySeconds": 7.5}`, `#/DelaySeconds: expected type: Integer, found: BigDecimal`},
		{"AWS::SQS::Queue", `{"DelaySeconds": 901}`, `#/DelaySeconds: failed validation constraint for keyword [maximum]`},
		{"AWS::SQS::Queue", `{"FifoQueue": null}`, `#/FifoQueue: expected type: Boolean, found: Null`},
		{"AWS::SQS::Queue", `{"QueueName": 12345678901}`, `#/QueueName: expected type: String, found: Long`},
		{"AWS::SQS::Queue", `{"Tags": {}}`, `#/Tags: expected type: JSONArray, found: JSONObject`},
		{"AWS::SQS::Queue", `{"Tags": [{"Key": "k"}]}`, `#/Tags/0: required key [Value] not found`},
		{
			"AWS::SQS::Queue", `{"Tags": [{"Key": "", "Value": "*"}]}`,
			"#/Tags/0/Key: expected minLength: 1, actual: 0\n#/Tags/0/Value: failed validation constraint for keyword [pattern]",
		},
		{"AWS::SQS::Queue", `{"RedrivePolicy": 7}`, "#/RedrivePolicy: #: no subschema matched out of the total 2 subschemas\n" +
			"#/RedrivePolicy: expected type: JSONObject, found: Integer\n#/RedrivePolicy: expected type: String, found: Integer"},
		{"AWS::SQS::Queue", `{"RedrivePolicy": {"max": 1}}`, `#/RedrivePolicy: extraneous key [max] is not permitted`},
		{"AWS::SQS::QueuePolicy", `{}`, "#: required key [PolicyDocument] not found\n#: required key [Queues] not found"},
		{"AWS::Lambda::Function", `{"Role": "x", "Code": {}}`, `#/Role: failed validation constraint for keyword [pattern]`},
		{"AWS::KMS::Key", `{"Origin": "MOON"}`, "#/Origin: #: only 1 subschema matches out of 2\n#/Origin: failed validation constraint for keyword [enum]"},
		{"AWS::SQS::Queue", `{"QueueName": "a/b", "DelaySeconds": 900, "RedrivePolicy": {"maxReceiveCount": 3}, "Tags": []}`, ``},
		{"AWS::SQS::QueuePolicy", `{"PolicyDocument": "{}", "Queues": []}`, ``},
	} {
		var properties map[string]any
		d := json.NewDecoder(bytes.NewReader([]byte(c.properties)))
		d.UseNumber()
		if err := d.Decode(&properties); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(schema.Find(c.of).Validate(properties), "\n"); got != c.want {
			t.Errorf("%s %s:\n%s\nwant\n%s", c.of, c.properties, got, c.want)
		}
	}
}

// TestEveryType: all schemas of the file are read, and can be asked. (Under the race detector, which is slow at it, some.)
func TestEveryType(t *testing.T) {
	n := 0
	for i, service := range schema.Services() {
		if race && i%16 != 0 {
			continue
		}
		for _, name := range schema.Names(service) {
			s := schema.Find(name)
			if s == nil {
				t.Errorf("%s is not found", name)
				continue
			}
			n++
			s.Validate(map[string]any{})
			for _, p := range s.PrimaryIdentifier {
				if s.At(p) == nil {
					t.Errorf("%s: its identifier %s is not a property", name, p)
				}
			}
		}
	}
	if n < 1500 && !race {
		t.Errorf("%d types", n)
	}
}

func TestQueue(t *testing.T) {
	s := schema.Find("AWS::SQS::Queue")
	if got := s.PrimaryIdentifier; len(got) != 1 || got[0] != "/properties/QueueUrl" {
		t.Errorf("identifier %v", got)
	}
	if !s.Tagging.Taggable || s.Tagging.Property != "/properties/Tags" || s.At("/properties/Tags").Ordered() {
		t.Errorf("tagging %+v", s.Tagging)
	}
	if _, ok := s.Handlers["list"]; !ok || len(s.Handlers) != 5 {
		t.Errorf("handlers %v", s.Handlers)
	}
	if _, ok := schema.Find("AWS::SQS::QueuePolicy").Handlers["read"]; ok {
		t.Error("AWS reads no queue policies")
	}
}

func BenchmarkFirstType(b *testing.B) {
	for b.Loop() {
		schema.Find("AWS::SQS::Queue")
	}
}
