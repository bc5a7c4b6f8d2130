package vectors

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/obidos-cloud/obidos/internal/model"
)

// sameRequest compares a request with what was expected of it. What either carries besides (its length, who sent it) does not count.
func sameRequest(method, target string, h http.Header, body []byte, got *http.Request, headers bool) error {
	want, err := url.Parse(endpoint + target)
	if err != nil {
		return err
	}
	if got.Method != method || strings.TrimSuffix(got.URL.EscapedPath(), "/") != strings.TrimSuffix(want.EscapedPath(), "/") {
		return fmt.Errorf("%s %s, want %s %s", got.Method, got.URL.EscapedPath(), method, want.EscapedPath())
	}
	a, b := got.URL.Query(), want.Query()
	b.Del("x-id") // the SDK's note to itself
	if !maps.EqualFunc(a, b, slices.Equal) {
		return fmt.Errorf("query %v, want %v", a, b)
	}
	for name := range h {
		switch name {
		case "Content-Type", "Content-Length", "Accept", "User-Agent", "Transfer-Encoding":
			continue
		}
		a, b := strings.Join(got.Header.Values(name), ", "), strings.Join(h.Values(name), ", ")
		if a != b && headers {
			return fmt.Errorf("header %s: %q, want %q", name, a, b)
		}
	}
	var sent []byte
	if got.Body != nil {
		if sent, err = io.ReadAll(got.Body); err != nil {
			return err
		}
	}
	return sameContent(got.Header.Get("Content-Type"), body, sent)
}

func sameBody(p model.Protocol, want, got []byte) error {
	switch p {
	case model.CBOR, model.CBOR11:
		return sameContent("application/cbor", want, got)
	case model.Query, model.EC2, model.RestXML:
		return sameContent("text/xml", want, got)
	}
	if !json.Valid(want) {
		return sameContent("", want, got)
	}
	return sameContent("application/json", want, got)
}

// sameContent compares bodies by what they say.
func sameContent(kind string, want, got []byte) error {
	if bytes.Equal(want, got) {
		return nil
	}
	var a, b any
	var err error
	switch {
	case strings.Contains(kind, "json"):
		if a, err = fromJSON(want); err == nil {
			b, err = fromJSON(got)
		}
	case strings.Contains(kind, "cbor"):
		if a, err = fromCBOR(want); err == nil {
			b, err = fromCBOR(got)
		}
	case strings.Contains(kind, "xml"):
		if a, err = fromXML(want); err == nil {
			b, err = fromXML(got)
		}
	case strings.Contains(kind, "form"):
		if a, err = url.ParseQuery(string(want)); err == nil {
			b, err = url.ParseQuery(string(got))
		}
	default:
		return fmt.Errorf("body %.200q, want %.200q", got, want)
	}
	if err != nil {
		return fmt.Errorf("%w in %.300q or %.300q", err, want, got)
	}
	if where := differ("", a, b); where != "" {
		return fmt.Errorf("body at %s", where)
	}
	return nil
}

// sameError compares errors but for the name space of their type.
func sameError(p model.Protocol, want, got []byte) error {
	var a, b any
	var err error
	if p == model.CBOR {
		if a, err = fromCBOR(want); err == nil {
			b, err = fromCBOR(got)
		}
	} else if a, err = fromJSON(want); err == nil {
		b, err = fromJSON(got)
	}
	if err != nil {
		return err
	}
	for _, v := range []any{a, b} {
		if o, ok := v.(map[string]any); ok {
			if p == model.RestJSON {
				delete(o, "__type") // in a header
			}
			if t, ok := o["__type"].(string); ok {
				o["__type"] = t[strings.LastIndexByte(t, '#')+1:]
			}
		}
	}
	if where := differ("", a, b); where != "" {
		return fmt.Errorf("error at %s", where)
	}
	return nil
}

func fromJSON(b []byte) (v any, err error) {
	if len(bytes.TrimSpace(b)) == 0 {
		return map[string]any{}, nil
	}
	err = json.Unmarshal(b, &v)
	return v, err
}

func fromCBOR(b []byte) (v any, err error) {
	if len(b) == 0 {
		return map[string]any{}, nil
	}
	if err := cbor.Unmarshal(b, &v); err != nil {
		return nil, err
	}
	return plain(v), nil
}

// plain makes decoded CBOR comparable: one type for numbers, one for maps.
func plain(v any) any {
	switch v := v.(type) {
	case map[any]any:
		m := map[string]any{}
		for k, e := range v {
			m[fmt.Sprint(k)] = plain(e)
		}
		return m
	case []any:
		for i, e := range v {
			v[i] = plain(e)
		}
		return v
	case uint64:
		return float64(v)
	case int64:
		return float64(v)
	case float32:
		return float64(v)
	case time.Time:
		return float64(v.UnixMilli())
	case []byte:
		return "bytes " + string(v)
	case cbor.Tag:
		return plain(v.Content)
	}
	return v
}

// element is an XML element: its name with attributes, then its text or its children by name.
func fromXML(b []byte) (any, error) {
	if len(bytes.TrimSpace(b)) == 0 {
		return nil, nil
	}
	d := xml.NewDecoder(bytes.NewReader(b))
	for {
		t, err := d.Token()
		if err != nil {
			return nil, err
		}
		if s, ok := t.(xml.StartElement); ok {
			v, err := element(d, s)
			return map[string]any{s.Name.Local: v}, err
		}
	}
}

func element(d *xml.Decoder, s xml.StartElement) (any, error) {
	m := map[string]any{}
	for _, a := range s.Attr {
		m["@"+a.Name.Local] = a.Value
	}
	text := ""
	for {
		t, err := d.Token()
		if err != nil {
			return nil, err
		}
		switch t := t.(type) {
		case xml.StartElement:
			v, err := element(d, t)
			if err != nil {
				return nil, err
			}
			list, _ := m[t.Name.Local].([]any)
			list = append(list, v)
			if o, ok := v.(map[string]any); ok && len(o) == 2 || t.Name.Local == "entry" { // a map's entries are in no order
				slices.SortFunc(list, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
			}
			m[t.Name.Local] = list
		case xml.CharData:
			text += string(t)
		case xml.EndElement:
			if len(m) == 0 {
				return text, nil
			}
			if strings.TrimSpace(text) != "" {
				m["#text"] = text
			}
			return m, nil
		}
	}
}

// differ says where two values differ; "" where they do not.
func differ(path string, want, got any) string {
	switch a := want.(type) {
	case map[string]any:
		b, ok := got.(map[string]any)
		if !ok {
			break
		}
		for _, k := range slices.Sorted(maps.Keys(a)) {
			if _, ok := b[k]; !ok {
				return fmt.Sprintf("%s/%s: missing, want %.80v", path, k, a[k])
			}
			if where := differ(path+"/"+k, a[k], b[k]); where != "" {
				return where
			}
		}
		for _, k := range slices.Sorted(maps.Keys(b)) {
			if _, ok := a[k]; !ok {
				return fmt.Sprintf("%s/%s: %.80v, want nothing", path, k, b[k])
			}
		}
		return ""
	case url.Values:
		b := got.(url.Values)
		for _, k := range slices.Sorted(maps.Keys(a)) {
			if !slices.Equal(a[k], b[k]) {
				return fmt.Sprintf("%s: %v, want %v", k, b[k], a[k])
			}
		}
		for _, k := range slices.Sorted(maps.Keys(b)) {
			if _, ok := a[k]; !ok {
				return fmt.Sprintf("%s: %v, want nothing", k, b[k])
			}
		}
		return ""
	case []any:
		b, ok := got.([]any)
		if !ok || len(a) != len(b) {
			break
		}
		for i := range a {
			if where := differ(fmt.Sprintf("%s/%d", path, i), a[i], b[i]); where != "" {
				return where
			}
		}
		return ""
	case float64:
		if b, ok := got.(float64); ok && (a == b || math.IsNaN(a) && math.IsNaN(b) || math.Abs(a-b) < 1e-9*math.Abs(a)) {
			return ""
		}
	default:
		if reflect.DeepEqual(want, got) {
			return ""
		}
	}
	return fmt.Sprintf("%s: %.80v, want %.80v", path, got, want)
}
