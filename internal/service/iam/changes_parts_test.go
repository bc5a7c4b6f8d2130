package iam_test

import (
	"context"
	"testing"

	"github.com/obidos-cloud/obidos/internal/api/iamapi"
	"github.com/obidos-cloud/obidos/internal/aws"
)

// TestChangesOfProvidersAreTold makes, changes and deletes providers and certificates, and finds what the feed was told.
func TestChangesOfProvidersAreTold(t *testing.T) {
	certificate, key := signed(t, "web")
	document := samlMetadata(t, "")
	told(t, nil, func(ctx context.Context, n *nodes) {
		do, tags := must(t), []iamapi.Tag{{Key: "a", Value: "1"}}
		oidc, saml := "arn:aws:iam::111111111111:oidc-provider/example.com", "arn:aws:iam::111111111111:saml-provider/idp"
		do(n.CreateOpenIDConnectProvider(ctx, &iamapi.CreateOpenIDConnectProviderInput{Url: "https://example.com", ClientIDList: []string{"a"}}))
		do(n.AddClientIDToOpenIDConnectProvider(ctx, &iamapi.AddClientIDToOpenIDConnectProviderInput{OpenIDConnectProviderArn: oidc, ClientID: "a"})) // it has it
		do(n.TagOpenIDConnectProvider(ctx, &iamapi.TagOpenIDConnectProviderInput{OpenIDConnectProviderArn: oidc, Tags: tags}))
		do(n.DeleteOpenIDConnectProvider(ctx, &iamapi.DeleteOpenIDConnectProviderInput{OpenIDConnectProviderArn: oidc}))
		do(n.CreateSAMLProvider(ctx, &iamapi.CreateSAMLProviderInput{Name: "idp", SAMLMetadataDocument: document, AddPrivateKey: aws.Some(key)}))
		do(n.TagSAMLProvider(ctx, &iamapi.TagSAMLProviderInput{SAMLProviderArn: saml, Tags: tags}))
		do(n.DeleteSAMLProvider(ctx, &iamapi.DeleteSAMLProviderInput{SAMLProviderArn: saml}))
		do(n.UploadServerCertificate(ctx, &iamapi.UploadServerCertificateInput{ServerCertificateName: "web", CertificateBody: certificate, PrivateKey: key}))
		do(n.TagServerCertificate(ctx, &iamapi.TagServerCertificateInput{ServerCertificateName: "web", Tags: tags}))
		do(n.UpdateServerCertificate(ctx, &iamapi.UpdateServerCertificateInput{ServerCertificateName: "web", NewServerCertificateName: aws.Some("site")}))
		do(n.DeleteServerCertificate(ctx, &iamapi.DeleteServerCertificateInput{ServerCertificateName: "site"}))
	}, []string{
		"created OIDCProvider oidc-provider/example.com", "created SAMLProvider saml-provider/idp",
		"created ServerCertificate server-certificate/site", "created ServerCertificate server-certificate/web",
		"deleted OIDCProvider oidc-provider/example.com", "deleted SAMLProvider saml-provider/idp",
		"deleted ServerCertificate server-certificate/site", "deleted ServerCertificate server-certificate/web",
		"updated OIDCProvider oidc-provider/example.com", "updated SAMLProvider saml-provider/idp", "updated ServerCertificate server-certificate/web",
	})
}
