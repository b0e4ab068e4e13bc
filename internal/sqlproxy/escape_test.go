package sqlproxy_test

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/sqlrun"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// escapes are statements that would write, act outside of their transaction, or take
// locks; each with the SQLSTATEs that may reject it.
var escapes = map[string][]string{
	"INSERT INTO events DEFAULT VALUES": {"25006"},
	"UPDATE events SET user_id = 'x'":   {"25006"},
	"DELETE FROM events":                {"25006"},
	"MERGE INTO events e USING events f ON false WHEN NOT MATCHED THEN DO NOTHING": {"25006"},
	"TRUNCATE events": {"25006"},
	"WITH d AS (DELETE FROM events RETURNING 1) SELECT * FROM d":                  {"25006", "42501"},
	"WITH d AS (INSERT INTO load_gate VALUES (true) RETURNING 1) SELECT * FROM d": {"25006", "42501"},
	"SELECT 1 INTO t":                                       {"25006"},
	"SELECT 1 INTO TEMP t":                                  {"25006"},
	"CREATE TEMP TABLE t (a int)":                           {"25006"},
	"CREATE TABLE t (a int)":                                {"25006"},
	"DROP TABLE events":                                     {"25006"},
	"ALTER ROLE streamctl_sql CONNECTION LIMIT 100":         {"25006"},
	"GRANT ALL ON events TO PUBLIC":                         {"25006"},
	"SET TRANSACTION READ WRITE":                            {"25006", "0A000"},
	"SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE": {"25006", "0A000"},
	"SET transaction_read_only = off":                       {"22023", "0A000"},
	"SET default_transaction_read_only = off":               {"22023", "0A000"},
	"SET ROLE streamctl_owner":                              {"0A000"},
	"SET SESSION AUTHORIZATION postgres":                    {"0A000"},
	"SET work_mem = '1GB'":                                  {"0A000"},
	"SET standard_conforming_strings = off":                 {"22023", "0A000"},
	"BEGIN READ WRITE":                                      {"25006", "0A000"},
	"BEGIN ISOLATION LEVEL SERIALIZABLE":                    {"0A000"},
	"BEGIN ISOLATION LEVEL REPEATABLE READ":                 {"0A000"},
	"LOCK TABLE events":                                     {"0A000"},
	"LISTEN x":                                              {"0A000"},
	"NOTIFY x":                                              {"0A000"},
	"DO $$ BEGIN PERFORM 1; END $$":                         {"0A000"},
	"CALL x()":                                              {"0A000"},
	"PREPARE p AS SELECT 1":                                 {"0A000"},
	"EXECUTE p":                                             {"0A000"},
	"CHECKPOINT":                                            {"0A000"},
	"LOAD 'x'":                                              {"0A000"},
	"VACUUM":                                                {"25006"},
	"COPY events FROM STDIN":                                {"25006"},
	"COPY events TO '/tmp/x'":                               {"25006"},
	"COPY (SELECT 1) TO PROGRAM 'id'":                       {"25006"},
	"COPY (DELETE FROM events RETURNING 1) TO STDOUT":       {"25006", "42501"},
	"EXPLAIN ANALYZE DELETE FROM events":                    {"0A000"},
	"EXPLAIN (ANALYZE) CREATE TABLE t AS SELECT 1":          {"0A000"},
	"EXPLAIN ANALYZE EXECUTE p":                             {"0A000"},
	"SELECT * FROM events FOR UPDATE":                       {"25006", "42501"},
	"SELECT * FROM events FOR SHARE":                        {"25006", "42501"},
	"SELECT * FROM load_gate":                               {"42501"},
	"SELECT pg_advisory_lock(7370421, 2)":                   {"42501"},
	"SELECT pg_advisory_xact_lock(7370421, 2)":              {"42501"},
	"SELECT pg_try_advisory_lock(1)":                        {"42501"},
	`SELECT "pg_advisory_lock" (1)`:                         {"42501"},
	"SELECT pg_catalog . pg_advisory_lock /* x */ (1)":      {"42501"},
	"SELECT PG_ADVISORY_LOCK(1)":                            {"42501"},
	`SELECT U&"pg\005fadvisory_lock"(1)`:                    {"0A000"},
	"SELECT query_to_xml('select pg_advisory_xact_lock(1)', true, true, '')": {"42501"},
	"SELECT * FROM ts_stat('select pg_advisory_lock(1)::text::tsvector')":    {"42501"},
	"SELECT ts_rewrite('a'::tsquery, 'select 1')":                            {"42501"},
	"SELECT pg_notify('x', 'y')":                                             {"42501"},
	"SELECT set_config('statement_timeout', '0', false)":                     {"42501"},
	"SELECT set_config('work_mem', '1GB', false)":                            {"42501"},
	"SELECT pg_terminate_backend(1)":                                         {"42501"},
	"SELECT pg_cancel_backend(1)":                                            {"42501"},
	`SELECT lo_from_bytea(0, '\x00')`:                                        {"42501"},
	"SELECT lo_create(0)":                                                    {"42501"},
	"SELECT lo_export(1, '/tmp/x')":                                          {"42501"},
	"SELECT nextval('events_id_seq')":                                        {"42501", "25006"},
	"SELECT pg_read_file('/etc/passwd')":                                     {"42501"},
	"SELECT dblink_exec('x', 'y')":                                           {"42501"},
	"SELECT pg_export_snapshot()":                                            {"42501"},
	"SELECT aws_lambda.invoke('x', 'y')":                                     {"42501"},
	"SELECT pg_reload_conf()":                                                {"42501"},
	"DECLARE c CURSOR WITH HOLD FOR SELECT 1":                                {"0A000"},
	"UNLISTEN *": {"0A000"},
	"IMPORT FOREIGN SCHEMA a FROM SERVER b INTO c": {"25006"},
	"BEGIN; COMMIT; CREATE TEMP TABLE t (a int)":   {"25006"},
	"ROLLBACK AND CHAIN":                           {"25P01"},
	"SELECT 1; COMMIT; DELETE FROM events":         {"25006"},
}

// TestEscapes runs every escape through the proxy, with the simple and the extended
// protocol, and without the proxy. Nothing changes, and no session remains.
func TestEscapes(t *testing.T) {
	p := startProxy(t)
	master := p.Conn(t)
	state := func() (text string) {
		t.Helper()
		if err := master.QueryRow(t.Context(), `SELECT concat_ws(' ', (SELECT count(*) FROM events), (SELECT count(*) FROM pg_class), (SELECT count(*) FROM pg_largeobject_metadata),
			(SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'), (SELECT last_value FROM events_id_seq), (SELECT sum(rolconnlimit) FROM pg_roles))`).Scan(&text); err != nil {
			t.Fatal(err)
		}
		return text
	}
	before := state()
	conn := p.connect(t, "")
	runner := &sqlrun.Runner{Connect: warehouse.NewURL(p.URL(contract.RoleSQL)).Connect, Log: slog.New(slog.DiscardHandler)}
	for statement, codes := range escapes {
		code := func(err error) string {
			var pg *pgconn.PgError
			if errors.As(err, &pg) {
				return pg.Code
			}
			return fmt.Sprint(err)
		}
		_, err := conn.PgConn().Exec(t.Context(), statement).ReadAll()
		if !slices.Contains(codes, code(err)) {
			t.Errorf("%s, simple protocol: %v", statement, err)
		}
		if _, err := conn.PgConn().Exec(t.Context(), "ROLLBACK").ReadAll(); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(statement, ";") || strings.HasPrefix(statement, "DO") {
			result := conn.PgConn().ExecParams(t.Context(), statement, nil, nil, nil, nil).Read()
			if !slices.Contains(codes, code(result.Err)) {
				t.Errorf("%s, extended protocol: %v", statement, result.Err)
			}
		}
		reader, err := runner.Open(t.Context(), contract.SQLTask{Token: strings.Repeat("x", 20), Text: statement, Bind: &contract.SQLBind{}, TimeoutSeconds: 10})
		if err != nil {
			t.Fatal(err)
		}
		if state := failure(t, reader); state == "" {
			t.Errorf("%s, without the proxy: no error", statement)
		}
	}
	if after := state(); after != before {
		t.Errorf("state %s, before %s", after, before)
	}
}

// failure reads a response to its end and returns the SQLSTATE of its error.
func failure(t *testing.T, r io.ReadCloser) (state string) {
	t.Helper()
	defer r.Close()
	front := pgproto3.NewFrontend(r, nil)
	for {
		m, err := front.Receive()
		if err != nil {
			return state
		}
		if e, ok := m.(*pgproto3.ErrorResponse); ok {
			state = e.Code
		}
	}
}
