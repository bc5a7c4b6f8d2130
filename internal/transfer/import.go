package transfer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/obidos-cloud/obidos/internal/blob"
	"github.com/obidos-cloud/obidos/internal/owner"
	"github.com/obidos-cloud/obidos/internal/store"
)

// placer is a store of blobs that takes one under the id it has elsewhere.
type placer interface {
	CreateAs(ctx context.Context, id blob.ID) (blob.Writer, error)
}

// progress is noted in each transaction of an import, and goes with the last.
type progress struct {
	ID    string `json:"id"`    // of the export
	Chunk int    `json:"chunk"` // the last that is written
}

var progressKey = store.TablePrefix(spaceName, 1)

// telemetrySpace is what a store that served anything holds, of no worth beside what is imported.
const telemetrySpace = "telemetry"

// ErrNotEmpty refuses to mix two states.
var ErrNotEmpty = errors.New("the target is not empty: an import does not mix two states; `obidos reset` empties it")

// Unfinished reports whether an import was begun and not finished: then what is in the store is not to be served. The
// same file finishes it, a reset forgets it.
func Unfinished(ctx context.Context, e store.Engine) (unfinished bool, err error) {
	err = e.View(ctx, func(r store.Reader) error {
		v, err := r.Get(progressKey)
		unfinished = v != nil
		return err
	})
	return unfinished, err
}

// Empty is nil where there is nothing that an import would mix with, else ErrNotEmpty.
func Empty(ctx context.Context, e store.Engine) error {
	return e.View(ctx, func(r store.Reader) error {
		var found error
		err := r.Scan(store.Range{KeysOnly: true}, func(k, _ []byte) bool {
			if !stays(k) && !bytes.HasPrefix(k, store.SpacePrefix(telemetrySpace)) {
				space, _, _ := bytes.Cut(k, []byte{0})
				found = fmt.Errorf("%w (it holds records of %s)", ErrNotEmpty, space)
			}
			return found == nil
		})
		return errors.Join(found, err)
	})
}

// Import fills an empty store, which nobody serves meanwhile. Where it is interrupted, the same file goes on where it ended.
func Import(ctx context.Context, st *store.Store, blobs blob.Store, from io.Reader) error {
	r, err := newReader(from)
	if err != nil {
		return err
	}
	defer r.close()
	kind, body, err := r.read()
	if err != nil {
		return err
	}
	var h head
	if kind != kindHead || json.Unmarshal(body, &h) != nil || h.ID == "" {
		return r.damaged("no head")
	}
	in := &filling{reader: r, st: st, blobs: blobs, progress: progress{ID: h.ID}}
	if err := in.begin(ctx); err != nil {
		return err
	}
	if err := in.fill(ctx); err != nil {
		if in.open != nil {
			in.open.Abort()
		}
		return err
	}
	return nil
}

// filling is an import under way.
type filling struct {
	*reader
	st       *store.Store
	blobs    blob.Store
	progress progress
	done     int // chunks up to this one were written before
	open     blob.Writer
	last     []byte // key
	records  uint64
	named    uint64
	floors   owner.Floors
}

// begin makes sure that the store is empty, or was begun with the same file.
func (in *filling) begin(ctx context.Context) error {
	var before *progress
	if err := in.st.Engine.View(ctx, func(r store.Reader) error {
		v, err := r.Get(progressKey)
		if v != nil && err == nil {
			before = new(progress)
			err = json.Unmarshal(v, before)
		}
		return err
	}); err != nil {
		return err
	}
	switch {
	case before == nil:
		if err := Empty(ctx, in.st.Engine); err != nil {
			return err
		}
		return in.write(ctx, func(tx store.Txn) {
			prefix := store.SpacePrefix(telemetrySpace)
			tx.DeleteRange(prefix, append(prefix[:len(prefix)-1:len(prefix)-1], 1))
		})
	case before.ID != in.progress.ID:
		return errors.New("an import of another file was begun here: finish that one, or `obidos reset`")
	}
	in.done = before.Chunk
	return nil
}

// write commits what fn writes, with how far the import is.
func (in *filling) write(ctx context.Context, fn func(tx store.Txn)) error {
	in.progress.Chunk = in.chunk
	text, err := json.Marshal(in.progress)
	if err != nil {
		return err
	}
	err = in.st.Engine.Update(ctx, store.UpdateOptions{Name: "transfer.import", Owned: true}, func(tx store.Txn) error {
		fn(tx)
		tx.Set(progressKey, text)
		return nil
	})
	if err != nil {
		return fmt.Errorf("import: %w", err)
	}
	return nil
}

func (in *filling) fill(ctx context.Context) error {
	for order := byte(kindBlob); ; {
		kind, body, err := in.read()
		if err != nil {
			return err
		}
		if kind != kindBytes {
			if err := in.closeBlob(); err != nil {
				return err
			}
		}
		switch {
		case kind == kindBlob && order == kindBlob:
			err = in.blob(ctx, body)
		case kind == kindBytes && order == kindBlob && in.open != nil:
			_, err = in.open.Write(body)
		case kind == kindRecords && (order == kindBlob || order == kindRecords):
			order = kindRecords
			err = in.chunkOfRecords(ctx, body)
		case kind == kindEpochs && order != kindEpochs:
			order = kindEpochs
			err = in.epochs(body)
		case kind == kindEnd && order == kindEpochs:
			return in.finish(ctx, body)
		default:
			err = in.damaged("a chunk of kind %q has no place here", kind)
		}
		if err != nil {
			return err
		}
	}
}

func (in *filling) closeBlob() error {
	if in.open == nil {
		return nil
	}
	w := in.open
	in.open = nil
	if err := w.Finish(); err != nil {
		w.Abort()
		return fmt.Errorf("import: %w", err)
	}
	return nil
}

// blob begins one. Those of an import that is taken up again are written once more.
func (in *filling) blob(ctx context.Context, body []byte) error {
	var id blob.ID
	if len(body) != len(id) {
		return in.damaged("no id of a blob")
	}
	copy(id[:], body)
	in.named++
	to, ok := in.blobs.(placer)
	if !ok {
		return errors.New("import: the target's store of blobs takes none from elsewhere")
	}
	if err := in.blobs.Free(ctx, id); err != nil {
		return fmt.Errorf("import: %w", err)
	}
	w, err := to.CreateAs(ctx, id)
	if err != nil {
		return fmt.Errorf("import: %w", err)
	}
	in.open = w
	return nil
}

func (in *filling) chunkOfRecords(ctx context.Context, body []byte) error {
	type record struct{ key, value []byte }
	var all []record
	for rest := body; len(rest) > 0; {
		var r record
		var err error
		if r.key, rest, err = in.field(rest); err == nil {
			r.value, rest, err = in.field(rest)
		}
		switch {
		case err != nil:
			return err
		case len(r.key) == 0 || len(r.key) > store.MaxKey || len(r.value) > store.MaxValue:
			return in.damaged("a record that no store takes")
		case bytes.Compare(r.key, in.last) <= 0 || bytes.Compare(r.key, store.Everything.Hi) >= 0:
			return in.damaged("its records are not in order")
		case stays(r.key):
			return in.damaged("a record that belongs to another store's nodes")
		}
		in.last = append(in.last[:0], r.key...)
		all = append(all, r)
		in.records++
	}
	if in.chunk <= in.done {
		return nil
	}
	return in.write(ctx, func(tx store.Txn) {
		for _, r := range all {
			tx.Set(r.key, r.value)
		}
	})
}

func (in *filling) epochs(body []byte) error {
	in.floors = owner.Floors{Terms: map[string]uint64{}, Partitions: map[uint16]uint64{}}
	for rest := body; len(rest) > 0; {
		p, more, err := in.number(rest)
		if err != nil {
			return err
		}
		e, more, err := in.number(more)
		if err != nil {
			return err
		}
		if p >= owner.Partitions || e >= 1<<40 {
			return in.damaged("partition %d, taken %d times", p, e)
		}
		in.floors.Partitions[uint16(p)] = e
		rest = more
	}
	return nil
}

// finish checks that all was there, and has the store serve.
func (in *filling) finish(ctx context.Context, body []byte) error {
	records, rest, err := in.number(body)
	if err != nil {
		return err
	}
	named, _, err := in.number(rest)
	if err != nil {
		return err
	}
	if records != in.records || named != in.named {
		return in.damaged("%d records and %d blobs were written, %d and %d are here", records, named, in.records, in.named)
	}
	if err := in.end(); err != nil {
		return err
	}
	nodes := in.st.Space(owner.SpaceName)
	if _, err := store.UpdateWith(ctx, nodes, store.UpdateOptions{Name: "transfer.raise", Owned: true}, func(tx *store.Tx) (any, error) {
		in.floors.Join(owner.ReadFloors(tx, nodes))
		owner.Forget(tx, nodes)
		in.floors.Raise(tx, nodes)
		owner.Renew(tx, tx, nodes)
		return nil, nil
	}); err != nil {
		return fmt.Errorf("import: %w", err)
	}
	// Only now: until then the store is not to be served, and whoever takes it up again comes to the same.
	if err := in.st.Engine.Update(ctx, store.UpdateOptions{Name: "transfer.done"}, func(tx store.Txn) error {
		tx.Delete(progressKey)
		return nil
	}); err != nil {
		return fmt.Errorf("import: %w", err)
	}
	return nil
}
