package auth_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/obidos-cloud/obidos/internal/auth"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/model"
	"github.com/obidos-cloud/obidos/internal/sigv4"
)

// directory knows a key.
type directory struct{ auth.Directory }

var alice = aws.Principal{Account: "111111111111", ARN: "arn:aws:iam::111111111111:user/alice", UserID: "AIDA"}

func (directory) AccessKey(_ context.Context, id string) (auth.AccessKey, bool, error) {
	switch id {
	case "AKIAALICE":
		return auth.AccessKey{Secret: "secret", Account: alice.Account, ARN: alice.ARN, UserID: alice.UserID}, true, nil
	case "AKIABROKEN":
		return auth.AccessKey{}, false, errors.New("disk on fire")
	}
	return auth.AccessKey{}, false, nil
}

// sessions are two of alice's, and one of a role's.
type sessions struct{}

func (sessions) Open(_ context.Context, id, token string) (aws.Principal, string, error) {
	s := &aws.Session{Kind: aws.UserSession, Account: alice.Account, Source: alice.ARN, ID: alice.UserID, Expires: time.Now().Add(time.Hour)}
	switch {
	case token != "token":
		return aws.Principal{}, "", auth.ErrBadToken
	case id == "ASIAOLD":
		s.Expires = time.Now().Add(-time.Second)
	case id == "ASIAROLE":
		s.Kind, s.Source, s.ID, s.Name = aws.AssumedRole, "arn:aws:iam::111111111111:role/path/reader", "AROA", "now"
	}
	return auth.BearerOf(s), "secret", nil
}

func signed(key, secret, token, region string) *http.Request {
	r := httptest.NewRequest("POST", "http://localhost:4566/", strings.NewReader("{}"))
	sigv4.Sign(r, sigv4.Credentials{AccessKey: key, Secret: secret, Token: token}, "sqs", region, time.Now(), sigv4.Hash([]byte("{}")))
	return r
}

func unsigned() *http.Request { return httptest.NewRequest("GET", "http://localhost:4566/", nil) }

func broken() *http.Request {
	r := unsigned()
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 nonsense")
	return r
}

// outcome identifies and verifies r and says in one line what came of it.
func outcome(a *auth.Authenticator, r *http.Request) string {
	c, err := a.Identify(r.Context(), r)
	if err == nil {
		err = a.Verify(r, &c, []byte("{}"))
	}
	if e, ok := errors.AsType[*sigv4.Error](err); ok {
		return e.Reason.String()
	}
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%s %s %s known=%v", c.Account, c.Region, c.Principal.ARN, c.Known())
}

func TestIdentify(t *testing.T) {
	const root0, root1 = "arn:aws:iam::000000000000:root", "arn:aws:iam::123456789012:root"
	for _, c := range []struct {
		name      string
		r         func() *http.Request
		open, iam string
	}{
		{"unsigned", unsigned, "000000000000 us-east-1 " + root0 + " known=false", "000000000000 us-east-1  known=false"},
		{"unreadable", broken, "000000000000 us-east-1 " + root0 + " known=false", "incomplete signature"},
		{
			"any key", func() *http.Request { return signed("test", "test", "", "eu-west-1") },
			"000000000000 eu-west-1 " + root0 + " known=false", "unknown access key",
		},
		{
			"an account as key", func() *http.Request { return signed("123456789012", "x", "", "eu-west-1") },
			"123456789012 eu-west-1 " + root1 + " known=false", "unknown access key",
		},
		{
			"an account in China", func() *http.Request { return signed("123456789012", "x", "", "cn-north-1") },
			"123456789012 cn-north-1 arn:aws-cn:iam::123456789012:root known=false", "unknown access key",
		},
		{
			"13 digits", func() *http.Request { return signed("1234567890123", "x", "", "us-east-2") },
			"000000000000 us-east-2 " + root0 + " known=false", "unknown access key",
		},
		{
			"a region that is none", func() *http.Request { return signed("test", "x", "", "US_EAST") },
			"000000000000 us-east-1 " + root0 + " known=false", "unknown access key",
		},
		{
			"the global region", func() *http.Request { return signed("test", "x", "", "aws-global") },
			"000000000000 us-east-1 " + root0 + " known=false", "unknown access key",
		},
		{
			"a known key", func() *http.Request { return signed("AKIAALICE", "secret", "", "eu-west-1") },
			"111111111111 eu-west-1 " + alice.ARN + " known=true", "111111111111 eu-west-1 " + alice.ARN + " known=true",
		},
		{
			"a known key in another partition", func() *http.Request { return signed("AKIAALICE", "secret", "", "cn-north-1") },
			"111111111111 cn-north-1 " + strings.Replace(alice.ARN, "aws", "aws-cn", 1) + " known=true", "unknown access key",
		},
		{
			"a session in another partition", func() *http.Request { return signed("ASIAROLE", "secret", "token", "us-gov-west-1") },
			"111111111111 us-gov-west-1 arn:aws:sts::111111111111:assumed-role/reader/now known=true", "unknown access key",
		},
		{
			"a known key, another secret", func() *http.Request { return signed("AKIAALICE", "guess", "", "eu-west-1") },
			"wrong signature", "wrong signature",
		},
		{
			"a session", func() *http.Request { return signed("ASIAALICE", "secret", "token", "eu-west-1") },
			"111111111111 eu-west-1 " + alice.ARN + " known=true", "111111111111 eu-west-1 " + alice.ARN + " known=true",
		},
		{
			"a session without its token", func() *http.Request { return signed("ASIAALICE", "secret", "", "eu-west-1") },
			"000000000000 eu-west-1 " + root0 + " known=false", "wrong session token",
		},
		{
			"a session of AWS's", func() *http.Request { return signed("ASIAALICE", "secret", "another", "eu-west-1") },
			"000000000000 eu-west-1 " + root0 + " known=false", "wrong session token",
		},
		{
			"a role's session", func() *http.Request { return signed("ASIAROLE", "secret", "token", "eu-west-1") },
			"111111111111 eu-west-1 arn:aws:sts::111111111111:assumed-role/reader/now known=true", "111111111111 eu-west-1 arn:aws:sts::111111111111:assumed-role/reader/now known=true",
		},
		{
			"a session that ended", func() *http.Request { return signed("ASIAOLD", "secret", "token", "eu-west-1") },
			"expired session token", "expired session token",
		},
		{
			"a directory that fails", func() *http.Request { return signed("AKIABROKEN", "secret", "token", "eu-west-1") },
			"look up access key: disk on fire", "look up access key: disk on fire",
		},
	} {
		for mode, want := range map[auth.Mode]string{auth.Open: c.open, auth.Log: c.open, auth.IAM: c.iam} {
			a := auth.New(auth.Options{Mode: mode, Directory: directory{}, Sessions: sessions{}})
			if got := outcome(a, c.r()); got != want {
				t.Errorf("%s, %s: %q, want %q", c.name, mode, got, want)
			}
		}
	}
}

func TestWithoutDirectory(t *testing.T) {
	if got := outcome(auth.New(auth.Options{Region: "eu-central-1"}), unsigned()); got != "000000000000 eu-central-1 arn:aws:iam::000000000000:root known=false" {
		t.Error(got)
	}
	if got := outcome(auth.New(auth.Options{Mode: auth.IAM}), signed("AKIAALICE", "secret", "", "us-east-1")); got != "unknown access key" {
		t.Error(got)
	}
}

func TestScopedToAnotherService(t *testing.T) {
	a := auth.New(auth.Options{Directory: directory{}})
	r := signed("AKIAALICE", "secret", "", "us-east-1")
	c, err := a.Identify(r.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.For(&model.Service{SigningName: "sqs"}); err != nil {
		t.Error(err)
	}
	if err := c.For(&model.Service{SigningName: "dynamodb"}); err == nil {
		t.Error("a signature for sqs was taken by dynamodb")
	}
}

func TestStream(t *testing.T) {
	a := auth.New(auth.Options{Directory: directory{}})
	for _, c := range []struct{ key, body, want string }{
		{"AKIAALICE", "{}", ""}, {"AKIAALICE", "[]", "body does not match its hash"}, {"test", "[]", ""},
	} {
		r := httptest.NewRequest("PUT", "http://localhost/b/k", strings.NewReader(c.body))
		sigv4.Sign(r, sigv4.Credentials{AccessKey: c.key, Secret: "secret"}, "s3", "us-east-1", time.Now(), sigv4.Hash([]byte("{}")))
		caller, err := a.Identify(r.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := a.VerifyStream(r, &caller)
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.ReadAll(body)
		if e, _ := errors.AsType[*sigv4.Error](err); (e == nil) != (c.want == "") || e != nil && e.Reason.String() != c.want {
			t.Errorf("%s reading %s: %v, want %q", c.key, c.body, err, c.want)
		}
	}
}

func TestAnswer(t *testing.T) {
	sqs := &model.Service{SigningName: "sqs", Protocols: []model.Protocol{model.JSON10, model.Query}, QueryErrors: true}
	dynamo := &model.Service{SigningName: "dynamodb", Protocols: []model.Protocol{model.JSON10}}
	lambda := &model.Service{SigningName: "lambda", Protocols: []model.Protocol{model.RestJSON}}
	sns := &model.Service{SigningName: "sns", Protocols: []model.Protocol{model.Query}}
	ec2 := &model.Service{SigningName: "ec2", Protocols: []model.Protocol{model.EC2}}
	s3 := &model.Service{SigningName: "s3", Protocols: []model.Protocol{model.RestXML}}
	invalid := "The security token included in the request is invalid."
	for _, c := range []struct {
		api       *model.Service
		e         sigv4.Error
		json      string
		query     string
		status    int
		beginning string
	}{
		{dynamo, sigv4.Error{Reason: sigv4.UnknownKey}, "UnrecognizedClientException", "InvalidClientTokenId", 400, invalid},
		{lambda, sigv4.Error{Reason: sigv4.UnknownKey}, "UnrecognizedClientException", "InvalidClientTokenId", 403, invalid},
		{sqs, sigv4.Error{Reason: sigv4.UnknownKey}, "UnrecognizedClientException", "InvalidClientTokenId", 403, invalid},
		{sns, sigv4.Error{Reason: sigv4.BadToken}, "UnrecognizedClientException", "InvalidClientTokenId", 403, invalid},
		{ec2, sigv4.Error{Reason: sigv4.UnknownKey}, "AuthFailure", "AuthFailure", 401, "AWS was not able to validate"},
		{s3, sigv4.Error{Reason: sigv4.UnknownKey}, "InvalidAccessKeyId", "InvalidAccessKeyId", 403, "The AWS Access Key Id"},
		{nil, sigv4.Error{Reason: sigv4.Missing}, "MissingAuthenticationTokenException", "MissingAuthenticationToken", 400, "Missing Authentication Token"},
		{sns, sigv4.Error{Reason: sigv4.Missing}, "MissingAuthenticationTokenException", "MissingAuthenticationToken", 403, "Request is missing Authentication Token"},
		{s3, sigv4.Error{Reason: sigv4.Missing}, "AccessDenied", "AccessDenied", 403, "Access Denied"},
		{
			sns,
			sigv4.Error{Reason: sigv4.Incomplete, Detail: "Credential,X-Amz-Date"},
			"IncompleteSignatureException", "IncompleteSignature", 403,
			"Authorization header requires 'Credential' parameter. Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.",
		},
		{
			sns,
			sigv4.Error{Reason: sigv4.Incomplete, Detail: "X-Amz-Date", Claim: sigv4.Claim{Presigned: true}},
			"IncompleteSignatureException", "IncompleteSignature", 403,
			"AWS query-string parameters must include 'X-Amz-Date'.",
		},
		{s3, sigv4.Error{Reason: sigv4.Incomplete, Detail: "Signature"}, "AuthorizationHeaderMalformed", "AuthorizationHeaderMalformed", 400, "The authorization header is malformed"},
		{s3, sigv4.Error{Reason: sigv4.Incomplete, Detail: "X-Amz-Content-Sha256"}, "InvalidRequest", "InvalidRequest", 400, "Missing required header"},
		{sqs, sigv4.Error{Reason: sigv4.Skewed, Detail: "Signature expired: x"}, "InvalidSignatureException", "SignatureDoesNotMatch", 403, "Signature expired: x"},
		{ec2, sigv4.Error{Reason: sigv4.Skewed, Detail: "Signature expired: x"}, "RequestExpired", "RequestExpired", 400, "Request has expired."},
		{s3, sigv4.Error{Reason: sigv4.Skewed}, "RequestTimeTooSkewed", "RequestTimeTooSkewed", 403, "The difference between"},
		{s3, sigv4.Error{Reason: sigv4.Expired}, "AccessDenied", "AccessDenied", 403, "Request has expired"},
		{dynamo, sigv4.Error{Reason: sigv4.Mismatch}, "InvalidSignatureException", "SignatureDoesNotMatch", 400, "The request signature we calculated"},
		{dynamo, sigv4.Error{Reason: sigv4.ExpiredToken}, "ExpiredTokenException", "ExpiredToken", 400, "The security token included in the request is expired"},
		{s3, sigv4.Error{Reason: sigv4.PayloadMismatch}, "XAmzContentSHA256Mismatch", "XAmzContentSHA256Mismatch", 400, "The provided 'x-amz-content-sha256'"},
		{s3, sigv4.Error{Reason: sigv4.Unsupported, Detail: "SigV4A"}, "NotImplemented", "NotImplemented", 501, "obidos does not verify SigV4A"},
	} {
		e, ok := errors.AsType[*aws.Error](auth.Answer(c.api, &c.e))
		if !ok || e.Code != c.json || e.WireCode() != c.query && c.query != c.json || e.ErrorShape.Status != c.status || !strings.HasPrefix(e.Message, c.beginning) {
			t.Errorf("%v: %+v %+v, want %+v", c.e.Reason, e, e.ErrorShape, c)
		}
	}
	for r := sigv4.Missing; r <= sigv4.BadExpires; r++ {
		for _, api := range []*model.Service{nil, sqs, dynamo, lambda, sns, ec2, s3} {
			e, ok := errors.AsType[*aws.Error](auth.Answer(api, &sigv4.Error{Reason: r, Detail: "detail"}))
			if !ok || e.ErrorShape == nil || e.Code == "" || e.Message == "" {
				t.Errorf("%v has no answer", r)
			}
		}
	}
	if other := errors.New("other"); auth.Answer(sqs, other) != other {
		t.Error("an error about something else was changed")
	}
}

func TestDenied(t *testing.T) {
	op := &model.Operation{Name: "SendMessage", Service: &model.Service{SigningName: "sqs", Protocols: []model.Protocol{model.JSON10}}}
	e := auth.Denied(op, "sqs:SendMessage", alice, []string{"arn:aws:sqs:us-east-1:111111111111:q"}, "because of it")
	want := "User: arn:aws:iam::111111111111:user/alice is not authorized to perform: sqs:sendmessage on resource: arn:aws:sqs:us-east-1:111111111111:q because of it"
	if e.Code != "AccessDeniedException" || e.Message != want {
		t.Errorf("%s: %s", e.Code, e.Message)
	}
	if e := auth.Denied(op, "sqs:SendMessage", aws.Principal{}, nil, ""); e.Code != "MissingAuthenticationTokenException" {
		t.Errorf("anonymous: %s", e.Code)
	}
}

func TestModes(t *testing.T) {
	for _, m := range []auth.Mode{auth.Open, auth.Log, auth.IAM} {
		if got, err := auth.ParseMode(m.String()); got != m || err != nil {
			t.Errorf("%v: %v, %v", m, got, err)
		}
	}
	if _, err := auth.ParseMode("strict"); err == nil {
		t.Error("strict is a mode")
	}
}

func TestIdentifyAllocatesNothing(t *testing.T) {
	a := auth.New(auth.Options{})
	ctx := t.Context()
	for _, key := range []string{"test", "123456789012"} {
		r := signed(key, "x", "", "eu-west-1")
		if n := testing.AllocsPerRun(100, func() { a.Identify(ctx, r) }); n != 0 {
			t.Errorf("%s: %v allocations", key, n)
		}
	}
}
