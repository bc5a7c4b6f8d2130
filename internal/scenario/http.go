package scenario

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/model"
	"github.com/obidos-cloud/obidos/internal/wire"
)

// HTTP invokes operations over HTTP, in a protocol of the service. The request bears the account and region in the scope of
// a signature, and no signature.
func HTTP(w *wire.Wire, p model.Protocol, client *http.Client, endpoint string, scope aws.Scope) model.Invoker {
	return overHTTP{w, p, client, endpoint, scope}
}

type overHTTP struct {
	wire     *wire.Wire
	protocol model.Protocol
	client   *http.Client
	endpoint string
	scope    aws.Scope
}

func (h overHTTP) Invoke(ctx context.Context, op *model.Operation, in any) (any, error) {
	r, err := h.wire.EncodeRequest(ctx, op, h.protocol, h.endpoint, in)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", fmt.Sprintf("AWS4-HMAC-SHA256 Credential=%s/20260101/%s/%s/aws4_request, SignedHeaders=host, Signature=%064d",
		h.scope.Account, h.scope.Region, op.Service.SigningName, 0))
	resp, err := h.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if op.Flags&model.StreamOut != 0 { // it is read when the answer has been returned
		all, err := io.ReadAll(resp.Body)
		if err != nil {
			return nil, err
		}
		resp.Body = io.NopCloser(bytes.NewReader(all))
	}
	return h.wire.DecodeResponse(op, h.protocol, resp)
}
