package wire

import (
	"encoding/base64"
	"net/http"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/lang/eventstream"
	"github.com/obidos-cloud/obidos/internal/model"
	"github.com/obidos-cloud/obidos/internal/wire/uri"
)

// The REST protocols put members into the URI, the query string, headers and the status beside the body. Both bodies, JSON's and XML's,
// are bound the same way.

// decodeREST reads the input from wherever its members stand.
func (m *Match) decodeREST(r *http.Request, at place, body []byte, found *findings) *aws.Error {
	st := m.op.in
	var seen uint64
	if !m.op.template.Labels(m.path, func(name, value string) bool {
		for _, f := range st.bound {
			if f.At != model.URI || f.AtName != name {
				continue
			}
			v, ok := uri.Unescape(value, false)
			if !ok || !utf8.ValidString(v) || !f.parseScalar(at.at(f.Offset), v, model.ISO8601) {
				return false
			}
			if v != "" || f.kind != model.String {
				seen |= f.bit
			}
		}
		return true
	}) {
		return m.malformed("")
	}
	bits, ok := bindQuery(st, at, r.URL.RawQuery, &m.op.template)
	if !ok {
		return m.malformed("")
	}
	seen |= bits
	if bits, ok = bindHeaders(st, at, r.Header); !ok {
		return m.malformed("")
	}
	seen |= bits
	if f := st.payload; f != nil {
		if err := m.decodePayload(r, f, at.at(f.Offset), body, found); err != nil {
			return err
		}
		seen |= f.bit
	} else if len(st.body) > 0 {
		bits, err := m.decodeMembers(st, st.body, at, body, found)
		if err != nil {
			return err
		}
		seen |= bits
	}
	if missing := st.required &^ seen; missing != 0 {
		t := trail{depth: 1}
		t.lack(st, missing)
		if found.lacking == nil {
			found.lacking = t.lacking
		}
		for k := range t.lacking {
			found.lacking[k] = true
		}
	}
	return nil
}

// malformed is the answer to something that cannot be read, in the words of the protocol.
func (m *Match) malformed(why string) *aws.Error {
	if m.Protocol == model.RestXML {
		if m.s.quirks.bareErrors {
			return malformedXML.New("The XML you provided was not well-formed or did not validate against our published schema")
		}
		return malformedInput.New("%s", why)
	}
	return serialization.New("%s", why)
}

// bindQuery reads the members that stand in the query string.
func bindQuery(st *structure, at place, query string, t *uri.Template) (seen uint64, ok bool) {
	if query == "" && st.queries == nil {
		return 0, true
	}
	params, ok := uri.ParseForm(nil, query)
	if !ok {
		return 0, false
	}
	for _, p := range params {
		if st.querymap != nil && !t.Wants(p.Key) {
			addToMap(st.querymap, at.at(st.querymap.Offset), p.Key, p.Value)
		}
		f := st.queries[p.Key]
		if f == nil {
			continue
		}
		if !utf8.ValidString(p.Value) {
			return 0, false
		}
		place := at.at(f.Offset)
		if f.kind == model.List {
			if !f.elem.parseScalar(f.push(place), p.Value, model.ISO8601) {
				return 0, false
			}
		} else if !f.parseScalar(place, p.Value, model.ISO8601) {
			if p.Value == "" && f.form == model.Optional {
				*place.at(f.set).boolean() = false // "?limit=": no limit
				continue
			}
			return 0, false
		}
		seen |= f.bit
	}
	return seen, true
}

// addToMap adds a value to a map of texts, or of lists of texts.
func addToMap(f *field, at place, key, value string) {
	if f.texts {
		if at.isNil() {
			*at.texts() = map[string]string{}
		}
		(*at.texts())[key] = value
		return
	}
	m := at.value(f.typ)
	if m.IsNil() {
		m.Set(reflect.MakeMap(f.typ))
	}
	k := reflect.ValueOf(key).Convert(f.keyType)
	switch list := m.MapIndex(k); f.elem.kind {
	case model.List:
		if !list.IsValid() {
			list = reflect.Zero(f.elem.typ)
		}
		m.SetMapIndex(k, reflect.Append(list, reflect.ValueOf(value).Convert(f.elem.typ.Elem())))
	case model.String:
		m.SetMapIndex(k, reflect.ValueOf(value).Convert(f.elem.typ))
	}
}

// bindHeaders reads the members that stand in headers.
func bindHeaders(st *structure, at place, h http.Header) (seen uint64, ok bool) {
	for _, f := range st.bound {
		place := at.at(f.Offset)
		switch f.At {
		case model.Header:
			values := h[f.header]
			if len(values) == 0 {
				continue
			}
			if !f.parseHeader(place, values) {
				return 0, false
			}
			seen |= f.bit
		case model.Headers:
			for name, values := range h {
				if len(values) > 0 && len(name) >= len(f.AtName) && strings.EqualFold(name[:len(f.AtName)], f.AtName) {
					addToMap(f, place, strings.ToLower(name[len(f.AtName):]), values[0])
				}
			}
		}
	}
	return seen, true
}

// parseHeader reads a header's values into the member at p.
func (f *field) parseHeader(p place, values []string) bool {
	if f.kind == model.List {
		f.empty(p)
		for _, v := range values {
			for v != "" {
				var one string
				one, v = cutList(v, f.elem.kind == model.Time && f.elem.schema.Time != model.ISO8601 && f.elem.schema.Time != model.Unix)
				if one == "" {
					continue
				}
				if !f.elem.parseScalar(f.push(p), one, model.RFC822) {
					return false
				}
			}
		}
		return true
	}
	v := values[0]
	if f.JSON && f.kind != model.Document {
		b, err := base64.StdEncoding.DecodeString(v)
		if err != nil {
			return false
		}
		v = string(b)
	}
	if f.JSON && f.kind == model.Document {
		b, err := base64.StdEncoding.DecodeString(v)
		var r jsonReader
		r.reader.begin(string(b))
		doc, ok := r.document(0)
		*p.document() = doc
		return err == nil && ok && r.End()
	}
	return f.parseScalar(p, v, model.RFC822)
}

// cutList takes the first entry off a header's list. Entries may be quoted; the dates of RFC 822 have a comma of their own.
func cutList(s string, dates bool) (one, rest string) {
	s = strings.TrimLeft(s, " \t")
	if strings.HasPrefix(s, `"`) {
		var b strings.Builder
		for i := 1; i < len(s); i++ {
			switch c := s[i]; c {
			case '\\':
				if i+1 < len(s) {
					i++
					b.WriteByte(s[i])
				}
			case '"':
				_, rest, _ = strings.Cut(s[i+1:], ",")
				return b.String(), rest
			default:
				b.WriteByte(c)
			}
		}
		return b.String(), ""
	}
	i := strings.IndexByte(s, ',')
	if dates && i >= 0 && i <= 3 {
		if j := strings.IndexByte(s[i+1:], ','); j >= 0 {
			i += 1 + j
		} else {
			i = -1
		}
	}
	if i < 0 {
		return strings.TrimRight(s, " \t"), ""
	}
	return strings.TrimRight(s[:i], " \t"), s[i+1:]
}

// decodePayload reads the body into the one member that is the body.
func (m *Match) decodePayload(r *http.Request, f *field, at place, body []byte, found *findings) *aws.Error {
	switch f.kind {
	case model.Stream:
		*at.reader() = r.Body
		return nil
	case model.EventStream:
		*at.events() = m.events(r.Body, eventstream.NewReader(r.Body), f.st)
		return nil
	case model.Blob:
		if len(body) > 0 {
			*at.blob() = append(make([]byte, 0, len(body)), body...)
		}
		return nil
	case model.String:
		*f.present(at).str() = string(body)
		return nil
	}
	if len(body) == 0 {
		return nil
	}
	if f.kind == model.Document {
		var j jsonReader
		j.reader.begin(string(body))
		doc, ok := j.document(0)
		*at.document() = doc
		if !ok || !j.End() {
			return serialization.New("%s", j.Why)
		}
		return nil
	}
	if m.Protocol == model.RestXML {
		return m.readXML(body, found, func(x *xmlReader, root string) bool {
			x.trail.in()
			x.trail.field(f)
			ok := x.value(f.node, at, root, false)
			x.trail.out()
			return ok
		})
	}
	return m.readJSON(body, found, func(j *jsonReader) bool {
		j.trail.in()
		j.trail.field(f)
		ok := j.value(f.node, at)
		j.trail.out()
		return ok
	})
}

// decodeMembers reads those members that stand in the body.
func (m *Match) decodeMembers(st *structure, fields []*field, at place, body []byte, found *findings) (seen uint64, err *aws.Error) {
	if len(body) == 0 {
		return 0, nil
	}
	if m.Protocol == model.RestXML {
		err = m.readXML(body, found, func(x *xmlReader, root string) bool {
			x.part = true
			ok := x.structure(st, at, root, fields)
			seen = x.seen
			return ok
		})
	} else {
		err = m.readJSON(body, found, func(j *jsonReader) bool {
			if j.Next() == 0 && j.I == len(j.S) {
				return true
			}
			j.part = true
			ok := j.structure(st, at, fields)
			seen = j.seen
			return ok
		})
	}
	return seen, err
}

func (m *Match) readJSON(body []byte, found *findings, fn func(*jsonReader) bool) *aws.Error {
	r, _ := m.w.memory.jsons.Get().(*jsonReader)
	if r == nil {
		r = &jsonReader{}
	}
	r.reader.begin(string(body))
	ok := utf8.Valid(body) && fn(r) && r.End()
	why := r.Why
	found.take(&r.trail)
	r.reader.begin("")
	m.w.memory.jsons.Put(r)
	if !ok {
		return serialization.New("%s", why)
	}
	return nil
}

func (m *Match) readXML(body []byte, found *findings, fn func(*xmlReader, string) bool) *aws.Error {
	r, _ := m.w.memory.xmls.Get().(*xmlReader)
	if r == nil {
		r = &xmlReader{}
	}
	r.reader.begin("")
	r.Begin(string(body))
	ok := utf8.Valid(body)
	if ok {
		var root string
		root, ok = r.Root()
		ok = ok && fn(r, root) && r.Finished()
	}
	why := r.Why
	found.take(&r.trail)
	r.Begin("")
	m.w.memory.xmls.Put(r)
	if !ok {
		return m.malformed(why)
	}
	return nil
}

// writeREST answers with the output at p.
func (m *Match) writeREST(w http.ResponseWriter, reqID string, p place, b *buffer) error {
	st, h := m.op.out, w.Header()
	status := m.Operation.Status
	if status == 0 {
		status = http.StatusOK
	}
	for _, f := range st.bound {
		at, ok := f.find(p.at(f.Offset))
		if !ok {
			continue
		}
		if f.At == model.StatusCode {
			if n := int(*at.i32()); n >= 200 && n <= 599 {
				status = n
			}
			continue
		}
		f.setHeader(h, at)
	}
	if st.events != nil {
		return m.writeEvents(w, status, reqID, p)
	}
	if f := st.payload; f != nil && f.kind == model.Stream {
		at, ok := f.find(p.at(f.Offset))
		if _, typed := h["Content-Type"]; !typed {
			h["Content-Type"] = typeBytes
		}
		m.headers(h, reqID)
		if !ok {
			if _, sized := h["Content-Length"]; !sized {
				h["Content-Length"] = []string{"0"}
			}
			w.WriteHeader(status)
			return nil
		}
		w.WriteHeader(status)
		return pump(w, *at.reader())
	}
	b.b = m.restBody(b.b, h, st, st.answer, p, m.Operation.OutputName, m.Operation.Name+m.s.quirks.result, "")
	if status == http.StatusNoContent || status == http.StatusNotModified {
		m.headers(h, reqID)
		h.Del("Content-Type")
		w.WriteHeader(status)
		return nil
	}
	return m.write(w, status, reqID, b.b)
}

// restBody appends the body of a message: its payload, or the fields that no binding takes. It says what type it is, where the headers do
// not.
func (m *Match) restBody(b []byte, h http.Header, st *structure, fields []*field, p place, name, otherwise, ns string) []byte {
	f := st.payload
	if f == nil {
		if m.Protocol == model.RestJSON {
			w := jsonWriter{b}
			w.structure(p, fields)
			return w.b
		}
		if len(fields) == 0 {
			return b
		}
		w := xmlWriter{b: append(b, m.s.quirks.xmlHeader...), entry: "member", time: model.ISO8601}
		if name == "" {
			if name = st.XMLName; name == "" {
				name = otherwise
			}
		}
		if ns == "" {
			ns = m.s.XMLNamespace
		}
		w.begin(name, ns, "", st, p)
		w.members(p, fields)
		w.close(name)
		return w.b
	}
	at, ok := f.find(p.at(f.Offset))
	kind := typeBytes
	switch f.kind {
	case model.Blob:
		b = append(b, *at.blob()...)
	case model.String:
		kind = typeText
		if ok {
			b = append(b, *at.str()...)
		}
	case model.Document:
		kind = typeJSON
		w := jsonWriter{b}
		w.document(*at.document())
		b = w.b
	default:
		if m.Protocol == model.RestJSON {
			kind = typeJSON
			w := jsonWriter{b}
			if ok {
				w.value(f.node, at)
			} else if f.st == nil || !f.st.Union {
				w.b = append(w.b, "{}"...)
			}
			b = w.b
			break
		}
		kind = nil
		if !ok {
			break
		}
		w := xmlWriter{b: append(b, m.s.quirks.xmlHeader...), entry: "member", time: model.ISO8601}
		ns := f.Namespace
		if ns == "" {
			ns = m.s.XMLNamespace
		}
		w.member(f.node, at, f.XML, ns, f.Prefix)
		b = w.b
	}
	if _, typed := h["Content-Type"]; !typed && kind != nil && (ok || len(b) > 0) {
		h["Content-Type"] = kind
	}
	return b
}

var (
	typeBytes = []string{"application/octet-stream"}
	typeText  = []string{"text/plain"}
)

// setHeader writes the member at p into headers.
func (f *field) setHeader(h http.Header, p place) {
	switch {
	case f.At == model.Headers:
		f.ordered(p, func(_ int, key string, elem place) {
			if f.elem.kind == model.String {
				at, ok := f.elem.find(elem)
				if ok {
					h[http.CanonicalHeaderKey(f.AtName+key)] = []string{safeHeader(*at.str())}
				}
			}
		})
	case f.kind == model.List:
		var b []byte
		for i := range p.length() {
			at, ok := f.elem.find(p.item(i, f.elem.size))
			if !ok {
				continue
			}
			if b != nil {
				b = append(b, ", "...)
			}
			v := string(f.elem.appendScalar(nil, at, model.RFC822))
			if f.elem.kind == model.String && strings.ContainsAny(v, `",`) {
				v = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(v) + `"`
			}
			b = append(b, v...)
		}
		if b != nil {
			h[f.header] = []string{safeHeader(string(b))}
		}
	case f.JSON && f.kind == model.Document:
		w := jsonWriter{}
		w.document(*p.document())
		h[f.header] = []string{base64.StdEncoding.EncodeToString(w.b)}
	case f.JSON:
		h[f.header] = []string{base64.StdEncoding.EncodeToString([]byte(*p.str()))}
	case f.kind == model.String && *p.str() == "":
	default:
		h[f.header] = []string{safeHeader(string(f.appendScalar(nil, p, model.RFC822)))}
	}
}

// safeHeader is v without what would end a header's line.
func safeHeader(v string) string {
	if strings.ContainsAny(v, "\r\n\x00") {
		return strings.NewReplacer("\r", " ", "\n", " ", "\x00", " ").Replace(v)
	}
	return v
}

// errorHeaders moves an error's header members into headers; what is left goes into the body.
func (m *Match) errorHeaders(h http.Header, p place, fields []*field) []*field {
	var body []*field
	for _, f := range fields {
		if f.At == model.Body {
			body = append(body, f)
		} else if at, ok := f.find(p.at(f.Offset)); ok && (f.At == model.Header || f.At == model.Headers) {
			f.setHeader(h, at)
		}
	}
	return body
}

func (m *Match) xmlError(x *xmlWriter, reqID string, e *aws.Error, members place, fields []*field) {
	if m.s != nil && !m.s.quirks.bareErrors {
		m.queryError(x, reqID, e, members, fields)
		return
	}
	x.b = append(x.b, utf8XML...)
	x.open("Error")
	x.element("Code", e.WireCode())
	x.element("Message", e.Message)
	x.members(members, fields)
	x.element("RequestId", reqID)
	x.element("HostId", reqID)
	x.close("Error")
}

// routeS3 finds S3's operation. Where the bucket stands in the host name it is put in front of the path.
func (m *Match) routeS3(s *service, r *http.Request) (Match, *aws.Error) {
	path := r.URL.EscapedPath()
	if bucket := hostBucket(r.Host); bucket != "" {
		path = "/" + bucket + path
	}
	m.s, m.Service, m.Protocol = s, s.Service, model.RestXML
	op, ok := s.routes().Find(r.Method, path, r.URL.RawQuery)
	if !ok {
		return *m, (&aws.ErrorShape{Code: "MethodNotAllowed", Status: http.StatusMethodNotAllowed}).New("The specified method is not allowed against this resource.")
	}
	if c := s.quirks.copies[op.Name]; c != "" && header(r, "X-Amz-Copy-Source") != "" {
		if c := s.operation(c); c != nil {
			op = c
		}
	}
	return m.rest(s, op, path)
}

// hostBucket is the bucket of a virtual-hosted request: what stands before "s3" in the host's name.
func hostBucket(host string) string {
	host, _, _ = strings.Cut(host, ":")
	if uri.HostService(host) == "" {
		return ""
	}
	if i := strings.LastIndex(host, ".s3."); i > 0 {
		return host[:i]
	}
	if i := strings.LastIndex(host, ".s3-"); i > 0 {
		if region, _, _ := strings.Cut(host[i+len(".s3-"):], "."); uri.IsRegion(region) {
			return host[:i]
		}
	}
	return ""
}
