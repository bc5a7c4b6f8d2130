package iam

import (
	"bytes"
	"context"
	"encoding/csv"
	"slices"
	"strconv"
	"time"

	"github.com/obidos-cloud/obidos/internal/api/iamapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/service/iam/credential"
	"github.com/obidos-cloud/obidos/internal/service/iam/form"
	"github.com/obidos-cloud/obidos/internal/store"
)

// reportLasts is how long a credential report is good: until then no other is made.
const reportLasts = 4 * time.Hour

// reportColumns are the columns of a credential report.
func reportColumns() []string {
	columns := []string{
		"user", "arn", "user_creation_time", "password_enabled", "password_last_used", "password_last_changed",
		"password_next_rotation", "mfa_active",
	}
	for _, n := range []string{"1", "2"} {
		for _, c := range []string{"_active", "_last_rotated", "_last_used_date", "_last_used_region", "_last_used_service"} {
			columns = append(columns, "access_key_"+n+c)
		}
	}
	return append(columns, "cert_1_active", "cert_1_last_rotated", "cert_2_active", "cert_2_last_rotated")
}

const notAvailable = "N/A"

// reportTime is a time as reports have it.
func reportTime(seconds int64) string {
	if seconds == 0 {
		return notAvailable
	}
	return form.At(seconds).Format("2006-01-02T15:04:05+00:00")
}

// GenerateCredentialReport makes a report of who has which credentials, unless there is a good one. It is made when this is answered.
func (s *Service) GenerateCredentialReport(ctx context.Context, _ *iamapi.GenerateCredentialReportInput) (*iamapi.GenerateCredentialReportOutput, error) {
	good := func(tx *store.Tx, h home) bool {
		r, ok := s.tables.reports.Get(tx, h.account)
		return ok && form.Seconds(tx)-r.Made < int64(reportLasts/time.Second)
	}
	complete := &iamapi.GenerateCredentialReportOutput{State: aws.Some(iamapi.ReportStateTypeCOMPLETE)}
	text, err := view(ctx, s, func(tx *store.Tx, h home) ([]byte, error) {
		if good(tx, h) {
			return nil, nil
		}
		return s.credentialReport(tx, h)
	})
	if err != nil || text == nil {
		return complete, err
	}
	packed := form.Pack(text)
	return write(ctx, s, func(tx *store.Tx, h home) (*iamapi.GenerateCredentialReportOutput, error) {
		if good(tx, h) { // somebody else has made one
			return complete, nil
		}
		s.tables.reports.Set(tx, reportRecord{Content: packed, Made: form.Seconds(tx)}, h.account)
		return &iamapi.GenerateCredentialReportOutput{
			State: aws.Some(iamapi.ReportStateTypeSTARTED), Description: aws.Some("No report exists. Starting a new report generation task"),
		}, nil
	})
}

// GetCredentialReport tells the report that was made last.
func (s *Service) GetCredentialReport(ctx context.Context, _ *iamapi.GetCredentialReportInput) (*iamapi.GetCredentialReportOutput, error) {
	return view(ctx, s, func(tx *store.Tx, h home) (*iamapi.GetCredentialReportOutput, error) {
		r, ok := s.tables.reports.Get(tx, h.account)
		if !ok {
			return nil, iamapi.CredentialReportNotPresentException("No report exists. Generate one first.")
		}
		if form.Seconds(tx)-r.Made >= int64(reportLasts/time.Second) {
			return nil, iamapi.CredentialReportExpiredException("The credential report has expired. Generate a new one.")
		}
		text, err := form.Unpack(r.Content)
		if err != nil {
			return nil, err
		}
		return &iamapi.GetCredentialReportOutput{Content: text, ReportFormat: aws.Some(iamapi.ReportFormatTypeTextCsv), GeneratedTime: aws.Some(form.At(r.Made))}, nil
	})
}

// credentialReport is the report as it is now: the account's root, then its users in the order of their names.
func (s *Service) credentialReport(tx *store.Tx, h home) ([]byte, error) {
	a, _ := s.tables.accounts.Get(tx, h.account)
	root := []string{"<root_account>", h.arn("root"), reportTime(a.Created), "not_supported", "no_information", "not_supported", "not_supported", "false"}
	root = append(root, s.reportKeys(tx, a.Keys)...)
	rows := [][]string{append(root, reportCertificates(s.Of(tx, h.account, h.account))...)}

	for key := range s.tables.names.Keys(tx, store.ScanOptions{}, h.account, aUser.key()) {
		u, err := s.user(tx, h, key.String(2))
		if err != nil {
			continue
		}
		row := []string{u.Name, h.arnOf(aUser, u.named), reportTime(u.Created), "false", notAvailable, notAvailable, notAvailable}
		has := s.Of(tx, h.account, u.ID)
		if has.Password {
			row[3], row[4], row[5], row[6] = "true", "no_information", reportTime(has.Changed), reportTime(has.Expires)
		}
		row = append(append(row, strconv.FormatBool(has.MFA)), s.reportKeys(tx, u.Keys)...)
		rows = append(rows, append(row, reportCertificates(has)...))
	}
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	err := w.WriteAll(append([][]string{reportColumns()}, rows...))
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// reportKeys are the columns of two access keys.
func (s *Service) reportKeys(tx *store.Tx, ids []string) (row []string) {
	for i := range maxKeys {
		var k keyRecord
		var use useRecord
		ok := false
		if i < len(ids) {
			k, ok = s.tables.keys.Get(tx, ids[i])
			use, _ = s.tables.keyUses.Get(tx, ids[i])
		}
		row = append(row, strconv.FormatBool(ok && !k.Inactive), reportTime(k.Created), reportTime(use.Time), orNot(use.Region), orNot(use.Service))
	}
	return row
}

func orNot(s string) string {
	if s == "" {
		return notAvailable
	}
	return s
}

// reportCertificates are the columns of two signing certificates.
func reportCertificates(has credential.Has) []string {
	row := slices.Repeat([]string{"false", notAvailable}, credential.MaxSigning)
	for i, c := range has.Certificates {
		row[2*i], row[2*i+1] = strconv.FormatBool(c.Active), reportTime(c.Uploaded)
	}
	return row
}
