package iam_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base32"
	"encoding/base64"
	"encoding/csv"
	"encoding/pem"
	"image/png"
	"math/big"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/obidos-cloud/obidos/internal/api/iamapi"
	"github.com/obidos-cloud/obidos/internal/auth"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/model"
	"github.com/obidos-cloud/obidos/internal/service/iam"
	"github.com/obidos-cloud/obidos/internal/service/iam/totp"
	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/store/memory"
)

// account is IAM with a clock that stands, as somebody of one account sees it.
type account struct {
	iamapi.Client
	t       testing.TB
	service *iam.Service
	now     *atomic.Int64 // seconds
	who     aws.Principal
}

const (
	number = "111111111111"
	root   = "arn:aws:iam::111111111111:root"
	alice  = "arn:aws:iam::111111111111:user/alice"
)

type standing struct{ seconds *atomic.Int64 }

func (c standing) Now() time.Time { return time.Unix(c.seconds.Load(), 0).UTC() }

// newAccount is an account with the user alice, on a store that does only what the contract promises, as its root sees it.
func newAccount(t testing.TB) *account {
	now := new(atomic.Int64)
	now.Store(time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC).Unix())
	s := &store.Store{Engine: memory.New(memory.Options{}), Clock: standing{now}}
	a := &account{t: t, service: iam.New(s.Space("iam"), iam.Options{}), now: now, who: aws.Principal{Account: number, ARN: root, UserID: number}}
	a.Invoker = a
	must(t)(a.CreateUser(t.Context(), &iamapi.CreateUserInput{UserName: "alice"}))
	return a
}

// as is the same account as another of its principals sees it.
func (a *account) as(arn string) *account {
	b := *a
	b.who.ARN = arn
	b.Invoker = &b
	return &b
}

func (a *account) Invoke(ctx context.Context, op *model.Operation, in any) (any, error) {
	return op.Call(aws.WithRequest(ctx, &aws.Request{Scope: aws.Scope{Account: number, Region: "us-east-1"}, Principal: a.who}), a.service, in)
}

func (a *account) advance(d time.Duration) { a.now.Add(int64(d / time.Second)) }

func must(t testing.TB) func(_ any, err error) {
	return func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
}

// refused checks that an error is the one that AWS answers.
func refused(t testing.TB, err error, code, message string) {
	t.Helper()
	e, ok := err.(*aws.Error)
	if !ok || e.WireCode() != code || !strings.Contains(e.Message, message) {
		t.Errorf("it is %v, not %s: %s", err, code, message)
	}
}

func TestPasswords(t *testing.T) {
	t.Parallel()
	a, ctx := newAccount(t), t.Context()
	create := func(password string) error {
		_, err := a.CreateLoginProfile(ctx, &iamapi.CreateLoginProfileInput{UserName: aws.Some("alice"), Password: aws.Some(password)})
		return err
	}
	change := func(from, to string) error {
		_, err := a.as(alice).ChangePassword(ctx, &iamapi.ChangePasswordInput{OldPassword: from, NewPassword: to})
		return err
	}
	// Without a policy of its own an account has AWS's rules.
	refused(t, create("Short1!"), "PasswordPolicyViolation", "minimum length of 8")
	refused(t, create("onlylowercase"), "PasswordPolicyViolation", "three of the following character types")
	refused(t, change("a", "b"), "NoSuchEntity", "Login Profile for User alice cannot be found.")
	must(t)(nil, create("first-Password1"))
	refused(t, create("first-Password1"), "EntityAlreadyExists", "Login Profile for user alice already exists.")
	_, err := a.DeleteUser(ctx, &iamapi.DeleteUserInput{UserName: "alice"})
	refused(t, err, "DeleteConflict", "must delete login profile first")

	_, err = a.ChangePassword(ctx, &iamapi.ChangePasswordInput{OldPassword: "first-Password1", NewPassword: "x"})
	refused(t, err, "InvalidUserType", "Only IAM Users can change their own password.")
	refused(t, change("wrong", "second-Password2"), "AccessDenied", "The old password was incorrect.")
	must(t)(nil, change("first-Password1", "second-Password2"))
	refused(t, change("first-Password1", "third-Password3"), "AccessDenied", "The old password was incorrect.")

	must(t)(a.UpdateAccountPasswordPolicy(ctx, &iamapi.UpdateAccountPasswordPolicyInput{
		MinimumPasswordLength: aws.Some(int32(12)), RequireSymbols: aws.Some(true), MaxPasswordAge: aws.Some(int32(30)),
		PasswordReusePrevention: aws.Some(int32(2)), HardExpiry: aws.Some(true),
	}))
	refused(t, change("second-Password2", "tooshort-1"), "PasswordPolicyViolation", "minimum length of 12")
	refused(t, change("second-Password2", "nosymbolatall"), "PasswordPolicyViolation", "at least one symbol")
	refused(t, change("second-Password2", "first-Password1"), "PasswordPolicyViolation", "used before")
	must(t)(nil, change("second-Password2", "third-Password3"))
	must(t)(nil, change("third-Password3", "first-Password1")) // two others came after it
	a.advance(30 * 24 * time.Hour)
	refused(t, change("first-Password1", "fourth-Password4"), "AccessDenied", "expired")
	must(t)(a.UpdateLoginProfile(ctx, &iamapi.UpdateLoginProfileInput{UserName: "alice", Password: aws.Some("fifth-Password5"), PasswordResetRequired: aws.Some(true)}))
	must(t)(nil, change("fifth-Password5", "sixth-Password6"))
	out, err := a.GetLoginProfile(ctx, &iamapi.GetLoginProfileInput{UserName: aws.Some("alice")})
	if err != nil || out.LoginProfile.PasswordResetRequired.V {
		t.Errorf("the profile is %+v, %v", out, err)
	}
}

func TestMFA(t *testing.T) {
	t.Parallel()
	a, ctx := newAccount(t), t.Context()
	made, err := a.CreateVirtualMFADevice(ctx, &iamapi.CreateVirtualMFADeviceInput{VirtualMFADeviceName: "phone", Path: aws.Some("/mobile/")})
	if err != nil {
		t.Fatal(err)
	}
	serial := made.VirtualMFADevice.SerialNumber
	if serial != "arn:aws:iam::111111111111:mfa/mobile/phone" {
		t.Errorf("its serial number is %s", serial)
	}
	if i, err := png.Decode(bytes.NewReader(made.VirtualMFADevice.QRCodePNG)); err != nil || i.Bounds().Dx() < 100 {
		t.Errorf("its picture: %v", err)
	}
	seed, err := base32.StdEncoding.DecodeString(string(made.VirtualMFADevice.Base32StringSeed))
	if err != nil || len(made.VirtualMFADevice.Base32StringSeed) != 64 {
		t.Errorf("its seed: %v", err)
	}
	code := func(ahead int64) string { return totp.Code(seed, totp.Step(time.Unix(a.now.Load(), 0))+ahead) }
	enable := func(first, second string) error {
		_, err := a.EnableMFADevice(ctx, &iamapi.EnableMFADeviceInput{UserName: "alice", SerialNumber: serial, AuthenticationCode1: first, AuthenticationCode2: second})
		return err
	}
	verify := func(code string, want bool) {
		t.Helper()
		if ok, err := a.service.VerifyMFA(ctx, alice, serial, code); ok != want || err != nil {
			t.Errorf("a code holds: %v, %v", ok, err)
		}
	}
	verify(code(0), false) // it is nobody's yet
	refused(t, enable(code(0), code(-1)), "InvalidAuthenticationCode", "not valid")
	refused(t, enable(code(-100), code(-99)), "InvalidAuthenticationCode", "not valid")
	must(t)(nil, enable(code(-1), code(0)))
	refused(t, enable(code(-1), code(0)), "EntityAlreadyExists", "already in use")
	verify(code(0), false) // used to enable it
	verify("12345x", false)
	a.advance(30 * time.Second)
	verify(code(0), true)
	verify(code(0), false)
	verify(code(-1), false)
	verify(code(1), true) // its clock is a little ahead
	a.advance(time.Minute)
	verify(code(5), false)
	resync := func(first, second string) error {
		_, err := a.ResyncMFADevice(ctx, &iamapi.ResyncMFADeviceInput{UserName: "alice", SerialNumber: serial, AuthenticationCode1: first, AuthenticationCode2: second})
		return err
	}
	refused(t, resync(code(1000), code(1001)), "InvalidAuthenticationCode", "not valid")
	must(t)(nil, resync(code(50), code(51)))
	a.advance(30 * time.Second)
	verify(code(51), true)
	if ok, err := a.service.VerifyMFA(ctx, root, serial, code(52)); ok || err != nil {
		t.Errorf("another's code holds: %v, %v", ok, err)
	}
	list, err := a.ListVirtualMFADevices(ctx, &iamapi.ListVirtualMFADevicesInput{AssignmentStatus: aws.Some(iamapi.AssignmentStatusTypeAssigned)})
	if err != nil || len(list.VirtualMFADevices) != 1 || list.VirtualMFADevices[0].User.UserName.V != "alice" || list.VirtualMFADevices[0].Base32StringSeed != nil {
		t.Errorf("assigned are %+v, %v", list, err)
	}
	_, err = a.DeleteVirtualMFADevice(ctx, &iamapi.DeleteVirtualMFADeviceInput{SerialNumber: serial})
	refused(t, err, "DeleteConflict", "Must deactivate first")
	must(t)(a.as(alice).DeactivateMFADevice(ctx, &iamapi.DeactivateMFADeviceInput{SerialNumber: serial}))
	verify(code(52), false)
	must(t)(a.DeleteVirtualMFADevice(ctx, &iamapi.DeleteVirtualMFADeviceInput{SerialNumber: serial}))
}

// signed makes a certificate and its key, in PEM, signed by itself.
func signed(t testing.TB, name string) (certificate, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Date(2029, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter: time.Date(2031, 1, 1, 0, 0, 0, 0, time.UTC), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	write := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	return write("CERTIFICATE", der), write("PRIVATE KEY", private)
}

func TestCertificates(t *testing.T) {
	t.Parallel()
	a, ctx := newAccount(t), t.Context()
	certificate, key := signed(t, "one")
	other, otherKey := signed(t, "two")
	upload := func(name, certificate, key, chain string) error {
		in := &iamapi.UploadServerCertificateInput{ServerCertificateName: name, CertificateBody: certificate, PrivateKey: key}
		if chain != "" {
			in.CertificateChain = aws.Some(chain)
		}
		_, err := a.UploadServerCertificate(ctx, in)
		return err
	}
	refused(t, upload("web", "hello", key, ""), "MalformedCertificate", "Unable to parse certificate.")
	refused(t, upload("web", certificate, "hello", ""), "MalformedCertificate", "Unable to parse key")
	refused(t, upload("web", certificate, otherKey, ""), "KeyPairMismatch", "")
	refused(t, upload("web", certificate, key, other), "MalformedCertificate", "invalid certificate is: -1")
	must(t)(nil, upload("web", certificate, key, certificate))
	refused(t, upload("WEB", certificate, key, ""), "EntityAlreadyExists", "The Server Certificate with name WEB already exists.")
	got, err := a.GetServerCertificate(ctx, &iamapi.GetServerCertificateInput{ServerCertificateName: "web"})
	if err != nil || got.ServerCertificate.CertificateBody != certificate || got.ServerCertificate.ServerCertificateMetadata.Expiration.V.Year() != 2031 {
		t.Errorf("it is %+v, %v", got, err)
	}

	sign := func(certificate string) error {
		_, err := a.UploadSigningCertificate(ctx, &iamapi.UploadSigningCertificateInput{UserName: aws.Some("alice"), CertificateBody: certificate})
		return err
	}
	refused(t, sign("hello"), "MalformedCertificate", "")
	must(t)(nil, sign(certificate))
	refused(t, sign("\n"+certificate), "DuplicateCertificate", "")
	must(t)(nil, sign(other))
	third, _ := signed(t, "three")
	refused(t, sign(third), "LimitExceeded", "Cannot exceed quota for SigningCertificatesPerUser: 2")
	a.advance(2 * 365 * 24 * time.Hour)
	refused(t, sign(third), "LimitExceeded", "")
	refused(t, upload("late", certificate, otherKey, ""), "KeyPairMismatch", "")
	_, err = a.DeleteUser(ctx, &iamapi.DeleteUserInput{UserName: "alice"})
	refused(t, err, "DeleteConflict", "must delete signing certificate first")
}

// samlMetadata is what a provider says of itself.
func samlMetadata(t testing.TB, until string) string {
	t.Helper()
	certificate, _ := signed(t, "idp")
	b, _ := pem.Decode([]byte(certificate))
	return `<?xml version="1.0"?><EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="https://idp.example.com"` + until + `>` +
		`<IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol"><KeyDescriptor use="signing">` +
		`<KeyInfo xmlns="http://www.w3.org/2000/09/xmldsig#"><X509Data><X509Certificate>` + base64.StdEncoding.EncodeToString(b.Bytes) +
		`</X509Certificate></X509Data></KeyInfo></KeyDescriptor><SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" ` +
		`Location="https://idp.example.com/sso"/></IDPSSODescriptor></EntityDescriptor>` + strings.Repeat(" ", 500)
}

func TestProviders(t *testing.T) {
	t.Parallel()
	a, ctx := newAccount(t), t.Context()
	create := func(document string) error {
		_, err := a.CreateSAMLProvider(ctx, &iamapi.CreateSAMLProviderInput{Name: "Idp", SAMLMetadataDocument: document})
		return err
	}
	refused(t, create(strings.Repeat("hello ", 200)), "InvalidInput", "Could not parse metadata")
	refused(t, create(samlMetadata(t, ` validUntil="tomorrow"`)), "InvalidInput", "Could not parse metadata")
	document := samlMetadata(t, ` validUntil="2032-01-01T00:00:00Z"`)
	must(t)(nil, create(document))
	refused(t, create(document), "EntityAlreadyExists", "")
	const arn = "arn:aws:iam::111111111111:saml-provider/Idp"
	got, err := a.GetSAMLProvider(ctx, &iamapi.GetSAMLProviderInput{SAMLProviderArn: arn})
	if err != nil || got.SAMLMetadataDocument.V != document || got.ValidUntil.V.Year() != 2032 {
		t.Errorf("it is %+v, %v", got, err)
	}
	_, key := signed(t, "key")
	update := func(in iamapi.UpdateSAMLProviderInput) error {
		in.SAMLProviderArn = arn
		_, err := a.UpdateSAMLProvider(ctx, &in)
		return err
	}
	required := aws.Some(iamapi.AssertionEncryptionModeTypeRequired)
	refused(t, update(iamapi.UpdateSAMLProviderInput{AssertionEncryptionMode: required}), "InvalidInput", "private key")
	refused(t, update(iamapi.UpdateSAMLProviderInput{AddPrivateKey: aws.Some("hello")}), "InvalidInput", "")
	must(t)(nil, update(iamapi.UpdateSAMLProviderInput{AddPrivateKey: aws.Some(key), AssertionEncryptionMode: required}))
	p, ok, err := a.service.SAMLProvider(ctx, arn)
	if err != nil || !ok || p.Metadata != document || !p.Encrypted || len(p.Keys) != 1 {
		t.Errorf("STS sees %+v, %v, %v", p, ok, err)
	}
	if _, ok, err := a.service.SAMLProvider(ctx, arn+"2"); ok || err != nil {
		t.Errorf("STS sees one that is not there: %v", err)
	}

	for url, want := range map[string]string{
		"https://token.example.com/": "", "ftp://token.example.com": "ValidationError", "token.example.com": "ValidationError",
		"https://user@token.example.com": "ValidationError", "https://token.example.com?a=b": "ValidationError", "http://localhost:9000/realms/one": "",
	} {
		_, err := a.CreateOpenIDConnectProvider(ctx, &iamapi.CreateOpenIDConnectProviderInput{Url: url, ClientIDList: []string{"sts.amazonaws.com"}})
		if want == "" {
			must(t)(nil, err)
		} else {
			refused(t, err, want, "")
		}
	}
	for issuer, want := range map[string]bool{
		"https://token.example.com/": true, "https://token.example.com": false, "http://token.example.com/": false,
		"http://localhost:9000/realms/one": true, "": false,
	} {
		p, ok, err := a.service.OIDCProvider(ctx, number, issuer)
		if ok != want || err != nil || ok && (p.Issuer != issuer || len(p.ClientIDs) != 1) {
			t.Errorf("for %q STS sees %+v, %v, %v", issuer, p, ok, err)
		}
	}
}

func TestCredentialReport(t *testing.T) {
	t.Parallel()
	a, ctx := newAccount(t), t.Context()
	_, err := a.GetCredentialReport(ctx, &iamapi.GetCredentialReportInput{})
	refused(t, err, "ReportNotPresent", "")
	must(t)(a.CreateLoginProfile(ctx, &iamapi.CreateLoginProfileInput{UserName: aws.Some("alice"), Password: aws.Some("first-Password1")}))
	key, err := a.CreateAccessKey(ctx, &iamapi.CreateAccessKeyInput{UserName: aws.Some("alice")})
	if err != nil {
		t.Fatal(err)
	}
	must(t)(nil, a.service.Used(ctx, key.AccessKey.AccessKeyId, "sqs", "eu-west-1", time.Unix(a.now.Load(), 0)))
	generate := func(want string) {
		t.Helper()
		if out, err := a.GenerateCredentialReport(ctx, &iamapi.GenerateCredentialReportInput{}); err != nil || string(out.State.V) != want {
			t.Errorf("the report is %+v, %v", out, err)
		}
	}
	generate("STARTED")
	generate("COMPLETE")
	out, err := a.GetCredentialReport(ctx, &iamapi.GetCredentialReportInput{})
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(bytes.NewReader(out.Content)).ReadAll()
	if err != nil || len(rows) != 3 || len(rows[0]) != 22 || rows[0][0] != "user" || rows[1][0] != "<root_account>" {
		t.Fatalf("it is %q, %v", out.Content, err)
	}
	want := "alice," + alice + ",2030-01-01T00:00:00+00:00,true,no_information,2030-01-01T00:00:00+00:00,N/A,false," +
		"true,2030-01-01T00:00:00+00:00,2030-01-01T00:00:00+00:00,eu-west-1,sqs,false,N/A,N/A,N/A,N/A,false,N/A,false,N/A"
	if got := strings.Join(rows[2], ","); got != want {
		t.Errorf("alice is %s", got)
	}
	a.advance(4 * time.Hour)
	_, err = a.GetCredentialReport(ctx, &iamapi.GetCredentialReportInput{})
	refused(t, err, "ReportExpired", "")
	generate("STARTED")
}

func TestLastAccessed(t *testing.T) {
	t.Parallel()
	a, ctx := newAccount(t), t.Context()
	must(t)(a.CreateGroup(ctx, &iamapi.CreateGroupInput{GroupName: "staff"}))
	must(t)(a.AddUserToGroup(ctx, &iamapi.AddUserToGroupInput{GroupName: "staff", UserName: "alice"}))
	const policy = "arn:aws:iam::aws:policy/AmazonSQSFullAccess"
	must(t)(a.AttachGroupPolicy(ctx, &iamapi.AttachGroupPolicyInput{GroupName: "staff", PolicyArn: policy}))
	user, err := a.GetUser(ctx, &iamapi.GetUserInput{UserName: aws.Some("alice")})
	if err != nil {
		t.Fatal(err)
	}
	access := func(action, region string) {
		must(t)(nil, a.service.Accessed(ctx, auth.Access{
			Principal: aws.Principal{Account: number, ARN: alice, UserID: user.User.UserId}, Action: action, Region: region,
			Time: time.Unix(a.now.Load(), 0),
		}))
	}
	access("sqs:SendMessage", "eu-west-1")
	a.advance(time.Minute)
	access("sqs:SendMessage", "eu-west-1") // too soon to be told again
	access("s3:GetObject", "eu-west-1")    // no policy allows it
	a.advance(time.Minute)
	access("sqs:ReceiveMessage", "us-east-1")

	report := func(arn string) *iamapi.GetServiceLastAccessedDetailsOutput {
		t.Helper()
		job, err := a.GenerateServiceLastAccessedDetails(ctx, &iamapi.GenerateServiceLastAccessedDetailsInput{
			Arn: arn, Granularity: aws.Some(iamapi.AccessAdvisorUsageGranularityTypeACTIONLEVEL),
		})
		if err != nil {
			t.Fatal(err)
		}
		out, err := a.GetServiceLastAccessedDetails(ctx, &iamapi.GetServiceLastAccessedDetailsInput{JobId: job.JobId.V})
		if err != nil {
			t.Fatal(err)
		}
		with, err := a.GetServiceLastAccessedDetailsWithEntities(ctx, &iamapi.GetServiceLastAccessedDetailsWithEntitiesInput{
			JobId: job.JobId.V, ServiceNamespace: "sqs",
		})
		if err != nil || len(with.EntityDetailsList) != 1 || with.EntityDetailsList[0].EntityInfo.Arn != alice ||
			with.EntityDetailsList[0].LastAuthenticated.V.Unix() != a.now.Load() {
			t.Errorf("those of %s are %+v, %v", arn, with, err)
		}
		return out
	}
	for _, arn := range []string{alice, "arn:aws:iam::111111111111:group/staff", policy} {
		out := report(arn)
		if len(out.ServicesLastAccessed) != 1 {
			t.Fatalf("services of %s are %+v", arn, out)
		}
		s := out.ServicesLastAccessed[0]
		if s.ServiceNamespace != "sqs" || s.LastAuthenticatedEntity.V != alice || s.LastAuthenticatedRegion.V != "us-east-1" || s.TotalAuthenticatedEntities.V != 1 {
			t.Errorf("of %s it is %+v", arn, s)
		}
		if n := len(s.TrackedActionsLastAccessed); n != 2 || s.TrackedActionsLastAccessed[1].ActionName.V != "SendMessage" ||
			s.TrackedActionsLastAccessed[1].LastAccessedTime.V.Unix() != a.now.Load()-120 {
			t.Errorf("of %s its actions are %+v", arn, s.TrackedActionsLastAccessed)
		}
	}
	_, err = a.GenerateServiceLastAccessedDetails(ctx, &iamapi.GenerateServiceLastAccessedDetailsInput{Arn: "arn:aws:iam::111111111111:user/nobody"})
	refused(t, err, "NoSuchEntity", "")
	_, err = a.GetServiceLastAccessedDetails(ctx, &iamapi.GetServiceLastAccessedDetailsInput{JobId: "00000000-0000-4000-8000-000000000000"})
	refused(t, err, "NoSuchEntity", "")
}

func TestUsersMayChangeTheirPassword(t *testing.T) {
	t.Parallel()
	a, ctx := newAccount(t), t.Context()
	for _, may := range []bool{false, true, false} {
		must(t)(a.UpdateAccountPasswordPolicy(ctx, &iamapi.UpdateAccountPasswordPolicyInput{AllowUsersToChangePassword: aws.Some(may)}))
		i, ok, err := a.service.Directory().Identity(ctx, alice)
		if err != nil || !ok {
			t.Fatal(ok, err)
		}
		allowed := false
		for _, p := range i.Policies {
			allowed = allowed || p.Policy.Allows("iam:ChangePassword")
		}
		if allowed != may {
			t.Errorf("where they may is %v, alice may: %v", may, allowed)
		}
	}
}

// TestAccessOfWhoIsGone finds that what somebody did goes with them, and that nothing is noted of them afterwards.
func TestAccessOfWhoIsGone(t *testing.T) {
	t.Parallel()
	a, ctx := newAccount(t), t.Context()
	user, err := a.GetUser(ctx, &iamapi.GetUserInput{UserName: aws.Some("alice")})
	must(t)(nil, err)
	access := func(action string) {
		must(t)(nil, a.service.Accessed(ctx, auth.Access{
			Principal: aws.Principal{Account: number, ARN: alice, UserID: user.User.UserId}, Action: action, Region: "us-east-1", Time: time.Unix(a.now.Load(), 0),
		}))
	}
	access("sqs:SendMessage")
	must(t)(a.DeleteUser(ctx, &iamapi.DeleteUserInput{UserName: "alice"}))
	access("sqs:ReceiveMessage")
	must(t)(a.CreateUser(ctx, &iamapi.CreateUserInput{UserName: "alice"}))
	must(t)(a.AttachUserPolicy(ctx, &iamapi.AttachUserPolicyInput{UserName: "alice", PolicyArn: "arn:aws:iam::aws:policy/AmazonSQSFullAccess"}))
	job, err := a.GenerateServiceLastAccessedDetails(ctx, &iamapi.GenerateServiceLastAccessedDetailsInput{Arn: alice})
	must(t)(nil, err)
	out, err := a.GetServiceLastAccessedDetails(ctx, &iamapi.GetServiceLastAccessedDetailsInput{JobId: job.JobId.V})
	if err != nil || len(out.ServicesLastAccessed) != 1 || out.ServicesLastAccessed[0].LastAuthenticated.Set {
		t.Errorf("another alice has %+v, %v", out, err)
	}
}
