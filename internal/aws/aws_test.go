package aws_test

import (
	"strings"
	"testing"

	"github.com/obidos-cloud/obidos/internal/aws"
)

func TestStringsThatAreNoARNs(t *testing.T) {
	for _, s := range []string{
		"", "arn", "orders", "arn:aws:sqs:us-east-1:000000000000", "arn:aws:sqs:us-east-1:000000000000:", "arn::sqs:us-east-1:000000000000:q",
		"arn:aws::us-east-1:000000000000:q", "http://sqs/000000000000/q", " arn:aws:sqs:us-east-1:000000000000:q",
	} {
		if a, ok := aws.ParseARN(s); ok || a != (aws.ARN{}) {
			t.Errorf("%q is taken for %+v", s, a)
		}
	}
}

func TestARN(t *testing.T) {
	for _, s := range []string{"arn:aws:sqs:us-east-1:000000000000:q", "arn:aws:s3:::bucket/key:with:colons", "arn:aws-cn:iam::000000000000:role/r"} {
		if a, ok := aws.ParseARN(s); !ok || a.String() != s {
			t.Errorf("%q comes back as %q", s, a)
		}
	}
	a, _ := aws.ParseARN("arn:aws:sqs:eu-west-1:000000000000:q")
	if got := a.Scope().ARN(a.Service, a.Resource); got != a.String() {
		t.Errorf("from its scope it is %q", got)
	}
}

func TestPartition(t *testing.T) {
	for region, want := range map[string]string{
		"": "aws", "us-east-1": "aws", "cn-north-1": "aws-cn", "us-gov-west-1": "aws-us-gov", "us-iso-east-1": "aws-iso",
		"us-isob-east-1": "aws-iso-b", "eu-isoe-west-1": "aws-iso-e", "us-isof-south-1": "aws-iso-f", "eusc-de-east-1": "aws-eusc",
	} {
		if got := aws.Partition(region); got != want {
			t.Errorf("%s is in %s, want %s", region, got, want)
		}
	}
}

func TestIsAccount(t *testing.T) {
	for s, want := range map[string]bool{"": false, "00000000000": false, "000000000000": true, "123456789012": true, "1234567890123": false, "12345678901a": false, "+23456789012": false} {
		if aws.IsAccount(s) != want {
			t.Errorf("%q is an account: %v", s, !want)
		}
	}
}

func TestUUID(t *testing.T) {
	var b [16]byte
	for i := range b {
		b[i] = 0xff
	}
	if got := aws.UUID(b); got != "ffffffff-ffff-4fff-bfff-ffffffffffff" {
		t.Error(got)
	}
	if got := aws.UUID([16]byte{1, 2, 3}); got != "01020300-0000-4000-8000-000000000000" {
		t.Error(got)
	}
}

func TestErrorTexts(t *testing.T) {
	shape := &aws.ErrorShape{Code: "Gone", QueryCode: "Old.Gone"}
	if got := shape.New("100% of %s").Message; got != "100% of %s" { // a text without arguments is no format
		t.Error(got)
	}
	err := shape.New("no %s", "queue").Because(strings.NewReader("").UnreadByte())
	if !strings.HasPrefix(err.Error(), "Gone: no queue: ") || err.WireCode() != "Old.Gone" || err.Unwrap() == nil {
		t.Error(err)
	}
}
