// Package jsonpatch is the language of changes to a JSON document: RFC 6902 patches over RFC 6901 pointers. Documents are
// values as encoding/json decodes them, with numbers as json.Number. It promises that a patch is applied whole or not at
// all, and that the document it is applied to stays as it was.
package jsonpatch

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"
	"strconv"
	"strings"
)

// Operation is one step of a patch.
type Operation struct {
	Op    string // "add", "remove", "replace", "move", "copy" or "test"
	Path  Pointer
	From  Pointer // of move and copy
	Value any     // of add, replace and test
}

// Patch is a list of operations, carried out one after the other.
type Patch []Operation

// Bounds of what is applied, so that a short patch cannot make a huge document by copying.
const (
	maxOperations = 10_000
	maxCopied     = 1 << 20 // values
)

// Parse reads a patch.
func Parse(text []byte) (Patch, error) {
	var raw []map[string]json.RawMessage
	if err := decode(text, &raw); err != nil {
		return nil, fmt.Errorf("not a list of operations: %w", err)
	}
	if len(raw) > maxOperations {
		return nil, fmt.Errorf("%d operations are more than %d", len(raw), maxOperations)
	}
	patch := make(Patch, len(raw))
	for i, members := range raw {
		if err := patch[i].read(members); err != nil {
			return nil, fmt.Errorf("operation %d: %w", i, err)
		}
	}
	return patch, nil
}

func (o *Operation) read(members map[string]json.RawMessage) error {
	text := func(name string) (string, error) {
		raw, ok := members[name]
		if !ok {
			return "", fmt.Errorf("%q is missing", name)
		}
		var s *string
		if err := json.Unmarshal(raw, &s); err != nil || s == nil {
			return "", fmt.Errorf("%q is not a string", name)
		}
		return *s, nil
	}
	pointer := func(name string) (Pointer, error) {
		s, err := text(name)
		if err != nil {
			return nil, err
		}
		return ParsePointer(s)
	}
	var err error
	if o.Op, err = text("op"); err != nil {
		return err
	}
	if o.Path, err = pointer("path"); err != nil {
		return err
	}
	switch o.Op {
	case "remove":
	case "move", "copy":
		if o.From, err = pointer("from"); err != nil {
			return err
		}
		if o.Op == "move" && len(o.From) < len(o.Path) && slices.Equal(o.From, o.Path[:len(o.From)]) {
			return fmt.Errorf("%q cannot be moved into itself", o.From)
		}
	case "add", "replace", "test":
		raw, ok := members["value"]
		if !ok {
			return errors.New(`"value" is missing`)
		}
		return decode(raw, &o.Value)
	default:
		return fmt.Errorf("%q is no operation", o.Op)
	}
	return nil
}

func decode(text []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("something follows it")
	}
	return nil
}

// Apply is doc with the patch applied.
func (p Patch) Apply(doc any) (any, error) {
	doc = clone(doc)
	copied := 0
	for i, o := range p {
		var err error
		if doc, err = o.apply(doc, &copied); err != nil {
			return nil, fmt.Errorf("operation %d: %s %q: %w", i, o.Op, o.Path, err)
		}
	}
	return doc, nil
}

func (o Operation) apply(doc any, copied *int) (any, error) {
	switch o.Op {
	case "add":
		return put(doc, o.Path, clone(o.Value))
	case "remove":
		doc, _, err := take(doc, o.Path)
		return doc, err
	case "replace":
		if _, ok := o.Path.Find(doc); !ok {
			return nil, errMissing
		}
		return replace(doc, o.Path, clone(o.Value)), nil
	case "move":
		doc, v, err := take(doc, o.From)
		if err != nil {
			return nil, fmt.Errorf("from %q: %w", o.From, err)
		}
		return put(doc, o.Path, v)
	case "copy":
		v, ok := o.From.Find(doc)
		if !ok {
			return nil, fmt.Errorf("from %q: %w", o.From, errMissing)
		}
		if *copied += size(v); *copied > maxCopied {
			return nil, errors.New("the patch copies too much")
		}
		return put(doc, o.Path, clone(v))
	case "test":
		if v, ok := o.Path.Find(doc); !ok || !Equal(v, o.Value) {
			return nil, errors.New("the value is another")
		}
		return doc, nil
	}
	return nil, fmt.Errorf("%q is no operation", o.Op)
}

var errMissing = errors.New("there is no such value")

// put adds v at path: a new member or one in place of the old, or an item in front of the one that was there.
func put(doc any, path Pointer, v any) (any, error) {
	if len(path) == 0 {
		return v, nil
	}
	at, last := path[:len(path)-1], path[len(path)-1]
	parent, ok := at.Find(doc)
	if !ok {
		return nil, fmt.Errorf("there is no %q to add it to", at)
	}
	switch parent := parent.(type) {
	case map[string]any:
		parent[last] = v
		return doc, nil
	case []any:
		i := len(parent)
		if last != "-" {
			if i, ok = index(last, len(parent)+1); !ok {
				return nil, errMissing
			}
		}
		return replace(doc, at, slices.Insert(parent, i, v)), nil
	}
	return nil, fmt.Errorf("%q is neither an object nor a list", at)
}

// take removes what is at path.
func take(doc any, path Pointer) (rest, v any, err error) {
	v, ok := path.Find(doc)
	if !ok {
		return nil, nil, errMissing
	}
	if len(path) == 0 {
		return nil, v, nil
	}
	at, last := path[:len(path)-1], path[len(path)-1]
	parent, _ := at.Find(doc)
	switch parent := parent.(type) {
	case map[string]any:
		delete(parent, last)
		return doc, v, nil
	case []any:
		i, _ := index(last, len(parent))
		return replace(doc, at, slices.Delete(parent, i, i+1)), v, nil
	}
	return nil, nil, errMissing
}

// replace puts v where there is something already.
func replace(doc any, path Pointer, v any) any {
	if len(path) == 0 {
		return v
	}
	parent, _ := path[:len(path)-1].Find(doc)
	switch parent := parent.(type) {
	case map[string]any:
		parent[path[len(path)-1]] = v
	case []any:
		i, _ := index(path[len(path)-1], len(parent))
		parent[i] = v
	}
	return doc
}

// Pointer is the way to a value in a document: names of members and numbers of items.
type Pointer []string

var (
	unescape = strings.NewReplacer("~1", "/", "~0", "~")
	escape   = strings.NewReplacer("~", "~0", "/", "~1")
)

// ParsePointer reads "/a/0/b".
func ParsePointer(s string) (Pointer, error) {
	if s == "" {
		return Pointer{}, nil
	}
	if s[0] != '/' {
		return nil, fmt.Errorf("pointer %q does not begin with '/'", s)
	}
	parts := strings.Split(s[1:], "/")
	for i, p := range parts {
		for rest := p; ; {
			_, after, ok := strings.Cut(rest, "~")
			if !ok {
				break
			}
			if after == "" || after[0] != '0' && after[0] != '1' {
				return nil, fmt.Errorf("pointer %q has a '~' that is neither ~0 nor ~1", s)
			}
			rest = after
		}
		parts[i] = unescape.Replace(p)
	}
	return parts, nil
}

func (p Pointer) String() string {
	var b strings.Builder
	for _, part := range p {
		b.WriteByte('/')
		b.WriteString(escape.Replace(part))
	}
	return b.String()
}

// Find is the value p leads to.
func (p Pointer) Find(doc any) (v any, ok bool) {
	for _, part := range p {
		switch d := doc.(type) {
		case map[string]any:
			if doc, ok = d[part]; !ok {
				return nil, false
			}
		case []any:
			i, ok := index(part, len(d))
			if !ok {
				return nil, false
			}
			doc = d[i]
		default:
			return nil, false
		}
	}
	return doc, true
}

// index reads the number of an item, below n. There is one way to write a number.
func index(s string, n int) (int, bool) {
	i, err := strconv.Atoi(s)
	return i, err == nil && i >= 0 && i < n && strconv.Itoa(i) == s
}

// Equal reports whether two values are the same, numbers by what they are worth.
func Equal(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for k, v := range a {
			if w, ok := b[k]; !ok || !Equal(v, w) {
				return false
			}
		}
		return true
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, Equal)
	case json.Number:
		b, ok := b.(json.Number)
		return ok && (a == b || worth(a, b))
	}
	switch b.(type) {
	case map[string]any, []any:
		return false
	}
	return a == b
}

// worth compares numbers that are written differently. Huge exponents are not worked out.
func worth(a, b json.Number) bool {
	if len(a) > 64 || len(b) > 64 {
		return false
	}
	x, _, errX := big.ParseFloat(string(a), 10, 512, big.ToNearestEven)
	y, _, errY := big.ParseFloat(string(b), 10, 512, big.ToNearestEven)
	return errX == nil && errY == nil && x.Cmp(y) == 0
}

func clone(v any) any {
	switch v := v.(type) {
	case map[string]any:
		c := make(map[string]any, len(v))
		for k, e := range v {
			c[k] = clone(e)
		}
		return c
	case []any:
		c := make([]any, len(v))
		for i, e := range v {
			c[i] = clone(e)
		}
		return c
	}
	return v
}

// size is the number of values in v.
func size(v any) int {
	n := 1
	switch v := v.(type) {
	case map[string]any:
		for _, e := range v {
			n += size(e)
		}
	case []any:
		for _, e := range v {
			n += size(e)
		}
	}
	return n
}
