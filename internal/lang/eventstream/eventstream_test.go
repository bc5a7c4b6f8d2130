package eventstream_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/obidos-cloud/obidos/internal/lang/eventstream"
)

// Messages that AWS published with its SDKs; test/wire runs their files.
var published = map[string]struct {
	frame []byte
	want  eventstream.Message
}{
	"empty": {[]byte{0, 0, 0, 16, 0, 0, 0, 0, 5, 194, 72, 235, 125, 152, 200, 255}, eventstream.Message{Payload: []byte{}}},
	"payload alone": {
		[]byte{0, 0, 0, 29, 0, 0, 0, 0, 253, 82, 140, 90, 123, 39, 102, 111, 111, 39, 58, 39, 98, 97, 114, 39, 125, 195, 101, 57, 54},
		eventstream.Message{Payload: []byte("{'foo':'bar'}")},
	},
	"number": {
		[]byte{
			0, 0, 0, 45, 0, 0, 0, 16, 65, 196, 36, 184, 10, 101, 118, 101, 110, 116, 45, 116, 121, 112, 101, 4, 0, 0, 160, 12,
			123, 39, 102, 111, 111, 39, 58, 39, 98, 97, 114, 39, 125, 54, 244, 128, 160,
		},
		eventstream.Message{Headers: []eventstream.Header{{Name: "event-type", Value: eventstream.Value{Type: eventstream.Int, Int: 40972}}}, Payload: []byte("{'foo':'bar'}")},
	},
	"text": {
		[]byte{
			0, 0, 0, 61, 0, 0, 0, 32, 7, 253, 131, 150, 12, 99, 111, 110, 116, 101, 110, 116, 45, 116, 121, 112, 101, 7, 0, 16, 97, 112, 112,
			108, 105, 99, 97, 116, 105, 111, 110, 47, 106, 115, 111, 110, 123, 39, 102, 111, 111, 39, 58, 39, 98, 97, 114, 39, 125, 141, 156, 8, 177,
		},
		eventstream.Message{Headers: []eventstream.Header{eventstream.TextHeader("content-type", "application/json")}, Payload: []byte("{'foo':'bar'}")},
	},
}

func TestPublishedMessages(t *testing.T) {
	t.Parallel()
	for name, c := range published {
		for i := range c.frame { // whatever is changed is noticed
			damaged := bytes.Clone(c.frame)
			damaged[i] ^= 0x10
			if _, err := eventstream.Parse(damaged); !errors.Is(err, eventstream.ErrMessage) {
				t.Errorf("%s with byte %d changed: %v", name, i, err)
			}
		}
		m, err := eventstream.Parse(c.frame)
		if err != nil || !reflect.DeepEqual(m, c.want) {
			t.Errorf("%s: %+v %v", name, m, err)
		}
		if b, err := eventstream.Append([]byte("x"), &c.want); err != nil || !bytes.Equal(b[1:], c.frame) {
			t.Errorf("%s is written as %v %v", name, b, err)
		}
	}
}

// every is a message with headers of all types.
func every() eventstream.Message {
	value := func(t eventstream.Type, n int64, data string) eventstream.Value {
		v := eventstream.Value{Type: t, Int: n}
		if data != "" {
			v.Data = []byte(data)
		}
		return v
	}
	return eventstream.Message{Payload: []byte("payload"), Headers: []eventstream.Header{
		{Name: "yes", Value: value(eventstream.True, 0, "")},
		{Name: "no", Value: value(eventstream.False, 0, "")},
		{Name: "byte", Value: value(eventstream.Byte, -1, "")},
		{Name: "short", Value: value(eventstream.Short, -300, "")},
		{Name: "int", Value: value(eventstream.Int, -70000, "")},
		{Name: "long", Value: value(eventstream.Long, -1<<40, "")},
		{Name: "bytes", Value: value(eventstream.Bytes, 0, "\x00\xff")},
		{Name: "text", Value: value(eventstream.Text, 0, "héllo")},
		eventstream.TimeHeader("time", time.UnixMilli(1795415280123)),
		{Name: "uuid", Value: value(eventstream.UUID, 0, "0123456789abcdef")},
	}}
}

func TestEveryTypeComesBack(t *testing.T) {
	t.Parallel()
	m := every()
	b, err := eventstream.Append(nil, &m)
	if err != nil {
		t.Fatal(err)
	}
	r := eventstream.NewReader(iotest.OneByteReader(bytes.NewReader(append(bytes.Clone(b), b...))))
	for range 2 {
		if got, err := r.Next(); err != nil || !reflect.DeepEqual(got, m) {
			t.Fatalf("%+v %v", got, err)
		}
	}
	if _, err := r.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v", err)
	}
	if m.Text("text") != "héllo" || m.Text("int") != "" || m.Text("none") != "" {
		t.Error("texts of headers")
	}
	for n := 1; n < len(b); n++ {
		if _, err := eventstream.NewReader(bytes.NewReader(b[:n])).Next(); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("cut after %d bytes: %v", n, err)
		}
	}
}

func TestWhatCannotBeSaidIsRefused(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 1<<15)
	for name, m := range map[string]eventstream.Message{
		"no name":    {Headers: []eventstream.Header{eventstream.TextHeader("", "v")}},
		"long name":  {Headers: []eventstream.Header{eventstream.TextHeader(long[:256], "v")}},
		"long value": {Headers: []eventstream.Header{eventstream.TextHeader("n", long)}},
		"no UUID":    {Headers: []eventstream.Header{{Name: "n", Value: eventstream.Value{Type: eventstream.UUID}}}},
		"no type":    {Headers: []eventstream.Header{{Name: "n", Value: eventstream.Value{Type: 10}}}},
		"too large":  {Payload: make([]byte, eventstream.MaxPayload+1)},
	} {
		if b, err := eventstream.Append([]byte("kept"), &m); !errors.Is(err, eventstream.ErrMessage) || string(b) != "kept" {
			t.Errorf("%s: %q %v", name, b, err)
		}
	}
	twice := eventstream.Message{Headers: []eventstream.Header{eventstream.TextHeader("n", "1"), eventstream.TextHeader("n", "2")}}
	b, err := eventstream.Append(nil, &twice)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := eventstream.Parse(b); !errors.Is(err, eventstream.ErrMessage) {
		t.Errorf("a header that is there twice: %v", err)
	}
}

func TestWhatIsOnlyAnnouncedTakesNoMemory(t *testing.T) {
	m := eventstream.Message{Payload: make([]byte, eventstream.MaxPayload)}
	b, err := eventstream.Append(nil, &m)
	if err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 100 {
		if _, err := eventstream.NewReader(bytes.NewReader(b[:20])).Next(); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatal(err)
		}
	}
	runtime.ReadMemStats(&after)
	if n := (after.TotalAlloc - before.TotalAlloc) / 100; n > 200<<10 {
		t.Errorf("%d bytes for a message of which only the beginning came", n)
	}
	if got, err := eventstream.NewReader(bytes.NewReader(b)).Next(); err != nil || len(got.Payload) != len(m.Payload) {
		t.Errorf("the largest message: %d bytes, %v", len(got.Payload), err)
	}
}

func FuzzParse(f *testing.F) {
	for _, c := range published {
		f.Add(c.frame)
	}
	m := every()
	b, err := eventstream.Append(nil, &m)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	damaged, err := base64.StdEncoding.DecodeString("AAAAPQAAACEH/YOWDGNvbnRlbnQtdHlwZQcAEGFwcGxpY2F0aW9uL2pzb257J2Zvbyc6J2Jhcid9jZwIsQ==")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(damaged)
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := eventstream.Parse(b)
		streamed, streamErr := eventstream.NewReader(bytes.NewReader(b)).Next()
		if err != nil {
			if !errors.Is(err, eventstream.ErrMessage) {
				t.Fatalf("an error of its own kind: %v", err)
			}
			return
		}
		if streamErr != nil || !reflect.DeepEqual(m, streamed) {
			t.Fatalf("read as a stream: %+v %v", streamed, streamErr)
		}
		again, err := eventstream.Append(nil, &m)
		if err != nil || !bytes.Equal(again, b) {
			t.Fatalf("%x is written as %x %v", b, again, err)
		}
	})
}

// FuzzHeaders reaches behind the checksums.
func FuzzHeaders(f *testing.F) {
	f.Add("name", byte(7), []byte("value"), []byte("payload"))
	f.Add("n", byte(9), []byte("0123456789abcdef"), []byte(nil))
	f.Fuzz(func(t *testing.T, name string, kind byte, data, payload []byte) {
		m := eventstream.Message{Payload: payload, Headers: []eventstream.Header{{Name: name, Value: eventstream.Value{Type: eventstream.Type(kind), Data: data}}}}
		b, err := eventstream.Append(nil, &m)
		if err != nil {
			return
		}
		got, err := eventstream.Parse(b)
		if err != nil || len(got.Headers) != 1 || got.Headers[0].Name != name || !bytes.Equal(got.Payload, payload) {
			t.Fatalf("%+v %v", got, err)
		}
	})
}
