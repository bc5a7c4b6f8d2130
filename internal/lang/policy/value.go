package policy

import (
	"cmp"
	"math"
	"net/netip"
	"strconv"
	"strings"
)

// parseNumber reads an integer or a decimal number.
func parseNumber(s string) (float64, bool) {
	digits := 0
	for i := range len(s) {
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			digits++
		case (c == '+' || c == '-') && (i == 0 || lowerByte(s[i-1]) == 'e'):
		case c == '.' || lowerByte(c) == 'e' && digits > 0:
		default:
			return 0, false
		}
	}
	if digits == 0 {
		return 0, false
	}
	n, err := strconv.ParseFloat(s, 64)
	return n, err == nil
}

// parseAddress reads an IP address; the IPv4 ones among IPv6's are IPv4's.
func parseAddress(s string) (netip.Addr, bool) {
	if !strings.ContainsAny(s, ".:") {
		return netip.Addr{}, false
	}
	a, err := netip.ParseAddr(s)
	return a.Unmap(), err == nil && a.Zone() == ""
}

// parseNetwork reads an address or a block of them.
func parseNetwork(s string) (netip.Prefix, bool) {
	if strings.Contains(s, "/") {
		n, err := netip.ParsePrefix(s)
		if err == nil && n.Addr().Is4In6() && n.Bits() >= 96 {
			n = netip.PrefixFrom(n.Addr().Unmap(), n.Bits()-96)
		}
		return n.Masked(), err == nil
	}
	a, ok := parseAddress(s)
	if !ok {
		return netip.Prefix{}, false
	}
	return netip.PrefixFrom(a, a.BitLen()), true
}

// instant is a point in time, of the years that AWS takes.
type instant struct {
	seconds int64 // since 1970
	nanos   int32
}

func (a instant) compare(b instant) int {
	return cmp.Or(cmp.Compare(a.seconds, b.seconds), cmp.Compare(a.nanos, b.nanos))
}

// parseDate reads what a Date operator compares: seconds since 1970, or ISO 8601 as W3C profiles it, from the year alone with
// a T behind it down to fractions of a second, with an offset or none for UTC. What has a T or a - in it is the latter.
func parseDate(s string) (instant, bool) {
	if !strings.ContainsAny(s, "Tt-") {
		return parseEpoch(s)
	}
	d := dateReader{s: s}
	date, ok := d.date()
	if !ok {
		return instant{}, false
	}
	if d.s == "" || !d.word('t') || d.s == "" {
		return instant{seconds: date}, d.s == ""
	}
	t, ok := d.time()
	t.seconds += date
	return t, ok
}

func parseEpoch(s string) (instant, bool) {
	whole, fraction, has := strings.Cut(s, ".")
	d := dateReader{s: whole}
	n, ok := d.digits(1, 19)
	if !ok || d.s != "" || n < 0 {
		return instant{}, false
	}
	t := instant{seconds: n}
	if has {
		d.s = fraction
		t.nanos, ok = d.fraction()
	}
	return t, ok && d.s == ""
}

type dateReader struct{ s string }

// word takes a letter of either case.
func (d *dateReader) word(c byte) bool {
	if d.s != "" && lowerByte(d.s[0]) == c {
		d.s = d.s[1:]
		return true
	}
	return false
}

// digits takes as many digits as there are, at least low and at most high; more than 19 do not fit.
func (d *dateReader) digits(low, high int) (int64, bool) {
	n, v := 0, int64(0)
	for n < len(d.s) && n < high && d.s[n] >= '0' && d.s[n] <= '9' {
		c := int64(d.s[n] - '0')
		if v > (math.MaxInt64-c)/10 {
			return 0, false
		}
		v = v*10 + c
		n++
	}
	d.s = d.s[n:]
	return v, n >= low
}

// within takes a number of one or two digits that has bounds.
func (d *dateReader) within(low, high int64) (int64, bool) {
	v, ok := d.digits(1, 2)
	return v, ok && v >= low && v <= high
}

// fraction takes the digits behind a point, nine at most.
func (d *dateReader) fraction() (int32, bool) {
	nanos, n := int32(0), 0
	for n < len(d.s) && d.s[n] >= '0' && d.s[n] <= '9' {
		if n < 9 { // a tenth is refused below
			nanos = nanos*10 + int32(d.s[n]-'0')
		}
		n++
	}
	for i := n; i < 9; i++ {
		nanos *= 10
	}
	d.s = d.s[n:]
	return nanos, n > 0 && n <= 9
}

// The years that AWS takes: those of Java's calendars.
const (
	minYear = -292275054
	maxYear = 292278993
)

// date takes year, month and day, the latter two of which may be missing, and gives the seconds since 1970.
func (d *dateReader) date() (int64, bool) {
	sign := int64(1)
	if d.word('-') {
		sign = -1
	}
	year, ok := d.digits(1, 9)
	if year *= sign; !ok || year < minYear || year > maxYear {
		return 0, false
	}
	month, day := int64(1), int64(1)
	if d.word('-') {
		if month, ok = d.within(1, 12); !ok {
			return 0, false
		}
		if d.word('-') {
			if day, ok = d.within(1, 31); !ok {
				return 0, false
			}
		}
	}
	return days(year, month, day) * 86400, true
}

// days are those from 1970 to a date of the Gregorian calendar; the 31st of a shorter month is the next one's first.
func days(year, month, day int64) int64 {
	if month <= 2 {
		year--
		month += 12
	}
	era := year / 400
	if year < 0 {
		era = (year - 399) / 400
	}
	ofEra := year - era*400
	ofYear := (153*(month-3)+2)/5 + day - 1
	return era*146097 + ofEra*365 + ofEra/4 - ofEra/100 + ofYear - 719468
}

// time takes what stands behind the T.
func (d *dateReader) time() (t instant, ok bool) {
	hour, ok := d.within(0, 23)
	if !ok {
		return t, false
	}
	t.seconds = hour * 3600
	if d.word(':') {
		minute, ok := d.within(0, 59)
		if !ok {
			return t, false
		}
		t.seconds += minute * 60
		if d.word(':') {
			second, ok := d.within(0, 59)
			if !ok {
				return t, false
			}
			t.seconds += second
			if d.word('.') {
				if t.nanos, ok = d.fraction(); !ok {
					return t, false
				}
			}
		}
	}
	if d.word('z') {
		return t, d.s == ""
	}
	sign := int64(-1) // what is east is earlier
	switch {
	case d.s == "":
		return t, true
	case d.word('-'):
		sign = 1
	case !d.word('+'):
		return t, false
	}
	hours, ok := d.digits(2, 2)
	if !ok || hours > 23 {
		return t, false
	}
	t.seconds += sign * hours * 3600
	if d.word(':'); d.s != "" {
		minutes, ok := d.digits(2, 2)
		if !ok || minutes > 59 {
			return t, false
		}
		t.seconds += sign * minutes * 60
	}
	return t, d.s == ""
}
