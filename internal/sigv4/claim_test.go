package sigv4_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/obidos-cloud/obidos/internal/sigv4"
)

const v4Header = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, SignedHeaders=content-type;host;x-amz-date, Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"

func TestReadHeader(t *testing.T) {
	full := sigv4.Claim{
		Scheme: sigv4.V4, AccessKey: "AKIDEXAMPLE", Date: "20150830", Region: "us-east-1", Service: "iam",
		SignedHeaders: "content-type;host;x-amz-date", Signature: "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
	}
	slashed := full
	slashed.AccessKey = "a/b"
	for _, c := range []struct {
		name, header string
		want         sigv4.Claim
	}{
		{"nothing", "", sigv4.Claim{}},
		{"another scheme", "Bearer abc", sigv4.Claim{}},
		{"algorithm only", "AWS4-HMAC-SHA256", sigv4.Claim{Scheme: sigv4.Malformed}},
		{"unknown algorithm", "AWS4-HMAC-SHA512 Credential=a/b/c/d/aws4_request", sigv4.Claim{Scheme: sigv4.Malformed}},
		{"short credential", "AWS4-HMAC-SHA256 Credential=a/b/aws4_request", sigv4.Claim{Scheme: sigv4.Malformed}},
		{"no terminator", "AWS4-HMAC-SHA256 Credential=a/20150830/us-east-1/iam", sigv4.Claim{Scheme: sigv4.Malformed}},
		{"as AWS shows it", v4Header, full},
		{"no blanks", strings.ReplaceAll(v4Header, ", ", ","), full},
		{"slash in the key", strings.Replace(v4Header, "AKIDEXAMPLE", "a/b", 1), slashed},
		{
			"only a credential", "AWS4-HMAC-SHA256 Credential=test/20150830/eu-west-3/sqs/aws4_request",
			sigv4.Claim{Scheme: sigv4.V4, AccessKey: "test", Date: "20150830", Region: "eu-west-3", Service: "sqs"},
		},
		{
			"before 4", "AWS AKIDEXAMPLE:frJIUN8DYpKDtOLCwo==",
			sigv4.Claim{Scheme: sigv4.V2, AccessKey: "AKIDEXAMPLE", Signature: "frJIUN8DYpKDtOLCwo==", Service: "s3"},
		},
	} {
		if got := sigv4.ReadHeader(c.header); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

func TestReadQuery(t *testing.T) {
	for _, c := range []struct {
		name, query string
		want        sigv4.Claim
	}{
		{"nothing", "Action=ListQueues", sigv4.Claim{}},
		{"no credential", "X-Amz-Algorithm=AWS4-HMAC-SHA256", sigv4.Claim{Scheme: sigv4.Malformed, Presigned: true}},
		{
			"escaped", "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKID%2F20150830%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-SignedHeaders=host%3Brange&X-Amz-Signature=ab",
			sigv4.Claim{Scheme: sigv4.V4, Presigned: true, AccessKey: "AKID", Date: "20150830", Region: "us-east-1", Service: "s3", SignedHeaders: "host;range", Signature: "ab"},
		},
		{
			"region set", "X-Amz-Algorithm=AWS4-ECDSA-P256-SHA256&X-Amz-Credential=AKID%2F20150830%2Fs3%2Faws4_request&X-Amz-Region-Set=*,eu-west-1",
			sigv4.Claim{Scheme: sigv4.V4A, Presigned: true, AccessKey: "AKID", Date: "20150830", Region: "eu-west-1", Service: "s3"},
		},
		{
			"before 4", "AWSAccessKeyId=AKID&Expires=1&Signature=x%3D",
			sigv4.Claim{Scheme: sigv4.V2, Presigned: true, AccessKey: "AKID", Service: "s3", Signature: "x%3D"},
		},
	} {
		if got := sigv4.ReadQuery(c.query); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

func TestReadAllocatesNothing(t *testing.T) {
	r, _ := http.NewRequest("POST", "http://127.0.0.1:4566/?a=b", nil)
	r.Header.Set("Authorization", v4Header)
	var c sigv4.Claim
	if n := testing.AllocsPerRun(100, func() { c = sigv4.Read(r) }); n != 0 {
		t.Errorf("reading %+v allocates %v times", c, n)
	}
}

func BenchmarkRead(b *testing.B) {
	r, _ := http.NewRequest("POST", "http://127.0.0.1:4566/", nil)
	r.Header.Set("Authorization", v4Header)
	b.ReportAllocs()
	for b.Loop() {
		sigv4.Read(r)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(v4Header, "")
	f.Add("AWS :", "0")
	f.Add("AWS a:b", "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKID%2F20150830%2Fus-east-1%2Fs3%2Faws4_request")
	f.Add("AWS4-HMAC-SHA256 Credential=//////aws4_request,,,=", "X-Amz-Credential=%zz&AWSAccessKeyId=&Signature=")
	f.Add("0", "X-Amz-Algorithm&&X-Amz-Credential=0%2F%2F%2F%2Faws4_request")
	f.Fuzz(func(t *testing.T, header, query string) {
		for _, c := range []sigv4.Claim{sigv4.ReadHeader(header), sigv4.ReadQuery(query)} {
			signed := c.Scheme == sigv4.V4 || c.Scheme == sigv4.V4A || c.Scheme == sigv4.V2
			if signed && c.AccessKey == "" {
				t.Errorf("%+v: signed by nobody", c)
			}
		}
	})
}
