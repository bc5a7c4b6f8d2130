// Package schedule is the language in which AWS is told when to do something again and again: cron(minutes hours day-of-month month
// day-of-week year). An expression is compiled once into a Schedule, which never changes, and asked for one time after the other.
//
// Times are those of clocks in a time zone. A time that a day does not have, since clocks were put forward, is as much later as they were
// put; one that a day has twice comes once, the first time.
package schedule

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"time"
)

// Error is an expression that is not understood.
type Error struct{ Message string }

func (e *Error) Error() string { return e.Message }

func wrong(format string, args ...any) error { return &Error{fmt.Sprintf(format, args...)} }

// Schedule is a compiled expression.
type Schedule struct {
	minutes, hours, days, months, weekdays uint64 // bits; of weekdays 0 is Sunday

	anyDay, anyWeekday bool        // ?
	last               int         // the last day of the month, less so many; -1: not asked for
	lastWorkday        bool        // LW
	near               []int       // the working days nearest to these
	lastOf             uint64      // weekdays that are the last of a month
	nth                [8][]int    // by weekday: which of the month
	years              map[int]any // nil = all
}

const (
	firstYear = 1970
	lastYear  = 2199
	maxLength = 256
)

// Cron compiles an expression of the form cron(…). Its errors are *Error.
func Cron(text string) (*Schedule, error) {
	if len(text) > maxLength {
		return nil, wrong("a schedule expression has at most %d characters", maxLength)
	}
	inner, ok := strings.CutPrefix(strings.TrimSpace(text), "cron(")
	if ok {
		inner, ok = strings.CutSuffix(inner, ")")
	}
	fields := strings.Fields(inner)
	if !ok || len(fields) != 6 {
		return nil, wrong("a schedule expression has the form cron(minutes hours day-of-month month day-of-week year): %s", text)
	}
	s := &Schedule{last: -1}
	var err error
	if s.minutes, err = set(fields[0], "minutes", 0, 59, ""); err != nil {
		return nil, err
	}
	if s.hours, err = set(fields[1], "hours", 0, 23, ""); err != nil {
		return nil, err
	}
	if err = s.readDays(fields[2]); err != nil {
		return nil, err
	}
	if s.months, err = set(fields[3], "month", 1, 12, "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC"); err != nil {
		return nil, err
	}
	if err = s.readWeekdays(fields[4]); err != nil {
		return nil, err
	}
	if s.anyDay == s.anyWeekday {
		return nil, wrong("one of day-of-month and day-of-week, and not both, must be ?")
	}
	return s, s.readYears(fields[5])
}

// set reads numbers, ranges and steps as bits.
func set(text, field string, low, high int, names string) (bits uint64, err error) {
	for item := range strings.SplitSeq(text, ",") {
		from, to, step, err := interval(item, field, low, high, names)
		if err != nil {
			return 0, err
		}
		for i := from; i <= to; i += step {
			bits |= 1 << i
		}
	}
	return bits, nil
}

// interval reads *, 5, 5-7, 5/10, */10 or 5-30/10.
func interval(item, field string, low, high int, names string) (from, to, step int, err error) {
	bad := wrong("%s of a schedule expression is not understood: %s", field, item)
	span, by, stepped := strings.Cut(item, "/")
	step = 1
	if stepped {
		if step, err = strconv.Atoi(by); err != nil || step < 1 || step > high {
			return 0, 0, 0, bad
		}
	}
	first, second, ranged := strings.Cut(span, "-")
	switch {
	case span == "*":
		from, to = low, high
	case ranged:
		from, to = number(first, low, names), number(second, low, names)
	default:
		from = number(first, low, names)
		if to = from; stepped {
			to = high
		}
	}
	if from < low || to > high || from > to {
		return 0, 0, 0, bad
	}
	return from, to, step, nil
}

// number reads a number or a name; -1 where it is neither.
func number(s string, low int, names string) int {
	for i, n := range strings.Fields(names) {
		if strings.EqualFold(s, n) {
			return i + low
		}
	}
	if s == "" || len(s) > 4 || strings.Trim(s, "0123456789") != "" {
		return -1
	}
	n, _ := strconv.Atoi(s) // it is digits
	return n
}

func (s *Schedule) readDays(text string) error {
	if text == "?" {
		s.anyDay = true
		return nil
	}
	for item := range strings.SplitSeq(text, ",") {
		switch {
		case item == "L":
			s.last = 0
		case item == "LW" || item == "WL":
			s.lastWorkday = true
		case strings.HasPrefix(item, "L-"):
			n := number(item[2:], 0, "")
			if n < 1 || n > 30 {
				return wrong("day-of-month of a schedule expression is not understood: %s", item)
			}
			s.last = n
		case strings.HasSuffix(item, "W"):
			n := number(item[:len(item)-1], 1, "")
			if n < 1 || n > 31 {
				return wrong("day-of-month of a schedule expression is not understood: %s", item)
			}
			s.near = append(s.near, n)
		default:
			days, err := set(item, "day-of-month", 1, 31, "")
			if err != nil {
				return err
			}
			s.days |= days
		}
	}
	return nil
}

const weekdays = "SUN MON TUE WED THU FRI SAT"

func (s *Schedule) readWeekdays(text string) error {
	if text == "?" {
		s.anyWeekday = true
		return nil
	}
	bad := wrong("day-of-week of a schedule expression is not understood: %s", text)
	for item := range strings.SplitSeq(text, ",") {
		day, nth, ordinal := strings.Cut(item, "#")
		switch {
		case item == "L":
			s.weekdays |= 1 << 6
		case ordinal:
			d, n := number(day, 1, weekdays), number(nth, 1, "")
			if d < 1 || d > 7 || n < 1 || n > 5 {
				return bad
			}
			s.nth[d-1] = append(s.nth[d-1], n)
		case strings.HasSuffix(item, "L"):
			d := number(item[:len(item)-1], 1, weekdays)
			if d < 1 || d > 7 {
				return bad
			}
			s.lastOf |= 1 << (d - 1)
		default:
			days, err := set(item, "day-of-week", 1, 7, weekdays)
			if err != nil {
				return err
			}
			s.weekdays |= days >> 1
		}
	}
	return nil
}

func (s *Schedule) readYears(text string) error {
	if text == "*" {
		return nil
	}
	s.years = map[int]any{}
	for item := range strings.SplitSeq(text, ",") {
		from, to, step, err := interval(item, "year", firstYear, lastYear, "")
		if err != nil {
			return err
		}
		for i := from; i <= to; i += step {
			s.years[i] = nil
		}
	}
	return nil
}

// Next is the first time behind after; false where there is none.
func (s *Schedule) Next(after time.Time, zone *time.Location) (time.Time, bool) {
	local := after.In(zone)
	year, month, day := local.Date()
	for ; year <= lastYear; year, month, day = year+1, time.January, 1 {
		if _, ok := s.years[year]; s.years != nil && !ok {
			continue
		}
		for ; month <= time.December; month, day = month+1, 1 {
			if s.months&(1<<month) == 0 {
				continue
			}
			last := time.Date(year, month+1, 0, 0, 0, 0, 0, time.UTC).Day()
			for ; day <= last; day++ {
				if !s.on(year, month, day, last) {
					continue
				}
				if t, ok := s.at(year, month, day, after, zone); ok {
					return t, true
				}
			}
		}
	}
	return time.Time{}, false
}

// at is the first time of a day behind after. All of the day's are looked at: where clocks are put forward they are out of order.
func (s *Schedule) at(year int, month time.Month, day int, after time.Time, zone *time.Location) (first time.Time, ok bool) {
	for hours := s.hours; hours != 0; hours &= hours - 1 {
		hour := bits.TrailingZeros64(hours)
		for minutes := s.minutes; minutes != 0; minutes &= minutes - 1 {
			minute := bits.TrailingZeros64(minutes)
			t := time.Date(year, month, day, hour, minute, 0, 0, zone)
			if missed := (hour-t.Hour())*60 + minute - t.Minute(); missed > 0 {
				t = t.Add(time.Duration(missed) * time.Minute)
			}
			if t.After(after) && (!ok || t.Before(first)) {
				first, ok = t, true
			}
		}
	}
	return first, ok
}

// on reports whether a day is one of the schedule's. last is the last of its month.
func (s *Schedule) on(year int, month time.Month, day, last int) bool {
	weekday := func(d int) time.Weekday { return time.Date(year, month, d, 0, 0, 0, 0, time.UTC).Weekday() }
	if s.anyDay {
		w := weekday(day)
		if s.weekdays&(1<<w) != 0 || s.lastOf&(1<<w) != 0 && day+7 > last {
			return true
		}
		for _, n := range s.nth[w] {
			if (day-1)/7+1 == n {
				return true
			}
		}
		return false
	}
	if s.days&(1<<day) != 0 || s.last >= 0 && day == last-s.last {
		return true
	}
	if s.lastWorkday {
		d := last
		for weekday(d) == time.Saturday || weekday(d) == time.Sunday {
			d--
		}
		if d == day {
			return true
		}
	}
	for _, n := range s.near {
		n = min(n, last)
		switch w := weekday(n); { // never into another month
		case w == time.Saturday && n > 1:
			n--
		case w == time.Saturday:
			n += 2
		case w == time.Sunday && n < last:
			n++
		case w == time.Sunday:
			n -= 2
		}
		if n == day {
			return true
		}
	}
	return false
}
