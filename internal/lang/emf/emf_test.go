package emf_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/obidos-cloud/obidos/internal/lang/emf"
)

func TestWhatIsNotTheFormat(t *testing.T) {
	t.Parallel()
	for message, want := range map[string]error{
		"":           emf.ErrNone,
		"plain text": emf.ErrNone,
		`{"a":1}`:    emf.ErrNone,
		`{"a":{"_aws":{"CloudWatchMetrics":[]}}}`:                   emf.ErrNone,
		`{"_aws":{"CloudWatchMetrics":[]`:                           emf.ErrParse,
		`{"_aws":{"CloudWatchMetrics":[]}}`:                         emf.ErrInvalid,
		`{"_aws":{"Timestamp":"now","CloudWatchMetrics":[]}}`:       emf.ErrInvalid,
		`{"_aws":{"Timestamp":-1,"CloudWatchMetrics":[]}}`:          emf.ErrInvalid,
		`{"_aws":{"Timestamp":1e300,"CloudWatchMetrics":[]}}`:       emf.ErrInvalid,
		`{"_aws":{"Timestamp":1,"CloudWatchMetrics":{}}}`:           emf.ErrInvalid,
		`{"_aws":{"Timestamp":1,"CloudWatchMetrics":null}}`:         emf.ErrInvalid,
		`{"_aws":[],"x":"CloudWatchMetrics","CloudWatchMetrics":1}`: emf.ErrInvalid,
	} {
		if _, err := emf.Parse(message); !errors.Is(err, want) {
			t.Errorf("%s: %v", message, err)
		}
	}
}

// told is what a document says, in lines.
func told(d *emf.Document) (lines []string) {
	for _, m := range d.Metrics {
		lines = append(lines, fmt.Sprint(m.Namespace, " ", m.Name, " ", m.Unit, " ", m.Dimensions, " ", m.Values))
	}
	return lines
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	const head, tail = `{"_aws":{"Timestamp":1574109732004,"CloudWatchMetrics":[`, `]},"functionVersion":"$LATEST","time":100,"times":[1,2.5],"requestId":"989ffbf8","none":null,"text":"x","empty":"","mixed":[1,null],"many":[`
	many := strings.TrimSuffix(strings.Repeat("1,", 101), ",") + "]}"
	for _, c := range []struct {
		directives string
		invalid    int
		want       []string
	}{
		{directives: ``},
		{
			`{"Namespace":"lambda-function-metrics","Dimensions":[["functionVersion"]],"Metrics":[{"Name":"time","Unit":"Milliseconds","StorageResolution":60}]}`, 0,
			[]string{"lambda-function-metrics time Milliseconds [{functionVersion $LATEST}] [100]"},
		},
		{
			`{"Namespace":"n","Dimensions":[[],["functionVersion"],["requestId","functionVersion","requestId"]],"Metrics":[{"Name":"times","StorageResolution":1}]}`, 0,
			[]string{"n times None [] [1 2.5]", "n times None [{functionVersion $LATEST}] [1 2.5]", "n times None [{functionVersion $LATEST} {requestId 989ffbf8}] [1 2.5]"},
		},
		{
			`{"Namespace":"n","Dimensions":[["text"],["nothing"],["time"],["empty"]],"Metrics":[{"Name":"time","Unit":"Kilobytes/Second"},{"Name":"time","Unit":"Bananas"},{"Name":"nothing"},{"Name":"text"},{"Name":"none"},{"Name":"mixed"},{"Name":"many"},{"Name":"time","StorageResolution":5},{"Unit":"Count"},3]}`, 12,
			[]string{"n time Kilobytes/Second [{text x}] [100]"},
		},
		{
			`{"Namespace":"","Dimensions":[[]],"Metrics":[]},{"Dimensions":[[]],"Metrics":[]},{"Namespace":"n","Metrics":[{"Name":"time"}]},{"Namespace":"n","Dimensions":[["text",1]]},7,{"Namespace":"n","Dimensions":[[]],"Metrics":[{"Name":"time"}]}`, 5,
			[]string{"n time None [] [100]"},
		},
	} {
		for _, before := range []string{"", "2026-11-23T19:00:00Z\t4bd6\tINFO\t"} {
			d, err := emf.Parse(before + head + c.directives + tail + many)
			if err != nil {
				t.Errorf("%s: %v", c.directives, err)
				continue
			}
			if got := told(d); !slices.Equal(got, c.want) || d.Invalid != c.invalid || d.Time != 1574109732004 {
				t.Errorf("%s: %q, %d invalid, at %d", c.directives, got, d.Invalid, d.Time)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`{"_aws":{"Timestamp":1574109732004,"CloudWatchMetrics":[{"Namespace":"n","Dimensions":[["v"]],"Metrics":[{"Name":"t","Unit":"Milliseconds"}]}]},"v":"1","t":100}`)
	f.Add(`INFO {"_aws":{"Timestamp":1,"CloudWatchMetrics":[{"Namespace":"n","Dimensions":[[]],"Metrics":[{"Name":"t"}]}]},"t":[1,2]}`)
	f.Fuzz(func(t *testing.T, message string) {
		d, err := emf.Parse(message)
		if err != nil {
			return
		}
		if d.Time < 0 {
			t.Fatalf("%q: %d", message, d.Time)
		}
		for _, m := range d.Metrics {
			if m.Namespace == "" || m.Name == "" || m.Unit == "" || len(m.Values) > 100 || len(m.Dimensions) > 30 ||
				!slices.IsSortedFunc(m.Dimensions, func(a, b emf.Dimension) int { return strings.Compare(a.Name, b.Name) }) {
				t.Fatalf("%q: %+v", message, m)
			}
			for _, v := range m.Values {
				if math.IsNaN(v) || math.IsInf(v, 0) {
					t.Fatalf("%q: %v", message, v)
				}
			}
		}
	})
}
