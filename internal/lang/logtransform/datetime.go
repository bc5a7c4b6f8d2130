package logtransform

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // a host need not have the zones
	"unicode"
)

type dateTimeConverter struct {
	Source         string   `json:"source"`
	Target         string   `json:"target"`
	TargetFormat   string   `json:"targetFormat"`
	MatchPatterns  []string `json:"matchPatterns"`
	SourceTimezone string   `json:"sourceTimezone"`
	TargetTimezone string   `json:"targetTimezone"`
	Locale         string   `json:"locale"`
}

const defaultFormat = `yyyy-MM-dd'T'HH:mm:ss.SSS'Z'`

func (c *dateTimeConverter) compile() (step, error) {
	from, err := pathOf(c.Source, "source")
	if err != nil {
		return nil, err
	}
	to, err := pathOf(c.Target, "target")
	if err != nil {
		return nil, err
	}
	if len(c.MatchPatterns) == 0 || len(c.MatchPatterns) > 5 {
		return nil, errors.New("matchPatterns must have from 1 to 5 patterns")
	}
	if len(c.TargetFormat) > 64 {
		return nil, errors.New("targetFormat must have at most 64 characters")
	}
	words, ok := localeOf(c.Locale)
	if !ok {
		return nil, fmt.Errorf("the locale %s is not served: use one of %s", c.Locale, locales)
	}
	source, err := zoneOf(c.SourceTimezone)
	if err != nil {
		return nil, err
	}
	target, err := zoneOf(c.TargetTimezone)
	if err != nil {
		return nil, err
	}
	var match []format
	for _, p := range c.MatchPatterns {
		f, err := formatOf(p, words)
		if err != nil {
			return nil, err
		}
		match = append(match, f)
	}
	if c.TargetFormat == "" {
		c.TargetFormat = defaultFormat
	}
	out, err := formatOf(c.TargetFormat, words)
	if err != nil {
		return nil, err
	}
	return func(d *document) error {
		v := d.get(from)
		if v == nil || v.kind == null {
			return nil
		}
		for i := range match {
			if t, ok := match[i].parse(v.shown(), source); ok {
				d.put(to, stringOf(out.write(t.In(target))), true)
				return nil
			}
		}
		return fmt.Errorf("dateTimeConverter: the value of %s matches none of the patterns", c.Source)
	}, nil
}

// zoneOf is a zone by the names that Java knows.
func zoneOf(name string) (*time.Location, error) {
	switch name {
	case "", "Z", "UTC", "GMT":
		return time.UTC, nil
	}
	offset := strings.TrimPrefix(strings.TrimPrefix(name, "UTC"), "GMT")
	if strings.HasPrefix(offset, "+") || strings.HasPrefix(offset, "-") {
		if seconds, rest, ok := readOffset(offset); ok && rest == "" {
			return time.FixedZone(name, seconds), nil
		}
	}
	if l, err := time.LoadLocation(name); err == nil && name != "Local" {
		return l, nil
	}
	return nil, fmt.Errorf("there is no time zone %s", name)
}

// readOffset reads +01:30, +0130, +01 or +1.
func readOffset(s string) (seconds int, rest string, ok bool) {
	if s == "" || s[0] != '+' && s[0] != '-' {
		return 0, s, false
	}
	hours, rest, ok := readNumber(s[1:], 1, 2)
	if !ok || hours > 18 {
		return 0, s, false
	}
	minutes := 0
	if m, r, ok := readNumber(strings.TrimPrefix(rest, ":"), 2, 2); ok && m < 60 {
		minutes, rest = m, r
	}
	if seconds = hours*3600 + minutes*60; s[0] == '-' {
		seconds = -seconds
	}
	return seconds, rest, true
}

// readNumber reads as many digits as there are, up to most.
func readNumber(s string, least, most int) (n int, rest string, ok bool) {
	i := 0
	for i < len(s) && i < most && s[i] >= '0' && s[i] <= '9' {
		n = n*10 + int(s[i]-'0')
		i++
	}
	return n, s[i:], i >= least
}

// format is a pattern of Java's DateTimeFormatter.
type format struct {
	parts []part
	words *locale
}

// part is a letter and how often it stands there, or a text.
type part struct {
	letter byte
	count  int
	text   string
}

func formatOf(s string, words *locale) (format, error) {
	f := format{words: words}
	literal := func(t string) {
		if n := len(f.parts); n > 0 && f.parts[n-1].letter == 0 {
			f.parts[n-1].text += t
			return
		}
		f.parts = append(f.parts, part{text: t})
	}
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == '\'':
			quoted, n := quotedText(s[i+1:])
			literal(quoted)
			i += 1 + n
		case c < unicode.MaxASCII && unicode.IsLetter(rune(c)):
			n := i
			for n < len(s) && s[n] == c {
				n++
			}
			if !strings.ContainsRune("GyuMLdDEeaHhKkmsSnAzVOXxZ", rune(c)) {
				return f, fmt.Errorf("the letter %c of the date pattern %s is not served", c, s)
			}
			f.parts = append(f.parts, part{letter: c, count: n - i})
			i = n
		case c == '[' || c == ']' || c == '{' || c == '}' || c == '#':
			return f, fmt.Errorf("the sign %c of the date pattern %s is not served", c, s)
		default:
			literal(s[i : i+1])
			i++
		}
	}
	return f, nil
}

// quotedText is the text behind a quote, up to the one that closes it, and how long it is there. Two quotes are one of the text, and
// nothing between two is a quote itself. Where it is not closed, as in AWS's own default, it goes to the end.
func quotedText(s string) (t string, n int) {
	if strings.HasPrefix(s, "'") {
		return "'", 1
	}
	for n < len(s) {
		if s[n] == '\'' {
			if !strings.HasPrefix(s[n+1:], "'") {
				return t, n + 1
			}
			n++
		}
		t += s[n : n+1]
		n++
	}
	return t, n
}

// write formats a time.
func (f *format) write(t time.Time) string {
	var b []byte
	pad := func(n, width int) {
		if n < 0 {
			b, n = append(b, '-'), -n
		}
		s := strconv.Itoa(n)
		for range width - len(s) {
			b = append(b, '0')
		}
		b = append(b, s...)
	}
	for _, p := range f.parts {
		switch p.letter {
		case 0:
			b = append(b, p.text...)
		case 'G':
			b = append(b, "AD"...)
		case 'y', 'u':
			if p.count == 2 {
				pad(t.Year()%100, 2)
			} else {
				pad(t.Year(), p.count)
			}
		case 'M', 'L':
			if p.count > 2 {
				b = append(b, f.words.month(int(t.Month())-1, p.count == 3)...)
			} else {
				pad(int(t.Month()), p.count)
			}
		case 'd':
			pad(t.Day(), p.count)
		case 'D':
			pad(t.YearDay(), p.count)
		case 'E', 'e':
			b = append(b, f.words.day(int(t.Weekday()), p.count <= 3)...)
		case 'a':
			b = append(b, [2]string{"AM", "PM"}[t.Hour()/12]...)
		case 'H':
			pad(t.Hour(), p.count)
		case 'k':
			pad((t.Hour()+23)%24+1, p.count)
		case 'K':
			pad(t.Hour()%12, p.count)
		case 'h':
			pad((t.Hour()+11)%12+1, p.count)
		case 'm':
			pad(t.Minute(), p.count)
		case 's':
			pad(t.Second(), p.count)
		case 'S':
			s := fmt.Sprintf("%09d", t.Nanosecond())
			b = append(b, s[:min(p.count, 9)]...)
		case 'n':
			pad(t.Nanosecond(), p.count)
		case 'A':
			pad(((t.Hour()*60+t.Minute())*60+t.Second())*1000+t.Nanosecond()/1e6, p.count)
		case 'z':
			name, _ := t.Zone()
			b = append(b, name...)
		case 'V':
			b = append(b, t.Location().String()...)
		default:
			b = append(b, f.offset(t, p)...)
		}
	}
	return string(b)
}

// offset is how far a time's zone is from UTC, as one of the letters O, X, x and Z writes it.
func (f *format) offset(t time.Time, p part) string {
	_, seconds := t.Zone()
	if seconds == 0 {
		switch {
		case p.letter == 'X':
			return "Z"
		case p.letter == 'O', p.letter == 'Z' && p.count == 4:
			return "GMT"
		case p.letter == 'Z' && p.count == 5:
			return "Z"
		}
	}
	sign := "+"
	if seconds < 0 {
		sign, seconds = "-", -seconds
	}
	h, m := seconds/3600, seconds/60%60
	switch {
	case p.letter == 'O' && p.count == 1:
		if m == 0 {
			return "GMT" + sign + strconv.Itoa(h)
		}
		return fmt.Sprintf("GMT%s%d:%02d", sign, h, m)
	case p.letter == 'O', p.letter == 'Z' && p.count == 4:
		return fmt.Sprintf("GMT%s%02d:%02d", sign, h, m)
	case p.letter != 'Z' && p.count == 1 && m == 0:
		return fmt.Sprintf("%s%02d", sign, h)
	case p.letter == 'Z' && p.count < 4, p.letter != 'Z' && p.count%2 == 0, p.count == 1:
		return fmt.Sprintf("%s%02d%02d", sign, h, m)
	}
	return fmt.Sprintf("%s%02d:%02d", sign, h, m)
}

// parse reads a time that is written so. What it does not say of a date is today's in no case: the year is 1970.
func (f *format) parse(s string, zone *time.Location) (time.Time, bool) {
	year, month, day, yearday := 1970, 1, 1, 0
	hour, minute, second, nano := 0, 0, 0, 0
	half := -1 // 0 in the morning, 1 after it
	for i, p := range f.parts {
		ok := true
		most := p.count
		if p.count == 1 {
			most = 19
		}
		if i+1 < len(f.parts) && f.parts[i+1].letter != 0 && p.count == 1 {
			most = 2 // what follows at once needs its digits too
		}
		n := 0
		switch p.letter {
		case 0:
			s, ok = strings.CutPrefix(s, p.text)
		case 'G':
			s, ok = strings.CutPrefix(s, "AD")
		case 'y', 'u':
			if p.count == 2 {
				year, s, ok = readNumber(s, 2, 2)
				year += 2000
			} else {
				year, s, ok = readNumber(s, min(p.count, 4), max(4, min(most, 4)))
			}
		case 'M', 'L':
			if p.count > 2 {
				month, s, ok = f.words.readMonth(s, p.count == 3)
			} else {
				month, s, ok = readNumber(s, p.count, max(p.count, min(most, 2)))
			}
		case 'd':
			day, s, ok = readNumber(s, p.count, max(p.count, min(most, 2)))
		case 'D':
			yearday, s, ok = readNumber(s, p.count, 3)
			ok = ok && yearday >= 1 && yearday <= 366
		case 'E', 'e':
			s, ok = f.words.readDay(s, p.count <= 3)
		case 'a':
			switch {
			case len(s) >= 2 && strings.EqualFold(s[:2], "AM"):
				half = 0
			case len(s) >= 2 && strings.EqualFold(s[:2], "PM"):
				half = 1
			default:
				ok = false
			}
			if ok {
				s = s[2:]
			}
		case 'H', 'k', 'K', 'h':
			hour, s, ok = readNumber(s, p.count, max(p.count, min(most, 2)))
			if p.letter == 'k' && hour == 24 || p.letter == 'h' && hour == 12 {
				hour = 0
			}
		case 'm':
			minute, s, ok = readNumber(s, p.count, max(p.count, min(most, 2)))
		case 's':
			second, s, ok = readNumber(s, p.count, max(p.count, min(most, 2)))
		case 'S':
			width := min(p.count, 9)
			nano, s, ok = readNumber(s, width, width)
			for range 9 - width {
				nano *= 10
			}
		case 'n':
			nano, s, ok = readNumber(s, 1, 9)
		case 'A':
			if n, s, ok = readNumber(s, 1, 8); ok {
				hour, minute, second, nano = n/3600000, n/60000%60, n/1000%60, n%1000*1e6
			}
		default:
			zone, s, ok = readZone(s, p.letter, zone)
		}
		if !ok {
			return time.Time{}, false
		}
	}
	if s != "" || month < 1 || month > 12 || hour > 23 || minute > 59 || second > 59 {
		return time.Time{}, false
	}
	if half == 1 && hour < 12 {
		hour += 12
	}
	if yearday > 0 {
		month, day = 1, yearday
	} else if day < 1 || day > time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day() {
		return time.Time{}, false
	}
	return time.Date(year, time.Month(month), day, hour, minute, second, nano, zone), true
}

// readZone reads the name of a zone or an offset. A name that tells no place is taken to be of the source's zone, where that has it,
// or one of those that people write in logs.
func readZone(s string, letter byte, zone *time.Location) (*time.Location, string, bool) {
	if rest, ok := strings.CutPrefix(s, "Z"); ok && letter != 'z' {
		return time.UTC, rest, true
	}
	if letter == 'O' || letter == 'Z' || letter == 'z' {
		if rest, ok := strings.CutPrefix(s, "GMT"); ok {
			if seconds, rest, ok := readOffset(rest); ok {
				return time.FixedZone("", seconds), rest, true
			}
			return time.UTC, rest, true
		}
	}
	if seconds, rest, ok := readOffset(s); ok {
		return time.FixedZone("", seconds), rest, true
	}
	if letter != 'z' && letter != 'V' {
		return nil, s, false
	}
	n := 0
	for n < len(s) && (s[n] >= 'A' && s[n] <= 'Z' || s[n] >= 'a' && s[n] <= 'z' || s[n] == '/' || s[n] == '_') {
		n++
	}
	name, rest := s[:n], s[n:]
	if hours, ok := map[string]int{"EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7, "CET": 1, "CEST": 2, "MEZ": 1, "MESZ": 2}[name]; ok {
		return time.FixedZone(name, hours*3600), rest, true
	}
	if l, err := zoneOf(name); n > 0 && err == nil {
		return l, rest, true
	}
	return zone, rest, false
}
