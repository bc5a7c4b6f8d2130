package logtransform

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

type addEntry struct {
	Key               string `json:"key"`
	Value             string `json:"value"`
	OverwriteIfExists bool   `json:"overwriteIfExists"`
}

func (e addEntry) compile() (step, error) {
	at, err := pathOf(e.Key, "key")
	if err != nil {
		return nil, err
	}
	if e.Value == "" || len(e.Value) > 256 {
		return nil, errors.New("value must have from 1 to 256 characters")
	}
	return func(d *document) error {
		d.put(at, stringOf(e.Value), e.OverwriteIfExists)
		return nil
	}, nil
}

type moveEntry struct {
	Source            string `json:"source"`
	Target            string `json:"target"`
	OverwriteIfExists bool   `json:"overwriteIfExists"`
}

func (e moveEntry) paths() (from, to path, err error) {
	if from, err = pathOf(e.Source, "source"); err == nil {
		to, err = pathOf(e.Target, "target")
	}
	return from, to, err
}

// of is the name of the metadata that a source is, if it is one.
func (e Event) of(source string) (string, bool) {
	switch source {
	case "@logGroupName":
		return e.Group, true
	case "@logGroupStream", "@logStreamName":
		return e.Stream, true
	case "@accountId":
		return e.Account, true
	case "@regionName":
		return e.Region, true
	case messageKey:
		return e.Message, true
	}
	return "", false
}

func (e moveEntry) compileCopy() (step, error) {
	from, to, err := e.paths()
	if err != nil {
		return nil, err
	}
	return func(d *document) error {
		if s, ok := d.event.of(e.Source); ok {
			if s != "" {
				d.put(to, stringOf(s), e.OverwriteIfExists)
			}
			return nil
		}
		if v := d.get(from); v != nil {
			d.put(to, v.clone(), e.OverwriteIfExists)
		}
		return nil
	}, nil
}

// compileMove moves a key into another, which is an object or becomes one.
func (e moveEntry) compileMove() (step, error) {
	from, to, err := e.paths()
	if err != nil {
		return nil, err
	}
	name := from[len(from)-1]
	return func(d *document) error {
		v := d.get(from)
		if v == nil {
			return nil
		}
		d.remove(from)
		if d.put(append(to[:len(to):len(to)], name), v, e.OverwriteIfExists) {
			return nil
		}
		d.put(from, v, true) // where it cannot go it stays
		return nil
	}, nil
}

type renameEntry struct {
	Key               string `json:"key"`
	RenameTo          string `json:"renameTo"`
	Target            string `json:"target"` // what AWS's guide calls it
	OverwriteIfExists bool   `json:"overwriteIfExists"`
}

func (e renameEntry) compile() (step, error) {
	from, err := pathOf(e.Key, "key")
	if err != nil {
		return nil, err
	}
	if e.RenameTo == "" {
		e.RenameTo = e.Target
	}
	to, err := pathOf(e.RenameTo, "renameTo")
	if err != nil {
		return nil, err
	}
	return func(d *document) error {
		v := d.get(from)
		if v == nil || e.Key == e.RenameTo {
			return nil
		}
		d.remove(from)
		if !d.put(to, v, e.OverwriteIfExists) {
			d.put(from, v, true)
		}
		return nil
	}, nil
}

type splitEntry struct {
	Source    string `json:"source"`
	Delimiter string `json:"delimiter"`
}

func (e splitEntry) compile() (step, error) {
	at, err := pathOf(e.Source, "source")
	if err != nil {
		return nil, err
	}
	if e.Delimiter == "" || len(e.Delimiter) > 128 {
		return nil, errors.New("delimiter must have from 1 to 128 characters")
	}
	return func(d *document) error {
		v := d.get(at)
		if v == nil || v.kind != text {
			return nil
		}
		all := &value{kind: list}
		for s := range strings.SplitSeq(v.text, e.Delimiter) {
			all.list = append(all.list, stringOf(s))
		}
		d.put(at, all, true)
		return nil
	}, nil
}

type substituteEntry struct {
	Source string `json:"source"`
	From   string `json:"from"`
	To     string `json:"to"`
}

const (
	maxReferences = 10
	maxDuplicates = 2
)

func (e substituteEntry) compile() (step, error) {
	at, err := pathOf(e.Source, "source")
	if err != nil {
		return nil, err
	}
	if e.From == "" || len(e.From) > 128 || e.To == "" || len(e.To) > 128 {
		return nil, errors.New("from and to must have from 1 to 128 characters")
	}
	re, err := regex(e.From)
	if err != nil {
		return nil, err
	}
	parts, err := replacement(e.To, re.NumSubexp(), re.SubexpIndex)
	if err != nil {
		return nil, err
	}
	return func(d *document) error {
		v := d.get(at)
		if v == nil || v.kind != text {
			return nil
		}
		var out []byte
		done := 0
		for _, m := range re.FindAllStringSubmatchIndex(v.text, -1) {
			out = append(out, v.text[done:m[0]]...)
			for _, p := range parts {
				if p.group < 0 {
					out = append(out, p.text...)
				} else if m[2*p.group] >= 0 {
					out = append(out, v.text[m[2*p.group]:m[2*p.group+1]]...)
				}
			}
			if done = m[1]; len(out) > maxMessage {
				return errors.New("substituteString: the value becomes larger than 512 KB")
			}
		}
		v.text = string(append(out, v.text[done:]...))
		return nil
	}, nil
}

// replaced is a text that is put in, or the group of a match.
type replaced struct {
	text  string
	group int
}

// replacement reads what matches are replaced with: $1, ${name}, and \ in front of what is to stand as it is.
func replacement(s string, groups int, index func(name string) int) (parts []replaced, err error) {
	used := map[int]int{}
	references := 0
	for s != "" {
		i := strings.IndexAny(s, `\$`)
		if i < 0 {
			i = len(s)
		}
		if i > 0 {
			parts = append(parts, replaced{s[:i], -1})
			s = s[i:]
			continue
		}
		if s[0] == '\\' {
			if len(s) == 1 {
				return nil, errors.New("to ends in a \\ that stands in front of nothing")
			}
			parts = append(parts, replaced{s[1:2], -1})
			s = s[2:]
			continue
		}
		var group int
		if name, rest, ok := strings.Cut(strings.TrimPrefix(s, "${"), "}"); strings.HasPrefix(s, "${") {
			if group = index(name); !ok || group < 0 {
				return nil, fmt.Errorf("to names a group that from does not have: %s", s)
			}
			s = rest
		} else {
			n := 1
			for group = 0; n < len(s) && s[n] >= '0' && s[n] <= '9'; n++ { // as many digits as there is a group of
				next := group*10 + int(s[n]-'0')
				if n > 1 && next > groups {
					break
				}
				group = next
			}
			if n == 1 || group > groups {
				return nil, fmt.Errorf("to names a group that from does not have: %s", s)
			}
			s = s[n:]
		}
		used[group]++
		if references++; references > maxReferences || used[group] > maxDuplicates {
			return nil, fmt.Errorf("to can have %d references to groups, and %d to the same", maxReferences, maxDuplicates)
		}
		parts = append(parts, replaced{"", group})
	}
	return parts, nil
}

type typeEntry struct {
	Key  string `json:"key"`
	Type string `json:"type"`
}

func (e typeEntry) compile() (step, error) {
	at, err := pathOf(e.Key, "key")
	if err != nil {
		return nil, err
	}
	switch e.Type {
	case "integer", "double", "string", "boolean":
	default:
		return nil, errors.New("type must be integer, double, string or boolean")
	}
	return func(d *document) error {
		v := d.get(at)
		if v == nil || v.kind == null {
			return nil
		}
		to, ok := v.as(e.Type)
		if !ok {
			return fmt.Errorf("typeConverter: the value of %s is not of type %s", e.Key, e.Type)
		}
		d.put(at, to, true)
		return nil
	}, nil
}

// as is a value of another type.
func (v *value) as(kind string) (*value, bool) {
	if kind == "string" {
		return stringOf(v.shown()), true
	}
	if v.kind == object || v.kind == list {
		return nil, false
	}
	s := strings.TrimSpace(v.text)
	if v.kind == boolean && kind != "boolean" {
		s = map[string]string{"true": "1", "false": "0"}[s]
	}
	f, err := strconv.ParseFloat(s, 64)
	numeric := err == nil && !math.IsInf(f, 0) && !math.IsNaN(f)
	switch kind {
	case "boolean":
		switch {
		case strings.EqualFold(s, "true"), v.kind == number && f != 0:
			return literal(boolean, "true"), true
		case strings.EqualFold(s, "false"), v.kind == number && f == 0:
			return literal(boolean, "false"), true
		}
		return nil, false
	case "integer":
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			return literal(number, strconv.FormatInt(n, 10)), true
		}
		if !numeric || math.Abs(f) >= 1<<63 {
			return nil, false
		}
		return literal(number, strconv.FormatInt(int64(f), 10)), true
	}
	if !numeric {
		return nil, false
	}
	out := strconv.FormatFloat(f, 'f', -1, 64)
	if math.Abs(f) >= 1e21 {
		out = strconv.FormatFloat(f, 'e', -1, 64)
	}
	if !strings.ContainsAny(out, ".e") {
		out += ".0"
	}
	return literal(number, out), true
}

type listToMap struct {
	Source           string `json:"source"`
	Key              string `json:"key"`
	ValueKey         string `json:"valueKey"`
	Target           string `json:"target"`
	Flatten          bool   `json:"flatten"`
	FlattenedElement string `json:"flattenedElement"`
}

func (l *listToMap) compile() (step, error) {
	from, err := pathOf(l.Source, "source")
	if err != nil {
		return nil, err
	}
	if l.Key == "" {
		return nil, errors.New("key must be given")
	}
	switch l.FlattenedElement {
	case "first", "last":
	case "":
		if l.Flatten {
			return nil, errors.New("flattenedElement must be given where flatten is true")
		}
	default:
		return nil, errors.New("flattenedElement must be first or last")
	}
	var to path
	if l.Target != "" {
		if to, err = pathOf(l.Target, "target"); err != nil {
			return nil, err
		}
	}
	return func(d *document) error {
		v := d.get(from)
		if v == nil {
			return nil
		}
		if v.kind != list {
			return fmt.Errorf("listToMap: %s is not a list", l.Source)
		}
		made := &value{}
		for _, e := range v.list {
			key := e.get(l.Key)
			if key == nil {
				continue
			}
			item := e
			if l.ValueKey != "" {
				if item = e.get(l.ValueKey); item == nil {
					continue
				}
			}
			name, had := key.shown(), made.get(key.shown())
			switch item = item.clone(); {
			case !l.Flatten && had == nil:
				made.set(name, &value{kind: list, list: []*value{item}})
			case !l.Flatten:
				had.list = append(had.list, item)
			case had == nil || l.FlattenedElement == "last":
				made.set(name, item)
			}
		}
		in := d.into(to)
		for _, m := range made.members {
			in.set(m.key, m.val)
		}
		return nil
	}, nil
}
