package logs

import (
	"encoding/binary"
	"errors"

	"github.com/obidos-cloud/obidos/internal/service/logs/fieldindex"
	"github.com/obidos-cloud/obidos/internal/store"
)

// tables are all records of the service. Those of streams and events are global, and begin with the group's number, which is
// unique over all accounts and regions: so a group is deleted by a few ranges.
type tables struct {
	numbers store.Table[uint64]       // () → the last number given to a group; group → the last given to a stream of it
	groups  store.Table[groupRecord]  // name → the group
	streams store.Table[streamRecord] // group, name → the stream
	sizes   store.Table[int64]        // group, shard → bytes of events; sharded so that streams seldom meet

	chunks store.Table[chunkRecord] // group, stream, lowest number → events; never changed
	heads  store.Table[headRecord]  // group, time of the first, stream, lowest number → what there is to know of a chunk
	lanes  store.Table[int64]       // group, stream, time of the first, lowest number → time of the last
	terms  store.Table[termFilter]  // group, stream, lowest number → what texts are in a chunk

	indexes store.Table[fieldindex.Index] // group, stream, lowest number → what values of fields are in a chunk

	queries store.Table[queryRecord]  // id → a query of Insights
	results store.Table[resultRecord] // id of a query, number of the first row → rows

	definitions store.Table[definitionRecord] // id → a query that was saved

	observed store.Table[struct{}] // () → there once events of an account and region have to be looked at as they come
}

func newTables(s store.Space) tables {
	return tables{
		numbers: store.NewTable[uint64](s, 1, "number", store.Global),
		groups:  store.NewTable[groupRecord](s, 2, "group"),
		streams: store.NewTable[streamRecord](s, 3, "stream", store.Global),
		sizes:   store.NewTable[int64](s, 4, "size", store.Global),

		chunks: store.NewTable[chunkRecord](s, 5, "chunk", store.Global),
		heads:  store.NewTable[headRecord](s, 6, "head", store.Global),
		lanes:  store.NewTable[int64](s, 7, "lane", store.Global),
		terms:  store.NewTable[termFilter](s, 8, "term", store.Global),

		indexes: store.NewTable[fieldindex.Index](s, 49, "field index", store.Global),

		queries: store.NewTable[queryRecord](s, 9, "query"),
		results: store.NewTable[resultRecord](s, 10, "result"),

		definitions: store.NewTable[definitionRecord](s, 11, "definition"),

		observed: store.NewTable[struct{}](s, 12, "observed"),
	}
}

// Observe says that events of the account and region have to be looked at as they come, from now on. Most never have: then it is
// one read that tells so of a batch.
func (t *tables) Observe(tx *store.Tx) {
	if !t.observed.Has(tx) {
		t.observed.Set(tx, struct{}{})
	}
}

// number gives the next number: of groups, or of the streams of a group.
func (t *tables) number(tx *store.Tx, key ...any) uint64 {
	n, _ := t.numbers.Get(tx, key...)
	t.numbers.Set(tx, n+1, key...)
	return n + 1
}

// deleteGroup removes all that a group's number leads to.
func (t *tables) deleteGroup(tx *store.Tx, group uint64) {
	t.numbers.DeleteAll(tx, group)
	t.streams.DeleteAll(tx, group)
	t.sizes.DeleteAll(tx, group)
	t.chunks.DeleteAll(tx, group)
	t.heads.DeleteAll(tx, group)
	t.lanes.DeleteAll(tx, group)
	t.terms.DeleteAll(tx, group)
	t.indexes.DeleteAll(tx, group)
}

// putChunk adds a chunk and what leads to it. seq is the lowest number of its events.
func (t *tables) putChunk(w store.Writer, group, stream, seq uint64, c chunkRecord, h headRecord, terms termFilter, index *fieldindex.Index) {
	h.terms, h.index = len(terms) > 0, index != nil
	t.chunks.Set(w, c, group, stream, seq)
	t.heads.Set(w, h, group, c.time, stream, seq)
	t.lanes.Set(w, h.latest, group, stream, c.time, seq)
	if h.terms {
		t.terms.Set(w, terms, group, stream, seq)
	}
	if h.index {
		t.indexes.Set(w, *index, group, stream, seq)
	}
}

// dropChunk removes a chunk and what leads to it. Most have no filter of terms, or no index: then none need be deleted.
func (t *tables) dropChunk(w store.Writer, group, stream uint64, time int64, seq uint64, terms, index bool) {
	t.chunks.Delete(w, group, stream, seq)
	t.heads.Delete(w, group, time, stream, seq)
	t.lanes.Delete(w, group, stream, time, seq)
	if terms {
		t.terms.Delete(w, group, stream, seq)
	}
	if index {
		t.indexes.Delete(w, group, stream, seq)
	}
}

// shards is into how many rows the size of a group is split.
const shards = 16

// size is the bytes of events in a group, with 26 for each event, as AWS counts.
func (t *tables) size(tx *store.Tx, group uint64) (n int64) {
	for _, part := range t.sizes.Scan(tx, store.ScanOptions{}, group) {
		n += part
	}
	return max(n, 0)
}

// grow adds to the size of the group that a stream is in.
func (t *tables) grow(tx *store.Tx, group, stream uint64, by int64) {
	n, _ := t.sizes.Get(tx, group, stream%shards)
	t.sizes.Set(tx, n+by, group, stream%shards)
}

// groupRecord is a log group.
type groupRecord struct {
	store.Unknown
	Number    uint64            `cbor:"1,keyasint"`
	Created   int64             `cbor:"2,keyasint"` // milliseconds
	Class     string            `cbor:"3,keyasint"`
	Retention int32             `cbor:"4,keyasint,omitempty"` // days; 0 = for ever
	Key       string            `cbor:"5,keyasint,omitempty"` // KMS
	Protected bool              `cbor:"6,keyasint,omitempty"` // from being deleted
	Tags      map[string]string `cbor:"7,keyasint,omitempty"`
}

// streamRecord is a log stream and its tail. It is written with every batch of events.
type streamRecord struct {
	number   uint64
	created  int64  // milliseconds, as all times here
	last     uint64 // number of the last event
	first    int64  // time of the earliest event that was ever in it; 0 = none was
	latest   int64  // time of the latest
	ingested int64  // when the last batch came
	bytes    int64  // of events, with 26 for each
	span     int64  // what the times of a chunk differ by, at most
	merged   uint64 // chunks up to this one are not merged any more
	small    uint64 // small chunks behind that
}

var errStream = errors.New("logs: a stream's record is damaged")

func (r *streamRecord) AppendRecord(dst []byte) []byte {
	dst = append(dst, 1)
	for _, v := range [...]uint64{
		r.number, uint64(r.created), r.last, uint64(r.first), uint64(r.latest), uint64(r.ingested), uint64(r.bytes),
		uint64(r.span), r.merged, r.small,
	} {
		dst = binary.AppendUvarint(dst, v)
	}
	return dst
}

func (r *streamRecord) ParseRecord(src []byte) error {
	if len(src) == 0 || src[0] != 1 {
		return errStream
	}
	var v [10]uint64
	src = src[1:]
	for i := range v {
		n := 0
		if v[i], n = binary.Uvarint(src); n <= 0 {
			return errStream
		}
		src = src[n:]
	}
	*r = streamRecord{
		number: v[0], created: int64(v[1]), last: v[2], first: int64(v[3]), latest: int64(v[4]), ingested: int64(v[5]),
		bytes: int64(v[6]), span: int64(v[7]), merged: v[8], small: v[9],
	}
	return nil
}
