package logtransform

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

type parseJSON struct {
	Source      string `json:"source"`
	Destination string `json:"destination"`
}

func (p *parseJSON) compile(first bool) (step, error) {
	from, err := sourceOf(p.Source, first)
	if err != nil {
		return nil, err
	}
	to, err := destinationOf(p.Destination)
	if err != nil {
		return nil, err
	}
	return func(d *document) error {
		s, ok := from.read(d)
		if !ok {
			return nil
		}
		v, err := parse(s)
		if err != nil {
			return fmt.Errorf("parseJSON: %w", err)
		}
		if v.kind != object {
			return errors.New("parseJSON: the value is not a JSON object")
		}
		if to == nil && len(d.root.members) == 0 {
			d.root = v
			return nil
		}
		in := d.into(to)
		for _, m := range v.members {
			in.set(m.key, m.val)
		}
		return nil
	}, nil
}

type csv struct {
	QuoteCharacter string   `json:"quoteCharacter"`
	Delimiter      string   `json:"delimiter"`
	Columns        []string `json:"columns"`
	Source         string   `json:"source"`
	Destination    string   `json:"destination"`
}

const maxColumns = 100

func (c *csv) compile(first bool) (step, error) {
	from, err := sourceOf(c.Source, first)
	if err != nil {
		return nil, err
	}
	to, err := destinationOf(c.Destination)
	if err != nil {
		return nil, err
	}
	delimiter, quote := c.Delimiter, c.QuoteCharacter
	switch delimiter {
	case "":
		delimiter = ","
	case `\t`:
		delimiter = "\t"
	case `\s`:
		delimiter = " "
	}
	if quote == "" {
		quote = `"`
	}
	if utf8.RuneCountInString(delimiter) != 1 || utf8.RuneCountInString(quote) != 1 {
		return nil, errors.New(`delimiter and quoteCharacter must be one character; delimiter may also be \t or \s`)
	}
	if delimiter == quote {
		return nil, errors.New("delimiter and quoteCharacter must differ")
	}
	if len(c.Columns) > maxColumns {
		return nil, fmt.Errorf("columns must have at most %d names", maxColumns)
	}
	names := make([]path, maxColumns)
	for i := range names {
		name := "column_" + strconv.Itoa(i+1)
		if i < len(c.Columns) {
			name = c.Columns[i]
		}
		if names[i], err = pathOf(name, "columns"); err != nil {
			return nil, err
		}
	}
	return func(d *document) error {
		s, ok := from.read(d)
		if !ok {
			return nil
		}
		cells, err := cut(strings.TrimRight(s, "\r\n"), delimiter, quote)
		if err != nil {
			return err
		}
		below := document{root: d.into(to)}
		for i, cell := range cells {
			below.put(names[i], stringOf(cell), true)
		}
		return nil
	}, nil
}

// cut takes a line apart. Between quotes the delimiter is a character like others, and two quotes are one.
func cut(s, delimiter, quote string) (cells []string, err error) {
	for {
		if len(cells) == maxColumns {
			return nil, fmt.Errorf("csv: the value has more than %d columns", maxColumns)
		}
		if !strings.HasPrefix(s, quote) {
			cell, rest, more := strings.Cut(s, delimiter)
			cells = append(cells, cell)
			if !more {
				return cells, nil
			}
			s = rest
			continue
		}
		s = s[len(quote):]
		cell := ""
		for {
			i := strings.Index(s, quote)
			if i < 0 {
				return nil, errors.New("csv: a quote is not closed")
			}
			cell += s[:i]
			if s = s[i+len(quote):]; !strings.HasPrefix(s, quote) {
				break
			}
			cell += quote
			s = s[len(quote):]
		}
		rest, behind, more := strings.Cut(s, delimiter) // what stands behind the quote belongs to it
		cells = append(cells, cell+rest)
		if !more {
			return cells, nil
		}
		s = behind
	}
}

type parseKeyValue struct {
	Source            string `json:"source"`
	Destination       string `json:"destination"`
	FieldDelimiter    string `json:"fieldDelimiter"`
	KeyValueDelimiter string `json:"keyValueDelimiter"`
	KeyPrefix         string `json:"keyPrefix"`
	NonMatchValue     string `json:"nonMatchValue"`
	OverwriteIfExists bool   `json:"overwriteIfExists"`
}

func (p *parseKeyValue) compile(first bool) (step, error) {
	from, err := sourceOf(p.Source, first)
	if err != nil {
		return nil, err
	}
	to, err := destinationOf(p.Destination)
	if err != nil {
		return nil, err
	}
	fields, pair := p.FieldDelimiter, p.KeyValueDelimiter
	if fields == "" {
		fields = "&"
	}
	if pair == "" {
		pair = "="
	}
	if fields == pair {
		return nil, errors.New("fieldDelimiter and keyValueDelimiter must differ")
	}
	return func(d *document) error {
		s, ok := from.read(d)
		if !ok {
			return nil
		}
		in := d.into(to)
		for field := range strings.SplitSeq(strings.TrimRight(s, "\r\n"), fields) {
			key, val, ok := strings.Cut(field, pair)
			if key == "" {
				continue
			}
			v := stringOf(val)
			if !ok {
				if v = stringOf(p.NonMatchValue); p.NonMatchValue == "" {
					v = literal(null, "null")
				}
			}
			if key = p.KeyPrefix + key; p.OverwriteIfExists || in.find(key) < 0 {
				in.set(key, v)
			}
		}
		return nil
	}, nil
}
