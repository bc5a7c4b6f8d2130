package fieldindex_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/obidos-cloud/obidos/internal/service/logs/fieldindex"
)

func TestIndex(t *testing.T) {
	t.Parallel()
	x := fieldindex.New([]string{"id", "none"}, 1000, func(i int) string { return fmt.Sprintf(`{"id": "r-%d"}`, i) })
	var again fieldindex.Index
	if err := again.ParseRecord(x.AppendRecord(nil)); err != nil {
		t.Fatal(err)
	}
	wrong := 0
	for i := range 1000 {
		if !again.May("id", []string{fmt.Sprintf("tr-%d", i)}) {
			t.Fatalf("r-%d is not there", i)
		}
		if again.May("id", []string{fmt.Sprintf("tr-%d", 1000+i)}) {
			wrong++
		}
	}
	if wrong > 40 {
		t.Errorf("%d of 1000 that are not there may be", wrong)
	}
	if again.May("none", []string{"tx"}) || !again.May("other", []string{"tx"}) || !again.Has("none") || again.Has("other") {
		t.Error("a field that no event has, or of which there is no index")
	}
	if !slices.Equal(again.Fields(), []string{"id", "none"}) || !slices.Equal(again.Seen(), []string{"id"}) {
		t.Errorf("%v of %v", again.Seen(), again.Fields())
	}
}

func FuzzRecord(f *testing.F) {
	f.Add(fieldindex.New([]string{"a"}, 1, func(int) string { return `{"a": 1}` }).AppendRecord(nil))
	f.Add([]byte{1, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		var x fieldindex.Index
		if x.ParseRecord(b) != nil {
			return
		}
		x.May("a", []string{"n1"})
		var y fieldindex.Index
		if err := y.ParseRecord(x.AppendRecord(nil)); err != nil || !bytes.Equal(x.AppendRecord(nil), y.AppendRecord(nil)) {
			t.Fatalf("%x: %v", b, err)
		}
	})
}
