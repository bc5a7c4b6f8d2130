// Package timestamp reads and writes times in the formats of AWS's protocols. It reads whatever clients write, and writes milliseconds
// where there are any.
package timestamp

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/obidos-cloud/obidos/internal/model"
)

// Parse reads a timestamp. Where the format is the protocol's, or the text is not of the format, every format AWS knows is tried:
// clients differ, and none of the formats can be taken for another.
func Parse(s string, f model.TimeFormat) (time.Time, bool) {
	if s == "" {
		return time.Time{}, false
	}
	if f == model.ProtocolTime {
		if len(s) > 10 && s[4] == '-' {
			f = model.ISO8601
		} else if s[0] > '9' {
			f = model.RFC822
		} else {
			f = model.Unix
		}
	}
	switch f {
	case model.ISO8601:
		if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
			return t.UTC(), true
		}
		for _, layout := range [...]string{"2006-01-02T15:04:05.999999999", "2006-01-02T15:04:05.999999999Z0700", "2006-01-02T15:04Z07:00", "2006-01-02", "20060102T150405Z"} {
			if t, err := time.Parse(layout, s); err == nil {
				return t.UTC(), true
			}
		}
		return parseUnix(s)
	case model.RFC822:
		for _, layout := range [...]string{"Mon, 02 Jan 2006 15:04:05.999999999 GMT", "Mon, 2 Jan 2006 15:04:05 GMT", time.RFC1123, time.RFC1123Z, time.RFC850, time.ANSIC, time.RFC3339Nano} {
			if t, err := time.Parse(layout, s); err == nil {
				return t.UTC(), true
			}
		}
		return parseUnix(s)
	}
	if t, ok := parseUnix(s); ok {
		return t, true
	}
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return t.UTC(), true
	}
	return time.Time{}, false
}

// Seconds that years 1 and 9999 begin and end with, as far as a timestamp can be written again.
const (
	minSeconds = -62135596800
	maxSeconds = 253402300799
)

// parseUnix reads seconds since 1970, to the nanosecond where they are written without an exponent.
func parseUnix(s string) (time.Time, bool) {
	whole, fraction, _ := strings.Cut(s, ".")
	sec, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || len(fraction) > 9 || strings.ContainsAny(fraction, "eE+-") {
		f, err := strconv.ParseFloat(s, 64)
		if err != nil || !(f >= minSeconds && f <= maxSeconds) {
			return time.Time{}, false
		}
		return FromSeconds(f)
	}
	var ns int64
	if fraction != "" {
		if ns, err = strconv.ParseInt(fraction, 10, 64); err != nil {
			return time.Time{}, false
		}
		for range 9 - len(fraction) {
			ns *= 10
		}
		if whole[0] == '-' {
			ns = -ns
		}
	}
	if sec < minSeconds || sec > maxSeconds {
		return time.Time{}, false
	}
	return time.Unix(sec, ns).UTC(), true
}

// FromSeconds is the time f seconds after 1970, to the millisecond: no more is certain in a float.
func FromSeconds(f float64) (time.Time, bool) {
	if !(f >= minSeconds && f <= maxSeconds) {
		return time.Time{}, false
	}
	return time.UnixMilli(int64(math.Round(f * 1000))).UTC(), true
}

// Append writes t in the format, def where the model names none. What is below a millisecond is left out.
func Append(b []byte, t time.Time, f, def model.TimeFormat) []byte {
	if f == model.ProtocolTime {
		f = def
	}
	t = t.UTC()
	ms := t.Nanosecond() / 1e6
	switch f {
	case model.ISO8601:
		b = t.AppendFormat(b, "2006-01-02T15:04:05")
		if ms > 0 {
			b = append(b, '.')
			b = appendMillis(b, ms)
		}
		return append(b, 'Z')
	case model.RFC822:
		return t.AppendFormat(b, "Mon, 02 Jan 2006 15:04:05 GMT")
	}
	milli := t.UnixMilli()
	if milli < 0 {
		b = append(b, '-')
		milli = -milli
	}
	b = strconv.AppendInt(b, milli/1000, 10)
	if ms := int(milli % 1000); ms > 0 {
		b = append(b, '.')
		b = appendMillis(b, ms)
		for b[len(b)-1] == '0' {
			b = b[:len(b)-1]
		}
	}
	return b
}

func appendMillis(b []byte, ms int) []byte {
	return append(b, byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10))
}
