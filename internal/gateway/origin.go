package gateway

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// Access says which Host headers and which Origins are answered. A web page that somebody has open must not be able to
// drive obidos: not by fetch, form or image (the origin is refused), and not by letting a name of its own point at the
// loopback address (the host is refused).
type Access struct {
	Hosts   []string // further host names: "obidos.example.com", or "*.example.com" for all below it
	Origins []string // further origins: "https://app.example.com"
}

// Names below these can be pointed at us only by who runs the machine or its network, or by AWS itself.
var safeSuffixes = []string{
	".localhost", ".local", ".internal", ".test", ".svc.cluster.local",
	".amazonaws.com", ".amazonaws.com.cn", ".on.aws", ".localhost.localstack.cloud",
}

// operationPrefixes are what SDKs put in front of a host for some operations, whatever host it is. What stands behind decides:
// a name that becomes one of ours by it is none that anybody could own, as an address and a single label are not.
var operationPrefixes = []string{"streaming-", "stream-"}

// hostAllowed reports whether a request may name host (as in a Host header, port included) as the one it means.
func (a *Access) hostAllowed(host string) bool {
	name := hostname(host)
	for _, prefix := range operationPrefixes {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			name = rest
			break
		}
	}
	if name == "" || name == "localhost" || name == "localhost.localstack.cloud" {
		return true
	}
	if c := name[0]; c == '[' || c >= '0' && c <= '9' {
		if _, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil {
			return true
		}
	}
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if !strings.Contains(name, ".") {
		return true // a single label never comes from the public name system
	}
	for _, s := range safeSuffixes {
		if strings.HasSuffix(name, s) {
			return true
		}
	}
	for _, h := range a.Hosts {
		if matchesHost(h, name) {
			return true
		}
	}
	return false
}

func matchesHost(pattern, name string) bool {
	pattern = strings.ToLower(pattern)
	if rest, ok := strings.CutPrefix(pattern, "*"); ok {
		return strings.HasSuffix(name, rest)
	}
	return pattern == name
}

// hostname is host without its port.
func hostname(host string) string {
	if strings.HasPrefix(host, "[") {
		if i := strings.IndexByte(host, ']'); i > 0 {
			return host[:i+1]
		}
		return host
	}
	if i := strings.LastIndexByte(host, ':'); i >= 0 {
		return host[:i]
	}
	return host
}

// originAllowed reports whether a page of origin may call us.
func (a *Access) originAllowed(origin string) bool {
	u, err := url.Parse(origin)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" {
		return a.originListed(origin)
	}
	name := strings.ToLower(u.Hostname())
	if name == "localhost" || strings.HasSuffix(name, ".localhost") || name == "localhost.localstack.cloud" {
		return true
	}
	if ip := net.ParseIP(name); ip != nil && ip.IsLoopback() {
		return true
	}
	return a.originListed(origin)
}

func (a *Access) originListed(origin string) bool {
	for _, o := range a.Origins {
		if strings.EqualFold(strings.TrimSuffix(o, "/"), origin) {
			return true
		}
	}
	return false
}

// header is r.Header.Get for a name written as it is kept: each request is asked for several.
func header(r *http.Request, name string) string {
	if v := r.Header[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// refusal is why a request must not be answered, empty where it may. The text names the flag that would allow it.
func (a *Access) refusal(r *http.Request) string {
	if !a.hostAllowed(r.Host) {
		name := hostname(r.Host)
		return "the host name " + name + " is not one of ours; if it is meant to be, start obidos with --host " + name
	}
	if origin := header(r, "Origin"); origin != "" {
		if !a.originAllowed(origin) {
			return "pages of " + origin + " may not call obidos; if they should, start it with --origin " + origin
		}
		return ""
	}
	switch header(r, "Sec-Fetch-Site") {
	case "same-origin", "none":
		return ""
	case "":
		// Browsers leave the header out where we are not on a trustworthy address. An image or a link needs no Origin, so
		// what a browser sends without one may only be what the user typed or opened from us: that has no foreign referrer.
		if strings.HasPrefix(header(r, "User-Agent"), "Mozilla/") && drivesOperation(r) {
			return browserRefusal
		}
		return ""
	}
	if drivesOperation(r) {
		return browserRefusal
	}
	return ""
}

const browserRefusal = "a browser sent this for a page of another site, without saying which; AWS calls from pages must carry their Origin (fetch with CORS)"

// drivesOperation reports whether a request without an Origin could do something by being fetched: everything but
// plain reads of pages and objects, that is, anything that names an operation or is not a GET.
func drivesOperation(r *http.Request) bool {
	return r.Method != http.MethodGet && r.Method != http.MethodHead ||
		strings.Contains(r.URL.RawQuery, "Action=") || strings.HasPrefix(r.URL.Path, "/_obidos/")
}

// cors adds the headers a browser needs to let an allowed page read the answer, and answers preflights; it reports
// whether that was all there was to do.
func (a *Access) cors(w http.ResponseWriter, r *http.Request) (done bool) {
	origin := header(r, "Origin")
	if origin == "" {
		return false
	}
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", origin)
	h.Add("Vary", "Origin")
	h.Set("Access-Control-Expose-Headers", "*, x-amzn-RequestId, x-amzn-ErrorType, x-amzn-query-error, x-amz-request-id, x-amz-id-2, ETag, x-amz-version-id")
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		return false
	}
	h.Set("Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")
	if asked := r.Header.Get("Access-Control-Request-Headers"); asked != "" {
		h.Set("Access-Control-Allow-Headers", asked)
	}
	if r.Header.Get("Access-Control-Request-Private-Network") == "true" {
		h.Set("Access-Control-Allow-Private-Network", "true")
	}
	h.Set("Access-Control-Max-Age", "600")
	w.WriteHeader(http.StatusNoContent)
	return true
}
