package iam

import (
	"context"
	"crypto/sha256"
	"errors"
	"strings"

	"github.com/obidos-cloud/obidos/internal/api/iamapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/service/iam/keys"
	"github.com/obidos-cloud/obidos/internal/store"
)

// maxCertificates is how many signing certificates a user may have.
const maxCertificates = 2

// badCertificate is the answer to a certificate that cannot be read.
func badCertificate(err error) error {
	if errors.Is(err, keys.ErrSeveral) {
		return iamapi.MalformedCertificateException("Certificate body must contain exactly one certificate. Please ensure that the certificate chain is not part of it.")
	}
	return iamapi.MalformedCertificateException("Unable to parse certificate. Please ensure the certificate is in PEM format.")
}

// UploadSigningCertificate gives a user a certificate to sign requests with. Nothing of ours reads such signatures.
func (s *Service) UploadSigningCertificate(ctx context.Context, in *iamapi.UploadSigningCertificateInput) (*iamapi.UploadSigningCertificateOutput, error) {
	parsed, err := keys.Certificate(in.CertificateBody)
	if err != nil {
		return nil, badCertificate(err)
	}
	sum := sha256.Sum256(parsed.Raw)
	return write(ctx, s, func(tx *store.Tx, h home) (*iamapi.UploadSigningCertificateOutput, error) {
		u, err := s.holderOrRoot(ctx, tx, h, in.UserName)
		if err != nil {
			return nil, err
		}
		has := 0
		for _, c := range s.tables.certificates.Scan(tx, store.ScanOptions{}, h.account, u.ID) {
			if string(c.Print) == string(sum[:]) {
				return nil, iamapi.DuplicateCertificateException("The certificate with this body has already been uploaded.")
			}
			has++
		}
		if has >= maxCertificates {
			return nil, overQuota("SigningCertificatesPerUser", maxCertificates)
		}
		if parsed.NotAfter.Before(tx.Now()) {
			return nil, iamapi.InvalidCertificateException("The certificate has expired.")
		}
		c := certificateRecord{Body: in.CertificateBody, Print: sum[:], Uploaded: seconds(tx)}
		id := newID("")[1:] + newID("")[1:] // 32 characters
		s.tables.certificates.Set(tx, c, h.account, u.ID, id)
		shape := certificateShape(&u, id, &c)
		return &iamapi.UploadSigningCertificateOutput{Certificate: &shape}, nil
	})
}

func certificateShape(u *userRecord, id string, c *certificateRecord) iamapi.SigningCertificate {
	return iamapi.SigningCertificate{
		UserName: u.Name, CertificateId: id, CertificateBody: c.Body, Status: statusOf[iamapi.StatusType](c.Inactive),
		UploadDate: aws.Some(at(c.Uploaded)),
	}
}

// ListSigningCertificates lists a user's.
func (s *Service) ListSigningCertificates(ctx context.Context, in *iamapi.ListSigningCertificatesInput) (*iamapi.ListSigningCertificatesOutput, error) {
	return view(ctx, s, func(tx *store.Tx, h home) (*iamapi.ListSigningCertificatesOutput, error) {
		u, err := s.holderOrRoot(ctx, tx, h, in.UserName)
		if err != nil {
			return nil, err
		}
		p, err := newPage(in.Marker, in.MaxItems)
		if err != nil {
			return nil, err
		}
		out := &iamapi.ListSigningCertificatesOutput{Certificates: []iamapi.SigningCertificate{}}
		for k, c := range s.tables.certificates.Scan(tx, p.options(), h.account, u.ID) {
			if !p.add(k.String(2)) {
				break
			}
			out.Certificates = append(out.Certificates, certificateShape(&u, k.String(2), &c))
		}
		out.IsTruncated, out.Marker = p.truncated(), p.marker()
		return out, nil
	})
}

// certificate is a user's certificate of that id.
func (s *Service) certificate(ctx context.Context, tx *store.Tx, h home, user aws.Opt[string], id string) (userRecord, certificateRecord, error) {
	u, err := s.holderOrRoot(ctx, tx, h, user)
	if err != nil {
		return u, certificateRecord{}, err
	}
	c, ok := s.tables.certificates.Get(tx, h.account, u.ID, id)
	if !ok {
		return u, c, iamapi.NoSuchEntityException("The Certificate with id %s cannot be found.", id)
	}
	return u, c, nil
}

// UpdateSigningCertificate makes a certificate active or inactive.
func (s *Service) UpdateSigningCertificate(ctx context.Context, in *iamapi.UpdateSigningCertificateInput) (*iamapi.UpdateSigningCertificateOutput, error) {
	inactive, err := inactiveOf(string(in.Status))
	if err != nil {
		return nil, err
	}
	return write(ctx, s, func(tx *store.Tx, h home) (*iamapi.UpdateSigningCertificateOutput, error) {
		u, c, err := s.certificate(ctx, tx, h, in.UserName, in.CertificateId)
		if err != nil {
			return nil, err
		}
		c.Inactive = inactive
		s.tables.certificates.Set(tx, c, h.account, u.ID, in.CertificateId)
		return &iamapi.UpdateSigningCertificateOutput{}, nil
	})
}

// inactiveOf is a status that may be set: the models know a third, which only AWS gives.
func inactiveOf(status string) (bool, error) {
	if status == "Expired" {
		return false, iamapi.InvalidInputException("Status must be Active or Inactive.")
	}
	return status == "Inactive", nil
}

// DeleteSigningCertificate deletes a user's.
func (s *Service) DeleteSigningCertificate(ctx context.Context, in *iamapi.DeleteSigningCertificateInput) (*iamapi.DeleteSigningCertificateOutput, error) {
	return write(ctx, s, func(tx *store.Tx, h home) (*iamapi.DeleteSigningCertificateOutput, error) {
		u, _, err := s.certificate(ctx, tx, h, in.UserName, in.CertificateId)
		if err != nil {
			return nil, err
		}
		s.tables.certificates.Delete(tx, h.account, u.ID, in.CertificateId)
		return &iamapi.DeleteSigningCertificateOutput{}, nil
	})
}

// maxServers is how many server certificates an account may have.
const maxServers = 20

const serverID = "ASCA"

// server is the server certificate of that name.
func (s *Service) server(tx *store.Tx, h home, name string) (serverRecord, error) {
	if c, ok := s.tables.servers.Get(tx, h.account, fold(name)); ok {
		return c, nil
	}
	return serverRecord{}, iamapi.NoSuchEntityException("The Server Certificate with name %s cannot be found.", name)
}

// UploadServerCertificate keeps a certificate for load balancers and the like, with its key, which nobody is told again.
func (s *Service) UploadServerCertificate(ctx context.Context, in *iamapi.UploadServerCertificateInput) (*iamapi.UploadServerCertificateOutput, error) {
	path, err := checkPath(in.Path)
	if err != nil {
		return nil, err
	}
	tags, err := addTags(nil, in.Tags, false)
	if err != nil {
		return nil, err
	}
	c := serverRecord{named: named{Name: in.ServerCertificateName, Path: path, Tags: tags}, Body: in.CertificateBody, Chain: in.CertificateChain.V, Key: in.PrivateKey}
	if err := c.check(); err != nil {
		return nil, err
	}
	c.ID = newID(serverID)
	return write(ctx, s, func(tx *store.Tx, h home) (*iamapi.UploadServerCertificateOutput, error) {
		if s.tables.servers.Has(tx, h.account, fold(c.Name)) {
			return nil, iamapi.EntityAlreadyExistsException("The Server Certificate with name %s already exists.", c.Name)
		}
		has := 0
		for range s.tables.servers.Keys(tx, store.ScanOptions{}, h.account) {
			has++
		}
		if has >= maxServers {
			return nil, overQuota("ServerCertificatesPerAccount", maxServers)
		}
		c.Created = seconds(tx)
		s.tables.servers.Set(tx, c, h.account, fold(c.Name))
		shape := serverShape(h, &c)
		return &iamapi.UploadServerCertificateOutput{ServerCertificateMetadata: &shape, Tags: tagList(c.Tags)}, nil
	})
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

func serverShape(h home, c *serverRecord) iamapi.ServerCertificateMetadata {
	return iamapi.ServerCertificateMetadata{
		Path: c.Path, ServerCertificateName: c.Name, ServerCertificateId: c.ID, Arn: h.arn("server-certificate" + c.Path + c.Name),
		UploadDate: aws.Some(at(c.Created)), Expiration: aws.Some(at(c.Expires)),
	}
}

// GetServerCertificate tells all of a certificate but its key.
func (s *Service) GetServerCertificate(ctx context.Context, in *iamapi.GetServerCertificateInput) (*iamapi.GetServerCertificateOutput, error) {
	return view(ctx, s, func(tx *store.Tx, h home) (*iamapi.GetServerCertificateOutput, error) {
		c, err := s.server(tx, h, in.ServerCertificateName)
		if err != nil {
			return nil, err
		}
		shape := serverShape(h, &c)
		return &iamapi.GetServerCertificateOutput{ServerCertificate: &iamapi.ServerCertificate{
			ServerCertificateMetadata: &shape, CertificateBody: c.Body, CertificateChain: aws.NonZero(c.Chain), Tags: tagList(c.Tags),
		}}, nil
	})
}

// ListServerCertificates lists the account's.
func (s *Service) ListServerCertificates(ctx context.Context, in *iamapi.ListServerCertificatesInput) (*iamapi.ListServerCertificatesOutput, error) {
	return view(ctx, s, func(tx *store.Tx, h home) (*iamapi.ListServerCertificatesOutput, error) {
		p, err := newPage(in.Marker, in.MaxItems)
		if err != nil {
			return nil, err
		}
		out := &iamapi.ListServerCertificatesOutput{ServerCertificateMetadataList: []iamapi.ServerCertificateMetadata{}}
		for k, c := range s.tables.servers.Scan(tx, p.options(), h.account) {
			if !strings.HasPrefix(c.Path, in.PathPrefix.Or("/")) {
				continue
			}
			if !p.add(k.String(1)) {
				break
			}
			out.ServerCertificateMetadataList = append(out.ServerCertificateMetadataList, serverShape(h, &c))
		}
		out.IsTruncated, out.Marker = p.truncated(), p.marker()
		return out, nil
	})
}

// UpdateServerCertificate gives a certificate another name or path.
func (s *Service) UpdateServerCertificate(ctx context.Context, in *iamapi.UpdateServerCertificateInput) (*iamapi.UpdateServerCertificateOutput, error) {
	return write(ctx, s, func(tx *store.Tx, h home) (*iamapi.UpdateServerCertificateOutput, error) {
		c, err := s.server(tx, h, in.ServerCertificateName)
		if err != nil {
			return nil, err
		}
		if in.NewPath.Set {
			if c.Path, err = checkPath(in.NewPath); err != nil {
				return nil, err
			}
		}
		was := fold(c.Name)
		c.Name = in.NewServerCertificateName.Or(c.Name)
		if fold(c.Name) != was {
			if s.tables.servers.Has(tx, h.account, fold(c.Name)) {
				return nil, iamapi.EntityAlreadyExistsException("The Server Certificate with name %s already exists.", c.Name)
			}
			s.tables.servers.Delete(tx, h.account, was)
		}
		s.tables.servers.Set(tx, c, h.account, fold(c.Name))
		return &iamapi.UpdateServerCertificateOutput{}, nil
	})
}

// DeleteServerCertificate deletes the account's.
func (s *Service) DeleteServerCertificate(ctx context.Context, in *iamapi.DeleteServerCertificateInput) (*iamapi.DeleteServerCertificateOutput, error) {
	return write(ctx, s, func(tx *store.Tx, h home) (*iamapi.DeleteServerCertificateOutput, error) {
		if _, err := s.server(tx, h, in.ServerCertificateName); err != nil {
			return nil, err
		}
		s.tables.servers.Delete(tx, h.account, fold(in.ServerCertificateName))
		return &iamapi.DeleteServerCertificateOutput{}, nil
	})
}

// serverTags are the tags of the server certificate of that name.
func (s *Service) serverTags(name string) tagsOf {
	return func(tx *store.Tx, h home) (labels, error) {
		c, err := s.server(tx, h, name)
		return labels{c.Tags, func(tags []tag) { c.Tags = tags; s.tables.servers.Set(tx, c, h.account, fold(c.Name)) }}, err
	}
}

// TagServerCertificate tags a server certificate.
func (s *Service) TagServerCertificate(ctx context.Context, in *iamapi.TagServerCertificateInput) (*iamapi.TagServerCertificateOutput, error) {
	return &iamapi.TagServerCertificateOutput{}, s.label(ctx, s.serverTags(in.ServerCertificateName), in.Tags)
}

// UntagServerCertificate takes tags from a server certificate.
func (s *Service) UntagServerCertificate(ctx context.Context, in *iamapi.UntagServerCertificateInput) (*iamapi.UntagServerCertificateOutput, error) {
	return &iamapi.UntagServerCertificateOutput{}, s.unlabel(ctx, s.serverTags(in.ServerCertificateName), in.TagKeys)
}

// ListServerCertificateTags lists the tags of a server certificate.
func (s *Service) ListServerCertificateTags(ctx context.Context, in *iamapi.ListServerCertificateTagsInput) (*iamapi.ListServerCertificateTagsOutput, error) {
	tags, p, err := s.labels(ctx, s.serverTags(in.ServerCertificateName), in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	return &iamapi.ListServerCertificateTagsOutput{Tags: tags, IsTruncated: p.truncated(), Marker: p.marker()}, nil
}
