package sqs

import (
	"context"
	"net/netip"
	"strings"

	"github.com/obidos-cloud/obidos/internal/aws"
)

// URLShape is what the URLs of queues look like that are handed out. All shapes are understood at any time.
type URLShape string

// The shapes, by LocalStack's names for them.
const (
	URLPlain    URLShape = "off"      // http://localhost:4566/000000000000/q
	URLPath     URLShape = "path"     // http://localhost:4566/queue/eu-west-1/000000000000/q
	URLStandard URLShape = "standard" // http://sqs.eu-west-1.localhost:4566/000000000000/q
	URLDomain   URLShape = "domain"   // http://eu-west-1.queue.localhost:4566/000000000000/q
	URLDynamic  URLShape = "dynamic"  // standard or domain where the request came to such a name, path elsewhere
)

// queueURL is the URL of a queue for whoever asks.
func (s *Service) queueURL(ctx context.Context, scope aws.Scope, name string) string {
	endpoint := aws.RequestOf(ctx).Endpoint
	shape := s.o.URLs
	tail := "/" + scope.Account + "/" + name
	if shape == URLPlain || shape == "" {
		return endpoint + tail
	}
	scheme, host, ok := strings.Cut(endpoint, "://")
	if !ok {
		return endpoint + tail
	}
	came, bare := shapeOf(host)
	if shape == URLDynamic {
		shape = came
	}
	if standsAlone(bare) {
		shape = URLPath
	}
	switch shape {
	case URLStandard:
		return scheme + "://sqs." + scope.Region + "." + bare + tail
	case URLDomain:
		if scope.Region == oldRegion && namesOldRegion(bare) {
			return scheme + "://queue." + bare + tail
		}
		return scheme + "://" + scope.Region + ".queue." + bare + tail
	}
	return scheme + "://" + bare + "/queue/" + scope.Region + tail
}

// oldRegion is the one that names of the domain shape may leave out.
const oldRegion = "us-east-1"

// namesOldRegion reports whether queue.HOST names that region. Elsewhere it is just a name.
func namesOldRegion(host string) bool {
	name, _, _ := strings.Cut(host, ":")
	return name == "amazonaws.com" || name == "localhost.localstack.cloud"
}

// shapeOf is how a host names the API, and what is left of the host without that.
func shapeOf(host string) (shape URLShape, bare string) {
	if rest, ok := strings.CutPrefix(host, "sqs."); ok {
		if region, bare, more := strings.Cut(rest, "."); more && isRegion(region) {
			return URLStandard, bare
		}
	}
	if region, bare, ok := strings.Cut(host, ".queue."); ok && isRegion(region) {
		return URLDomain, bare
	}
	if bare, ok := strings.CutPrefix(host, "queue."); ok && namesOldRegion(bare) {
		return URLDomain, bare
	}
	return URLPath, host
}

// hostRegion is the region that a host names, empty where it names none.
func hostRegion(host string) string {
	shape, bare := shapeOf(host)
	switch {
	case shape == URLStandard:
		region, _, _ := strings.Cut(strings.TrimPrefix(host, "sqs."), ".")
		return region
	case shape == URLDomain && len(host) == len("queue.")+len(bare):
		return oldRegion
	case shape == URLDomain:
		region, _, _ := strings.Cut(host, ".queue.")
		return region
	}
	return ""
}

// standsAlone reports whether nothing can go before a host: it is an address, or a name of one label, as neighbours in a compose
// file have it, below which no names are known (and none are answered, for they could be anybody's).
func standsAlone(host string) bool {
	if name, _, _ := strings.Cut(host, ":"); name != "localhost" && !strings.Contains(name, ".") {
		return true
	}
	if _, err := netip.ParseAddrPort(host); err == nil {
		return true
	}
	_, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil
}

// cutLast is s before and after the last sep.
func cutLast(s, sep string) (before, after string) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return "", s
	}
	return s[:i], s[i+len(sep):]
}
