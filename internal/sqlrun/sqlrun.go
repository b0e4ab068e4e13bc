// Package sqlrun runs one SQL statement of an SQL user in a read-only transaction of
// its own session, and returns the database's messages. No state survives a
// statement. It is the second barrier behind sqltext: the statement goes alone through
// the extended protocol, after a SELECT that fixes the transaction's mode.
package sqlrun

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/sqltext"
)

// Runner runs statements as contract.RoleSQL. It is safe for concurrent use.
type Runner struct {
	// Connect opens a connection as contract.RoleSQL, which the runner closes. It fails
	// if the database is unreachable or has too many connections.
	Connect func(context.Context) (*pgx.Conn, error)
	Log     *slog.Logger
}

const (
	// reserve is the part of an invocation that is kept to report a timeout.
	reserve = 5 * time.Second
	// cancelTime bounds the request to cancel a statement, and then its last messages.
	cancelTime = 3 * time.Second
	// rowLimit is the largest message of the server in bytes: the function's memory
	// bounds it.
	rowLimit = 64 << 20
)

// SQLSTATEs of errors that the runner itself reports.
const (
	programLimit     = "54000"
	tooMany          = "53300"
	connectionFailed = "08006"
	canceled         = "57014"
	invalidParameter = "22023"
	invalidText      = "42601"
)

// Run runs a statement and writes the server's messages to w: ParameterDescription (if
// it is only described), RowDescription or NoData, the rows or the COPY data, and
// CommandComplete; an ErrorResponse is the last message. The error is w's.
func (r *Runner) Run(ctx context.Context, t contract.SQLTask, w io.Writer) error {
	out := &writer{w: w, limit: contract.SQLStreamLimit}
	r.run(ctx, t, out)
	return out.flush()
}

// Open runs a statement in the background and returns the server's messages. Closing
// the reader cancels the statement.
func (r *Runner) Open(ctx context.Context, t contract.SQLTask) (io.ReadCloser, error) {
	reader, writer := io.Pipe()
	go func() { writer.CloseWithError(r.Run(ctx, t, writer)) }()
	return reader, nil
}

// Collect runs a statement and returns its messages, if they fit into a response of
// Lambda that isn't streamed. Otherwise the only message is an error with the size.
func (r *Runner) Collect(ctx context.Context, t contract.SQLTask) contract.SQLResponse {
	var messages bytes.Buffer
	out := &writer{w: &messages, limit: contract.SQLBufferLimit}
	r.run(ctx, t, out)
	if out.state == programLimit {
		messages.Reset()
		out.buffer = nil
		out.send(out.failure)
	}
	if err := out.flush(); err != nil {
		r.Log.ErrorContext(ctx, "sql result not encoded", "err", err)
	}
	return contract.SQLResponse{Messages: messages.Bytes()}
}

// Cancel cancels the running statement with a token and returns how many there were.
func (r *Runner) Cancel(ctx context.Context, token string) (canceled int, err error) {
	conn, err := r.Connect(ctx)
	if err != nil {
		return 0, fmt.Errorf("cancel statement: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	err = conn.QueryRow(ctx, `SELECT count(*) FILTER (WHERE pg_catalog.pg_cancel_backend(pid)) FROM pg_catalog.pg_stat_activity
		WHERE usename = current_user AND application_name = $1 AND pid <> pg_catalog.pg_backend_pid()`, token).Scan(&canceled)
	if err != nil {
		return 0, fmt.Errorf("cancel statement: %w", err)
	}
	r.Log.InfoContext(ctx, "sql statement canceled", "token", token, "found", canceled)
	return canceled, nil
}

// run runs a statement and logs its facts: never its text, which may contain personal
// data.
func (r *Runner) run(ctx context.Context, t contract.SQLTask, out *writer) {
	begun := time.Now()
	r.perform(ctx, t, out)
	sum := sha256.Sum256([]byte(t.Text))
	r.Log.InfoContext(ctx, "sql statement", "token", t.Token, "duration_ms", time.Since(begun).Milliseconds(), "rows", out.rows, "bytes", out.bytes,
		"sqlstate", out.state, "sha256", hex.EncodeToString(sum[:]))
}

func (r *Runner) perform(ctx context.Context, t contract.SQLTask, out *writer) {
	timeout := time.Duration(t.TimeoutSeconds) * time.Second
	if deadline, ok := ctx.Deadline(); ok {
		timeout = min(timeout, time.Until(deadline)-reserve)
	}
	if problem := check(t, timeout); problem != nil {
		out.send(problem)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, timeout+time.Second)
	defer cancel()
	conn, err := r.Connect(ctx)
	if err != nil {
		out.send(errorMessage(err))
		return
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // it has nothing to write
	if err := begin(ctx, conn, t, timeout); err != nil {
		out.send(errorMessage(err))
		return
	}
	execute(ctx, conn.PgConn(), t, out)
}

// check rejects a task that must not reach the database.
func check(t contract.SQLTask, timeout time.Duration) *pgproto3.ErrorResponse {
	if len(t.Token) < 16 || len(t.Token) > 63 || strings.Trim(t.Token, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") != "" {
		return newError(invalidParameter, "token: want 16 to 63 letters and digits", "")
	}
	if timeout < time.Second {
		return newError(invalidParameter, "timeoutSeconds: want 1 to "+strconv.Itoa(contract.SQLTimeoutSeconds), "")
	}
	known := contract.SQLSettings()
	for name, value := range t.Settings {
		only, ok := known[name]
		if !ok || only != nil && !slices.Contains(only, strings.ToLower(value)) {
			return newError(invalidParameter, fmt.Sprintf("setting %s = %q is not possible", name, value), "")
		}
	}
	statements, err := sqltext.Split(t.Text)
	var syntax *sqltext.SyntaxError
	switch {
	case errors.As(err, &syntax):
		e := newError(invalidText, syntax.What, "")
		e.Position = int32(syntax.Position) //nolint:gosec // a text has less than 6 MB
		return e
	case len(statements) > 1:
		return newError(invalidText, "cannot insert multiple commands into a prepared statement", "")
	case len(statements) == 0:
		return nil // the server's EmptyQueryResponse
	}
	var rejected *sqltext.RejectedError
	if errors.As(statements[0].Check(), &rejected) {
		e := newError(rejected.Code, rejected.What, rejected.Hint)
		e.Position = int32(rejected.Position) //nolint:gosec // 0 or 1
		return e
	}
	return nil
}

// begin starts the read-only transaction. Its SELECT fixes the transaction's mode, and
// counts the other SQL users: the last connection is reserved for cancelations.
func begin(ctx context.Context, conn *pgx.Conn, t contract.SQLTask, timeout time.Duration) error {
	if _, err := conn.PgConn().Exec(ctx, "BEGIN TRANSACTION ISOLATION LEVEL READ COMMITTED, READ ONLY").ReadAll(); err != nil {
		return err
	}
	names, values := []string{"application_name"}, []string{t.Token}
	limit := timeout
	for _, name := range slices.Sorted(maps.Keys(t.Settings)) {
		value := t.Settings[name]
		switch name {
		case "statement_timeout":
			if d, ok := milliseconds(value); ok && d > 0 {
				limit = min(limit, d)
			}
			continue
		case "application_name", "client_encoding", "standard_conforming_strings", "default_transaction_read_only", "transaction_read_only",
			"default_transaction_isolation", "transaction_isolation", "row_security":
			continue // the session has the only possible value
		}
		names, values = append(names, name), append(values, value)
	}
	names, values = append(names, "statement_timeout"), append(values, strconv.FormatInt(limit.Milliseconds(), 10))
	var others int
	err := conn.QueryRow(ctx, `SELECT count(*) FROM pg_catalog.pg_stat_activity
		WHERE usename = current_user AND backend_type = 'client backend' AND pid <> pg_catalog.pg_backend_pid()`).Scan(&others)
	if err != nil {
		return err
	}
	if others >= contract.SQLConnections-1 {
		return &pgconn.PgError{Severity: "FATAL", Code: tooMany, Message: fmt.Sprintf("%d other SQL statements are running", others),
			Hint: "try again when one has ended, or use --max-parallel to run fewer at a time"}
	}
	_, err = conn.Exec(ctx, `SELECT pg_catalog.set_config(($1::pg_catalog.text[])[i], ($2::pg_catalog.text[])[i], true)
		FROM pg_catalog.generate_subscripts($1::pg_catalog.text[], 1) i`, names, values)
	return err
}

// milliseconds reads a value of statement_timeout.
func milliseconds(value string) (time.Duration, bool) {
	value = strings.ReplaceAll(strings.ToLower(value), " ", "")
	if n, err := strconv.ParseInt(value, 10, 32); err == nil {
		return time.Duration(n) * time.Millisecond, n >= 0
	}
	d, err := time.ParseDuration(strings.Replace(value, "min", "m", 1))
	return d, err == nil && d >= 0
}
