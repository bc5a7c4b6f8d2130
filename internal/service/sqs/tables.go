package sqs

import (
	"encoding/binary"
	"errors"

	"github.com/obidos-cloud/obidos/internal/store"
)

// tables are all records of the service. Those of messages are global: a queue's number is unique over all accounts and
// regions, and is never given again, so that what a deleted queue leaves behind belongs to nobody.
type tables struct {
	numbers store.Table[uint64]        // () → the last queue number given
	queues  store.Table[queueRecord]   // name → the queue
	graves  store.Table[graveRecord]   // name → when a queue of this name was deleted
	sources store.Table[struct{}]      // name of a dead-letter queue, name of a queue that names it in its redrive policy
	moves   store.Table[moveRecord]    // name of the source, queue, number → a message move task
	states  store.Table[stateRecord]   // queue → its counts and where its messages begin
	bodies  store.Table[record]        // queue, seq → a message; never changed
	flights store.Table[flightRecord]  // queue, seq → what became of it since: delayed, received
	dedups  store.Table[dedupRecord]   // queue, hash of a deduplication id → the message it was first given to
	arrived store.Table[record]        // queue, the queue it comes from, number → a message moved here, which the queue's owner gives its place
	tries   store.Table[attemptRecord] // queue, hash of a receive request attempt id → what it was given

	policies store.Table[policyRecord] // id of an AWS::SQS::QueuePolicy → what it was made of
}

func newTables(s store.Space) tables {
	return tables{
		numbers: store.NewTable[uint64](s, 1, "number", store.Global),
		queues:  store.NewTable[queueRecord](s, 2, "queue"),
		graves:  store.NewTable[graveRecord](s, 3, "grave"),
		sources: store.NewTable[struct{}](s, 4, "source"),
		moves:   store.NewTable[moveRecord](s, 5, "move"),
		states:  store.NewTable[stateRecord](s, 6, "state", store.Global),
		bodies:  store.NewTable[record](s, 7, "message", store.Global),
		flights: store.NewTable[flightRecord](s, 8, "flight", store.Global),
		dedups:  store.NewTable[dedupRecord](s, 9, "dedup", store.Global),
		arrived: store.NewTable[record](s, 10, "arrived", store.Global),
		tries:   store.NewTable[attemptRecord](s, 11, "try", store.Global),

		policies: store.NewTable[policyRecord](s, 12, "policy"),
	}
}

// deleteMessages removes all that a queue's messages are kept in.
func (t *tables) deleteMessages(w store.Writer, queue uint64) {
	t.bodies.DeleteAll(w, queue)
	t.flights.DeleteAll(w, queue)
	t.dedups.DeleteAll(w, queue)
	t.arrived.DeleteAll(w, queue)
	t.tries.DeleteAll(w, queue)
}

// queueRecord is a queue as its owner has made it.
type queueRecord struct {
	store.Unknown
	Number     uint64            `cbor:"1,keyasint"`
	Created    int64             `cbor:"2,keyasint"`           // seconds
	Modified   int64             `cbor:"3,keyasint"`           // seconds
	Fifo       bool              `cbor:"4,keyasint,omitempty"` // never changes
	GroupScope bool              `cbor:"5,keyasint,omitempty"` // it deduplicates by group; as AWS does, fixed when it is created
	Attributes map[string]string `cbor:"6,keyasint,omitempty"` // those that were set, in their canonical form
	Tags       map[string]string `cbor:"7,keyasint,omitempty"`
	Purged     int64             `cbor:"8,keyasint,omitempty"` // milliseconds
}

// graveRecord remembers a deleted queue.
type graveRecord struct {
	store.Unknown
	Deleted int64 `cbor:"1,keyasint"` // milliseconds
}

// dedupRecord remembers a deduplication id for five minutes.
type dedupRecord struct {
	store.Unknown
	Seq     uint64   `cbor:"1,keyasint"`
	ID      [16]byte `cbor:"2,keyasint"`
	Expires int64    `cbor:"3,keyasint"` // milliseconds
}

// attemptRecord remembers what a receive request attempt was given, for five minutes.
type attemptRecord struct {
	store.Unknown
	Expires  int64    `cbor:"1,keyasint"` // milliseconds
	Seqs     []uint64 `cbor:"2,keyasint"`
	Receives []uint32 `cbor:"3,keyasint"` // of each, the receive that gave it
	Dues     []int64  `cbor:"4,keyasint"` // of each, when its visibility timeout was to end; milliseconds
}

// policyRecord remembers which queues a policy resource was given to.
type policyRecord struct {
	store.Unknown
	Document string   `cbor:"1,keyasint"`
	Queues   []string `cbor:"2,keyasint,omitempty"` // ARNs
}

// moveRecord is a message move task.
type moveRecord struct {
	store.Unknown
	Number  uint64   `cbor:"1,keyasint"` // tells it from the queue's others; rises
	ID      [16]byte `cbor:"2,keyasint"`
	Dest    string   `cbor:"3,keyasint,omitempty"` // ARN; empty: each message goes where it came from
	Rate    int32    `cbor:"4,keyasint,omitempty"` // messages a second; 0 = as fast as may be
	ToMove  int64    `cbor:"5,keyasint"`
	Moved   int64    `cbor:"6,keyasint"`
	Started int64    `cbor:"7,keyasint"` // milliseconds
	Status  string   `cbor:"8,keyasint"`
	Reason  string   `cbor:"9,keyasint,omitempty"` // why it failed
	Next    int64    `cbor:"10,keyasint"`          // when it goes on; milliseconds
}

// stateRecord is what is known of a queue's messages without counting them. It is written with every batch that changes
// their number.
type stateRecord struct {
	total uint64 // messages there are
	head  uint64 // messages before it are gone or have a flight
	low   uint64 // there are no messages before it
	sweep int64  // when a timer looks for messages past their retention period, in milliseconds; 0 = none does
	mixed bool   // messages may be older than those before them: some were moved here
}

var errState = errors.New("sqs: a state record is damaged")

func (s *stateRecord) AppendRecord(dst []byte) []byte {
	dst = append(dst, 1)
	dst = binary.AppendUvarint(dst, s.total)
	dst = binary.AppendUvarint(dst, s.head)
	dst = binary.AppendUvarint(dst, s.low)
	dst = binary.AppendUvarint(dst, uint64(s.sweep))
	if s.mixed {
		return append(dst, 1)
	}
	return append(dst, 0)
}

func (s *stateRecord) ParseRecord(src []byte) error {
	p := parser{rest: string(src)}
	if p.byte() != 1 {
		return errState
	}
	s.total, s.head, s.low, s.sweep = p.uvarint(), p.uvarint(), p.uvarint(), int64(p.uvarint())
	s.mixed = p.byte() == 1
	if p.bad {
		return errState
	}
	return nil
}

// flightRecord is what became of a message since it was sent: that it is delayed, or that it was received.
type flightRecord struct {
	due      int64  // until when it is out of sight; milliseconds
	first    int64  // when it was first received, or where it is delayed, when it was sent; milliseconds
	received int64  // when it was last received; milliseconds
	receives uint32 // 0 = delayed, and never received
	group    string
}

var errFlight = errors.New("sqs: a flight record is damaged")

func (f *flightRecord) AppendRecord(dst []byte) []byte {
	dst = append(dst, 1)
	dst = binary.AppendUvarint(dst, uint64(f.due))
	dst = binary.AppendUvarint(dst, uint64(f.first))
	dst = binary.AppendUvarint(dst, uint64(f.received))
	dst = binary.AppendUvarint(dst, uint64(f.receives))
	return append(dst, f.group...)
}

func (f *flightRecord) ParseRecord(src []byte) error {
	p := parser{rest: string(src)}
	if p.byte() != 1 {
		return errFlight
	}
	f.due, f.first, f.received = int64(p.uvarint()), int64(p.uvarint()), int64(p.uvarint())
	n := p.uvarint()
	if p.bad || n > 1<<32-1 {
		return errFlight
	}
	f.receives, f.group = uint32(n), p.rest
	return nil
}
