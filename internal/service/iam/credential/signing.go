package credential

import (
	"context"
	"crypto/sha256"
	"errors"

	"github.com/obidos-cloud/obidos/internal/api/iamapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/service/iam/form"
	"github.com/obidos-cloud/obidos/internal/service/iam/keys"
	"github.com/obidos-cloud/obidos/internal/store"
)

// MaxSigning is how many signing certificates a user may have.
const MaxSigning = 2

// badCertificate is the answer to a certificate that cannot be read.
func badCertificate(err error) error {
	if errors.Is(err, keys.ErrSeveral) {
		return iamapi.MalformedCertificateException("Certificate body must contain exactly one certificate. Please ensure that the certificate chain is not part of it.")
	}
	return iamapi.MalformedCertificateException("Unable to parse certificate. Please ensure the certificate is in PEM format.")
}

// UploadSigningCertificate gives a user a certificate to sign requests with. Nothing of ours reads such signatures.
func (s *Credentials) UploadSigningCertificate(ctx context.Context, in *iamapi.UploadSigningCertificateInput) (*iamapi.UploadSigningCertificateOutput, error) {
	parsed, err := keys.Certificate(in.CertificateBody)
	if err != nil {
		return nil, badCertificate(err)
	}
	sum := sha256.Sum256(parsed.Raw)
	return form.Update(ctx, s.space, func(tx *store.Tx, h form.Home) (*iamapi.UploadSigningCertificateOutput, error) {
		u, err := s.holderOrRoot(ctx, tx, h, in.UserName)
		if err != nil {
			return nil, err
		}
		has := 0
		for _, c := range s.tables.certificates.Scan(tx, store.ScanOptions{}, h.Account, u.ID) {
			if string(c.Print) == string(sum[:]) {
				return nil, iamapi.DuplicateCertificateException("The certificate with this body has already been uploaded.")
			}
			has++
		}
		if has >= MaxSigning {
			return nil, form.OverQuota("SigningCertificatesPerUser", MaxSigning)
		}
		if parsed.NotAfter.Before(tx.Now()) {
			return nil, iamapi.InvalidCertificateException("The certificate has expired.")
		}
		c := certificateRecord{Body: in.CertificateBody, Print: sum[:], Uploaded: form.Seconds(tx)}
		id := form.NewID("")[1:] + form.NewID("")[1:] // 32 characters
		s.tables.certificates.Set(tx, c, h.Account, u.ID, id)
		shape := certificateShape(&u, id, &c)
		return &iamapi.UploadSigningCertificateOutput{Certificate: &shape}, nil
	})
}

func certificateShape(u *User, id string, c *certificateRecord) iamapi.SigningCertificate {
	return iamapi.SigningCertificate{
		UserName: u.Name, CertificateId: id, CertificateBody: c.Body, Status: form.Status(c.Inactive),
		UploadDate: aws.Some(form.At(c.Uploaded)),
	}
}

// ListSigningCertificates lists a user's.
func (s *Credentials) ListSigningCertificates(ctx context.Context, in *iamapi.ListSigningCertificatesInput) (*iamapi.ListSigningCertificatesOutput, error) {
	return form.View(ctx, s.space, func(tx *store.Tx, h form.Home) (*iamapi.ListSigningCertificatesOutput, error) {
		u, err := s.holderOrRoot(ctx, tx, h, in.UserName)
		if err != nil {
			return nil, err
		}
		p, err := form.NewPage(in.Marker, in.MaxItems)
		if err != nil {
			return nil, err
		}
		out := &iamapi.ListSigningCertificatesOutput{Certificates: []iamapi.SigningCertificate{}}
		for k, c := range s.tables.certificates.Scan(tx, p.Options(), h.Account, u.ID) {
			if !p.Add(k.String(2)) {
				break
			}
			out.Certificates = append(out.Certificates, certificateShape(&u, k.String(2), &c))
		}
		out.IsTruncated, out.Marker = p.Truncated(), p.Marker()
		return out, nil
	})
}

// certificate is a user's certificate of that id.
func (s *Credentials) certificate(ctx context.Context, tx *store.Tx, h form.Home, user aws.Opt[string], id string) (User, certificateRecord, error) {
	u, err := s.holderOrRoot(ctx, tx, h, user)
	if err != nil {
		return u, certificateRecord{}, err
	}
	c, ok := s.tables.certificates.Get(tx, h.Account, u.ID, id)
	if !ok {
		return u, c, iamapi.NoSuchEntityException("The Certificate with id %s cannot be found.", id)
	}
	return u, c, nil
}

// UpdateSigningCertificate makes a certificate active or inactive.
func (s *Credentials) UpdateSigningCertificate(ctx context.Context, in *iamapi.UpdateSigningCertificateInput) (*iamapi.UpdateSigningCertificateOutput, error) {
	inactive, err := form.Inactive(in.Status)
	if err != nil {
		return nil, err
	}
	return form.Update(ctx, s.space, func(tx *store.Tx, h form.Home) (*iamapi.UpdateSigningCertificateOutput, error) {
		u, c, err := s.certificate(ctx, tx, h, in.UserName, in.CertificateId)
		if err != nil {
			return nil, err
		}
		c.Inactive = inactive
		s.tables.certificates.Set(tx, c, h.Account, u.ID, in.CertificateId)
		return &iamapi.UpdateSigningCertificateOutput{}, nil
	})
}

// DeleteSigningCertificate deletes a user's.
func (s *Credentials) DeleteSigningCertificate(ctx context.Context, in *iamapi.DeleteSigningCertificateInput) (*iamapi.DeleteSigningCertificateOutput, error) {
	return form.Update(ctx, s.space, func(tx *store.Tx, h form.Home) (*iamapi.DeleteSigningCertificateOutput, error) {
		u, _, err := s.certificate(ctx, tx, h, in.UserName, in.CertificateId)
		if err != nil {
			return nil, err
		}
		s.tables.certificates.Delete(tx, h.Account, u.ID, in.CertificateId)
		return &iamapi.DeleteSigningCertificateOutput{}, nil
	})
}
