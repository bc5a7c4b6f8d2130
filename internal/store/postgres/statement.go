package postgres

import (
	"encoding/binary"
	"strconv"
	"strings"
)

// statement is one of the few that an engine sends: each connection prepares them all.
type statement int

const (
	beginView statement = iota
	beginUpdate
	commit
	get
	getMany
	scanUp
	scanDown
	keysUp
	keysDown
	fence
	eraseRange
	set
	erase
	statements // so many
)

// text has the table's name for each @. The row under the empty key, which no transaction can name, is the format's.
var text = [statements]string{
	beginView:   `begin isolation level repeatable read read only`,
	beginUpdate: `begin isolation level serializable`,
	commit:      `commit`,
	get:         `select v from @ where k = $1`,
	getMany:     `select k, v from @ where k = any($1::bytea[])`,
	scanUp:      `select k, v from @ where k >= $1 and k < $2 order by k limit $3`,
	scanDown:    `select k, v from @ where k >= $1 and k < $2 order by k desc limit $3`,
	keysUp:      `select k from @ where k >= $1 and k < $2 order by k limit $3`,
	keysDown:    `select k from @ where k >= $1 and k < $2 order by k desc limit $3`,
	// The rows of fences are locked: who raises an epoch waits for this commit, or this one fails. A fence that does not
	// hold is a division by zero, so that what follows in the same round trip is not done.
	fence: `with held as (select k, v from @ where k = any($1::bytea[]) for share)
		select 1 / (case when $3::int8 = (select count(*) from unnest($1::bytea[], $2::bytea[]) as want(k, epoch)
			join held on held.k = want.k and substring(held.v from 2 for 8) = want.epoch) then 1 else 0 end)`,
	eraseRange: `delete from @ where k >= $1 and k < $2`,
	set: `insert into @ (k, v) select * from unnest($1::bytea[], $2::bytea[])
		on conflict (k) do update set v = excluded.v`,
	erase: `delete from @ where k = any($1::bytea[])`,
}

// session is what each connection is set to: reads go by the index, however small the table is. A scan of the whole table
// would be in conflict with every write.
var session = [][2]string{
	{"enable_seqscan", "off"},
	{"enable_bitmapscan", "off"},
	{"plan_cache_mode", "force_generic_plan"},
	{"jit", "off"},
	{"client_min_messages", "warning"},
	{"statement_timeout", "0"},
	{"lock_timeout", "100ms"},                     // then errBlocked
	{"idle_in_transaction_session_timeout", "5s"}, // of a node that froze
	{"idle_session_timeout", "0"},                 // PostgreSQL 14
	{"transaction_timeout", "10min"},              // PostgreSQL 17
}

// setSession sets them, those that the server knows.
func setSession() string {
	var b strings.Builder
	b.WriteString(`select set_config(ours.name, ours.value, false) from (values `)
	for i, s := range session {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString("('" + s[0] + "', '" + s[1] + "')")
	}
	b.WriteString(`) as ours (name, value) join pg_settings on pg_settings.name = ours.name`)
	return b.String()
}

func (s statement) name() string { return "obidos" + strconv.Itoa(int(s)) }

func (s statement) sql(table string) string { return strings.ReplaceAll(text[s], "@", table) }

var (
	binary1  = []int16{1} // all parameters and columns are binary
	afterAll = []byte(strings.Repeat("\xff", 2700))
	firstKey = []byte{0}
)

const byteaOID = 17

// array is a list of byte strings as PostgreSQL's bytea[], being written.
type array struct {
	b []byte
	n int
}

func (a *array) reset(size int) {
	if cap(a.b) < size {
		a.b = make([]byte, 0, size)
	}
	a.n, a.b = 0, append(a.b[:0], 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, byteaOID, 0, 0, 0, 0, 0, 0, 0, 1)
}

func (a *array) add(v []byte) {
	a.n++
	a.b = binary.BigEndian.AppendUint32(a.b, uint32(len(v)))
	a.b = append(a.b, v...)
}

// bytes is the array. It is valid until the next reset.
func (a *array) bytes() []byte {
	binary.BigEndian.PutUint32(a.b[12:], uint32(a.n))
	if a.n == 0 { // of no dimensions
		return a.b[:12:12]
	}
	return a.b
}

func int8s(n int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) }
