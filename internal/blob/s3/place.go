package s3

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/minio/minio-go/v7/pkg/s3utils"
)

// place is where blobs are kept.
type place struct {
	bucket      string
	prefix      string // of all names; ends with a slash where it is not empty
	host        string // of the service, and its port
	plain       bool   // HTTP without TLS
	amazon      bool
	region      string // "": the service is asked
	pathStyle   bool   // the bucket's name is in the path, not in the host's
	key, secret string // "": from the surroundings
}

const form = "s3://BUCKET/PREFIX?endpoint=https://HOST&region=REGION&path-style=true"

// parse reads a URL of that form. What it says of a wrong one never holds the secret.
func parse(text string) (place, error) {
	u, err := url.Parse(text)
	if err != nil {
		return place{}, fmt.Errorf("it is no URL of the form %s; a secret in it must be escaped (%%2F for a slash)", form)
	}
	p := place{bucket: u.Hostname(), host: "s3.amazonaws.com", amazon: true}
	switch {
	case u.Scheme != "s3":
		return place{}, fmt.Errorf("it is no URL of the form %s", form)
	case u.Port() != "":
		return place{}, errors.New("a bucket has no port: the service's address goes into endpoint=")
	case u.Fragment != "":
		return place{}, errors.New("it has a #, which must be written as %23")
	case s3utils.CheckValidBucketName(p.bucket) != nil:
		return place{}, fmt.Errorf("%q cannot be a bucket's name", p.bucket)
	}
	if p.prefix = strings.Trim(u.Path, "/"); p.prefix != "" {
		for s := range strings.SplitSeq(p.prefix, "/") {
			if s == "" || s == "." || s == ".." {
				return place{}, fmt.Errorf("%q cannot be a prefix: it has an empty part, or one of dots alone", p.prefix)
			}
		}
		p.prefix += "/"
		if err := s3utils.CheckValidObjectName(p.prefix + "x"); err != nil || len(p.prefix) > 900 {
			return place{}, fmt.Errorf("%q cannot be a prefix", p.prefix)
		}
	}
	if u.User != nil {
		p.key = u.User.Username()
		p.secret, _ = u.User.Password()
		if p.key == "" || p.secret == "" {
			return place{}, errors.New("credentials in it are of the form KEY:SECRET@, both of them")
		}
	}
	return p, p.settings(u.RawQuery)
}

// settings reads what follows the question mark.
func (p *place) settings(query string) error {
	all, err := url.ParseQuery(query)
	if err != nil {
		return errors.New("what follows its ? is not of the form name=value&name=value")
	}
	var style string
	for name, values := range all {
		value := values[0]
		switch {
		case len(values) > 1:
			return fmt.Errorf("it says %s twice", name)
		case name == "endpoint":
			if err := p.endpoint(value); err != nil {
				return err
			}
		case name == "region":
			if strings.ContainsFunc(value, func(r rune) bool { return r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z') }) {
				return fmt.Errorf("region=%s is no region's name", value)
			}
			p.region = value
		case name == "path-style":
			style = value
		default:
			return fmt.Errorf("it says %s=, which means nothing here; there are endpoint, region and path-style", name)
		}
	}
	p.pathStyle = !p.amazon // every other service understands it, and needs no wildcard in its DNS for that
	if style != "" {
		if p.pathStyle, err = strconv.ParseBool(style); err != nil {
			return fmt.Errorf("path-style=%s is neither true nor false", style)
		}
	}
	return nil
}

func (p *place) endpoint(value string) error {
	if !strings.Contains(value, "://") {
		value = "https://" + value
	}
	u, err := url.Parse(value)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
		return errors.New("endpoint= must be like https://minio.example.com:9000")
	}
	p.host, p.plain, p.amazon = u.Host, u.Scheme == "http", false
	return nil
}

// fromSurroundings fills in what the URL leaves open and the environment says.
func (p *place) fromSurroundings() {
	for _, name := range []string{"AWS_REGION", "AWS_DEFAULT_REGION"} {
		if p.region == "" {
			p.region = os.Getenv(name)
		}
	}
}

// String names the place to people, without secrets.
func (p place) String() string {
	s := "s3://" + p.bucket + "/" + p.prefix
	if !p.amazon {
		s += " at " + p.host
	}
	return strings.TrimSuffix(s, "/")
}
