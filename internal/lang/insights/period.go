package insights

import (
	"math"
	"strings"
	"time"
)

// period is a length of time as bin() takes it: milliseconds, or months where the calendar decides.
type period struct {
	ms, months int64
	week       bool
}

const day = 24 * 60 * 60 * 1000

func newPeriod(n float64, unit string) (period, bool) {
	u := strings.ToLower(unit)
	if len(u) > 1 && u != "ms" {
		u = strings.TrimSuffix(u, "s")
	}
	var p period
	switch u {
	case "ms", "msec", "millisecond":
		p.ms = 1
	case "s", "sec", "second":
		p.ms = 1000
	case "m", "min", "minute":
		p.ms = 60_000
	case "h", "hr", "hour":
		p.ms = 3_600_000
	case "d", "day":
		p.ms = day
	case "w", "week":
		p.ms, p.week = 7*day, true
	case "mo", "mon", "month":
		p.months = 1
	case "q", "qtr", "quarter":
		p.months = 3
	case "y", "yr", "year":
		p.months = 12
	default:
		return p, false
	}
	if n < 1 || n != math.Trunc(n) || n > 1e6 {
		return p, false
	}
	p.ms *= int64(n)
	p.months *= int64(n)
	return p, true
}

// floor is the beginning of the period that a time is in.
func (p period) floor(ms int64) int64 {
	if p.months > 0 {
		t := time.UnixMilli(ms).UTC()
		n := int64(t.Year())*12 + int64(t.Month()) - 1
		n -= modulo(n, p.months)
		return time.Date(int(n/12), time.Month(n%12+1), 1, 0, 0, 0, 0, time.UTC).UnixMilli()
	}
	if p.week {
		return ms - modulo(ms-4*day, p.ms) // 1970-01-05 was a Monday
	}
	return ms - modulo(ms, p.ms)
}

// ceil is the beginning of the period after, or the time itself where one begins.
func (p period) ceil(ms int64) int64 {
	f := p.floor(ms)
	if f == ms {
		return ms
	}
	if p.months > 0 {
		return time.UnixMilli(f).UTC().AddDate(0, int(p.months), 0).UnixMilli()
	}
	return f + p.ms
}

func modulo(a, b int64) int64 {
	if m := a % b; m < 0 {
		return m + b
	} else {
		return m
	}
}
