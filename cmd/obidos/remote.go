package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/model"
	"github.com/obidos-cloud/obidos/internal/sigv4"
	"github.com/obidos-cloud/obidos/internal/wire"
)

// remote performs operations of a service on the obidos that is running, as any client would.
type remote struct {
	wire        *wire.Wire
	url, region string
	key         sigv4.Credentials
	client      *http.Client
}

// service is a way to call the service that api is, in an account, that of the environment's key where empty; and in the region that
// was named, or the environment's.
func (r *running) service(ctx context.Context, api *model.Service, account string) (*remote, error) {
	h, err := r.health(ctx)
	if err != nil {
		return nil, err
	}
	region := r.region
	if r.from("region") == "default" {
		region = cmp.Or(os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION"), region)
	}
	key := sigv4.Credentials{AccessKey: os.Getenv("AWS_ACCESS_KEY_ID"), Secret: os.Getenv("AWS_SECRET_ACCESS_KEY"), Token: os.Getenv("AWS_SESSION_TOKEN")}
	switch {
	case account != "" && !aws.IsAccount(account):
		return nil, fmt.Errorf("--account %q is none: it has 12 digits", account)
	case account != "" && h.Auth == "iam":
		return nil, errors.New("--account is for an obidos that asks for no keys: with --auth=iam the key in AWS_ACCESS_KEY_ID says the account")
	case account != "" || key.AccessKey == "":
		key = sigv4.Credentials{AccessKey: cmp.Or(account, "test"), Secret: "test"}
	}
	return &remote{wire.New(api), r.url(), region, key, &http.Client{Transport: &http.Transport{Proxy: nil}}}, nil
}

// Invoke implements model.Invoker.
func (r *remote) Invoke(ctx context.Context, op *model.Operation, in any) (any, error) {
	req, err := r.wire.EncodeRequest(ctx, op, 0, r.url, in)
	if err != nil {
		return nil, err
	}
	body, err := signable(req)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "obidos/"+version)
	sigv4.Sign(req, r.key, op.Service.SigningName, r.region, time.Now(), sigv4.Hash(body))
	resp, err := r.client.Do(req) //nolint:bodyclose // DecodeResponse closes it, or whoever ranges over its events
	if err != nil {
		if _, ok := errors.AsType[*net.OpError](err); ok && ctx.Err() == nil {
			return nil, fmt.Errorf("%w at %s", errNobody, r.url)
		}
		return nil, err
	}
	out, err := r.wire.DecodeResponse(op, 0, resp)
	if e, ok := errors.AsType[*aws.Error](err); ok {
		return nil, &answered{answer: e}
	}
	return out, err
}

// answered is an error that the service answered, in words for people.
type answered struct{ answer *aws.Error }

func (e *answered) Error() string {
	return strings.TrimSuffix(cmp.Or(e.answer.Message, "it failed"), ".") + " (" + e.answer.Code + ")"
}

func (e *answered) Unwrap() error { return e.answer }
