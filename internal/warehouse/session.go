package warehouse

import (
	"context"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/streamctl/streamctl/internal/contract"
)

// setting is a PostgreSQL setting with a value in PostgreSQL's own syntax.
type setting struct{ name, value string }

// sessionSettings are pinned in every session, so that ALTER DATABASE … SET and
// ALTER ROLE … SET change what an operator's statements do and never ours. A
// setting that the server does not have is skipped: some are newer than 15.
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

// roleSettings are the timeouts of a role: the server itself ends what a frozen
// function left open. They are below the timeouts of the functions that log in
// as the role. SetRoles stores them with the role, and every session pins them.
//
// Row-level security applies to loader and reader. The owner bypasses it, except
// where an operator forces it: then its reads fail, because a recount or a
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
	case contract.RoleOwner:
		return append(settings, setting{"statement_timeout", "40s"}, setting{"lock_timeout", "0"})
	}
	return []setting{{"row_security", "on"}, {"statement_timeout", "40s"}, {"lock_timeout", "0"}} // the master
}

// Timeouts of the loader's statements and locks.
const (
	loadTimeout     = 40 * time.Second
	loadLockTimeout = 20 * time.Second
)

// millis is a duration as PostgreSQL reads it without a unit.
func millis(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// open connects and pins the session's settings.
func open(ctx context.Context, cfg *pgx.ConnConfig) (*pgx.Conn, error) {
	settings := roleSettings(cfg.User)
	startup := map[string]string{"application_name": "streamctl", "timezone": "UTC"}
	for _, s := range settings {
		// A default of a millisecond would end the statement that pins the rest.
		if s.name == "statement_timeout" {
			startup[s.name] = s.value
		}
	}
	maps.Copy(cfg.RuntimeParams, startup)
	// PGOPTIONS and PGTARGETSESSIONATTRS of a developer's shell are not for us.
	delete(cfg.RuntimeParams, "options")
	cfg.ValidateConnect = nil
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("connect to warehouse: %w", err)
	}
	if err := pin(ctx, conn, append(settings, sessionSettings...)); err != nil {
		closeQuietly(ctx, conn)
		return nil, fmt.Errorf("connect to warehouse: pin settings: %w", err)
	}
	return conn, nil
}

// pin sets the session's settings. They are set after connecting, because a
// server ends a connection whose startup parameters it does not know. The schema
// public comes first in search_path, and the database's own value stays behind
// it, where an operator's triggers find their objects.
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

// closeQuietly closes a connection on which nothing is left to write.
func closeQuietly(ctx context.Context, conn *pgx.Conn) {
	_ = conn.Close(ctx) // the server ends the session in any case
}

// DB is the one connection of an execution environment, opened when it is first
// needed. Its methods must not be called concurrently.
type DB struct {
	connect func(context.Context) (*pgx.Conn, error)
	conn    *pgx.Conn
	// timeouts remembers, by shard, the chunk whose statements timed out.
	timeouts map[string]*timeouts
	pace     pace
}

// NewDB makes a DB that connects by l.
func NewDB(l Login) *DB { return &DB{connect: l.Connect, pace: defaultPace()} }

// NewURL makes a DB that connects by a URL, for a server on this machine.
func NewURL(url string) *DB {
	return &DB{pace: defaultPace(), connect: func(ctx context.Context) (*pgx.Conn, error) {
		cfg, err := pgx.ParseConfig(url)
		if err != nil {
			return nil, fmt.Errorf("connect to warehouse: %w", err)
		}
		return open(ctx, cfg)
	}}
}

// Close ends the connection, if there is one.
func (d *DB) Close(ctx context.Context) error {
	if d.conn == nil {
		return nil
	}
	err := d.conn.Close(ctx)
	d.conn = nil
	return err
}

// do runs work once, on the kept session if the server still answers on it and
// otherwise on a new one. After an error the session is closed: a setting, a
// cached plan or a privilege of the session may be the cause, and the next call
// must not meet it again.
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

// session gives a connection that answers. The server ends the session of an
// environment that was frozen for long.
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
