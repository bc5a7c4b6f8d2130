package auth

import (
	"net/http"

	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/model"
)

var (
	accessDenied     = &aws.ErrorShape{Code: "AccessDeniedException", QueryCode: "AccessDenied", Status: http.StatusBadRequest}
	accessDeniedREST = &aws.ErrorShape{Code: "AccessDeniedException", Status: http.StatusForbidden}
	accessDeniedXML  = &aws.ErrorShape{Code: "AccessDenied", Status: http.StatusForbidden}
	accessDeniedEC2  = &aws.ErrorShape{Code: "UnauthorizedOperation", Status: http.StatusForbidden}
)

// Denied is the answer to a principal that may not perform op on resources.
func Denied(op *model.Operation, p aws.Principal, resources []string) *aws.Error {
	who, on := "User: "+p.ARN, ""
	switch {
	case p.Service != "":
		who = "Service: " + p.Service
	case p.ARN == "":
		who = "Anonymous user"
	}
	if len(resources) > 0 {
		on = " on resource: " + resources[0]
	}
	return denied(op.Service).New("%s is not authorized to perform: %s%s", who, op.Action(), on)
}

// denied is the shape by which a service says no.
func denied(s *model.Service) *aws.ErrorShape {
	switch style(s) {
	case styleEC2:
		return accessDeniedEC2
	case styleXML:
		return accessDeniedXML
	case styleREST:
		return accessDeniedREST
	}
	return accessDenied
}

// A service words what is wrong with a signature in the style of the protocol it was made for, whichever it is called by.
type styleOf uint8

const (
	styleJSON  styleOf = iota // awsJson, CBOR
	styleREST                 // rest-json: as JSON, with the status that fits
	styleQuery                // query
	styleEC2
	styleXML // rest-xml
)

func style(s *model.Service) styleOf {
	if len(s.Protocols) == 0 {
		return styleJSON
	}
	switch s.Protocols[0] {
	case model.RestJSON:
		return styleREST
	case model.Query:
		return styleQuery
	case model.EC2:
		return styleEC2
	case model.RestXML:
		return styleXML
	}
	return styleJSON
}
