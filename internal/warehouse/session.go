package warehouse

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/streamctl/streamctl/internal/contract"
)

// setting is a PostgreSQL setting with a value in PostgreSQL's own syntax.
type setting struct{ name, value string }

// sessionSettings are set in every session, so that ALTER DATABASE … SET and
// ALTER ROLE … SET affect an operator's statements but never these. Settings
// unknown to the server are skipped: some are newer than version 15.
var sessionSettings = []setting{
	{"TimeZone", "UTC"},
	{"DateStyle", "ISO, YMD"},
	{"IntervalStyle", "postgres"},
	{"client_encoding", "UTF8"},
	{"client_min_messages", "warning"},
	{"default_transaction_isolation", "read committed"},
	{"default_transaction_read_only", "off"},
	{"default_transaction_deferrable", "off"},
	{"default_table_access_method", "heap"},
	{"default_tablespace", ""},
	{"synchronous_commit", "on"},
	{"standard_conforming_strings", "on"},
	{"transform_null_equals", "off"},
	{"array_nulls", "on"},
	{"bytea_output", "hex"},
	{"extra_float_digits", "1"},
	{"lc_numeric", "C"},
	{"quote_all_identifiers", "off"},
	{"check_function_bodies", "on"},
	{"exit_on_error", "off"}, // a failing row would end the session
	{"transaction_timeout", "0"},
}

// roleSettings returns the timeouts of a role: the server itself ends sessions
// that a frozen function left open. They are shorter than the timeouts of the
// functions that use the role. SetRoles stores them with the role, and every
// session sets them.
//
// Row-level security applies to loader and reader. The owner bypasses it unless
// an operator forces it; then the owner's reads fail, because a recount or
// retention that does not see all rows would be wrong.
func roleSettings(role string) []setting {
	settings := []setting{
		{"row_security", map[bool]string{true: "off", false: "on"}[role == contract.RoleOwner]},
		{"idle_session_timeout", "5min"},
		{"idle_in_transaction_session_timeout", "10s"},
	}
	keepalives := []setting{{"tcp_keepalives_idle", "15"}, {"tcp_keepalives_interval", "5"}, {"tcp_keepalives_count", "3"}}
	switch role {
	case contract.RoleLoader:
		settings = append(settings, setting{"statement_timeout", millis(loadTimeout)}, setting{"lock_timeout", millis(loadLockTimeout)})
		return append(settings, keepalives...)
	case contract.RoleReader:
		settings = append(settings, setting{"statement_timeout", "15s"}, setting{"lock_timeout", "5s"})
		return append(settings, keepalives...)
	case contract.RoleSQL:
		// The function sets the timeout of each statement.
		settings = append(settings, setting{"statement_timeout", "15s"}, setting{"lock_timeout", "5s"}, setting{"default_transaction_read_only", "on"},
			setting{"DateStyle", "ISO, MDY"})
		return append(settings, keepalives...)
	case contract.RoleOwner:
		return append(settings, setting{"statement_timeout", "40s"}, setting{"lock_timeout", "0"})
	}
	return []setting{{"row_security", "on"}, {"statement_timeout", "40s"}, {"lock_timeout", "0"}} // the master user
}

// Timeouts of the loader's statements and locks.
const (
	loadTimeout     = 40 * time.Second
	loadLockTimeout = 20 * time.Second
)

// millis formats a duration for a PostgreSQL setting without a unit.
func millis(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// open connects and sets the session's settings.
func open(ctx context.Context, cfg *pgx.ConnConfig) (*pgx.Conn, error) {
	settings := roleSettings(cfg.User)
	startup := map[string]string{"application_name": "streamctl", "timezone": "UTC"}
	for _, s := range settings {
		// With a default of a millisecond, the statement that sets the other
		// settings would fail.
		if s.name == "statement_timeout" {
			startup[s.name] = s.value
		}
	}
	maps.Copy(cfg.RuntimeParams, startup)
	// Ignore PGOPTIONS and PGTARGETSESSIONATTRS of a developer's shell.
	delete(cfg.RuntimeParams, "options")
	cfg.ValidateConnect = nil
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("connect to warehouse: %w", err)
	}
	if err := pin(ctx, conn, append(settings, otherThan(settings)...)); err != nil {
		closeQuietly(ctx, conn)
		return nil, fmt.Errorf("connect to warehouse: pin settings: %w", err)
	}
	return conn, nil
}

// otherThan returns sessionSettings without those that a role sets.
func otherThan(role []setting) []setting {
	return slices.DeleteFunc(slices.Clone(sessionSettings), func(s setting) bool {
		return slices.ContainsFunc(role, func(r setting) bool { return r.name == s.name })
	})
}

// pin sets the session's settings after connecting, because a server rejects a
// connection with unknown startup parameters. It puts the schema public first
// in search_path and keeps the database's own value behind it, where an
// operator's triggers find their objects.
func pin(ctx context.Context, conn *pgx.Conn, settings []setting) error {
	names, values := make([]string, len(settings)), make([]string, len(settings))
	for i, s := range settings {
		names[i], values[i] = strings.ToLower(s.name), s.value
	}
	var batch pgx.Batch
	batch.Queue("SET ROLE NONE")
	batch.Queue(`SELECT pg_catalog.set_config(s.name, v.value, false)
		FROM pg_catalog.generate_subscripts($1::pg_catalog.text[], 1) i,
			LATERAL (SELECT ($1::pg_catalog.text[])[i] AS name, ($2::pg_catalog.text[])[i] AS value) v
		JOIN pg_catalog.pg_settings s ON pg_catalog.lower(s.name) OPERATOR(pg_catalog.=) v.name
		WHERE s.context OPERATOR(pg_catalog.=) 'user'`, names, values)
	batch.Queue("SELECT pg_catalog.set_config('search_path', pg_catalog.concat_ws(', ', 'public', nullif(pg_catalog.current_setting('search_path'), '')), false)")
	return conn.SendBatch(ctx, &batch).Close()
}

// closeQuietly closes a connection that has nothing left to write.
func closeQuietly(ctx context.Context, conn *pgx.Conn) {
	_ = conn.Close(ctx) // the server ends the session in any case
}

// DB is the only connection of an execution environment. It is opened on first
// use. Its methods must not be called concurrently.
type DB struct {
	connect func(context.Context) (*pgx.Conn, error)
	conn    *pgx.Conn
	// timeouts holds, by shard, the chunk whose statements timed out.
	timeouts map[string]*timeouts
	pace     pace
}

// NewDB returns a DB that connects with l.
func NewDB(l Login) *DB { return &DB{connect: l.Connect, pace: defaultPace()} }

// NewURL returns a DB that connects to a URL, for a server on this machine.
func NewURL(url string) *DB {
	return &DB{pace: defaultPace(), connect: func(ctx context.Context) (*pgx.Conn, error) {
		cfg, err := pgx.ParseConfig(url)
		if err != nil {
			return nil, fmt.Errorf("connect to warehouse: %w", err)
		}
		return open(ctx, cfg)
	}}
}

// Connect opens another connection, which the caller closes.
func (d *DB) Connect(ctx context.Context) (*pgx.Conn, error) { return d.connect(ctx) }

// Close closes the connection, if it is open.
func (d *DB) Close(ctx context.Context) error {
	if d.conn == nil {
		return nil
	}
	err := d.conn.Close(ctx)
	d.conn = nil
	return err
}

// do runs work once, on the existing session if the server still responds, and
// otherwise on a new one. After an error it closes the session: a setting, a
// cached plan or a privilege of the session may be the cause, and the next call
// must not inherit it.
func (d *DB) do(ctx context.Context, work func(context.Context, *pgx.Conn) error) error {
	conn, err := d.session(ctx)
	if err != nil {
		return err
	}
	if err = work(ctx, conn); err != nil {
		closeQuietly(ctx, conn)
		d.conn = nil
	}
	return err
}

// session returns a connection that responds. The server ends the session of an
// environment that was frozen for a long time.
func (d *DB) session(ctx context.Context) (*pgx.Conn, error) {
	if d.conn != nil && !d.conn.IsClosed() {
		ping, cancel := context.WithTimeout(ctx, connectTimeout)
		err := d.conn.Ping(ping)
		cancel()
		if err == nil {
			return d.conn, nil
		}
		closeQuietly(ctx, d.conn)
	}
	conn, err := d.connect(ctx)
	d.conn = conn
	return conn, err
}

// transact runs work in a transaction. An error or a panic rolls it back.
func transact(ctx context.Context, conn *pgx.Conn, work func(pgx.Tx) error) error {
	return pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: pgx.ReadCommitted, AccessMode: pgx.ReadWrite}, work)
}
