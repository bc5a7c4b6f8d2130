package platform

import (
	"context"
	"time"

	"github.com/obidos-cloud/obidos/internal/auth"
	"github.com/obidos-cloud/obidos/internal/clock"
	"github.com/obidos-cloud/obidos/internal/federation"
	"github.com/obidos-cloud/obidos/internal/service/iam"
	"github.com/obidos-cloud/obidos/internal/service/sts"
)

// newTokens is the service that issues temporary credentials, to those whom the accounts' users, roles and providers allow them.
func newTokens(i Identity, guard sts.Guard, users *iam.Service, sessions *auth.Sessions, c *clock.Clock) *sts.Service {
	return sts.New(sts.Options{
		Mode: i.Mode, Guard: guard, Directory: users.Directory(), Sessions: sessions, Providers: providers{users}, Devices: users,
		Issuers: federation.NewIssuers(federation.Options{HTTP: i.PlainIssuers || i.Mode != auth.IAM, Pinned: i.IssuerKeys}), Clock: c, World: time.Now,
	})
}

// providers are those that the accounts have, as the service that asks them knows them.
type providers struct{ users *iam.Service }

func (p providers) OpenIDProvider(ctx context.Context, account, issuer string) (sts.OpenIDProvider, bool, error) {
	o, ok, err := p.users.OIDCProvider(ctx, account, issuer)
	if err != nil || !ok {
		return sts.OpenIDProvider{}, false, err
	}
	return sts.OpenIDProvider{ARN: o.ARN, Clients: o.ClientIDs, Thumbprints: o.Thumbprints}, true, nil
}

func (p providers) SAMLProvider(ctx context.Context, arn string) (sts.SAMLProvider, bool, error) {
	o, ok, err := p.users.SAMLProvider(ctx, arn)
	if err != nil || !ok {
		return sts.SAMLProvider{}, false, err
	}
	return sts.SAMLProvider{Metadata: o.Metadata, Encrypted: o.Encrypted, Keys: o.Keys}, true, nil
}
