package wire

import (
	"net/http"
	"strings"

	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/model"
	"github.com/obidos-cloud/obidos/internal/wire/uri"
)

// Match is where a request goes and how it speaks. Its zero value answers errors as S3 does: nothing else is left once nothing
// else matched.
type Match struct {
	Service   *model.Service
	Operation *model.Operation // nil where the service has no such operation
	Protocol  model.Protocol

	w     *Wire
	s     *service
	op    *operation
	path  string // REST: the path the operation's URI matched
	query string // query protocols: the parameters; in the URL where the body has none
	json  bool   // query: the answer is wanted in JSON
	both  bool   // the request's events are read while the answer's are written, over HTTP/1.1
}

// Query reports whether the request came over a query protocol.
func (m *Match) Query() bool { return m.Protocol == model.Query || m.Protocol == model.EC2 }

// Streams reports whether the request's body is for the operation to read, not for Decode.
func (m *Match) Streams() bool {
	return m.Operation != nil && m.Operation.Flags&(model.StreamIn|model.EventStreamIn) != 0
}

// MaxBody is how long a body may be that is read into memory, before and after unpacking.
func (m *Match) MaxBody() int64 {
	if m.s != nil && m.s.quirks.maxBody > 0 {
		return m.s.quirks.maxBody
	}
	return maxBody
}

// Route finds the operation r asks for. It calls body only where nothing but the body can tell: for query requests sent with
// POST. With an error the match still says in which protocol to answer it.
func (w *Wire) Route(r *http.Request, body func() ([]byte, error)) (Match, *aws.Error) {
	m := Match{w: w}
	if p := header(r, "Smithy-Protocol"); p != "" {
		return m.routeSmithy(r, p)
	}
	if t := header(r, "X-Amz-Target"); t != "" {
		return m.routeTarget(r, t)
	}
	if name := scopeService(r); name != "" {
		return m.routeScope(r, name, body)
	}
	return m.routeUnsigned(r, body)
}

func header(r *http.Request, canonical string) string {
	if v := r.Header[canonical]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// routeSmithy takes the service and operation from /service/{name}/operation/{name}, whatever stands before.
func (m *Match) routeSmithy(r *http.Request, protocol string) (Match, *aws.Error) {
	m.Protocol = model.CBOR
	rest, op, ok := cutLast(r.URL.Path, "/operation/")
	_, name, ok2 := cutLast(rest, "/service/")
	if !ok || !ok2 || protocol != "rpc-v2-cbor" {
		return *m, unknownOperation.New("")
	}
	s := m.w.targets[name]
	if s == nil || !s.speaks[model.CBOR] {
		return *m, unknownOperation.New("")
	}
	return m.named(s, op)
}

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// routeTarget takes the service and operation from X-Amz-Target.
func (m *Match) routeTarget(r *http.Request, target string) (Match, *aws.Error) {
	m.Protocol = model.JSON11
	prefix, op, _ := cutLast(target, ".")
	s := m.w.targets[prefix]
	cbor := strings.HasPrefix(header(r, "Content-Type"), "application/x-amz-cbor-1.1")
	if s == nil {
		if cbor {
			m.Protocol = model.CBOR11
		} else if strings.HasPrefix(header(r, "Content-Type"), "application/x-amz-json-1.0") {
			m.Protocol = model.JSON10
		}
		return *m, unknownOperation.New("")
	}
	switch {
	case cbor:
		if m.Protocol = model.CBOR11; !s.speaks[model.CBOR11] {
			return *m, unknownOperation.New("")
		}
	case s.speaks[model.JSON11] && !s.speaks[model.JSON10] || !s.speaks[model.JSON10] && !s.speaks[model.JSON11]:
		m.Protocol = model.JSON11
	default:
		m.Protocol = model.JSON10
	}
	return m.named(s, op)
}

// named is the match of an operation by its name.
func (m *Match) named(s *service, op string) (Match, *aws.Error) {
	m.s, m.Service = s, s.Service
	m.op = s.operation(op)
	if m.op == nil {
		switch m.Protocol {
		case model.Query, model.EC2:
			return *m, m.noAction(op)
		}
		return *m, unknownOperation.New("")
	}
	return m.served()
}

func (m *Match) noAction(action string) *aws.Error {
	if text := m.s.quirks.action; text == coralAction {
		return invalidAction.New(text, action, m.s.Version)
	} else {
		return invalidAction.New(text, action)
	}
}

// served ends the search for an operation that is modelled.
func (m *Match) served() (Match, *aws.Error) {
	m.Operation = m.op.Operation
	if !m.op.Served() {
		return *m, model.Unserved(m.Service.Title, m.Operation.Name)
	}
	m.op.compiled()
	return *m, nil
}

// scopeService is the service in the credential scope of a signature, wherever it stands.
func scopeService(r *http.Request) string {
	if a := header(r, "Authorization"); strings.HasPrefix(a, "AWS4-") {
		if _, rest, ok := strings.Cut(a, "Credential="); ok {
			scope, _, _ := strings.Cut(rest, ",")
			return scopePart(scope)
		}
		return ""
	}
	if strings.Contains(r.URL.RawQuery, "X-Amz-Credential=") {
		return scopePart(uri.FormValue(r.URL.RawQuery, "X-Amz-Credential"))
	}
	return ""
}

// scopePart takes the service from KEY/DATE/REGION/SERVICE/aws4_request. Keys may have slashes.
func scopePart(scope string) string {
	rest, _, ok := cutLast(strings.TrimSpace(scope), "/")
	if !ok {
		return ""
	}
	_, name, _ := cutLast(rest, "/")
	return name
}

// routeScope chooses among the services that sign under the name.
func (m *Match) routeScope(r *http.Request, name string, body func() ([]byte, error)) (Match, *aws.Error) {
	list := m.w.signing[name]
	if len(list) == 0 {
		return m.unknownService(r, name, body)
	}
	return m.among(list, r, body)
}

// among chooses from candidates: by the URI for REST services, by the action for those of the query protocols.
func (m *Match) among(list []*service, r *http.Request, body func() ([]byte, error)) (Match, *aws.Error) {
	path := r.URL.EscapedPath()
	for _, s := range list {
		if s.rest() && s.Name != "s3" {
			if op, ok := s.routes().Find(r.Method, path, r.URL.RawQuery); ok {
				return m.rest(s, op, path)
			}
		}
	}
	for _, s := range list {
		if s.query() {
			return m.routeAction(list, r, body)
		}
	}
	for _, s := range list {
		if s.Name == "s3" {
			return m.routeS3(s, r)
		}
	}
	s := list[0]
	m.s, m.Service, m.Protocol = s, s.Service, s.Protocols[0]
	if s.rest() {
		if s.routes().Known(path) {
			return *m, (&aws.ErrorShape{Code: "MethodNotAllowedException", Status: http.StatusMethodNotAllowed}).New("")
		}
		return *m, notFound.New("")
	}
	return *m, unknownOperation.New("")
}

func (m *Match) rest(s *service, op *operation, path string) (Match, *aws.Error) {
	m.s, m.Service, m.op, m.path = s, s.Service, op, path
	m.Protocol = model.RestJSON
	if s.speaks[model.RestXML] {
		m.Protocol = model.RestXML
	}
	return m.served()
}

// routeAction reads the Action parameter, of the URL or else of the body, and chooses the service that has it.
func (m *Match) routeAction(list []*service, r *http.Request, body func() ([]byte, error)) (Match, *aws.Error) {
	var s *service
	for _, c := range list {
		if c.query() {
			s = c
			break
		}
	}
	m.s, m.Service, m.Protocol = s, s.Service, model.Query
	if s.ec2 {
		m.Protocol = model.EC2
	}
	action, err := m.parameters(r, body)
	if err != nil {
		return *m, err
	}
	if action == "" {
		if s.quirks.queueURL {
			return *m, notFound.New("")
		}
		return *m, missingAction.New("The request must contain the parameter Action")
	}
	version := uri.FormValue(m.query, "Version")
	best := s
	for _, c := range list {
		if c.query() && c.operation(action) != nil && (best.operation(action) == nil || c.Version == version) {
			best = c
		}
	}
	m.s, m.Service = best, best.Service
	if best.ec2 {
		m.Protocol = model.EC2
	}
	if best.quirks.queueURL && (action == "CreateQueue" || action == "ListQueues") && uri.QueuePath(r.URL.Path) {
		return *m, m.noAction(action) // a queue's URL is no place to ask about others
	}
	return m.named(best, action)
}

// parameters finds the parameters of a query request, the action they name, and how it wants to be answered.
func (m *Match) parameters(r *http.Request, body func() ([]byte, error)) (action string, err *aws.Error) {
	action, err = m.readParameters(r, body)
	m.json = prefersJSON(header(r, "Accept"), m.query)
	return action, err
}

// readParameters finds the parameters of a query request, in the URL or in the body, and the action they name.
func (m *Match) readParameters(r *http.Request, body func() ([]byte, error)) (string, *aws.Error) {
	m.query = r.URL.RawQuery
	if action := uri.FormValue(m.query, "Action"); action != "" && (r.Method == http.MethodGet || r.ContentLength == 0) {
		return action, nil
	}
	if r.Method != http.MethodPost {
		return "", nil
	}
	b, err := body()
	if err != nil {
		return "", Incomplete(err)
	}
	if b, err := unpack(r, b, m.MaxBody()); err != nil {
		return "", err
	} else if form := string(b); form != "" {
		if m.query != "" {
			form += "&" + m.query
		}
		m.query = form
	}
	return uri.FormValue(m.query, "Action"), nil
}

// unknownService answers for a service nobody modelled, in the protocol the request seems to speak.
func (m *Match) unknownService(r *http.Request, name string, body func() ([]byte, error)) (Match, *aws.Error) {
	op := r.Method + " " + r.URL.Path
	m.Protocol = model.RestJSON
	switch {
	case strings.HasPrefix(header(r, "Content-Type"), "application/x-www-form-urlencoded") || uri.FormValue(r.URL.RawQuery, "Action") != "":
		m.Protocol = model.Query
		if action, err := m.parameters(r, body); err == nil && action != "" {
			op = action
		}
	case strings.Contains(header(r, "Content-Type"), "xml"):
		m.Protocol = model.RestXML
	}
	return *m, model.Unserved(name, op)
}

// routeUnsigned serves what carries no signature: by host, by action, by path.
func (m *Match) routeUnsigned(r *http.Request, body func() ([]byte, error)) (Match, *aws.Error) {
	form := r.Method == http.MethodPost && strings.HasPrefix(header(r, "Content-Type"), "application/x-www-form-urlencoded")
	host := uri.HostService(r.Host)
	if host != "" {
		if list := m.w.hosted(host); len(list) > 0 {
			return m.among(list, r, body)
		}
	}
	if form || strings.Contains(r.URL.RawQuery, "Action=") {
		action, err := m.parameters(r, body)
		if err != nil {
			m.Protocol = model.Query
			return *m, err
		}
		if list := m.w.actions()[action]; action != "" && len(list) > 0 {
			return m.routeAction(m.byPath(list, r), r, body)
		}
		if s := m.w.service("sqs"); s != nil && uri.QueuePath(r.URL.Path) {
			return m.routeAction([]*service{s}, r, body)
		}
		if action != "" {
			m.Protocol = model.Query
			return *m, invalidAction.New(noSuchAction, action)
		}
	}
	path := r.URL.EscapedPath()
	for _, s := range m.w.services {
		if s.rest() && s.Name != "s3" && s.Name != "s3control" {
			if op, ok := s.routes().Find(r.Method, path, r.URL.RawQuery); ok {
				if t := uri.Parse(op.URI); t.Literal() { // its path tells without the service being known
					return m.rest(s, op, path)
				}
			}
		}
	}
	if s := m.w.service("sqs"); s != nil && uri.QueuePath(r.URL.Path) {
		return m.routeAction([]*service{s}, r, body)
	}
	if s := m.w.service("s3"); s != nil {
		return m.routeS3(s, r)
	}
	m.Protocol = model.RestXML
	return *m, notFound.New("")
}

// byPath puts the service first whose path it is: a queue's for SQS.
func (m *Match) byPath(list []*service, r *http.Request) []*service {
	if !uri.QueuePath(r.URL.Path) {
		return list
	}
	for _, s := range list {
		if s.quirks.queueURL {
			return []*service{s}
		}
	}
	return list
}

// hosted lists the services whose endpoints begin with the name.
func (w *Wire) hosted(name string) []*service {
	var list []*service
	for _, s := range w.services {
		if s.EndpointPrefix == name {
			list = append(list, s)
		}
	}
	return list
}
