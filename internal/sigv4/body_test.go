package sigv4_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/obidos-cloud/obidos/internal/sigv4"
)

// TestPublishedChunks reads the example of S3's guide: 65 KiB of 'a' in chunks of 64 KiB.
func TestPublishedChunks(t *testing.T) {
	var body bytes.Buffer
	fmt.Fprintf(&body, "10000;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n%s\r\n", strings.Repeat("a", 65536))
	fmt.Fprintf(&body, "400;chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n%s\r\n", strings.Repeat("a", 1024))
	fmt.Fprintf(&body, "0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n\r\n")
	r := httptest.NewRequest("PUT", "http://s3.amazonaws.com/examplebucket/chunkObject.txt", &body)
	for k, v := range map[string]string{
		"Content-Encoding": "aws-chunked", "Content-Length": "66824", "X-Amz-Content-Sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
		"X-Amz-Date": "20130524T000000Z", "X-Amz-Decoded-Content-Length": "66560", "X-Amz-Storage-Class": "REDUCED_REDUNDANCY",
		"Authorization": "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class,Signature=4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
	} {
		r.Header.Set(k, v)
	}
	var v sigv4.Verifier
	got, err := v.VerifyStream(r, sigv4.Read(r), sigv4.Secret{Key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}, time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC))
	if err != nil {
		e, _ := errors.AsType[*sigv4.Error](err)
		t.Fatalf("%v\n%s", err, e.CanonicalRequest)
	}
	data, err := io.ReadAll(got)
	if err != nil || len(data) != 66560 || got.Length() != 66560 || strings.Trim(string(data), "a") != "" {
		t.Errorf("read %d bytes of %d, %v", len(data), got.Length(), err)
	}
}

// chunked is a request whose body is content in signed chunks of some size.
func chunked(t testing.TB, content string, size int, trailer http.Header, names ...string) *http.Request {
	r := httptest.NewRequest("PUT", "http://localhost:4566/b/k", nil)
	c := sigv4.SignChunks(r, sigv4.Credentials{AccessKey: "AKID", Secret: suiteSecret.Key}, "s3", "us-east-1", suiteTime, int64(len(content)), names...)
	var body bytes.Buffer
	c.To(&body)
	for rest := content; rest != ""; {
		n := min(size, len(rest))
		if _, err := io.WriteString(c, rest[:n]); err != nil {
			t.Fatal(err)
		}
		rest = rest[n:]
	}
	if err := c.Close(trailer); err != nil {
		t.Fatal(err)
	}
	r.Body, r.ContentLength = io.NopCloser(&body), int64(body.Len())
	return r
}

func readChunks(r *http.Request) (string, http.Header, error) {
	var v sigv4.Verifier
	b, err := v.VerifyStream(r, sigv4.Read(r), suiteSecret, suiteTime)
	if err != nil {
		return "", nil, err
	}
	data, err := io.ReadAll(b)
	return string(data), b.Trailer(), err
}

func TestChunks(t *testing.T) {
	for _, content := range []string{"", "x", strings.Repeat("0123456789", 1000)} {
		for _, size := range []int{1, 7, 8192} {
			r := chunked(t, content, size, nil)
			if got, _, err := readChunks(r); err != nil || got != content {
				t.Errorf("%d bytes by %d: read %d, %v", len(content), size, len(got), err)
			}
			r = chunked(t, content, size, http.Header{"X-Amz-Checksum-Crc32": {"AAAA=="}}, "x-amz-checksum-crc32")
			got, trailer, err := readChunks(r)
			if err != nil || got != content || trailer.Get("X-Amz-Checksum-Crc32") != "AAAA==" {
				t.Errorf("%d bytes by %d with a trailer: read %d, %v, %v", len(content), size, len(got), trailer, err)
			}
			// Unproven the same body reads the same, whatever pieces it arrives in.
			r = chunked(t, content, size, http.Header{"X-Amz-Checksum-Crc32": {"AAAA=="}}, "x-amz-checksum-crc32")
			r.Body = io.NopCloser(iotest.OneByteReader(r.Body))
			b, err := sigv4.NewBody(r)
			if err != nil {
				t.Fatal(err)
			}
			if data, err := io.ReadAll(iotest.HalfReader(b)); err != nil || string(data) != content {
				t.Errorf("unproven: read %d bytes, %v", len(data), err)
			}
		}
	}
}

func TestForgedChunks(t *testing.T) {
	const content = "the quick brown fox jumps over the lazy dog"
	trailer := http.Header{"X-Amz-Checksum-Crc32": {"AAAA=="}}
	for _, c := range []struct {
		name   string
		change func(s string) string
		want   sigv4.Reason
	}{
		{"as it was", func(s string) string { return s }, 0},
		{"another byte", func(s string) string { return strings.Replace(s, "quick", "quack", 1) }, sigv4.Mismatch},
		{"another signature", func(s string) string { return strings.Replace(s, "chunk-signature=", "chunk-signature=0", 1) }, sigv4.Mismatch},
		{"no signature", func(s string) string { i := strings.IndexByte(s, ';'); return s[:i] + s[strings.IndexByte(s, '\r'):] }, sigv4.Mismatch},
		{"another trailer", func(s string) string { return strings.Replace(s, "AAAA", "BBBB", 1) }, sigv4.Mismatch},
		{"no trailer signature", func(s string) string { return s[:strings.Index(s, "x-amz-trailer-signature")] + "\r\n" }, sigv4.Mismatch},
		{"cut", func(s string) string { return s[:len(s)/2] }, sigv4.Truncated},
		{"cut before the last chunk", func(s string) string { return s[:strings.Index(s, "0;chunk")] }, sigv4.Truncated},
		{"first chunk left out", func(s string) string { return s[strings.Index(s[1:], "10;chunk")+1:] }, sigv4.Mismatch},
		{"ended early", func(s string) string {
			i := strings.Index(s, "0;chunk")
			for i > 0 && s[i-1] != '\n' {
				i += strings.Index(s[i+1:], "0;chunk") + 1
			}
			return s[i:]
		}, sigv4.Mismatch},
		{"no size", func(s string) string { return "zz" + s }, sigv4.BadChunk},
		{"negative", func(s string) string { return "-" + s }, sigv4.BadChunk},
		{"huge", func(s string) string { return "ffffffffffffffff" + s }, sigv4.BadChunk},
		{"longer than said", func(s string) string { return "1" + s }, sigv4.Truncated},
		{"a line without end", func(s string) string { return strings.Repeat("0", 10_000) }, sigv4.BadChunk},
		{"no end of chunk", func(s string) string { return strings.Replace(s, "fox\r\n", "fox", 1) }, sigv4.BadChunk},
	} {
		r := chunked(t, content, 16, trailer, "x-amz-checksum-crc32")
		body, _ := io.ReadAll(r.Body)
		changed := c.change(string(body))
		if c.name == "no end of chunk" {
			changed = strings.Replace(string(body), "the quick brown \r\n", "the quick brown xx", 1)
		}
		r.Body = io.NopCloser(strings.NewReader(changed))
		got, _, err := readChunks(r)
		if reason(err) != c.want || (err == nil) != (c.want == 0) {
			t.Errorf("%s: %v after %q, want %v", c.name, err, got, c.want)
		}
	}
}

func TestLengthIsHeld(t *testing.T) {
	for _, said := range []string{"42", "44", "-1", "x"} {
		r := httptest.NewRequest("PUT", "http://localhost/b/k", strings.NewReader("2b\r\nthe quick brown fox jumps over the lazy dog\r\n0\r\n\r\n"))
		r.Header.Set("X-Amz-Content-Sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
		r.Header.Set("X-Amz-Decoded-Content-Length", said)
		b, err := sigv4.NewBody(r)
		if err == nil {
			_, err = io.ReadAll(b)
		}
		if reason(err) != sigv4.Truncated && reason(err) != sigv4.BadChunk {
			t.Errorf("said to be %s long: %v", said, err)
		}
	}
}

func TestUnverifiableStreams(t *testing.T) {
	for _, payload := range []string{"STREAMING-AWS4-ECDSA-P256-SHA256-EVENTS", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", "STREAMING-"} {
		r := httptest.NewRequest("PUT", "http://localhost/b/k", strings.NewReader("0\r\n\r\n"))
		sigv4.Sign(r, sigv4.Credentials{AccessKey: "AKID", Secret: suiteSecret.Key}, "s3", "us-east-1", suiteTime, payload)
		if _, _, err := readChunks(r); reason(err) != sigv4.Unsupported {
			t.Errorf("%s: %v", payload, err)
		}
	}
}

func FuzzBody(f *testing.F) {
	signed, _ := io.ReadAll(chunked(f, "hello, hello", 5, http.Header{"X-Amz-Checksum-Crc32": {"AAAA=="}}, "x-amz-checksum-crc32").Body)
	f.Add("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", "12", signed)
	f.Add("STREAMING-UNSIGNED-PAYLOAD-TRAILER", "5", []byte("5\r\nhello\r\n0\r\nx-amz-checksum-crc32:AAAA==\r\n\r\n"))
	f.Add("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "", []byte("0;chunk-signature=\r\n"))
	f.Fuzz(func(t *testing.T, payload, length string, body []byte) {
		r := httptest.NewRequest("PUT", "http://localhost/b/k", nil)
		r.Body = io.NopCloser(bytes.NewReader(body))
		r.Header.Set("X-Amz-Content-Sha256", payload)
		r.Header.Set("X-Amz-Decoded-Content-Length", length)
		b, err := sigv4.NewBody(r)
		if err != nil {
			return
		}
		data, err := io.ReadAll(b)
		if len(data) > len(body) {
			t.Errorf("%d bytes read of %d", len(data), len(body))
		}
		if err == nil && sigv4.Framed(r) && b.Length() >= 0 && b.Length() != int64(len(data)) {
			t.Errorf("%d bytes read, said to be %d", len(data), b.Length())
		}
	})
}

func FuzzVerify(f *testing.F) {
	f.Add(v4Header, "/?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKID%2F20150830%2Fus-east-1%2Fs3%2Faws4_request", "20150830T123600Z", "a b")
	f.Add("", "/a//b/../%zz?X-Amz-Credential=AKID%2F20150830%2Fus-east-1%2Fiam%2Faws4_request&X-Amz-Date=20150830T123600Z&X-Amz-SignedHeaders=host&X-Amz-Signature=0&X-Amz-Expires=9&&=&%", "", "")
	f.Fuzz(func(t *testing.T, authorization, target, date, header string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.RequestURI = target
		_, r.URL.RawQuery, _ = strings.Cut(target, "?")
		r.Header.Set("Authorization", authorization)
		r.Header.Set("X-Amz-Date", date)
		r.Header.Add("X-Amz-Meta-A", header)
		var v sigv4.Verifier
		if err := v.Verify(r, sigv4.Read(r), suiteSecret, suiteTime, nil); err == nil {
			t.Errorf("%q with %q was believed", target, authorization)
		}
	})
}
