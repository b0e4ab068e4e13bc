package warehouse

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// SQLSTATEs that change what the code does.
const (
	uniqueViolation      = "23505"
	checkViolation       = "23514" // also the code of a missing partition
	lockNotAvailable     = "55P03"
	cannotConnectNow     = "57P03"
	invalidPassword      = "28P01"
	invalidAuthorization = "28000"
	duplicateTable       = "42P07"
	queryCanceled        = "57014" // by statement_timeout
	serializationFailure = "40001"
	dependentObjects     = "2BP01"
)

func sqlState(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code
	}
	return ""
}

// neverTheData lists the classes of SQLSTATEs that no row causes: connection,
// rollback, resources, object state, operator intervention, system and internal
// errors.
var neverTheData = []string{"08", "40", "53", "55", "57", "58", "XX"}

// mayBeTheData reports whether the rows of a statement may have caused its
// error. Only a known-good row proves whether they did: through an operator's
// trigger, index or policy a single row can raise almost any SQLSTATE.
func mayBeTheData(err error) bool {
	var row *rowError
	if errors.As(err, &row) {
		return true
	}
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || pg.Severity == "FATAL" || pg.Severity == "PANIC" {
		return false
	}
	return pg.Code == queryCanceled || !slices.Contains(neverTheData, pg.Code[:2])
}

// rowError is a fault of one row that the server did not report as an error.
type rowError struct{ reason string }

func (e *rowError) Error() string { return e.reason }

// explain describes an error with the objects that the server reports. It omits
// details, which may contain the row.
func explain(err error) string {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return err.Error()
	}
	text := pg.Message + " (SQLSTATE " + pg.Code
	for _, object := range []struct{ kind, name string }{{"constraint", pg.ConstraintName}, {"column", pg.ColumnName}, {"type", pg.DataTypeName}} {
		if object.name != "" {
			text += ", " + object.kind + " " + strconv.Quote(object.name)
		}
	}
	if where, _, _ := strings.Cut(pg.Where, "\n"); where != "" && strings.HasPrefix(where, "PL/") {
		text += ", in " + where
	}
	return text + ")"
}

// hinted adds the server's hint, and the objects that prevent the change.
func hinted(err error) error {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return err
	}
	if pg.Code == dependentObjects && pg.Detail != "" {
		err = fmt.Errorf("%w: %s", err, strings.ReplaceAll(pg.Detail, "\n", "; "))
	}
	if pg.Hint != "" {
		err = fmt.Errorf("%w: %s", err, pg.Hint)
	}
	return err
}

// IsTimeout reports whether a load failed because its statements take too long.
func IsTimeout(err error) bool { return sqlState(err) == queryCanceled || errors.Is(err, errSlowRows) }

// IsLoginRefused reports whether the server rejected a login.
func IsLoginRefused(err error) bool {
	code := sqlState(err)
	return code == invalidPassword || code == invalidAuthorization
}

// IsUnreachable reports whether a server may still come up: the connection
// failed, its name can't be resolved, or it is starting.
func IsUnreachable(err error) bool {
	if sqlState(err) != "" {
		return sqlState(err) == cannotConnectNow
	}
	var network net.Error
	var connect *pgconn.ConnectError
	return errors.As(err, &network) || errors.As(err, &connect)
}
