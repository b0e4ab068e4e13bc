package sqlproxy

import (
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgproto3"
)

// Error is an error with an SQLSTATE, as PostgreSQL reports it to a client.
type Error struct{ Response pgproto3.ErrorResponse }

// NewError returns an error with an SQLSTATE. The hint may be empty.
func NewError(code, message, hint string) *Error {
	return &Error{pgproto3.ErrorResponse{Severity: "ERROR", SeverityUnlocalized: "ERROR", Code: code, Message: message, Hint: hint}}
}

func (e *Error) Error() string {
	return fmt.Sprintf("%s (SQLSTATE %s)", e.Response.Message, e.Response.Code)
}

// Hint implements the command line's hints.
func (e *Error) Hint() string { return e.Response.Hint }

// SQLSTATEs that the proxy reports.
const (
	codeConnection    = "08006"
	codeProtocol      = "08P01"
	codeSystem        = "58000"
	codeTooMany       = "53300"
	codeUnsupported   = "0A000"
	codeReadOnly      = "25006"
	codeFailedTx      = "25P02"
	codeNoTx          = "25P01"
	codeNoSavepoint   = "3B001"
	codeNoCursor      = "34000"
	codeDuplicate     = "42P03"
	codeDuplicateStmt = "42P05"
	codeNoStatement   = "26000"
	codeSyntax        = "42601"
	codeInvalidValue  = "22023"
	codePassword      = "28P01"
	codeNoDatabase    = "3D000"
	codeForwardOnly   = "55000"
)

// asError converts any error for a client.
func asError(err error) *Error {
	var known *Error
	if errors.As(err, &known) {
		return known
	}
	return NewError(codeSystem, err.Error(), "")
}
