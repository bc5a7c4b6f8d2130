package timestamp_test

import (
	"testing"
	"time"

	"github.com/obidos-cloud/obidos/internal/model"
	"github.com/obidos-cloud/obidos/internal/wire/timestamp"
)

func TestParse(t *testing.T) {
	whole := time.Date(2026, 11, 23, 6, 28, 0, 0, time.UTC)
	for _, c := range []struct {
		text   string
		format model.TimeFormat
		want   time.Time
	}{
		{"2026-11-23T06:28:00Z", model.ISO8601, whole},
		{"2026-11-23T07:28:00+01:00", model.ProtocolTime, whole},
		{"2026-11-23T06:28:00.5", model.ISO8601, whole.Add(time.Second / 2)},
		{"2026-11-23", model.ISO8601, time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)},
		{"20261123T062800Z", model.ISO8601, whole},
		{"Mon, 23 Nov 2026 06:28:00 GMT", model.RFC822, whole},
		{"Mon, 23 Nov 2026 06:28:00.250 GMT", model.ProtocolTime, whole.Add(time.Second / 4)},
		{"1795415280", model.Unix, whole},
		{"1795415280.123456789", model.Unix, whole.Add(123456789)},
		{"1.79541528E9", model.Unix, whole},
		{"-1.5", model.Unix, time.Unix(-2, 5e8)},
		{"2026-11-23T06:28:00Z", model.Unix, whole},
		{"1795415280", model.ISO8601, whole},
	} {
		if got, ok := timestamp.Parse(c.text, c.format); !ok || !got.Equal(c.want) {
			t.Errorf("%s: %v %v, want %v", c.text, got, ok, c.want)
		}
	}
	for _, text := range []string{"", "x", "2026-13-01T00:00:00Z", "1e300", "NaN", "99999999999999999999", "-"} {
		if got, ok := timestamp.Parse(text, model.ProtocolTime); ok {
			t.Errorf("%s was read as %v", text, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"2026-11-23T06:28:00Z", "Mon, 23 Nov 2026 06:28:00 GMT", "1.5e9", "-0.001", "1795415280.1234567890"} {
		f.Add(s, uint8(0))
	}
	f.Fuzz(func(t *testing.T, s string, format uint8) {
		v, ok := timestamp.Parse(s, model.TimeFormat(format%4))
		if !ok {
			return
		}
		for _, form := range []model.TimeFormat{model.ISO8601, model.Unix} {
			if v.Year() < 1 || v.Year() > 9999 {
				continue
			}
			b := timestamp.Append(nil, v, form, model.Unix)
			if back, ok := timestamp.Parse(string(b), form); !ok || back.UnixMilli() != v.UnixMilli() {
				t.Fatalf("%q is %v, written %s, read as %v", s, v, b, back)
			}
		}
	})
}
