package awslocal

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"os"
	"strings"

	"github.com/obidos-cloud/obidos/internal/model"
)

// line is a command line that was understood.
type line struct {
	op       *model.Operation
	values   map[string]any // of the input's members, by their names in JSON
	endpoint string
	region   string
	output   string // "json" or "text"
	query    string
}

// ignored are the AWS CLI's options that make no difference here, and whether a value follows.
var ignored = map[string]bool{
	"--no-cli-pager": false, "--no-verify-ssl": false, "--no-paginate": false, "--no-sign-request": false, "--no-cli-auto-prompt": false,
	"--color": true, "--cli-read-timeout": true, "--cli-connect-timeout": true, "--cli-binary-format": true, "--profile": true,
}

// parse reads a command line.
func (c *Command) parse(args []string) (*line, error) {
	l := &line{values: map[string]any{}, endpoint: c.Endpoint, region: c.Region, output: "json"}
	var words []string
	given := map[string][]string{}
	var order []string
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		if !strings.HasPrefix(arg, "--") {
			words = append(words, arg)
			continue
		}
		name, value, has := strings.Cut(arg, "=")
		var values []string
		if has {
			values = []string{value}
		} else if takes, known := ignored[name]; !known || takes {
			for len(args) > 0 && !strings.HasPrefix(args[0], "--") && (len(words) == 2 || len(values) == 0) {
				values, args = append(values, args[0]), args[1:]
			}
		}
		if _, known := ignored[name]; known {
			continue
		}
		for option, into := range map[string]*string{"--endpoint-url": &l.endpoint, "--region": &l.region, "--output": &l.output, "--query": &l.query} {
			if name == option {
				if len(values) != 1 {
					return nil, usage("%s takes one value", name)
				}
				*into, name = values[0], ""
			}
		}
		if name != "" {
			if _, twice := given[name]; !twice {
				order = append(order, name)
			}
			given[name] = append(given[name], values...)
		}
	}
	if len(words) != 2 {
		return nil, usage("say a service and an operation, such as sqs create-queue --queue-name NAME, not %q", strings.Join(words, " "))
	}
	if l.output != "json" && l.output != "text" {
		return nil, usage("--output can be json or text")
	}
	op, err := c.operation(words[0], words[1])
	if err != nil {
		return nil, err
	}
	l.op = op
	for _, name := range order {
		if err := l.take(name, given[name]); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// take reads the value of one option of the operation.
func (l *line) take(name string, values []string) error {
	if name == "--cli-input-json" {
		if len(values) != 1 {
			return usage("%s takes one value", name)
		}
		text, err := loaded(values[0])
		if err != nil {
			return err
		}
		var all map[string]any
		if err := number(text, &all); err != nil {
			return usage("%s: %v", name, err)
		}
		for k, v := range all {
			if _, said := l.values[k]; !said {
				l.values[k] = v
			}
		}
		return nil
	}
	st := l.op.Service.StructOf(l.op.Input)
	for i := range st.Fields {
		f := &st.Fields[i]
		option := "--" + kebab(f.Name)
		if f.Kind == model.Bool && name == "--no-"+option[2:] && len(values) == 0 {
			l.values[f.Wire] = false
			return nil
		}
		if option != name {
			continue
		}
		v, err := value(&f.Value, values)
		if err != nil {
			return usage("%s: %v", name, err)
		}
		l.values[f.Wire] = v
		return nil
	}
	return usage("%s of %s has no option %s", l.op.Name, l.op.Service.Name, name)
}

// loaded is a value, or what the file holds that it names.
func loaded(s string) (string, error) {
	path, isFile := strings.CutPrefix(s, "file://")
	if !isFile {
		path, isFile = strings.CutPrefix(s, "fileb://")
	}
	if !isFile {
		return s, nil
	}
	text, err := os.ReadFile(path)
	return string(text), err
}

// number is json.Unmarshal that keeps numbers as they are written.
func number(text string, into any) error {
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.UseNumber()
	return d.Decode(into)
}

// value is the JSON value that words stand for where a v is wanted.
func value(v *model.Value, words []string) (any, error) {
	if len(words) == 0 {
		if v.Kind == model.Bool {
			return true, nil
		}
		return nil, usage("a value is missing")
	}
	texts := make([]string, len(words))
	for i, w := range words {
		t, err := loaded(w)
		if err != nil {
			return nil, err
		}
		texts[i] = t
	}
	switch v.Kind {
	case model.List:
		if len(texts) == 1 && strings.HasPrefix(strings.TrimSpace(texts[0]), "[") {
			var all []any
			err := number(texts[0], &all)
			return all, err
		}
		var all []any
		for _, t := range texts {
			if v.Elem.Kind != model.Structure && v.Elem.Kind != model.Map {
				one, err := scalar(v.Elem, t)
				if err != nil {
					return nil, err
				}
				all = append(all, one)
				continue
			}
			one, err := object(v.Elem, t)
			if err != nil {
				return nil, err
			}
			all = append(all, one)
		}
		return all, nil
	case model.Map, model.Structure:
		if len(texts) > 1 {
			return nil, usage("one value, or JSON")
		}
		return object(v, texts[0])
	}
	if len(texts) > 1 {
		return nil, usage("one value only, not %q", strings.Join(texts, " "))
	}
	return scalar(v, texts[0])
}

// object is a map or a structure, from JSON or from shorthand.
func object(v *model.Value, text string) (any, error) {
	if strings.HasPrefix(strings.TrimSpace(text), "{") {
		var all map[string]any
		err := number(text, &all)
		return all, err
	}
	pairs, err := shorthand(text)
	if err != nil {
		return nil, err
	}
	all := map[string]any{}
	for _, p := range pairs {
		of, name := v.Elem, p.key
		if v.Kind == model.Structure {
			of = nil
			for i := range v.Struct.Fields {
				if f := &v.Struct.Fields[i]; strings.EqualFold(f.Name, p.key) {
					of, name = &f.Value, f.Wire
				}
			}
			if of == nil {
				return nil, usage("there is no member %s", p.key)
			}
		}
		if of.Kind == model.Structure || of.Kind == model.Map {
			return nil, usage("%s has members of its own: write JSON", p.key)
		}
		words := p.values
		if of.Kind != model.List {
			words = []string{strings.Join(p.values, ",")}
		}
		if all[name], err = value(of, words); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// scalar is one word as a value. Words for bytes are base64, as in version 2 of the AWS CLI.
func scalar(v *model.Value, text string) (any, error) {
	switch v.Kind {
	case model.Bool:
		if text != "true" && text != "false" {
			return nil, usage("%q is neither true nor false", text)
		}
		return text == "true", nil
	case model.Int32, model.Int64, model.Float32, model.Float64:
		var n json.Number
		err := number(text, &n)
		return n, err
	case model.Blob:
		_, err := base64.StdEncoding.DecodeString(text)
		return text, err
	}
	return text, nil
}

// pair is one key=value of shorthand; a list's values are separated by commas.
type pair struct {
	key    string
	values []string
}

// shorthand reads key=value,key=value: values may be quoted.
func shorthand(text string) ([]pair, error) {
	var pairs []pair
	for len(text) > 0 {
		key, rest, ok := strings.Cut(text, "=")
		if !ok || strings.ContainsAny(key, ",'\"{}[]") || strings.TrimSpace(key) == "" {
			if len(pairs) > 0 { // a list's next value
				last := &pairs[len(pairs)-1]
				one, after := word(text)
				last.values, text = append(last.values, one), after
				continue
			}
			return nil, usage("%q is neither key=value nor JSON", text)
		}
		if strings.HasPrefix(rest, "{") || strings.HasPrefix(rest, "[") {
			return nil, usage("%s has members of its own: write JSON", key)
		}
		one, after := word(rest)
		pairs, text = append(pairs, pair{strings.TrimSpace(key), []string{one}}), after
	}
	return pairs, nil
}

// word is the first word of a text, up to a comma outside quotes, and what follows that.
func word(text string) (one, rest string) {
	if text != "" && (text[0] == '"' || text[0] == '\'') {
		for i := 1; i < len(text); i++ {
			switch text[i] {
			case '\\':
				i++
			case text[0]:
				quote := text[:1]
				return strings.ReplaceAll(text[1:i], `\`+quote, quote), strings.TrimPrefix(text[i+1:], ",")
			}
		}
	}
	one, rest, _ = strings.Cut(text, ",")
	return one, rest
}
