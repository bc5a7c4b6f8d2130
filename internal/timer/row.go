package timer

import (
	"hash/fnv"
	"math"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/partition"
	"github.com/obidos-cloud/obidos/internal/store"
)

// tables is everything the package keeps.
type tables struct {
	rows store.Table[row]   // account, region, set, key → a timer
	dues store.Table[entry] // partition, time, account, region, set, key → the timer that is, or was, due then
}

func newTables(s store.Space) tables {
	return tables{
		rows: store.NewTable[row](s, 1, "timer", store.Global),
		dues: store.NewTable[entry](s, 2, "due", store.Global),
	}
}

// row is a timer.
type row struct {
	store.Unknown
	At       time.Time       `cbor:"1,keyasint"`
	Stamp    uint64          `cbor:"2,keyasint"` // tells it from the same timer set anew
	Body     cbor.RawMessage `cbor:"3,keyasint"`
	Failures int             `cbor:"4,keyasint,omitempty"`
	Error    string          `cbor:"5,keyasint,omitempty"` // of the last failure, for people
}

// entry says which timer is due at a time: none any more where its stamp is another.
type entry struct {
	store.Unknown
	Stamp uint64 `cbor:"1,keyasint"`
}

// place is which timer.
type place struct {
	scope     aws.Scope
	set, key  string
	partition uint16
}

func (p place) parts() []any { return []any{p.scope.Account, p.scope.Region, p.set, p.key} }

func (p place) entry(at time.Time) []any {
	return []any{p.partition, at, p.scope.Account, p.scope.Region, p.set, p.key}
}

// entryOf is the place and time of the key of an entry.
func entryOf(k store.Key) (p place, at time.Time) {
	return place{aws.Scope{Account: k.String(2), Region: k.String(3)}, k.String(4), k.String(5), uint16(k.Uint64(0))}, k.Time(1)
}

// put writes a timer and its entry.
func (t tables) put(w store.Writer, p place, r row) {
	t.rows.Set(w, r, p.parts()...)
	t.dues.Set(w, entry{Stamp: r.Stamp}, p.entry(r.At)...)
}

// due is a timer that is due.
type due struct {
	place place
	row   row
}

// question is what to read.
type question struct {
	now        time.Time
	partitions []uint16         // ascending
	peek       bool             // only when their first is due
	rows       int              // at most, all together
	busy       map[place]uint64 // timers whose functions are under way, and the stamps they fired with
}

// answer is what was read.
type answer struct {
	due    []due
	passed map[place]int64  // of the busy: when they are due as they were set anew
	next   map[uint16]int64 // when the first timer is due that is not among these, or is not due yet
}

// read answers q, and removes entries that have come due and are of no timer.
func (t tables) read(tx *store.Tx, q question) answer {
	a := answer{passed: map[place]int64{}, next: map[uint16]int64{}}
	inhabited := uint16(0) // partitions below have no timers, as far as they were not read
	stale, scans := 0, 0
	for _, p := range q.partitions {
		a.next[p] = never
		switch {
		case p < inhabited:
			continue
		case q.peek && scans >= maxPeeks:
			a.next[p] = unread // next time
			continue
		case !q.peek && len(a.due) >= q.rows:
			a.next[p] = q.now.UnixNano() // likewise
			continue
		}
		scans++
		inhabited = partition.Count // unless the scan finds another
		for k, e := range t.dues.Scan(tx, store.ScanOptions{From: []any{p}}) {
			at, when := entryOf(k)
			if inhabited = at.partition; inhabited != p {
				break
			}
			if when.After(q.now) || q.peek || len(a.due) >= q.rows || stale >= maxStale {
				a.next[p] = max(nanoseconds(when), unread+1)
				break
			}
			if stamp, busy := q.busy[at]; busy {
				if _, passed := a.passed[at]; !passed && e.Stamp != stamp {
					a.passed[at] = nanoseconds(when)
				}
				continue
			}
			r, ok := t.rows.Get(tx, at.parts()...)
			if !ok || r.Stamp != e.Stamp || !r.At.Equal(when) {
				stale++
				t.dues.Delete(tx, at.entry(when)...)
				continue
			}
			a.due = append(a.due, due{at, r})
		}
	}
	return a
}

// partitionOf is where a timer is. It is part of keys on disk: it never changes.
func partitionOf(s aws.Scope, set, key string) uint16 {
	f := fnv.New64a()
	for _, s := range []string{s.Account, s.Region, set, key} {
		f.Write([]byte(s))
		f.Write([]byte{0})
	}
	h := f.Sum64() // its high bits are poor
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	return uint16(h >> 54)
}

// nanoseconds is a time as partitions are compared by; what does not fit is as far as fits.
func nanoseconds(t time.Time) int64 {
	switch s := t.Unix(); {
	case s >= math.MaxInt64/int64(time.Second):
		return never - 1
	case s <= 0:
		return unread + 1
	}
	return t.UnixNano()
}

func fromNano(n int64) time.Time { return time.Unix(0, n).UTC() }
