package awslocal

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// print writes an answer, or the part of it that was asked for.
func (l *line) print(w io.Writer, out map[string]any) error {
	var v any = out
	if l.query != "" {
		var err error
		if v, err = find(v, l.query); err != nil {
			return err
		}
	} else if len(out) == 0 {
		return nil // as the AWS CLI
	}
	if l.output == "text" {
		return writeText(w, v, "")
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "    ")
	return e.Encode(v)
}

// find follows a path such as Messages[0].Body. What is not there is nil.
func find(v any, path string) (any, error) {
	for step := range strings.SplitSeq(path, ".") {
		name, indexes, _ := strings.Cut(step, "[")
		if name == "" && step == "" || strings.ContainsAny(name, " *|&!@?`'\"(){}") {
			return nil, usage("--query %s is more than a path", path)
		}
		if name != "" {
			m, _ := v.(map[string]any)
			v = m[name]
		}
		for indexes != "" {
			digits, rest, ok := strings.Cut(indexes, "]")
			i, err := strconv.Atoi(digits)
			if !ok || err != nil || rest != "" && rest[0] != '[' {
				return nil, usage("--query %s is more than a path", path)
			}
			list, _ := v.([]any)
			if i < 0 {
				i += len(list)
			}
			v = nil
			if i >= 0 && i < len(list) {
				v = list[i]
			}
			indexes = strings.TrimPrefix(rest, "[")
		}
	}
	return v, nil
}

// writeText writes a value as the AWS CLI does with --output text: a line for each structure's plain members, by their names, after
// the name of what holds it.
func writeText(w io.Writer, v any, name string) error {
	var words, nested []string
	if name != "" {
		words = append(words, strings.ToUpper(name))
	}
	switch v := v.(type) {
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			switch v[k].(type) {
			case map[string]any, []any:
				nested = append(nested, k)
			default:
				words = append(words, plain(v[k]))
			}
		}
		if len(words) > 1 || name == "" && len(words) > 0 {
			if _, err := fmt.Fprintln(w, strings.Join(words, "\t")); err != nil {
				return err
			}
		}
		for _, k := range nested {
			if err := writeText(w, v[k], k); err != nil {
				return err
			}
		}
		return nil
	case []any:
		for i, one := range v {
			switch one.(type) {
			case map[string]any, []any:
				if err := writeText(w, one, name); err != nil {
					return err
				}
				continue
			}
			end := "\t"
			if name != "" || i == len(v)-1 {
				end = "\n"
			}
			if name != "" {
				fmt.Fprint(w, words[0], "\t")
			}
			if _, err := fmt.Fprint(w, plain(one), end); err != nil {
				return err
			}
		}
		return nil
	}
	_, err := fmt.Fprintln(w, plain(v))
	return err
}

// plain is a value that has no others in it, as Python shows it.
func plain(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case bool:
		if v {
			return "True"
		}
		return "False"
	}
	return fmt.Sprint(v)
}
