package postgres

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// format is how the table is laid out. Its row, under the empty key, reads "obidos store format 1".
const (
	format     = 1
	formatText = "obidos store format "
)

var clusterName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,40}$`)

func tableName(cluster string) (string, error) {
	if !clusterName.MatchString(cluster) {
		return "", fmt.Errorf("a cluster's name is 1 to 40 letters, digits, - and _: %q is not", cluster)
	}
	return `"obidos_` + cluster + `"`, nil
}

// definition makes the table. Pages have room for new versions of rows that change often.
func definition(table string) string {
	return `create table if not exists ` + table + ` (k bytea not null primary key, v bytea not null) with (fillfactor = 85)`
}

// vacuuming is done before much is dead: queues leave many dead rows.
func vacuuming(table string) string {
	return `alter table ` + table + ` set (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000,
		autovacuum_vacuum_cost_delay = 0)`
}

// prepare makes the cluster's table where there is none, and refuses one of a newer obidos.
func (e *Engine) prepare(ctx context.Context) error {
	deadline := time.Now().Add(2 * e.options.Patience)
	for try := 0; ; try++ {
		c, err := e.pool.one(ctx, "") // its statements cannot be prepared yet
		if err != nil {
			return err
		}
		err = e.prepareOn(c)
		c.close()
		if err == nil || !retryable(err) || time.Now().After(deadline) {
			return err
		}
		// Nodes that start at once make the table at once, and wait for each other.
		if err := pause(ctx, rand.N(10*time.Millisecond<<min(try, 4))); err != nil {
			return err
		}
	}
}

func (e *Engine) prepareOn(c *conn) error {
	for range 10 {
		rows, err := c.query(`select v from ` + e.table + ` where k = ''`)
		if code(err) == codeNoTable {
			if err := e.create(c); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return explain(c, err)
		}
		if len(rows) == 0 { // between a table's creation and its first row
			if err := c.exec(`insert into ` + e.table + ` (k, v) values ('', '` + formatText + strconv.Itoa(format) + `') on conflict (k) do nothing`); err != nil {
				return explain(c, err)
			}
			continue
		}
		return e.check(string(rows[0][0]))
	}
	return fmt.Errorf("table %s was made and is not there", e.table)
}

func (e *Engine) create(c *conn) error {
	err := c.exec(definition(e.table))
	switch code(err) {
	case codeTableExists, codeTypeExists, codeUniqueViolation: // by another node at the same moment
		return nil
	case codeNoRights:
		return fmt.Errorf("PostgreSQL role %q may not make obidos's table. Let it (grant create on schema public to …), "+
			"or make the table for it: %s: %w", e.pool.config.User, definition(e.table), err)
	}
	if err != nil {
		return explain(c, err)
	}
	_ = c.exec(vacuuming(e.table)) // a hint, that not every database takes
	return nil
}

// check reads the format's row, as PostgreSQL shows bytes: \x and hexadecimal digits.
func (e *Engine) check(row string) error {
	var b []byte
	for h := strings.TrimPrefix(row, `\x`); len(h) >= 2; h = h[2:] {
		n, err := strconv.ParseUint(h[:2], 16, 8)
		if err != nil {
			break
		}
		b = append(b, byte(n))
	}
	n, err := strconv.Atoi(strings.TrimPrefix(string(b), formatText))
	switch {
	case err != nil || n < 1:
		return fmt.Errorf("table %s is not obidos's: its first row says %q", e.table, b)
	case n > format:
		return fmt.Errorf("table %s is of format %d, made by a newer obidos; this one knows format %d: use the newer", e.table, n, format)
	}
	return nil
}

func code(err error) string {
	if p, ok := errors.AsType[*pgconn.PgError](err); ok {
		return p.Code
	}
	return ""
}
