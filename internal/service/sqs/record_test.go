package sqs

import (
	"bytes"
	"crypto/md5"
	"encoding/json"
	"reflect"
	"testing"
)

// plain is a message as encoding/json writes it: the ordinary codec that ours is held to.
type plain struct {
	ID, BodyMD5                [16]byte
	Sent, First                int64
	Body, Sender, Group, Dedup []byte
	Trace, Source              []byte
	Receives                   uint32
	Names, Kinds, Values       [][]byte
	Binary                     []bool
}

func plainOf(m *message) plain {
	p := plain{
		ID: m.id, BodyMD5: m.bodyMD5, Sent: m.sent, First: m.first, Body: []byte(m.body), Sender: []byte(m.sender),
		Group: []byte(m.group), Dedup: []byte(m.dedup), Trace: []byte(m.trace), Source: []byte(m.source), Receives: m.receives,
	}
	for _, a := range m.attributes {
		p.Names, p.Kinds = append(p.Names, []byte(a.name)), append(p.Kinds, []byte(a.kind))
		p.Values, p.Binary = append(p.Values, []byte(a.value)), append(p.Binary, a.binary)
	}
	return p
}

func (p *plain) message() *message {
	m := &message{
		id: p.ID, bodyMD5: p.BodyMD5, sent: p.Sent, first: p.First, body: string(p.Body), sender: string(p.Sender),
		group: string(p.Group), dedup: string(p.Dedup), trace: string(p.Trace), source: string(p.Source), receives: p.Receives,
	}
	for i := range p.Names {
		m.attributes = append(m.attributes, attribute{string(p.Names[i]), string(p.Kinds[i]), p.Binary[i], string(p.Values[i])})
	}
	return m
}

func FuzzRecord(f *testing.F) {
	f.Add("hello", "AIDA", "g", "d", "Root=1", "arn", int64(1), int64(0), uint32(0), "name", "String", "value", false)
	f.Add("", "", "", "", "", "", int64(-1), int64(1<<62), uint32(1<<32-1), "", "", "", true)
	f.Add("\x00\xff", "a", "", "d", "", "s", int64(1700000000000), int64(1700000000001), uint32(7), "n", "Binary.x", "\x00\x01", true)
	f.Fuzz(func(t *testing.T, body, sender, group, dedup, trace, source string, sent, first int64, receives uint32, name, kind, value string, binary bool) {
		if receives == 0 {
			first = 0 // there was no first then
		}
		m := message{
			id: newID(), sent: sent, body: body, sender: sender, group: group, dedup: dedup, trace: trace, source: source,
			first: first, receives: receives,
			attributes: []attribute{{name, kind, binary, value}, {"second", "String", false, name}},
		}
		buf := m.appendTo([]byte("before"))
		if m.bodyMD5 != md5.Sum([]byte(body)) {
			t.Fatalf("the MD5 of %q is noted as %x", body, m.bodyMD5)
		}
		if !bytes.HasPrefix(buf, []byte("before")) || len(buf)-6 > m.size() {
			t.Fatalf("%d bytes, estimated at %d", len(buf)-6, m.size())
		}
		r := record(buf[6:])
		got, err := r.parse()
		if err != nil {
			t.Fatal(err)
		}
		ordinary, err := json.Marshal(plainOf(&m))
		if err != nil {
			t.Fatal(err)
		}
		var want plain
		if err := json.Unmarshal(ordinary, &want); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(&got, want.message()) {
			t.Fatalf("read back %+v\nwrote %+v", got, m)
		}
		if r.sent() != sent || r.group() != group || r.grouped() != (group != "") {
			t.Fatalf("at a glance: sent %d, group %q", r.sent(), r.group())
		}
	})
}

// What is not a record is refused, and what is taken for one is read back as it was written.
func FuzzParseRecord(f *testing.F) {
	m := message{body: "hello", group: "g", receives: 3, attributes: []attribute{{"a", "String", false, "b"}}}
	whole := m.appendTo(nil)
	for n := range whole {
		f.Add(whole[:n])
	}
	f.Add(whole)
	none := (&message{bodyMD5: [16]byte{1}}).appendTo(nil)
	none[1] |= hasAttributes
	f.Add(append(none, 0))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var r record
		if err := r.ParseRecord(raw); err != nil {
			return
		}
		_, _ = r.sent(), r.group() // must not panic
		m, err := r.parse()
		if err != nil {
			return
		}
		again, err := record(m.appendTo(nil)).parse()
		if err != nil || !reflect.DeepEqual(m, again) && m.bodyMD5 != ([16]byte{}) && (m.receives != 0 || m.first == 0) {
			t.Fatalf("%+v is read back as %+v: %v", m, again, err)
		}
	})
}

func FuzzFlightRecord(f *testing.F) {
	f.Add(int64(1), int64(2), int64(3), uint32(4), "group", []byte{1, 2, 3})
	f.Fuzz(func(t *testing.T, due, first, received int64, receives uint32, group string, raw []byte) {
		in := flightRecord{due, first, received, receives, group}
		var out flightRecord
		if err := out.ParseRecord(in.AppendRecord(nil)); err != nil || in != out {
			t.Fatalf("%+v is read back as %+v: %v", in, out, err)
		}
		out.ParseRecord(raw)
		var s stateRecord
		s.ParseRecord(raw)
	})
}

func FuzzHandle(f *testing.F) {
	f.Add(uint64(1), uint64(2), uint32(3), "garbage")
	f.Fuzz(func(t *testing.T, queue, seq uint64, receives uint32, other string) {
		in := handle{queue, seq, receives}
		out, ok := parseHandle(in.String())
		if !ok || in != out {
			t.Fatalf("%+v is read back as %+v, %v", in, out, ok)
		}
		if h, ok := parseHandle(other); ok && h.String() != other {
			t.Fatalf("%q is taken for %q", other, h)
		}
	})
}

func FuzzLocate(f *testing.F) {
	for _, s := range []string{"http://127.0.0.1:4566/000000000000/q", "q", "https://sqs.eu-west-1.amazonaws.com/000000000000/q", "arn:aws:sqs:a:b:c", "://", "/", "a/b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, url string) {
		if _, name, ok := locate(t.Context(), url); ok && name == "" {
			t.Fatalf("%q names no queue", url)
		}
	})
}

func TestNumbersOfMessageAttributes(t *testing.T) {
	for s, want := range map[string]bool{
		"1": true, "-1.5": true, "+1e10": true, ".5": true, "5.": true, "1E-3": true,
		"": false, ".": false, "e": false, "1e": false, "--1": false, "1 ": false, "0x1": false, "NaN": false,
	} {
		if validNumber(s) != want {
			t.Errorf("%q: %v", s, !want)
		}
	}
}
