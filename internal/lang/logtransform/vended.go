package logtransform

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
)

// vended is a parser of what one of AWS's services writes.
type vended struct {
	Source string `json:"source"`
}

func (v *vended) compile(parser func(d *document) error) (step, error) {
	if v.Source != "" && v.Source != messageKey {
		return nil, errors.New("its source can only be @message")
	}
	return parser, nil
}

// columns are the names of a line's words, in their order; a # behind one tells that it is a number.
const (
	vpcColumns     = "version# accountId interfaceId srcAddr dstAddr srcPort# dstPort# protocol# packets# bytes# start# end# action logStatus"
	route53Columns = "version# queryTimestamp hostZoneId queryName queryType responseCode protocol edgeLocation resolverIp ednsClientSubnet"
	cloudfrontWord = "date time x-edge-location sc-bytes# c-ip cs-method cs(Host) cs-uri-stem sc-status# cs(Referer) cs(User-Agent) " +
		"cs-uri-query cs(Cookie) x-edge-result-type x-edge-request-id x-host-header cs-protocol cs-bytes# time-taken# x-forwarded-for " +
		"ssl-protocol ssl-cipher x-edge-response-result-type cs-protocol-version fle-status fle-encrypted-fields c-port# " +
		"time-to-first-byte# x-edge-detailed-result-type sc-content-type sc-content-len# sc-range-start# sc-range-end#"
	cloudfrontFirst = 24 // words that lines of the oldest form have
)

// words puts the words of a line into fields.
func (d *document) words(kind string, words []string, columns string, least int) error {
	names := strings.Fields(columns)
	if len(words) > len(names) || len(words) < least {
		return fmt.Errorf("%s: the log event has %d fields instead of %d", kind, len(words), len(names))
	}
	for i, w := range words {
		name, numeric := strings.CutSuffix(names[i], "#")
		v := stringOf(w)
		if numeric && isNumber(w) {
			v = literal(number, w)
		}
		d.root.set(name, v)
	}
	return nil
}

func vpc(d *document) error {
	return d.words("parseVPC", strings.Fields(d.event.Message), vpcColumns, 14)
}

func route53(d *document) error {
	return d.words("parseRoute53", decoded(strings.Fields(d.event.Message)), route53Columns, 10)
}

func cloudfront(d *document) error {
	if strings.HasPrefix(d.event.Message, "#") {
		return errors.New("parseCloudfront: the log event is a comment")
	}
	return d.words("parseCloudfront", decoded(strings.Fields(d.event.Message)), cloudfrontWord, cloudfrontFirst)
}

// decoded are words without the escapes of URLs.
func decoded(words []string) []string {
	for i, w := range words {
		if strings.Contains(w, "%") {
			if s, err := url.PathUnescape(w); err == nil {
				words[i] = s
			}
		}
	}
	return words
}

var postgresLine = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)? \S+?):([^:]*):([^@:]*)@([^:]*):\[(\d+)\]:([A-Z0-9]+):`)
})

func postgres(d *document) error {
	found := postgresLine().FindStringSubmatch(d.event.Message)
	if found == nil {
		return errors.New("parsePostgres: the log event does not have the form of RDS for PostgreSQL")
	}
	for i, name := range [...]string{"logTime", "srcIp", "userName", "dbName", "processId", "logLevel"} {
		d.root.set(name, stringOf(found[i+1]))
	}
	return nil
}

func waf(d *document) error {
	v, err := parse(d.event.Message)
	if err != nil || v.kind != object {
		return errors.New("parseWAF: the log event is not a JSON object")
	}
	d.root = v
	if headers := v.get("httpRequest").get("headers"); headers != nil && headers.kind == list {
		all := &value{}
		for _, h := range headers.list {
			name, val := h.get("name"), h.get("value")
			if name == nil || val == nil {
				return errors.New("parseWAF: a header has no name or no value")
			}
			all.set(name.shown(), val)
		}
		v.get("httpRequest").set("headers", all)
	}
	if labels := v.get("labels"); labels != nil && labels.kind == list {
		all := &value{}
		for _, l := range labels.list {
			for _, m := range l.members {
				key := m.key
				for n := 2; all.find(key) >= 0; n++ { // labels that are written alike are all kept
					key = m.key + "_" + strconv.Itoa(n)
				}
				all.set(key, m.val)
			}
		}
		v.set("labels", all)
	}
	return nil
}
