package iam_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/resource"
	"github.com/obidos-cloud/obidos/internal/resource/resourcetest"
)

func TestResourcesThatAreNoIdentities(t *testing.T) {
	t.Parallel()
	n := newNodes(t)
	ctx := aws.WithRequest(t.Context(), &aws.Request{Scope: aws.Scope{Account: number, Region: "us-east-1"}, Principal: aws.Principal{Account: number, ARN: root}})
	quote := func(s string) string {
		b, err := json.Marshal(s)
		must(t)(nil, err)
		return string(b)
	}
	certificate, key := signed(t, "web")
	one, two := quote(samlMetadata(t, "")), quote(samlMetadata(t, ` validUntil="2032-01-01T00:00:00Z"`))
	pair := `,"CertificateBody":` + quote(certificate) + `,"PrivateKey":` + quote(key)
	cases := map[string]resourcetest.Case{
		"AWS::IAM::OIDCProvider": {
			Named: true, Missing: "arn:aws:iam::111111111111:oidc-provider/none.example.com",
			Desired: `{"Url":"https://token.example.com","ClientIdList":["a","b"],"ThumbprintList":["0000000000000000000000000000000000000001"],"Tags":[{"Key":"a","Value":"1"},{"Key":"b","Value":"2"}]}`,
			Changed: `{"Url":"https://token.example.com","ClientIdList":["b","c"],"ThumbprintList":["0000000000000000000000000000000000000002"],"Tags":[{"Key":"a","Value":"3"}]}`,
		},
		"AWS::IAM::SAMLProvider": {
			Named: true, Missing: "arn:aws:iam::111111111111:saml-provider/none",
			Desired: `{"Name":"idp","SamlMetadataDocument":` + one + `,"Tags":[{"Key":"a","Value":"1"},{"Key":"b","Value":"2"}]}`,
			Changed: `{"Name":"idp","SamlMetadataDocument":` + two + `,"AssertionEncryptionMode":"Allowed","Tags":[{"Key":"a","Value":"3"}]}`,
		},
		"AWS::IAM::ServerCertificate": {
			Named: true, Missing: "none",
			Desired: `{"ServerCertificateName":"web","Path":"/a/"` + pair + `,"Tags":[{"Key":"a","Value":"1"},{"Key":"b","Value":"2"}]}`,
			Changed: `{"ServerCertificateName":"web","Path":"/b/"` + pair + `,"Tags":[{"Key":"a","Value":"3"}]}`,
		},
	}
	for _, typ := range n.services[0].Types(n.Client) {
		if c, ok := cases[typ.Name]; ok {
			delete(cases, typ.Name)
			t.Run(typ.Name, func(t *testing.T) { run(t, typ, c, ctx) })
		}
	}
	for name := range cases {
		t.Errorf("there is no type %s", name)
	}
}

func run(t *testing.T, typ resource.Type, c resourcetest.Case, ctx context.Context) {
	c.Type, c.Context = typ, func() context.Context { return ctx }
	resourcetest.Run(t, c)
}
