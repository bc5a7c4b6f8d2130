package postgres

import (
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/obidos-cloud/obidos/internal/store"
)

// What can go wrong, beside what is told as it is.
var (
	errConflict = errors.New("conflict with another transaction")
	errBlocked  = fmt.Errorf("%w that does not end", errConflict)
	errGone     = errors.New("the connection to PostgreSQL broke")
)

// SQLSTATEs, https://www.postgresql.org/docs/current/errcodes-appendix.html
const (
	codeSerialization   = "40001"
	codeDeadlock        = "40P01"
	codeLockTimeout     = "55P03"
	codeDivisionByZero  = "22012"
	codeDiskFull        = "53100"
	codeReadOnly        = "25006"
	codeNoTable         = "42P01"
	codeTableExists     = "42P07"
	codeTypeExists      = "42710" // of a table's rows
	codeUniqueViolation = "23505"
	codeNoRights        = "42501"
	codeNoDatabase      = "3D000"
	codeTooMany         = "53300"
	codeCannotNow       = "57P03"
	codeCompletion      = "40003"
	codeCanceled        = "57014"
	codeAdminShutdown   = "57P01"
)

// retryable reports that nothing happened and that it may go well the next time.
func retryable(err error) bool { return errors.Is(err, errConflict) || errors.Is(err, errGone) }

// broken reports that the connection cannot be used any more.
func broken(err error) bool {
	p, ok := errors.AsType[*pgconn.PgError](err)
	return !ok || fatal(p) || p.Code == codeReadOnly
}

func fatal(p *pgconn.PgError) bool {
	severity := p.SeverityUnlocalized
	if severity == "" {
		severity = p.Severity
	}
	return severity == "FATAL" || severity == "PANIC" || strings.HasPrefix(p.Code, "08") || strings.HasPrefix(p.Code, "57P")
}

// explain is err, of a statement on c before its commit, in the store's words. Nothing has happened.
func explain(c *conn, err error) error {
	p, ok := errors.AsType[*pgconn.PgError](err)
	switch {
	case !ok || fatal(p) || p.Code == codeReadOnly: // it was a primary when we came
		return fmt.Errorf("%w: %w", errGone, err)
	case p.Code == codeSerialization || p.Code == codeDeadlock:
		return errConflict
	case p.Code == codeLockTimeout:
		return errBlocked
	case p.Code == codeDivisionByZero: // see the statement fence
		return store.ErrFenced
	case p.Code == codeDiskFull:
		return &store.DiskFullError{Path: "the PostgreSQL server " + c.address + " (" + p.Message + ")", Need: 16 << 20}
	case p.Code == codeNoRights:
		return fmt.Errorf("PostgreSQL refuses what obidos needs, to select, insert, update and delete in its table: %w", err)
	}
	return fmt.Errorf("PostgreSQL: %w", err)
}

// outcome is explain for a commit that wrote: where the server did not say that it failed, it may have happened. pgx's
// SafeToRetry does not tell: it says so of the "conn closed" that follows a connection's end in the middle of an answer.
func outcome(c *conn, err error) error {
	p, ok := errors.AsType[*pgconn.PgError](err)
	switch {
	case ok && p.Code == codeReadOnly:
	case !ok || fatal(p) || p.Code == codeCompletion || strings.HasPrefix(p.Code, "XX"):
		return fmt.Errorf("%w: %w", store.ErrUnknown, err)
	}
	return explain(c, err)
}
