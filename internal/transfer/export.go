package transfer

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/obidos-cloud/obidos/internal/blob"
	"github.com/obidos-cloud/obidos/internal/owner"
	"github.com/obidos-cloud/obidos/internal/shelf"
	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/store/key"
)

// head says what a file is.
type head struct {
	ID      string    `json:"id"` // of this export
	Made    time.Time `json:"made"`
	Version string    `json:"version"` // of the obidos that made it
}

// spaceName is where an import notes how far it is, and peerSpace where package peer keeps the key that makes nodes a cluster.
const (
	spaceName = "transfer"
	peerSpace = "peer"
)

// stays reports whether a key belongs to the nodes of its store, and stays there.
func stays(k []byte) bool {
	own := append(shelf.NodePrefixes(), store.NodePrefixes()...)
	for _, p := range append(own, store.SpacePrefix(owner.SpaceName), store.SpacePrefix(spaceName), store.SpacePrefix(peerSpace)) {
		if bytes.HasPrefix(k, p) {
			return true
		}
	}
	return false
}

// Export writes the state of st, as it is at one moment, and the blobs it names, which must not be freed meanwhile.
func Export(ctx context.Context, st *store.Store, blobs blob.Store, version string, to io.Writer) error {
	w, err := newWriter(to)
	if err != nil {
		return err
	}
	text, err := json.Marshal(head{blob.NewID().String(), time.Now().UTC(), version})
	if err != nil {
		return err
	}
	if err := w.chunk(kindHead, text); err != nil {
		return err
	}
	var records, named uint64
	if err := st.Engine.View(ctx, func(r store.Reader) error {
		if named, err = w.blobs(ctx, r, blobs); err != nil {
			return err
		}
		records, err = w.records(ctx, r)
		return err
	}); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	// They only rise: what is read now is no lower than what the records were numbered with.
	nodes := st.Space(owner.SpaceName)
	floors, err := store.Update(ctx, nodes, func(tx *store.Tx) (owner.Floors, error) { return owner.ReadFloors(tx, nodes), nil })
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	var epochs []byte
	for p := range owner.Partitions {
		if e, ok := floors.Partitions[uint16(p)]; ok {
			epochs = binary.AppendUvarint(binary.AppendUvarint(epochs, uint64(p)), e)
		}
	}
	if err := w.chunk(kindEpochs, epochs); err != nil {
		return err
	}
	return w.chunk(kindEnd, binary.AppendUvarint(binary.AppendUvarint(nil, records), named))
}

// records writes all that goes along.
func (w *writer) records(ctx context.Context, r store.Reader) (n uint64, err error) {
	var body []byte
	scanned := r.Scan(store.Range{}, func(k, v []byte) bool {
		if stays(k) {
			return true
		}
		n++
		body = append(binary.AppendUvarint(body, uint64(len(k))), k...)
		body = append(binary.AppendUvarint(body, uint64(len(v))), v...)
		if len(body) >= chunkGoal {
			err = w.chunk(kindRecords, body)
			body = body[:0]
		}
		if err == nil {
			err = ctx.Err()
		}
		return err == nil
	})
	if err == nil {
		err = scanned
	}
	if err == nil && len(body) > 0 {
		err = w.chunk(kindRecords, body)
	}
	return n, err
}

// blobs writes those that records name.
func (w *writer) blobs(ctx context.Context, r store.Reader, blobs blob.Store) (n uint64, err error) {
	prefix := store.TablePrefix(shelf.SpaceName, shelf.NamedTable)
	scanned := r.Scan(store.Range{Lo: prefix, Hi: key.End(bytes.Clone(prefix)), KeysOnly: true}, func(k, _ []byte) bool {
		n++
		err = w.blob(ctx, blob.ID(key.Tuple(k[len(prefix):]).ID(0)), blobs)
		return err == nil
	})
	if err == nil {
		err = scanned
	}
	return n, err
}

func (w *writer) blob(ctx context.Context, id blob.ID, blobs blob.Store) error {
	r, err := blobs.Open(ctx, id)
	if err != nil {
		return fmt.Errorf("blob %s: %w", id, err)
	}
	defer r.Close()
	if err := w.chunk(kindBlob, id[:]); err != nil {
		return err
	}
	body := make([]byte, chunkGoal)
	for at := int64(0); at < r.Size(); {
		n, err := r.ReadAt(body[:min(int64(len(body)), r.Size()-at)], at)
		if n == 0 && err != nil {
			return fmt.Errorf("blob %s: %w", id, err)
		}
		if err := w.chunk(kindBytes, body[:n]); err != nil {
			return err
		}
		at += int64(n)
	}
	return nil
}
