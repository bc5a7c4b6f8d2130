package owner

import (
	"encoding/binary"
	"errors"

	"github.com/obidos-cloud/obidos/internal/store"
)

// rows is everything the nodes tell each other through the store.
type rows struct {
	members store.Table[member] // node id → while it is alive
	terms   store.Table[term]   // node id → the fence of its commits; rises for ever
	marks   store.Table[mark]   // node id → its last commit
	owners  store.Table[owned]  // partition → whose it is
	format  store.Table[format] // what all this is written in
}

func newRows(s store.Space) rows {
	return rows{
		members: store.NewTable[member](s, 1, "node", store.Global),
		terms:   store.NewTable[term](s, 2, "term", store.Global),
		marks:   store.NewTable[mark](s, 3, "mark", store.Global),
		owners:  store.NewTable[owned](s, 4, "own", store.Global),
		format:  store.NewTable[format](s, 5, "format", store.Global),
	}
}

// member is a node that takes part. Its row goes when it leaves, or is taken for dead.
type member struct {
	store.Unknown
	Incarnation uint64 `cbor:"1,keyasint"`
	Address     string `cbor:"2,keyasint"`
	Beat        uint64 `cbor:"3,keyasint"` // rises while the node lives
	Version     string `cbor:"4,keyasint"`
	Newest      uint32 `cbor:"5,keyasint"` // format it knows
	Oldest      uint32 `cbor:"6,keyasint"`
	Leaving     bool   `cbor:"7,keyasint"` // owns nothing and takes nothing any more
}

// term is a fence: the epoch that store.Fence compares.
type term uint64

func (t *term) AppendRecord(dst []byte) []byte { return binary.BigEndian.AppendUint64(dst, uint64(*t)) }

func (t *term) ParseRecord(src []byte) error {
	if len(src) < 8 {
		return errShort
	}
	*t = term(binary.BigEndian.Uint64(src))
	return nil
}

// mark names a commit of a node.
type mark struct{ incarnation, number uint64 }

func (m *mark) AppendRecord(dst []byte) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(dst, m.incarnation), m.number)
}

func (m *mark) ParseRecord(src []byte) error {
	if len(src) < 16 {
		return errShort
	}
	m.incarnation, m.number = binary.BigEndian.Uint64(src), binary.BigEndian.Uint64(src[8:])
	return nil
}

// owned is a partition that was taken at least once. Its holder's row in members says whether it still lives.
type owned struct {
	epoch       uint64 // how often it was taken
	incarnation uint64 // of the holder, 0 where released
	node        string
}

func (o *owned) AppendRecord(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, o.epoch)
	dst = binary.BigEndian.AppendUint64(dst, o.incarnation)
	return append(dst, o.node...)
}

func (o *owned) ParseRecord(src []byte) error {
	if len(src) < 16 {
		return errShort
	}
	o.epoch, o.incarnation, o.node = binary.BigEndian.Uint64(src), binary.BigEndian.Uint64(src[8:]), string(src[16:])
	return nil
}

var errShort = errors.New("owner: a record is too short")

// term is the node's term as the transaction sees it.
func (r rows) term(tx *store.Tx, node string) uint64 {
	t, _ := r.terms.Get(tx, node)
	return uint64(t)
}

// raise makes the node's term one more, so that nothing it has sent under way can be committed any more.
func (r rows) raise(tx *store.Tx, node string) uint64 {
	t := r.term(tx, node) + 1
	r.terms.Set(tx, term(t), node)
	return t
}
