package postgres

import (
	"context"
	"strconv"
	"time"
)

// settle waits until the server's process of a broken connection is gone, and with it what it was doing: from then on, who
// reads knows for good whether the commit happened. Where the server does not answer, or says nothing of its processes, nobody
// can know; a server that was killed does not go on with anything.
func (e *Engine) settle(broken *conn) {
	broken.close()
	if broken.since == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), e.options.Patience)
	defer cancel()
	c, err := e.pool.connect(ctx, "")
	if err != nil {
		return
	}
	defer c.close()
	for wait := time.Millisecond; ; wait = min(2*wait, 100*time.Millisecond) {
		rows, err := c.query(`select 1 from pg_stat_activity where pid = ` + strconv.FormatUint(uint64(broken.pg.PID()), 10) +
			` and backend_start::text = '` + broken.since + `'`)
		if err != nil || len(rows) == 0 || pause(ctx, wait) != nil {
			return
		}
	}
}

// A transaction that waits for its node so long is that of a frozen one.
const frozen = time.Second

// evict ends the transactions of obidos's nodes that keep others waiting while the server waits for them: a transaction is no
// longer than milliseconds, so their node is frozen, or the network to it is gone. What they have not committed is undone; they
// are not in the middle of a commit.
func (e *Engine) evict(ctx context.Context) {
	c, err := e.pool.connect(ctx, "")
	if err != nil {
		return // those who wait will meet the same, and say so
	}
	defer c.close()
	_, _ = c.query(`select pg_terminate_backend(pid) from pg_stat_activity
		where pid <> pg_backend_pid() and usename = current_user and datname = current_database() and backend_type = 'client backend'
		and application_name = current_setting('application_name') and wait_event = 'ClientRead' and backend_xid is not null
		and xact_start < now() - interval '1 second' and state_change < now() - interval '1 second'`)
}
