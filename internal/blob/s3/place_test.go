package s3

import (
	"strings"
	"testing"
)

func TestURLs(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]place{
		"s3://bucket":                                 {bucket: "bucket", host: "s3.amazonaws.com", amazon: true},
		"s3://bucket/":                                {bucket: "bucket", host: "s3.amazonaws.com", amazon: true},
		"s3://b.c-d/a/b/?region=eu-west-1":            {bucket: "b.c-d", prefix: "a/b/", host: "s3.amazonaws.com", amazon: true, region: "eu-west-1"},
		"s3://bucket?path-style=true":                 {bucket: "bucket", host: "s3.amazonaws.com", amazon: true, pathStyle: true},
		"s3://bucket/p?endpoint=http://minio:9000":    {bucket: "bucket", prefix: "p/", host: "minio:9000", plain: true, pathStyle: true},
		"s3://bucket?endpoint=minio&path-style=false": {bucket: "bucket", host: "minio"},
		"s3://k:a%2Fb@bucket?endpoint=https://x/":     {bucket: "bucket", host: "x", pathStyle: true, key: "k", secret: "a/b"},
	} {
		if got, err := parse(text); err != nil || got != want {
			t.Errorf("%s is %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{
		"", "bucket", "s3://", "s3:///x", "http://bucket", "s3://b", "s3://Bucket_", "s3://bucket:9000", "s3://bucket/a//b", "s3://bucket/../x",
		"s3://bucket?endpoint=ftp://x", "s3://bucket?endpoint=", "s3://bucket?endpoint=http://x/path", "s3://bucket?endpoint=http://u:p@x",
		"s3://bucket?region=EU", "s3://bucket?region=a&region=b", "s3://bucket?path-style=perhaps", "s3://bucket?sse=yes",
		"s3://key@bucket", "s3://:hidden@bucket", "s3://key:hid/den@bucket", "s3://key:hidden@buc ket", "s3://key:hidden@bucket#x",
	} {
		got, err := parse(text)
		if err == nil {
			t.Errorf("%q is read as %+v", text, got)
		} else if strings.Contains(err.Error(), "hid") {
			t.Errorf("the secret is told: %v", err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("s3://bucket/prefix?endpoint=http://minio:9000&region=eu-west-1&path-style=true")
	f.Add("s3://key:secret@bucket")
	f.Add("s3://[::1]/%2f%00?endpoint=%zz")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parse(text)
		if err != nil {
			return
		}
		if p.bucket == "" || p.host == "" || p.prefix != "" && !strings.HasSuffix(p.prefix, "/") || strings.HasPrefix(p.prefix, "/") || (p.key == "") != (p.secret == "") {
			t.Errorf("%q is read as %+v", text, p)
		}
	})
}
