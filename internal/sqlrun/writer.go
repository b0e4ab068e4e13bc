package sqlrun

import (
	"fmt"
	"io"

	"github.com/jackc/pgx/v5/pgproto3"
)

// writer encodes messages and counts them.
type writer struct {
	w     io.Writer
	limit int // in bytes

	buffer []byte
	bytes  int // encoded so far
	rows   int
	state  string // the SQLSTATE of the error that ended the statement
	ended  bool
	// failure is the error of a result that is too large.
	failure *pgproto3.ErrorResponse
	err     error // of w
}

// flushAt is the size at which the buffer is written.
const flushAt = 32 << 10

// done reports whether the last message was passed on.
func (w *writer) done() bool { return w.ended }

// pass passes a message of the server on, if the client needs it. Its error ends
// the statement.
func (w *writer) pass(message pgproto3.BackendMessage) error {
	switch message := message.(type) {
	case *pgproto3.ParseComplete, *pgproto3.BindComplete, *pgproto3.ParameterStatus, *pgproto3.NotificationResponse:
		return nil
	case *pgproto3.ErrorResponse:
		message.Severity, message.SeverityUnlocalized = "ERROR", "ERROR" // a FATAL one ends only the statement's session
		w.send(message)
		return w.err
	case *pgproto3.DataRow:
		w.rows++
	case *pgproto3.CommandComplete, *pgproto3.EmptyQueryResponse:
		w.ended = true
	}
	w.encode(message)
	if w.bytes > w.limit {
		w.ended = true
		w.failure = newError(programLimit, fmt.Sprintf("the result has more than %.1f MB: stopped after %d rows", float64(w.limit)/1e6, w.rows),
			"select fewer rows or columns, aggregate in SQL, or read in parts by time; see docs/sql.md")
		w.send(w.failure)
		return errTooLarge
	}
	return w.err
}

var errTooLarge = fmt.Errorf("the result is too large")

// send writes an error, which ends the statement.
func (w *writer) send(e *pgproto3.ErrorResponse) {
	w.state, w.ended = e.Code, true
	w.encode(e)
}

func (w *writer) encode(message pgproto3.BackendMessage) {
	if w.err != nil {
		return
	}
	before := len(w.buffer)
	if w.buffer, w.err = message.Encode(w.buffer); w.err != nil {
		return
	}
	w.bytes += len(w.buffer) - before
	if len(w.buffer) >= flushAt {
		w.err = w.flush()
	}
}

// flush writes what is buffered.
func (w *writer) flush() error {
	if w.err != nil || len(w.buffer) == 0 {
		return w.err
	}
	if _, err := w.w.Write(w.buffer); err != nil {
		w.err = fmt.Errorf("write result: %w", err)
	}
	w.buffer = w.buffer[:0]
	return w.err
}
