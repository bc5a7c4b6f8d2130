package s3

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/minio/minio-go/v7/pkg/credentials"
)

var errNoCredentials = errors.New("no credentials were found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or give the machine or pod a role")

// newCredentials are those of the URL, or else the first that are found where all AWS tools look.
func newCredentials(p place) *credentials.Credentials {
	if p.key != "" {
		return credentials.NewStaticV4(p.key, p.secret, "")
	}
	asking := &http.Client{Timeout: 5 * time.Second} // where there is nobody to ask, the address may swallow all that is sent
	return credentials.New(&sources{list: []credentials.Provider{
		&credentials.EnvAWS{}, &credentials.FileAWSCredentials{}, &credentials.IAM{Client: asking, Region: p.region},
	}})
}

// sources are where to look for credentials. Unlike the library's chain it does not go on without any.
type sources struct {
	list    []credentials.Provider
	current credentials.Provider
}

// RetrieveWithCredContext implements credentials.Provider.
func (s *sources) RetrieveWithCredContext(c *credentials.CredContext) (credentials.Value, error) {
	var last error
	for _, p := range s.list {
		v, err := p.RetrieveWithCredContext(c)
		if err == nil && v.AccessKeyID != "" && v.SecretAccessKey != "" {
			s.current = p
			return v, nil
		}
		if err != nil {
			last = err
		}
	}
	return credentials.Value{}, fmt.Errorf("%w (%w)", errNoCredentials, last)
}

// Retrieve implements credentials.Provider.
func (s *sources) Retrieve() (credentials.Value, error) { return s.RetrieveWithCredContext(nil) }

// IsExpired implements credentials.Provider.
func (s *sources) IsExpired() bool { return s.current == nil || s.current.IsExpired() }
