package warehouse

import (
	"errors"
	"net"

	"github.com/jackc/pgx/v5/pgconn"
)

// SQLSTATE codes that the code decides by.
const (
	uniqueViolation      = "23505"
	checkViolation       = "23514" // what PostgreSQL calls a missing partition, too
	lockNotAvailable     = "55P03"
	cannotConnectNow     = "57P03"
	invalidPassword      = "28P01"
	invalidAuthorization = "28000"
	duplicateTable       = "42P07"
	queryCanceled        = "57014" // by statement_timeout
)

func sqlState(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code
	}
	return ""
}

// isData tells whether an error is of one event's content: no try will ever
// load it. Everything else, known or not, passes.
func isData(err error) bool {
	switch sqlState(err) {
	case "22021", // a byte that isn't text
		"22P02", // text that isn't the type
		"22P05", // a character that the encoding lacks
		"22003", // a number out of range
		"22008": // a time out of range
		return true
	}
	return false
}

// IsLoginRefused tells whether the server turned a login away.
func IsLoginRefused(err error) bool {
	code := sqlState(err)
	return code == invalidPassword || code == invalidAuthorization
}

// IsUnreachable tells whether a server may yet come up: no connection, a name
// that isn't known yet, a server that is starting.
func IsUnreachable(err error) bool {
	if sqlState(err) != "" {
		return sqlState(err) == cannotConnectNow
	}
	var network net.Error
	var connect *pgconn.ConnectError
	return errors.As(err, &network) || errors.As(err, &connect)
}
