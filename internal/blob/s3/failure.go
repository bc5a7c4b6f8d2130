package s3

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"

	"github.com/minio/minio-go/v7"
)

// codeOf is the service's name for what went wrong; "" where it said nothing.
func codeOf(err error) string {
	if e, ok := errors.AsType[minio.ErrorResponse](err); ok {
		return e.Code
	}
	return ""
}

// absent reports whether err says that there is no such object, or upload.
func absent(err error) bool {
	switch codeOf(err) {
	case minio.NoSuchKey, minio.NoSuchUpload, "NoSuchVersion", "NotFound":
		return true
	}
	return false
}

// why is err with what to do about it.
func (s *Store) why(act string, err error) error {
	if advice := s.place.advice(err); advice != "" {
		return fmt.Errorf("%s in %s: %w: %s", act, s.place, err, advice)
	}
	return fmt.Errorf("%s in %s: %w", act, s.place, err)
}

func (p place) advice(err error) string {
	if e, ok := errors.AsType[minio.ErrorResponse](err); ok {
		return p.adviceOn(e)
	}
	if errors.Is(err, errNoCredentials) {
		return ""
	}
	if e, ok := errors.AsType[*net.DNSError](err); ok && e.IsNotFound {
		return "there is no host of that name: check endpoint= of --blobs, or region="
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "its certificate is not of an authority that this machine trusts: SSL_CERT_FILE names a file with the authority's"
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return "its certificate is for another name: check endpoint= of --blobs, or set path-style=true"
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok || strings.Contains(err.Error(), "HTTP response to HTTPS client") {
		return "it speaks no TLS: write endpoint=http://…"
	}
	if _, ok := errors.AsType[*net.OpError](err); ok || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, errStalled) {
		return fmt.Sprintf("%s does not answer: does it run, and can this machine reach it? (endpoint= of --blobs)", p.host)
	}
	return ""
}

func (p place) adviceOn(e minio.ErrorResponse) string {
	switch e.Code {
	case minio.NoSuchBucket:
		return fmt.Sprintf("there is no bucket %s: create it, or correct --blobs; obidos makes none", p.bucket)
	case "InvalidAccessKeyId", "XAdminUserNotFound":
		return "it knows no such access key: check AWS_ACCESS_KEY_ID, or the key in --blobs"
	case "SignatureDoesNotMatch":
		return "the secret does not belong to the access key: check AWS_SECRET_ACCESS_KEY, or the secret in --blobs"
	case "ExpiredToken", "ExpiredTokenException", "InvalidToken":
		return "the credentials are over: renew them, or check AWS_SESSION_TOKEN"
	case "RequestTimeTooSkewed":
		return "this machine's clock is wrong"
	case minio.AuthorizationHeaderMalformed, minio.InvalidRegion, "PermanentRedirect", "TemporaryRedirect", "IllegalLocationConstraintException":
		if e.Region != "" {
			return fmt.Sprintf("the bucket is in another region: write region=%s in --blobs", e.Region)
		}
		return "the bucket is in another region: write its region= in --blobs"
	case minio.EntityTooLarge, "QuotaExceeded", "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded":
		return "the service has no room for more"
	}
	switch e.StatusCode {
	case http.StatusForbidden:
		return fmt.Sprintf("the credentials must allow s3:GetObject, s3:PutObject, s3:DeleteObject and s3:AbortMultipartUpload on "+
			"arn:aws:s3:::%s/%s*, s3:ListBucket and s3:ListBucketMultipartUploads on arn:aws:s3:::%s", p.bucket, p.prefix, p.bucket)
	case http.StatusMovedPermanently:
		return "the bucket is in another region: write its region= in --blobs"
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		return "the service is overloaded; obidos has tried again for a while"
	}
	return ""
}
