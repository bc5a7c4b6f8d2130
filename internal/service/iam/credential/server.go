package credential

import (
	"cmp"
	"context"
	"errors"
	"strings"

	"github.com/obidos-cloud/obidos/internal/api/iamapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/resource"
	"github.com/obidos-cloud/obidos/internal/service/iam/form"
	"github.com/obidos-cloud/obidos/internal/service/iam/keys"
	"github.com/obidos-cloud/obidos/internal/store"
)

// MaxServers is how many server certificates an account may have.
const MaxServers = 20

const serverID = "ASCA"

// server is the server certificate of that name.
func (s *Credentials) server(tx *store.Tx, h form.Home, name string) (serverRecord, error) {
	if c, ok := s.tables.servers.Get(tx, h.Account, form.Fold(name)); ok {
		return c, nil
	}
	return serverRecord{}, iamapi.NoSuchEntityException("The Server Certificate with name %s cannot be found.", name)
}

// UploadServerCertificate keeps a certificate for load balancers and the like, with its key, which nobody is told again.
func (s *Credentials) UploadServerCertificate(ctx context.Context, in *iamapi.UploadServerCertificateInput) (*iamapi.UploadServerCertificateOutput, error) {
	if err := form.CheckName("serverCertificateName", in.ServerCertificateName); err != nil {
		return nil, err
	}
	path, err := form.CheckPath(in.Path)
	if err != nil {
		return nil, err
	}
	tags, err := form.AddTags(nil, in.Tags, false)
	if err != nil {
		return nil, err
	}
	c := serverRecord{Name: in.ServerCertificateName, Path: path, Tags: tags, Body: in.CertificateBody, Chain: in.CertificateChain.V, Key: in.PrivateKey}
	if err := c.check(); err != nil {
		return nil, err
	}
	c.ID = form.NewID(serverID)
	return form.Update(ctx, s.space, func(tx *store.Tx, h form.Home) (*iamapi.UploadServerCertificateOutput, error) {
		if s.tables.servers.Has(tx, h.Account, form.Fold(c.Name)) {
			return nil, iamapi.EntityAlreadyExistsException("The Server Certificate with name %s already exists.", c.Name)
		}
		has := 0
		for range s.tables.servers.Keys(tx, store.ScanOptions{}, h.Account) {
			has++
		}
		if has >= MaxServers {
			return nil, form.OverQuota("ServerCertificatesPerAccount", MaxServers)
		}
		c.Created = form.Seconds(tx)
		s.setServer(ctx, tx, h, nil, &c)
		shape := serverShape(h, &c)
		return &iamapi.UploadServerCertificateOutput{ServerCertificateMetadata: &shape, Tags: form.Tags(c.Tags)}, nil
	})
}

// setServer has a certificate become another: nil where it was not, or is not to be there any more. It tells of it.
func (s *Credentials) setServer(ctx context.Context, tx *store.Tx, h form.Home, was, is *serverRecord) {
	if s.changes.Watched(serverType) {
		if was != nil && is != nil && was.arn(h) != is.arn(h) { // under another name or path it is another
			s.changes.Became(ctx, tx, serverType, was.arn(h), was.properties(h), "")
			s.changes.Became(ctx, tx, serverType, is.arn(h), "", is.properties(h))
		} else {
			s.changes.Became(ctx, tx, serverType, cmp.Or(is, was).arn(h), was.properties(h), is.properties(h))
		}
	}
	if was != nil {
		s.tables.servers.Delete(tx, h.Account, form.Fold(was.Name))
	}
	if is != nil {
		s.tables.servers.Set(tx, *is, h.Account, form.Fold(is.Name))
	}
}

const serverType = "AWS::IAM::ServerCertificate"

func (c *serverRecord) arn(h form.Home) string { return h.ARN("server-certificate" + c.Path + c.Name) }

// properties are a certificate's as a declared resource's, as JSON, without what must not be told; empty where there is none.
func (c *serverRecord) properties(h form.Home) string {
	if c == nil {
		return ""
	}
	return resource.Text(struct {
		Arn, ServerCertificateName, Path string
		Tags                             []form.Tag `json:",omitempty"`
	}{c.arn(h), c.Name, c.Path, c.Tags})
}

// check checks that certificate, key and chain belong together, and takes note of when the certificate expires.
func (c *serverRecord) check() error {
	own, err := keys.Certificate(c.Body)
	if err != nil {
		return badCertificate(err)
	}
	key, err := keys.PrivateKey(c.Key)
	if errors.Is(err, keys.ErrEncrypted) {
		return iamapi.MalformedCertificateException("Unable to parse key; the private key is encrypted. Please decrypt it before you upload it.")
	} else if err != nil {
		return iamapi.MalformedCertificateException("Unable to parse key; the body is encoded incorrectly.")
	}
	if keys.Pair(own, key) != nil {
		return iamapi.KeyPairMismatchException("Private key did not match public certificate.")
	}
	if strings.TrimSpace(c.Chain) != "" {
		chain, err := keys.Certificates(c.Chain)
		if err != nil {
			return iamapi.MalformedCertificateException("Unable to parse certificate chain. Please ensure the certificate chain is in PEM format.")
		}
		if e := (*keys.ChainError)(nil); errors.As(keys.Chain(own, chain), &e) {
			return iamapi.MalformedCertificateException("Unable to validate certificate chain. The certificate chain must start with the immediate signing certificate, "+
				"followed by any intermediaries in order. The index within the chain of the invalid certificate is: %d", e.Index)
		}
	}
	c.Expires = own.NotAfter.Unix()
	return nil
}

func serverShape(h form.Home, c *serverRecord) iamapi.ServerCertificateMetadata {
	return iamapi.ServerCertificateMetadata{
		Path: c.Path, ServerCertificateName: c.Name, ServerCertificateId: c.ID, Arn: c.arn(h),
		UploadDate: aws.Some(form.At(c.Created)), Expiration: aws.Some(form.At(c.Expires)),
	}
}

// GetServerCertificate tells all of a certificate but its key.
func (s *Credentials) GetServerCertificate(ctx context.Context, in *iamapi.GetServerCertificateInput) (*iamapi.GetServerCertificateOutput, error) {
	return form.View(ctx, s.space, func(tx *store.Tx, h form.Home) (*iamapi.GetServerCertificateOutput, error) {
		c, err := s.server(tx, h, in.ServerCertificateName)
		if err != nil {
			return nil, err
		}
		shape := serverShape(h, &c)
		return &iamapi.GetServerCertificateOutput{ServerCertificate: &iamapi.ServerCertificate{
			ServerCertificateMetadata: &shape, CertificateBody: c.Body, CertificateChain: aws.NonZero(c.Chain), Tags: form.Tags(c.Tags),
		}}, nil
	})
}

// ListServerCertificates lists the account's.
func (s *Credentials) ListServerCertificates(ctx context.Context, in *iamapi.ListServerCertificatesInput) (*iamapi.ListServerCertificatesOutput, error) {
	return form.View(ctx, s.space, func(tx *store.Tx, h form.Home) (*iamapi.ListServerCertificatesOutput, error) {
		p, err := form.NewPage(in.Marker, in.MaxItems)
		if err != nil {
			return nil, err
		}
		out := &iamapi.ListServerCertificatesOutput{ServerCertificateMetadataList: []iamapi.ServerCertificateMetadata{}}
		for k, c := range s.tables.servers.Scan(tx, p.Options(), h.Account) {
			if !strings.HasPrefix(c.Path, in.PathPrefix.Or("/")) {
				continue
			}
			if !p.Add(k.String(1)) {
				break
			}
			out.ServerCertificateMetadataList = append(out.ServerCertificateMetadataList, serverShape(h, &c))
		}
		out.IsTruncated, out.Marker = p.Truncated(), p.Marker()
		return out, nil
	})
}

// UpdateServerCertificate gives a certificate another name or path.
func (s *Credentials) UpdateServerCertificate(ctx context.Context, in *iamapi.UpdateServerCertificateInput) (*iamapi.UpdateServerCertificateOutput, error) {
	if err := form.CheckName("newServerCertificateName", in.NewServerCertificateName.V); err != nil {
		return nil, err
	}
	return form.Update(ctx, s.space, func(tx *store.Tx, h form.Home) (*iamapi.UpdateServerCertificateOutput, error) {
		c, err := s.server(tx, h, in.ServerCertificateName)
		if err != nil {
			return nil, err
		}
		was := c
		if in.NewPath.Set {
			if c.Path, err = form.CheckPath(in.NewPath); err != nil {
				return nil, err
			}
		}
		c.Name = in.NewServerCertificateName.Or(c.Name)
		if form.Fold(c.Name) != form.Fold(was.Name) {
			if s.tables.servers.Has(tx, h.Account, form.Fold(c.Name)) {
				return nil, iamapi.EntityAlreadyExistsException("The Server Certificate with name %s already exists.", c.Name)
			}
		}
		s.setServer(ctx, tx, h, &was, &c)
		return &iamapi.UpdateServerCertificateOutput{}, nil
	})
}

// DeleteServerCertificate deletes the account's.
func (s *Credentials) DeleteServerCertificate(ctx context.Context, in *iamapi.DeleteServerCertificateInput) (*iamapi.DeleteServerCertificateOutput, error) {
	return form.Update(ctx, s.space, func(tx *store.Tx, h form.Home) (*iamapi.DeleteServerCertificateOutput, error) {
		c, err := s.server(tx, h, in.ServerCertificateName)
		if err != nil {
			return nil, err
		}
		s.setServer(ctx, tx, h, &c, nil)
		return &iamapi.DeleteServerCertificateOutput{}, nil
	})
}

// serverTags are the tags of the server certificate of that name.
func (s *Credentials) serverTags(ctx context.Context, name string) form.Find {
	return func(tx *store.Tx, h form.Home) (form.Tagged, error) {
		c, err := s.server(tx, h, name)
		had := c
		return form.Tagged{Tags: c.Tags, Save: func(tags []form.Tag) { c.Tags = tags; s.setServer(ctx, tx, h, &had, &c) }}, err
	}
}

// TagServerCertificate tags a server certificate.
func (s *Credentials) TagServerCertificate(ctx context.Context, in *iamapi.TagServerCertificateInput) (*iamapi.TagServerCertificateOutput, error) {
	return &iamapi.TagServerCertificateOutput{}, s.serverTags(ctx, in.ServerCertificateName).Add(ctx, s.space, in.Tags)
}

// UntagServerCertificate takes tags from a server certificate.
func (s *Credentials) UntagServerCertificate(ctx context.Context, in *iamapi.UntagServerCertificateInput) (*iamapi.UntagServerCertificateOutput, error) {
	return &iamapi.UntagServerCertificateOutput{}, s.serverTags(ctx, in.ServerCertificateName).Remove(ctx, s.space, in.TagKeys)
}

// ListServerCertificateTags lists the tags of a server certificate.
func (s *Credentials) ListServerCertificateTags(ctx context.Context, in *iamapi.ListServerCertificateTagsInput) (*iamapi.ListServerCertificateTagsOutput, error) {
	tags, p, err := s.serverTags(ctx, in.ServerCertificateName).List(ctx, s.space, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	return &iamapi.ListServerCertificateTagsOutput{Tags: tags, IsTruncated: p.Truncated(), Marker: p.Marker()}, nil
}
