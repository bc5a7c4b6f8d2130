package auth

import (
	"errors"
	"net/http"
	"strings"

	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/model"
	"github.com/obidos-cloud/obidos/internal/sigv4"
)

// A service words what is wrong with a caller in the style of the protocol it was made for, whichever it is called by.
type style uint8

const (
	jsonStyle  style = iota // awsJson and CBOR
	restStyle               // rest-json: as JSON, with another status
	queryStyle              // query, and rest-xml but for S3
	ec2Style
	s3Style
	styles
)

func styleOf(s *model.Service) style {
	switch {
	case s == nil || len(s.Protocols) == 0:
		return jsonStyle
	case strings.HasPrefix(s.SigningName, "s3"):
		return s3Style
	case s.QueryErrors:
		return queryStyle // the status of the old protocol, the codes of both
	}
	switch s.Protocols[0] {
	case model.RestJSON:
		return restStyle
	case model.Query, model.RestXML:
		return queryStyle
	case model.EC2:
		return ec2Style
	}
	return jsonStyle
}

// family is one error as each style answers it.
type family [styles]*aws.ErrorShape

// common is a family whose JSON code and query code differ, but only in their names.
func common(json, query string) family {
	return family{
		jsonStyle:  {Code: json, QueryCode: query, Status: http.StatusBadRequest},
		restStyle:  {Code: json, QueryCode: query, Status: http.StatusForbidden},
		queryStyle: {Code: json, QueryCode: query, Status: http.StatusForbidden},
		ec2Style:   {Code: query, Status: http.StatusForbidden},
		s3Style:    {Code: query, Status: http.StatusForbidden},
	}
}

// as is f with other answers of EC2 and S3.
func (f family) as(ec2, s3 *aws.ErrorShape) family {
	f[ec2Style], f[s3Style] = ec2, s3
	return f
}

var (
	authFailure  = &aws.ErrorShape{Code: "AuthFailure", Status: http.StatusUnauthorized}
	accessDenied = &aws.ErrorShape{Code: "AccessDenied", Status: http.StatusForbidden}
	s3BadRequest = &aws.ErrorShape{Code: "InvalidRequest", Status: http.StatusBadRequest}
	s3Malformed  = &aws.ErrorShape{Code: "AuthorizationHeaderMalformed", Status: http.StatusBadRequest}
	s3BadQuery   = &aws.ErrorShape{Code: "AuthorizationQueryParametersError", Status: http.StatusBadRequest}
	s3Skewed     = &aws.ErrorShape{Code: "RequestTimeTooSkewed", Status: http.StatusForbidden}
	s3UnknownKey = &aws.ErrorShape{Code: "InvalidAccessKeyId", Status: http.StatusForbidden}
	s3BadToken   = &aws.ErrorShape{Code: "InvalidToken", Status: http.StatusBadRequest}
	s3Expired    = &aws.ErrorShape{Code: "ExpiredToken", Status: http.StatusBadRequest}
	s3BadHash    = &aws.ErrorShape{Code: "XAmzContentSHA256Mismatch", Status: http.StatusBadRequest}
	s3Incomplete = &aws.ErrorShape{Code: "IncompleteBody", Status: http.StatusBadRequest}
	ec2Expired   = &aws.ErrorShape{Code: "RequestExpired", Status: http.StatusBadRequest}
	ec2Denied    = &aws.ErrorShape{Code: "UnauthorizedOperation", Status: http.StatusForbidden}
	notVerified  = &aws.ErrorShape{Code: "NotImplemented", Status: http.StatusNotImplemented, Receiver: true}

	denied     = common("AccessDeniedException", "AccessDenied").as(ec2Denied, accessDenied)
	missing    = common("MissingAuthenticationTokenException", "MissingAuthenticationToken").as(authFailure, accessDenied)
	incomplete = common("IncompleteSignatureException", "IncompleteSignature").as(authFailure, s3Malformed)
	unknown    = common("UnrecognizedClientException", "InvalidClientTokenId").as(authFailure, s3UnknownKey)
	badToken   = common("UnrecognizedClientException", "InvalidClientTokenId").as(authFailure, s3BadToken)
	expired    = common("ExpiredTokenException", "ExpiredToken").as(ec2Expired, s3Expired)
	mismatch   = common("InvalidSignatureException", "SignatureDoesNotMatch").as(authFailure, &aws.ErrorShape{Code: "SignatureDoesNotMatch", Status: http.StatusForbidden})
	skewed     = mismatch.as(ec2Expired, s3Skewed)
	tooLate    = mismatch.as(ec2Expired, accessDenied)
	unbound    = mismatch.as(authFailure, accessDenied)
	badScope   = mismatch.as(authFailure, s3Malformed)
	badHash    = mismatch.as(authFailure, s3BadHash)
	badExpires = incomplete.as(authFailure, s3BadQuery)
	badBody    = common("SerializationException", "MalformedInput").as(&aws.ErrorShape{Code: "MalformedInput", Status: http.StatusBadRequest}, s3Incomplete)
)

// text is what a style says about a reason, where it does not say the detail.
func text(e *sigv4.Error, s style) string {
	if s == ec2Style {
		switch e.Reason {
		case sigv4.Skewed, sigv4.Expired, sigv4.ExpiredToken:
			return "Request has expired."
		}
		return "AWS was not able to validate the provided access credentials"
	}
	s3 := s == s3Style
	switch e.Reason {
	case sigv4.Missing:
		if s3 {
			return "Access Denied"
		}
		if s == queryStyle {
			return "Request is missing Authentication Token"
		}
		return "Missing Authentication Token"
	case sigv4.Incomplete:
		return incompleteText(e, s3)
	case sigv4.UnknownKey:
		if s3 {
			return "The AWS Access Key Id you provided does not exist in our records."
		}
		return "The security token included in the request is invalid." + e.Detail
	case sigv4.BadToken:
		if s3 {
			return "The provided token is malformed or otherwise invalid."
		}
		return "The security token included in the request is invalid."
	case sigv4.ExpiredToken:
		if s3 {
			return "The provided token has expired."
		}
		return "The security token included in the request is expired"
	case sigv4.Expired:
		if s3 {
			return "Request has expired"
		}
	case sigv4.Skewed:
		if s3 {
			return "The difference between the request time and the current time is too large."
		}
	case sigv4.Mismatch, sigv4.PayloadMismatch:
		switch {
		case s3 && e.Reason == sigv4.PayloadMismatch:
			return "The provided 'x-amz-content-sha256' header does not match what was computed."
		case s3:
			return "The request signature we calculated does not match the signature you provided. Check your key and signing method."
		}
		return "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
	case sigv4.Unbound:
		if s3 {
			return "There were headers present in the request which were not signed"
		}
		return "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization."
	case sigv4.BadExpires:
		return "X-Amz-Expires must be between 1 and 604800 seconds"
	case sigv4.BadScope:
		if s3 {
			return "The authorization header is malformed; " + e.Detail
		}
	case sigv4.Truncated:
		return "You did not provide the number of bytes specified by the Content-Length HTTP header"
	case sigv4.BadChunk:
		return "The request body is not in aws-chunked framing: " + e.Detail
	}
	return e.Detail
}

// incompleteText names the parts that a signature lacks.
func incompleteText(e *sigv4.Error, s3 bool) string {
	if s3 {
		if e.Detail == "X-Amz-Content-Sha256" {
			return "Missing required header for this request: x-amz-content-sha256"
		}
		return "The authorization header is malformed; the authorization header requires three components: Credential, SignedHeaders, and Signature."
	}
	var sentences []string
	for part := range strings.SplitSeq(e.Detail, ",") {
		switch {
		case e.Claim.Presigned:
			sentences = append(sentences, "AWS query-string parameters must include 'X-Amz-"+strings.TrimPrefix(part, "X-Amz-")+"'.")
		case part == "X-Amz-Date":
			sentences = append(sentences, "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
		default:
			sentences = append(sentences, "Authorization header requires '"+part+"' parameter.")
		}
	}
	return strings.Join(sentences, " ")
}

var families = map[sigv4.Reason]*family{
	sigv4.Missing: &missing, sigv4.Incomplete: &incomplete, sigv4.UnknownKey: &unknown, sigv4.BadToken: &badToken,
	sigv4.ExpiredToken: &expired, sigv4.Expired: &tooLate, sigv4.Skewed: &skewed, sigv4.Mismatch: &mismatch,
	sigv4.Unbound: &unbound, sigv4.PayloadMismatch: &badHash, sigv4.BadChunk: &badBody, sigv4.Truncated: &badBody,
	sigv4.BadScope: &badScope, sigv4.BadExpires: &badExpires,
}

// Answer is what api tells a client of an error of Identify, Verify or VerifyStream (its Read included); api is nil where
// the request reached none. An error that is not about the signature is returned as it is.
func Answer(api *model.Service, err error) error {
	e, ok := errors.AsType[*sigv4.Error](err)
	if !ok {
		return err
	}
	if e.Reason == sigv4.Unsupported {
		return notVerified.New("obidos does not verify %s; sign with AWS4-HMAC-SHA256", e.Detail).Because(e)
	}
	f := families[e.Reason]
	if f == nil {
		return err
	}
	s := styleOf(api)
	shape := f[s]
	if s == s3Style && e.Detail == "X-Amz-Content-Sha256" {
		shape = s3BadRequest
	}
	return shape.New("%s", text(e, s)).Because(e)
}

// Anonymous is api's answer to a caller that has to sign and did not.
func Anonymous(api *model.Service) *aws.Error {
	s := styleOf(api)
	return missing[s].New("%s", text(&sigv4.Error{Reason: sigv4.Missing}, s))
}

// wording is an action as a service's denials write it: SQS's are in lower case.
func wording(s *model.Service, action string) string {
	if s.SigningName == "sqs" {
		return strings.ToLower(action)
	}
	return action
}

// Denied is the answer to a principal that may not do action, which op needs, on resources. reason says why, where that is known:
// "because no identity-based policy allows the sqs:sendmessage action".
func Denied(op *model.Operation, action string, p aws.Principal, resources []string, reason string) *aws.Error {
	s := styleOf(op.Service)
	if p.ARN == "" && p.Service == "" {
		return Anonymous(op.Service)
	}
	if s == ec2Style {
		return denied[s].New("You are not authorized to perform this operation.")
	}
	who := "User: " + p.ARN
	if p.Service != "" {
		who = "Service: " + p.Service
	}
	on := ""
	if len(resources) > 0 {
		on = " on resource: " + resources[0]
	}
	if reason != "" {
		reason = " " + reason
	}
	return denied[s].New("%s is not authorized to perform: %s%s%s", who, wording(op.Service, action), on, reason)
}
