package peer

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/obidos-cloud/obidos/internal/aws"
	door "github.com/obidos-cloud/obidos/internal/call"
	"github.com/obidos-cloud/obidos/internal/owner"
	"github.com/obidos-cloud/obidos/internal/telemetry"
)

// serve answers another node.
func (n *Network) serve(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		http.Error(w, "nodes post", http.StatusMethodNotAllowed)
		return
	}
	message, err := readAll(r.Body, r.ContentLength)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	l := n.local.Load()
	subject, asked := strings.CutPrefix(r.URL.Path, "/ask/")
	var answer []byte
	switch {
	case r.URL.Path == "/call":
		answer, err = n.perform(r.Context(), l, message)
	case asked && l != nil:
		answer, err = l.Answer(r.Context(), subject, message)
	case asked:
		err = errors.New("this node is starting or stopping")
	default:
		http.NotFound(w, r)
		return
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	w.Header()["Date"] = nil
	w.Header()["Content-Length"] = []string{strconv.Itoa(len(answer))}
	w.Write(answer) // where it fails, who asked is gone
}

// perform does what another node hands on, and says what came of it.
func (n *Network) perform(ctx context.Context, l *Local, message []byte) ([]byte, error) {
	k, text, rest, err := split(message)
	var head call
	if err == nil {
		err = readHead(text, &head)
	}
	if err != nil || k != asksCall {
		return nil, errors.Join(errMessage, err)
	}
	if l == nil {
		return begin(nil, notBegun, &reason{"it is starting or stopping"})
	}
	op := l.Values.Operation(head.Service, head.Operation)
	if op == nil {
		return begin(nil, notBegun, &reason{fmt.Sprintf("this version has no %s of %s", head.Operation, head.Service)})
	}
	in, err := l.Values.ReadInput(op, rest)
	if err != nil {
		return begin(nil, notBegun, &reason{err.Error()})
	}
	ctx = aws.WithRequest(ctx, head.request())
	if t := head.trace(); t.Known() {
		ctx = telemetry.WithTrace(ctx, t)
	}
	out, err := l.Accept(owner.Forwarded(ctx), op, in)
	if err == nil {
		answer, err := begin(make([]byte, 0, 512), hasOutput, nil)
		if err != nil {
			return nil, err
		}
		return l.Values.AppendOutput(answer, op, out)
	}
	if e, ok := errors.AsType[*owner.ElsewhereError](err); ok {
		return begin(nil, elsewhere, &place{e.Node, e.Address, e.Partition})
	}
	if errors.Is(err, door.ErrUnreachable) {
		return begin(nil, notBegun, &reason{err.Error()})
	}
	e, ok := errors.AsType[*aws.Error](err)
	if !ok {
		if !errors.Is(err, context.Canceled) {
			n.o.Log.Error("failed for another node", "operation", op.Action(), "request", head.ID, "error", err)
		}
		return begin(nil, hasFailed, &reason{err.Error()})
	}
	s := e.ErrorShape
	answer, err := begin(nil, hasError, &fault{s.Code, s.QueryCode, s.Status, s.Receiver, s.MessageName, e.Message})
	if err != nil {
		return nil, err
	}
	return l.Values.AppendMembers(answer, op, e)
}
