package postgres

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// conn is a connection, used by one transaction at a time.
type conn struct {
	pg       *pgconn.PgConn
	address  string
	prepared [statements]*pgconn.StatementDescription
	since    string    // when the server's process for it was started: with its id, its name
	used     time.Time // last
	age      int       // of the pool's generations it belongs to this one
	patience time.Duration
	doubt    bool // the server has warned that a commit was not waited for
	bad      bool // not to be used any more
}

// setUp makes a fresh connection ready for transactions on the table.
func (c *conn) setUp(table string, relaxed bool) error {
	if err := c.exec(setSession()); err != nil {
		return err
	}
	rows, err := c.query(`select coalesce(current_setting('fsync', true), ''), coalesce(current_setting('synchronous_commit', true), ''),
		coalesce(current_setting('server_version_num', true), '')`)
	if err != nil {
		return err
	}
	fsync, sync, version := string(rows[0][0]), string(rows[0][1]), string(rows[0][2])
	if len(version) < 6 || version < "120000" {
		return fmt.Errorf("PostgreSQL at %s is of version %s; obidos needs 12 or later", c.address, c.pg.ParameterStatus("server_version"))
	}
	switch {
	case relaxed:
		err = c.exec(`set synchronous_commit = off`)
	case fsync == "off":
		return fmt.Errorf("PostgreSQL at %s runs with fsync=off: a power cut would lose what was acknowledged. "+
			"Turn fsync on, or say that this is what you want with relaxed durability", c.address)
	case sync == "off" || sync == "local": // an owner of queues promises more
		err = c.exec(`set synchronous_commit = on`)
	}
	if err != nil {
		return err
	}
	// Databases that only speak PostgreSQL's language may not know this view.
	if rows, err := c.query(`select backend_start::text from pg_stat_activity where pid = pg_backend_pid()`); err == nil && len(rows) == 1 {
		c.since = string(rows[0][0])
	} else if c.bad {
		return err
	}
	if table == "" {
		return nil
	}
	return c.prepare(table)
}

// prepare prepares all statements in one round trip.
func (c *conn) prepare(table string) error {
	c.extend(1)
	p := c.pg.StartPipeline(context.Background())
	for s := range statements {
		p.SendPrepare(s.name(), s.sql(table), nil)
	}
	err := p.Sync()
	for s := range statements {
		if err != nil {
			break
		}
		var result any
		if result, err = p.GetResults(); err == nil {
			d, ok := result.(*pgconn.StatementDescription)
			if !ok {
				err = fmt.Errorf("prepare: %T", result)
				break
			}
			d.Name = s.name() // which the answer does not say
			c.prepared[s] = d
		}
	}
	if closing := p.Close(); err == nil {
		err = closing
	}
	if err != nil {
		return c.failed(err)
	}
	return nil
}

// exec runs statements that answer nothing.
func (c *conn) exec(sql string) error {
	_, err := c.query(sql)
	return err
}

// query is what a statement answers, as text.
func (c *conn) query(sql string) ([][][]byte, error) {
	c.extend(1)
	results, err := c.pg.Exec(context.Background(), sql).ReadAll()
	if err != nil {
		return nil, c.failed(err)
	}
	if len(results) == 0 {
		return nil, nil
	}
	return results[len(results)-1].Rows, nil
}

// extend gives the server so many times the usual time to answer what comes now. No context is given to pgx, which would
// have the server cancel what it does: a commit that waits for its standbys and is cancelled is shown before it is safe.
func (c *conn) extend(times int) {
	_ = c.pg.Conn().SetDeadline(time.Now().Add(time.Duration(times) * c.patience)) // who fails here fails below
}

// failed is err, having taken note of what it means for the connection.
func (c *conn) failed(err error) error {
	c.bad = c.bad || broken(err)
	return err
}

// send sends a batch in one round trip and gives each row of its result number n, if there is any, to row. What row is
// given is valid during the call only.
func (c *conn) send(b *pgconn.Batch, n int, row func(values [][]byte)) error {
	results := c.pg.ExecBatch(context.Background(), b)
	last := ""
	for i := 0; results.NextResult(); i++ {
		r := results.ResultReader()
		for r.NextRow() {
			if i == n {
				row(r.Values())
			}
		}
		tag, err := r.Close()
		if err != nil {
			break // results has it too
		}
		last = tag.String()
	}
	if err := results.Close(); err != nil {
		return c.failed(err)
	}
	if last == "ROLLBACK" { // as the answer to COMMIT
		c.bad = true
		return errRolledBack
	}
	return nil
}

var errRolledBack = &pgconn.PgError{Severity: "ERROR", Code: codeSerialization, Message: "rolled back"}

// close ends the connection without a word: the server undoes what is not committed.
func (c *conn) close() {
	c.bad = true
	_ = c.pg.Conn().Close()
	if !c.pg.IsClosed() {
		_ = c.pg.Close(context.Background())
	}
}

// ask sees whether a connection that was idle for long is still there.
func (c *conn) ask() bool {
	if time.Since(c.used) < time.Second {
		return true
	}
	return c.exec(`;`) == nil
}

// notice hears what the server says besides answers.
func (c *conn) notice(n *pgconn.Notice) {
	if n.Code == codeCanceled || n.Code == codeAdminShutdown || strings.HasPrefix(n.Code, "57P") {
		c.doubt = true // "committed locally, but might not have been replicated"
	}
}
