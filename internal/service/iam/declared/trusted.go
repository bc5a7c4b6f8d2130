package declared

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/obidos-cloud/obidos/internal/api/iamapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/resource"
)

const (
	oidcType   = "AWS::IAM::OIDCProvider"
	samlType   = "AWS::IAM::SAMLProvider"
	serverType = "AWS::IAM::ServerCertificate"
)

// oidcProvider is an OpenID Connect provider by its properties.
type oidcProvider struct {
	Arn            string   `json:",omitempty"`
	Url            string   `json:",omitempty"`
	ClientIdList   []string `json:",omitempty"`
	ThumbprintList []string `json:",omitempty"`
	Tags           []tag    `json:",omitempty"`
}

type oidcProviders struct{ api iamapi.Client }

func (t oidcProviders) kind(tagged Tagged) resource.Type {
	return resource.Kind[oidcProvider]{
		Name: oidcType, Service: "Iam", Create: t.create, Read: t.read, Update: t.update, Delete: t.delete, List: t.list,
		Tags: &resource.Tags{
			Service: "iam", Kind: "oidc-provider", Match: func(a aws.ARN) bool { return strings.HasPrefix(a.Resource, "oidc-provider/") },
			List: tagged.List, Get: tagged.Get,
			Add: func(ctx context.Context, a aws.ARN, tags map[string]string) error {
				_, err := t.api.TagOpenIDConnectProvider(ctx, &iamapi.TagOpenIDConnectProviderInput{OpenIDConnectProviderArn: a.String(), Tags: tagList(tags)})
				return missing(err, oidcType, a.String())
			},
			Remove: func(ctx context.Context, a aws.ARN, keys []string) error {
				_, err := t.api.UntagOpenIDConnectProvider(ctx, &iamapi.UntagOpenIDConnectProviderInput{OpenIDConnectProviderArn: a.String(), TagKeys: keys})
				return missing(err, oidcType, a.String())
			},
		},
	}.Type()
}

func (t oidcProviders) create(ctx context.Context, r resource.Request, desired oidcProvider) (oidcProvider, error) {
	out, err := t.api.CreateOpenIDConnectProvider(ctx, &iamapi.CreateOpenIDConnectProviderInput{
		Url: desired.Url, ClientIDList: desired.ClientIdList, ThumbprintList: desired.ThumbprintList, Tags: tagsOf(desired.Tags, r),
	})
	if taken(err) && r.Again {
		_, name, _ := strings.Cut(desired.Url, "://")
		return t.update(ctx, r, oidcProvider{Arn: arnOf(ctx, "oidc-provider/"+name)}, desired)
	} else if err != nil {
		return oidcProvider{}, err
	}
	desired.Arn = out.OpenIDConnectProviderArn.V
	return desired, nil
}

// read tells the URL as one of https: IAM tells it without its scheme.
func (t oidcProviders) read(ctx context.Context, id oidcProvider) (oidcProvider, error) {
	out, err := t.api.GetOpenIDConnectProvider(ctx, &iamapi.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: id.Arn})
	if err != nil {
		return oidcProvider{}, missing(err, oidcType, id.Arn)
	}
	return oidcProvider{
		Arn: id.Arn, Url: "https://" + out.Url.V, ClientIdList: out.ClientIDList, ThumbprintList: out.ThumbprintList, Tags: fromTags(out.Tags),
	}, nil
}

func (t oidcProviders) update(ctx context.Context, r resource.Request, before, desired oidcProvider) (oidcProvider, error) {
	desired.Arn = before.Arn
	had, err := t.api.GetOpenIDConnectProvider(ctx, &iamapi.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: desired.Arn})
	if err != nil {
		return oidcProvider{}, missing(err, oidcType, desired.Arn)
	}
	for _, id := range differ(desired.ClientIdList, had.ClientIDList, equal) {
		if err == nil {
			_, err = t.api.AddClientIDToOpenIDConnectProvider(ctx, &iamapi.AddClientIDToOpenIDConnectProviderInput{OpenIDConnectProviderArn: desired.Arn, ClientID: id})
		}
	}
	for _, id := range differ(had.ClientIDList, desired.ClientIdList, equal) {
		if err == nil {
			_, err = t.api.RemoveClientIDFromOpenIDConnectProvider(ctx, &iamapi.RemoveClientIDFromOpenIDConnectProviderInput{OpenIDConnectProviderArn: desired.Arn, ClientID: id})
		}
	}
	if err == nil && !slices.Equal(had.ThumbprintList, desired.ThumbprintList) {
		_, err = t.api.UpdateOpenIDConnectProviderThumbprint(ctx, &iamapi.UpdateOpenIDConnectProviderThumbprintInput{OpenIDConnectProviderArn: desired.Arn, ThumbprintList: desired.ThumbprintList})
	}
	add, remove := retag(had.Tags, tagsOf(desired.Tags, r))
	if err == nil && len(remove) > 0 {
		_, err = t.api.UntagOpenIDConnectProvider(ctx, &iamapi.UntagOpenIDConnectProviderInput{OpenIDConnectProviderArn: desired.Arn, TagKeys: remove})
	}
	if err == nil && len(add) > 0 {
		_, err = t.api.TagOpenIDConnectProvider(ctx, &iamapi.TagOpenIDConnectProviderInput{OpenIDConnectProviderArn: desired.Arn, Tags: add})
	}
	return desired, missing(err, oidcType, desired.Arn)
}

func (t oidcProviders) delete(ctx context.Context, r resource.Request, was oidcProvider) error {
	if !r.Again { // IAM deletes what is not there, too
		if _, err := t.read(ctx, was); err != nil {
			return err
		}
	}
	_, err := t.api.DeleteOpenIDConnectProvider(ctx, &iamapi.DeleteOpenIDConnectProviderInput{OpenIDConnectProviderArn: was.Arn})
	return deleted(err, r, oidcType, was.Arn)
}

func (t oidcProviders) list(ctx context.Context, _ oidcProvider, page resource.Page) (list []oidcProvider, next string, err error) {
	out, err := t.api.ListOpenIDConnectProviders(ctx, &iamapi.ListOpenIDConnectProvidersInput{})
	if err != nil {
		return nil, "", err
	}
	for _, p := range out.OpenIDConnectProviderList {
		list = append(list, oidcProvider{Arn: p.Arn.V})
	}
	return pageOf(list, page, func(p oidcProvider) string { return p.Arn })
}

// pageOf is a page of a list that IAM tells as a whole.
func pageOf[T any](all []T, page resource.Page, key func(T) string) (list []T, next string, err error) {
	slices.SortFunc(all, func(a, b T) int { return strings.Compare(key(a), key(b)) })
	for _, v := range all {
		if key(v) <= page.After {
			continue
		}
		if len(list) == page.Limit {
			return list, key(list[len(list)-1]), nil
		}
		list = append(list, v)
	}
	return list, "", nil
}

// samlProvider is a SAML provider by its properties.
type samlProvider struct {
	Arn                     string    `json:",omitempty"`
	Name                    string    `json:",omitempty"`
	SamlMetadataDocument    string    `json:",omitempty"`
	SamlProviderUUID        string    `json:",omitempty"`
	AssertionEncryptionMode string    `json:",omitempty"`
	AddPrivateKey           string    `json:",omitempty"`
	RemovePrivateKey        string    `json:",omitempty"`
	PrivateKeyList          []samlKey `json:",omitempty"`
	Tags                    []tag     `json:",omitempty"`
}

type samlKey struct{ KeyId, Timestamp string }

type samlProviders struct{ api iamapi.Client }

func (t samlProviders) kind(tagged Tagged) resource.Type {
	return resource.Kind[samlProvider]{
		Name: samlType, Service: "Iam", Create: t.create, Read: t.read, Update: t.update, Delete: t.delete, List: t.list,
		Tags: &resource.Tags{
			Service: "iam", Kind: "saml-provider", Match: func(a aws.ARN) bool { return strings.HasPrefix(a.Resource, "saml-provider/") },
			List: tagged.List, Get: tagged.Get,
			Add: func(ctx context.Context, a aws.ARN, tags map[string]string) error {
				_, err := t.api.TagSAMLProvider(ctx, &iamapi.TagSAMLProviderInput{SAMLProviderArn: a.String(), Tags: tagList(tags)})
				return missing(err, samlType, a.String())
			},
			Remove: func(ctx context.Context, a aws.ARN, keys []string) error {
				_, err := t.api.UntagSAMLProvider(ctx, &iamapi.UntagSAMLProviderInput{SAMLProviderArn: a.String(), TagKeys: keys})
				return missing(err, samlType, a.String())
			},
		},
	}.Type()
}

func (t samlProviders) create(ctx context.Context, r resource.Request, desired samlProvider) (samlProvider, error) {
	if desired.Name == "" {
		desired.Name = r.Name(128)
	}
	out, err := t.api.CreateSAMLProvider(ctx, &iamapi.CreateSAMLProviderInput{
		Name: desired.Name, SAMLMetadataDocument: desired.SamlMetadataDocument, AddPrivateKey: aws.NonZero(desired.AddPrivateKey),
		AssertionEncryptionMode: aws.NonZero(iamapi.AssertionEncryptionModeType(desired.AssertionEncryptionMode)), Tags: tagsOf(desired.Tags, r),
	})
	if taken(err) && r.Again {
		return t.update(ctx, r, samlProvider{Arn: arnOf(ctx, "saml-provider/"+desired.Name), Name: desired.Name}, desired)
	} else if err != nil {
		return samlProvider{}, err
	}
	desired.Arn = out.SAMLProviderArn.V
	return desired, nil
}

func (t samlProviders) read(ctx context.Context, id samlProvider) (samlProvider, error) {
	out, err := t.api.GetSAMLProvider(ctx, &iamapi.GetSAMLProviderInput{SAMLProviderArn: id.Arn})
	if err != nil {
		return samlProvider{}, missing(err, samlType, id.Arn)
	}
	p := samlProvider{
		Arn: id.Arn, Name: id.Arn[strings.LastIndexByte(id.Arn, '/')+1:], SamlMetadataDocument: out.SAMLMetadataDocument.V,
		SamlProviderUUID: out.SAMLProviderUUID.V, AssertionEncryptionMode: string(out.AssertionEncryptionMode.V), Tags: fromTags(out.Tags),
	}
	for _, k := range out.PrivateKeyList {
		p.PrivateKeyList = append(p.PrivateKeyList, samlKey{k.KeyId.V, k.Timestamp.V.Format(time.RFC3339)})
	}
	return p, nil
}

func (t samlProviders) update(ctx context.Context, r resource.Request, before, desired samlProvider) (samlProvider, error) {
	desired.Arn = before.Arn
	had, err := t.api.GetSAMLProvider(ctx, &iamapi.GetSAMLProviderInput{SAMLProviderArn: desired.Arn})
	if err != nil {
		return samlProvider{}, missing(err, samlType, desired.Arn)
	}
	in := &iamapi.UpdateSAMLProviderInput{
		SAMLProviderArn: desired.Arn, AssertionEncryptionMode: aws.NonZero(iamapi.AssertionEncryptionModeType(desired.AssertionEncryptionMode)),
	}
	if desired.SamlMetadataDocument != "" && desired.SamlMetadataDocument != had.SAMLMetadataDocument.V {
		in.SAMLMetadataDocument = aws.Some(desired.SamlMetadataDocument)
	}
	_, err = t.api.UpdateSAMLProvider(ctx, in)
	add, remove := retag(had.Tags, tagsOf(desired.Tags, r))
	if err == nil && len(remove) > 0 {
		_, err = t.api.UntagSAMLProvider(ctx, &iamapi.UntagSAMLProviderInput{SAMLProviderArn: desired.Arn, TagKeys: remove})
	}
	if err == nil && len(add) > 0 {
		_, err = t.api.TagSAMLProvider(ctx, &iamapi.TagSAMLProviderInput{SAMLProviderArn: desired.Arn, Tags: add})
	}
	return desired, missing(err, samlType, desired.Arn)
}

func (t samlProviders) delete(ctx context.Context, r resource.Request, was samlProvider) error {
	_, err := t.api.DeleteSAMLProvider(ctx, &iamapi.DeleteSAMLProviderInput{SAMLProviderArn: was.Arn})
	return deleted(err, r, samlType, was.Arn)
}

func (t samlProviders) list(ctx context.Context, _ samlProvider, page resource.Page) (list []samlProvider, next string, err error) {
	out, err := t.api.ListSAMLProviders(ctx, &iamapi.ListSAMLProvidersInput{})
	if err != nil {
		return nil, "", err
	}
	for _, p := range out.SAMLProviderList {
		list = append(list, samlProvider{Arn: p.Arn.V})
	}
	return pageOf(list, page, func(p samlProvider) string { return p.Arn })
}

// serverCertificate is a server certificate by its properties.
type serverCertificate struct {
	Arn                   string `json:",omitempty"`
	ServerCertificateName string `json:",omitempty"`
	Path                  string `json:",omitempty"`
	CertificateBody       string `json:",omitempty"`
	CertificateChain      string `json:",omitempty"`
	PrivateKey            string `json:",omitempty"`
	Tags                  []tag  `json:",omitempty"`
}

type serverCertificates struct{ api iamapi.Client }

func (t serverCertificates) kind(tagged Tagged) resource.Type {
	return resource.Kind[serverCertificate]{
		Name: serverType, Service: "Iam", Create: t.create, Read: t.read, Update: t.update, Delete: t.delete, List: t.list,
		Tags: &resource.Tags{
			Service: "iam", Kind: "server-certificate", Match: func(a aws.ARN) bool { return strings.HasPrefix(a.Resource, "server-certificate/") },
			List: tagged.List, Get: tagged.Get,
			Add: func(ctx context.Context, a aws.ARN, tags map[string]string) error {
				_, err := t.api.TagServerCertificate(ctx, &iamapi.TagServerCertificateInput{ServerCertificateName: nameIn(a), Tags: tagList(tags)})
				return missing(err, serverType, nameIn(a))
			},
			Remove: func(ctx context.Context, a aws.ARN, keys []string) error {
				_, err := t.api.UntagServerCertificate(ctx, &iamapi.UntagServerCertificateInput{ServerCertificateName: nameIn(a), TagKeys: keys})
				return missing(err, serverType, nameIn(a))
			},
		},
	}.Type()
}

func (t serverCertificates) create(ctx context.Context, r resource.Request, desired serverCertificate) (serverCertificate, error) {
	if desired.ServerCertificateName == "" {
		desired.ServerCertificateName = r.Name(128)
	}
	out, err := t.api.UploadServerCertificate(ctx, &iamapi.UploadServerCertificateInput{
		ServerCertificateName: desired.ServerCertificateName, Path: aws.NonZero(desired.Path), CertificateBody: desired.CertificateBody,
		CertificateChain: aws.NonZero(desired.CertificateChain), PrivateKey: desired.PrivateKey, Tags: tagsOf(desired.Tags, r),
	})
	if taken(err) && r.Again {
		return t.update(ctx, r, desired, desired)
	} else if err != nil {
		return serverCertificate{}, err
	}
	desired.Arn = out.ServerCertificateMetadata.Arn
	return desired, nil
}

// read tells what the schema says can be told: not the certificate, nor its key.
func (t serverCertificates) read(ctx context.Context, id serverCertificate) (serverCertificate, error) {
	out, err := t.api.GetServerCertificate(ctx, &iamapi.GetServerCertificateInput{ServerCertificateName: id.ServerCertificateName})
	if err != nil {
		return serverCertificate{}, missing(err, serverType, id.ServerCertificateName)
	}
	m := out.ServerCertificate.ServerCertificateMetadata
	return serverCertificate{Arn: m.Arn, ServerCertificateName: m.ServerCertificateName, Path: m.Path, Tags: fromTags(out.ServerCertificate.Tags)}, nil
}

func (t serverCertificates) update(ctx context.Context, r resource.Request, before, desired serverCertificate) (serverCertificate, error) {
	name := before.ServerCertificateName
	had, err := t.read(ctx, before)
	if err != nil {
		return serverCertificate{}, err
	}
	if desired.Path != "" && desired.Path != had.Path {
		_, err = t.api.UpdateServerCertificate(ctx, &iamapi.UpdateServerCertificateInput{ServerCertificateName: name, NewPath: aws.Some(desired.Path)})
	}
	add, remove := retag(tagsOf(had.Tags, resource.Request{}), tagsOf(desired.Tags, r))
	if err == nil && len(remove) > 0 {
		_, err = t.api.UntagServerCertificate(ctx, &iamapi.UntagServerCertificateInput{ServerCertificateName: name, TagKeys: remove})
	}
	if err == nil && len(add) > 0 {
		_, err = t.api.TagServerCertificate(ctx, &iamapi.TagServerCertificateInput{ServerCertificateName: name, Tags: add})
	}
	if err != nil {
		return serverCertificate{}, missing(err, serverType, name)
	}
	return t.read(ctx, before)
}

func (t serverCertificates) delete(ctx context.Context, r resource.Request, was serverCertificate) error {
	_, err := t.api.DeleteServerCertificate(ctx, &iamapi.DeleteServerCertificateInput{ServerCertificateName: was.ServerCertificateName})
	return deleted(err, r, serverType, was.ServerCertificateName)
}

func (t serverCertificates) list(ctx context.Context, _ serverCertificate, page resource.Page) (list []serverCertificate, next string, err error) {
	out, err := t.api.ListServerCertificates(ctx, &iamapi.ListServerCertificatesInput{Marker: aws.NonZero(page.After), MaxItems: aws.NonZero(int32(page.Limit))})
	if err != nil {
		return nil, "", err
	}
	for _, c := range out.ServerCertificateMetadataList {
		list = append(list, serverCertificate{ServerCertificateName: c.ServerCertificateName})
	}
	return list, out.Marker.V, nil
}
