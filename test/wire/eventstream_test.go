package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/obidos-cloud/obidos/internal/lang/eventstream"
)

// The module that has the published messages of event streams, and the sum it is held to. Nothing of it is compiled.
const (
	messages    = "github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
	messagesAt  = "v1.7.20"
	messagesSum = "h1:GPRlPwz40I2B2VrBEASOA3Bi77NyeqejNLkifosX0rs="
)

func TestPublishedMessages(t *testing.T) {
	if testing.Short() {
		t.Skip("downloads a module")
	}
	var mod struct{ Dir, Sum, Error string }
	if err := json.Unmarshal([]byte(run(t, ".", "go", "mod", "download", "-json", messages+"@"+messagesAt)), &mod); err != nil {
		t.Fatal(err)
	}
	if mod.Error != "" || mod.Sum != messagesSum {
		t.Fatalf("%s: %s, sum %s, want %s", messages, mod.Error, mod.Sum, messagesSum)
	}
	names := func(pattern string) []string {
		list, err := filepath.Glob(filepath.Join(mod.Dir, "testdata", "encoded", pattern))
		if err != nil || len(list) == 0 {
			t.Fatalf("no vectors: %v", err)
		}
		return list
	}
	read := func(name string) []byte {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for _, name := range names("negative/*") {
		if m, err := eventstream.Parse(read(name)); !errors.Is(err, eventstream.ErrMessage) {
			t.Errorf("%s: read as %+v, %v", filepath.Base(name), m, err)
		}
	}
	for _, name := range names("positive/*") {
		frame := read(name)
		want := meant(t, read(filepath.Join(mod.Dir, "testdata", "decoded", "positive", filepath.Base(name))))
		m, err := eventstream.Parse(frame)
		if err != nil || !reflect.DeepEqual(m, want) {
			t.Errorf("%s: read as %+v, %v; want %+v", filepath.Base(name), m, err, want)
		}
		if b, err := eventstream.Append(nil, &want); err != nil || !bytes.Equal(b, frame) {
			t.Errorf("%s: written as %x, %v", filepath.Base(name), b, err)
		}
	}
}

// meant is what a vector says that its message is.
func meant(t *testing.T, text []byte) eventstream.Message {
	var v struct {
		Headers []struct {
			Name  string
			Type  eventstream.Type
			Value json.RawMessage
		}
		Payload []byte
	}
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	m := eventstream.Message{Payload: append([]byte{}, v.Payload...)}
	for _, h := range v.Headers {
		value := eventstream.Value{Type: h.Type}
		var err error
		switch h.Type {
		case eventstream.True, eventstream.False:
		case eventstream.Bytes, eventstream.Text, eventstream.UUID:
			err = json.Unmarshal(h.Value, &value.Data)
		default:
			err = json.Unmarshal(h.Value, &value.Int)
		}
		if err != nil {
			t.Fatal(err)
		}
		m.Headers = append(m.Headers, eventstream.Header{Name: h.Name, Value: value})
	}
	return m
}
