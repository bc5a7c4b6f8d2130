package task

import (
	"encoding/base64"
	"encoding/binary"
	"hash/fnv"
	"strconv"
	"strings"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/store"
)

// tables is everything the package keeps.
type tables struct {
	rows    store.Table[row]    // lane, ordering key, serial, nonce → a task that is not done yet
	effects store.Table[effect] // delivery id → its target has taken it; goes with the task
}

func newTables(s store.Space) tables {
	return tables{
		rows:    store.NewTable[row](s, 1, "task", store.Global),
		effects: store.NewTable[effect](s, 2, "effect", store.Global),
	}
}

// row is a task.
type row struct {
	store.Unknown
	Queue   string          `cbor:"1,keyasint"`
	Target  string          `cbor:"2,keyasint,omitempty"`
	Account string          `cbor:"3,keyasint,omitempty"` // the scope it was added in
	Region  string          `cbor:"4,keyasint,omitempty"`
	Added   int64           `cbor:"5,keyasint"` // Unix nanoseconds
	Body    cbor.RawMessage `cbor:"6,keyasint"`

	Step      uint64 `cbor:"7,keyasint,omitempty"`  // how often it was continued
	Failures  int    `cbor:"8,keyasint,omitempty"`  // of this step
	NotBefore int64  `cbor:"9,keyasint,omitempty"`  // Unix nanoseconds
	Error     string `cbor:"10,keyasint,omitempty"` // of the last failure, for people
}

func (w *row) scope() aws.Scope { return aws.Scope{Account: w.Account, Region: w.Region} }

// effect says that a target has taken a delivery.
type effect struct {
	store.Unknown
	Note string `cbor:"1,keyasint,omitempty"`
}

// position is the key of a task's row.
type position struct {
	lane   uint64 // the hash of queue and target; its first ten bits are the partition
	key    uint64 // the hash of the ordering key, 0 where there is none
	serial uint64
	nonce  uint32
}

func partitionOf(lane uint64) uint16 { return uint16(lane >> 54) }
func firstLane(p uint16) uint64      { return uint64(p) << 54 }
func (p position) parts() []any      { return []any{p.lane, p.key, p.serial, p.nonce} }
func (p position) tail() []any       { return []any{p.key, p.serial, p.nonce} }
func positionOf(k store.Key) position {
	return position{k.Uint64(0), k.Uint64(1), k.Uint64(2), uint32(k.Uint64(3))}
}

func (p position) before(q position) bool {
	switch {
	case p.lane != q.lane:
		return p.lane < q.lane
	case p.key != q.key:
		return p.key < q.key
	case p.serial != q.serial:
		return p.serial < q.serial
	}
	return p.nonce < q.nonce
}

// start is where to look for p: an ordering key is always read from its first task on, lest a later one be taken for that.
func (p position) start() position {
	if p.key != 0 {
		p.serial, p.nonce = 0, 0
	}
	return p
}

// next is the position right after p.
func (p position) next() position {
	if p.nonce++; p.nonce == 0 {
		p.serial++
	}
	return p
}

// The id of a task is its position and, where it was continued, the step: "….3".
func (p position) id(step uint64) string {
	var b [28]byte
	binary.BigEndian.PutUint64(b[:], p.lane)
	binary.BigEndian.PutUint64(b[8:], p.key)
	binary.BigEndian.PutUint64(b[16:], p.serial)
	binary.BigEndian.PutUint32(b[24:], p.nonce)
	s := base64.RawURLEncoding.EncodeToString(b[:])
	if step > 0 {
		s += "." + strconv.FormatUint(step, 10)
	}
	return s
}

// parseID is the position and step of an id; ok is false where it is none of ours.
func parseID(id string) (p position, step uint64, ok bool) {
	s, number, continued := strings.Cut(id, ".")
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(b) != 28 {
		return p, 0, false
	}
	if continued {
		if step, err = strconv.ParseUint(number, 10, 64); err != nil {
			return p, 0, false
		}
	}
	p = position{binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:]), binary.BigEndian.Uint64(b[16:]), binary.BigEndian.Uint32(b[24:])}
	return p, step, p.id(step) == id
}

// hash is where the parts go. It is part of keys on disk: it never changes. (Two that agree share a limit, or an order.)
func hash(parts ...string) uint64 {
	f := fnv.New64a()
	for _, s := range parts {
		f.Write([]byte(s))
		f.Write([]byte{0})
	}
	h := f.Sum64() // its high bits are poor
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

func fromNano(n int64) time.Time { return time.Unix(0, n).UTC() }
