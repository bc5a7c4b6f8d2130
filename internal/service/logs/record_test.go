package logs

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// A damaged chunk is refused, and never read beyond its end.
func FuzzChunk(f *testing.F) {
	p := newPacker()
	for _, merged := range []bool{false, true} {
		c, _ := p.pack(20, merged, func(i int) event {
			return event{time: int64(1000 + i*i), ingested: int64(5000 + i%3), seq: uint64(100 - i), message: strings.Repeat(fmt.Sprint("message ", i), i%4)}
		})
		f.Add(c.AppendRecord(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var c chunkRecord
		if c.ParseRecord(b) != nil {
			return
		}
		n := uint64(0)
		if err := p.each(&c, func(e event) bool { n++; return true }); err == nil && n != c.count {
			t.Errorf("%d events of %d", n, c.count)
		}
		var again chunkRecord
		if err := again.ParseRecord(c.AppendRecord(nil)); err != nil || again.seq != c.seq || !bytes.Equal(again.body, c.body) {
			t.Errorf("%+v became %+v, %v", c, again, err)
		}
	})
}

func FuzzRecords(f *testing.F) {
	r := streamRecord{number: 1, created: 2, last: 3, first: 4, latest: 5, ingested: 6, bytes: 7, span: 8, merged: 9, small: 10}
	h := headRecord{stream: "a", latest: 1, bytes: 2, terms: true}
	f.Add(r.AppendRecord(nil))
	f.Add(h.AppendRecord(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		var r, same streamRecord
		if r.ParseRecord(b) == nil {
			if err := same.ParseRecord(r.AppendRecord(nil)); err != nil || same != r {
				t.Errorf("%+v became %+v, %v", r, same, err)
			}
		}
		var h, equal headRecord
		if h.ParseRecord(b) == nil {
			if err := equal.ParseRecord(h.AppendRecord(nil)); err != nil || equal != h {
				t.Errorf("%+v became %+v, %v", h, equal, err)
			}
		}
		var terms termFilter
		if terms.ParseRecord(b) == nil {
			terms.mayHave([]string{string(b)})
		}
	})
}

func FuzzTokens(f *testing.F) {
	f.Add("f/"+eventID(1234567890123, 5, 6)+"/s", uint64(5))
	f.Add(string(ptrOf(ptrPrefix("/app", 3, 4), 1234567890123, 5)), uint64(0))
	f.Add(groupToken(cut{1, 2, 3, 4}, true), uint64(0))
	f.Fuzz(func(t *testing.T, token string, stream uint64) {
		if at, backward, err := readStreamToken(token, stream); err == nil {
			way := "f/"
			if backward {
				way = "b/"
			}
			if again := way + eventID(at.time, at.stream, at.seq) + "/s"; len(again) != len(token) {
				t.Errorf("%s became %s", token, again)
			}
		}
		if group, number, at := readPtr(token); group != "" {
			again := string(ptrOf(ptrPrefix(group, number, at.stream), at.time, at.seq))
			if g, n, same := readPtr(again); g != group || n != number || same != at {
				t.Errorf("%s became %s", token, again)
			}
		}
		for _, backward := range []bool{false, true} {
			if at, err := readGroupToken(token, backward); err == nil {
				if same, err := readGroupToken(groupToken(at, backward), backward); err != nil || same != at {
					t.Errorf("%s: %+v became %+v, %v", token, at, same, err)
				}
			}
		}
	})
}

// What a chunk's filter says is not there is not.
func TestTermFilterHidesNothing(t *testing.T) {
	p := newPacker()
	var messages []string
	for i := range 3000 {
		messages = append(messages, fmt.Sprintf("%d request %x took %d ms", i, i*2654435761, i%77))
	}
	_, terms := p.pack(len(messages), false, func(i int) event { return event{time: 1, message: messages[i]} })
	if len(terms) == 0 {
		t.Fatal("it has no filter")
	}
	for _, m := range messages {
		if !terms.mayHave([]string{m, m[len(m)/2:]}) {
			t.Fatalf("%q is said not to be there", m)
		}
	}
	if skipped := slices.DeleteFunc([]string{"ERROR something", "needle in a haystack", "Zanzibar"}, func(s string) bool { return !terms.mayHave([]string{s}) }); len(skipped) > 0 {
		t.Errorf("%q may be there, it is said", skipped)
	}
}
