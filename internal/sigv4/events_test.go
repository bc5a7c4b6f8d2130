package sigv4_test

import (
	"bytes"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/obidos-cloud/obidos/internal/lang/eventstream"
	"github.com/obidos-cloud/obidos/internal/sigv4"
)

// spoken is a request whose body is the messages, each signed a while after the one before.
func spoken(t testing.TB, pause time.Duration, messages ...string) (r *http.Request, body *bytes.Buffer) {
	r = httptest.NewRequest("POST", "http://localhost:4566/talk", nil)
	at := suiteTime.Add(-pause)
	e := sigv4.SignEvents(r, sigv4.Credentials{AccessKey: "AKID", Secret: suiteSecret.Key}, "talk", "us-east-1", func() time.Time {
		at = at.Add(pause)
		return at
	})
	body = &bytes.Buffer{}
	e.To(body)
	for _, m := range messages {
		if _, err := io.WriteString(e, m); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	r.Body, r.ContentLength = io.NopCloser(body), -1
	return r, body
}

// The signatures are those that AWS's Go SDK (v4.StreamSigner) makes of the same.
func TestEventsAreSignedAsAWSDoes(t *testing.T) {
	r, body := spoken(t, 10*time.Second, "hello", "world")
	if want := "Signature=a7c8153353c2f781eddf95857f43a17cd3f28b0fc5c75f849a6c43707fda218e"; !strings.HasSuffix(r.Header.Get("Authorization"), want) {
		t.Fatal(r.Header.Get("Authorization"))
	}
	all := eventstream.NewReader(body)
	for i, want := range []string{
		"b1ea54dc9dccddd726eaf24da6ed6e3dee790b58153a10f063ce10e75d505eb7",
		"6486a353db1a1ab20fc5653f0ae2479b54b02daa52dbfb32988daaf52b27f066",
		"02ca8e47636d814701474b5950a824eecdc3e668846047d71965b727a4ec2d1c",
	} {
		m, err := all.Next()
		if err != nil {
			t.Fatal(err)
		}
		if v, _ := m.Header(":chunk-signature"); hex.EncodeToString(v.Data) != want {
			t.Errorf("message %d: %x", i, v.Data)
		}
	}
}

func TestSignedEvents(t *testing.T) {
	// The last goes on into the next day, and the one after.
	for _, pause := range []time.Duration{0, time.Second, 13 * time.Hour} {
		r, body := spoken(t, pause, "hello, ", "world", strings.Repeat("!", 100_000))
		whole := bytes.Clone(body.Bytes())
		want := "hello, world" + strings.Repeat("!", 100_000)
		if got, _, err := readChunks(r); err != nil || got != want {
			t.Errorf("%v: %d bytes, %v", pause, len(got), err)
		}
		r.Body = io.NopCloser(iotest.OneByteReader(bytes.NewReader(whole[:1000])))
		if _, _, err := readChunks(r); reason(err) != sigv4.Truncated {
			t.Errorf("cut off: %v", err)
		}
		b, err := sigv4.NewBody(&http.Request{Header: r.Header, Body: io.NopCloser(bytes.NewReader(whole))})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(b); err != nil || string(got) != want {
			t.Errorf("unproven: %d bytes, %v", len(got), err)
		}
	}
}

func TestForgedEvents(t *testing.T) {
	parts := func(b []byte) (list []eventstream.Message) {
		all := eventstream.NewReader(bytes.NewReader(b))
		for {
			m, err := all.Next()
			if err != nil {
				return list
			}
			m.Payload = bytes.Clone(m.Payload)
			for i := range m.Headers {
				m.Headers[i].Value.Data = bytes.Clone(m.Headers[i].Value.Data)
			}
			list = append(list, m)
		}
	}
	for name, c := range map[string]struct {
		forge  func(m []eventstream.Message) []eventstream.Message
		reason sigv4.Reason
	}{
		"another text":       {func(m []eventstream.Message) []eventstream.Message { m[1].Payload[0] ^= 1; return m }, sigv4.Mismatch},
		"another time":       {func(m []eventstream.Message) []eventstream.Message { m[0].Headers[0].Value.Int += 1000; return m }, sigv4.Mismatch},
		"another signature":  {func(m []eventstream.Message) []eventstream.Message { m[0].Headers[1].Value.Data[3] ^= 1; return m }, sigv4.Mismatch},
		"changed places":     {func(m []eventstream.Message) []eventstream.Message { m[0], m[1] = m[1], m[0]; return m }, sigv4.Mismatch},
		"said again":         {func(m []eventstream.Message) []eventstream.Message { return append(m[:1:1], m...) }, sigv4.Mismatch},
		"one left out":       {func(m []eventstream.Message) []eventstream.Message { return m[1:] }, sigv4.Mismatch},
		"an end that is not": {func(m []eventstream.Message) []eventstream.Message { return m[:2] }, sigv4.Truncated},
		"not signed":         {func(m []eventstream.Message) []eventstream.Message { m[0].Headers = nil; return m }, sigv4.BadChunk},
		"signed with a number": {func(m []eventstream.Message) []eventstream.Message {
			m[0].Headers[1].Value.Type = eventstream.Int
			return m
		}, sigv4.BadChunk},
	} {
		r, body := spoken(t, 0, "one", "two")
		var forged []byte
		for _, m := range c.forge(parts(body.Bytes())) {
			var err error
			if forged, err = eventstream.Append(forged, &m); err != nil {
				t.Fatal(err)
			}
		}
		r.Body = io.NopCloser(bytes.NewReader(forged))
		if _, _, err := readChunks(r); reason(err) != c.reason {
			t.Errorf("%s: %v", name, err)
		}
	}
	r, _ := spoken(t, 0, "one")
	r.Body = io.NopCloser(strings.NewReader(strings.Repeat("no message", 10)))
	if _, _, err := readChunks(r); reason(err) != sigv4.BadChunk {
		t.Errorf("no messages: %v", err)
	}
}
