package iam_test

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/obidos-cloud/obidos/internal/api/iamapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/clock"
	"github.com/obidos-cloud/obidos/internal/resource"
	"github.com/obidos-cloud/obidos/internal/service/iam"
	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/store/memory"
	"github.com/obidos-cloud/obidos/internal/task"
)

// TestChangesOfProvidersAreTold makes, changes and deletes providers and certificates, and finds what the feed was told.
func TestChangesOfProvidersAreTold(t *testing.T) {
	certificate, key := signed(t, "web")
	document := samlMetadata(t, "")
	synctest.Test(t, func(t *testing.T) {
		c := clock.New()
		st := &store.Store{Engine: memory.New(memory.Options{}), Clock: c}
		tasks := task.NewRunner(st.Space("task"), c, task.RunnerOptions{Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
		feed := resource.NewFeed(tasks)
		var mu sync.Mutex
		var told []string
		feed.Subscribe("test", func(_ context.Context, _ string, c resource.Change) error {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, string(c.Action)+" "+c.ARN[strings.LastIndexByte(c.ARN, ':')+1:])
			if (c.Before == "") != (c.Action == resource.Created) || (c.After == "") != (c.Action == resource.Deleted) || strings.Contains(c.After, "PRIVATE") {
				t.Errorf("%s: before %q, after %q", c.Action, c.Before, c.After)
			}
			return nil
		})
		n := &nodes{t: t}
		n.services[0] = iam.New(st.Space("iam"), iam.Options{Changes: feed})
		n.Invoker = n
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- tasks.Run(ctx) }()

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
		synctest.Wait()
		cancel()
		<-done
		slices.Sort(told) // there is no order between resources
		want := []string{
			"created oidc-provider/example.com", "created saml-provider/idp", "created server-certificate/site", "created server-certificate/web",
			"deleted oidc-provider/example.com", "deleted saml-provider/idp", "deleted server-certificate/site", "deleted server-certificate/web",
			"updated oidc-provider/example.com", "updated saml-provider/idp", "updated server-certificate/web",
		}
		if !slices.Equal(told, want) {
			t.Errorf("told %q, want %q", told, want)
		}
	})
}
