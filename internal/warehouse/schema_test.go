package warehouse_test

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/jackc/pgx/v5"

	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/testkit/servers/postgres"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// memberships selects the roles that a role is a member of, including indirect
// memberships and all grant options: pg_hba.conf considers all of these.
const memberships = `
	WITH RECURSIVE m(role) AS (
		SELECT roleid FROM pg_auth_members WHERE member = to_regrole($1)
		UNION SELECT a.roleid FROM pg_auth_members a JOIN m ON a.member = m.role)
	SELECT count(*) FROM m WHERE role = to_regrole($2)`

func TestMasterKeepsItsPasswordAndOwnsTheTables(t *testing.T) {
	d := shared.Warehouse(t, noon, noon)
	conn := d.Conn(t) // logs in with the password, after all roles were created
	for _, role := range []string{contract.RoleOwner, contract.RoleLoader, contract.RoleReader} {
		if n := number(t, conn, memberships, postgres.Master, role); n != 0 {
			t.Errorf("the master user is a member of %s", role)
		}
		if n := number(t, conn, memberships, role, "rds_iam"); n != 1 {
			t.Errorf("%s is not a member of rds_iam", role)
		}
	}
	if n := number(t, conn, "SELECT count(*) FROM pg_roles WHERE rolname = 'streamctl_maker'"); n != 0 {
		t.Error("the temporary role still exists")
	}
	load(t, d.As(t, contract.RoleLoader), chunk(rows(10, nil)))
	for _, sql := range []string{
		"SELECT event_type, COUNT(*) FROM events WHERE timestamp >= NOW() - INTERVAL '1 hour' GROUP BY event_type",
		"CREATE INDEX idx_events_user_id ON events(user_id)",
		"CREATE INDEX idx_events_timestamp ON events(timestamp)",
	} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Errorf("as the master user: %s: %v", sql, err)
		}
	}
	if n := number(t, conn, "SELECT count(*) FROM events"); n != 10 {
		t.Errorf("the master user sees %d events", n)
	}
	// Days created later get the master user's indexes too.
	if _, err := d.As(t, contract.RoleOwner).EnsurePartitions(t.Context(), noon, noon.AddDate(0, 0, 1), nil); err != nil {
		t.Error(err)
	}
}

func TestRolesAreBounded(t *testing.T) {
	d := shared.Warehouse(t, noon, noon)
	owner, conn := d.As(t, contract.RoleOwner), d.Conn(t)
	limit := func(role string) int64 {
		return number(t, conn, "SELECT rolconnlimit FROM pg_roles WHERE rolname = $1", role)
	}
	if err := owner.SetRoles(t.Context(), warehouse.Limits{Loader: 4}); err != nil {
		t.Fatal(err)
	}
	if a, b, c := limit(contract.RoleOwner), limit(contract.RoleLoader), limit(contract.RoleReader); a != 15 || b != 4 || c != 24 {
		t.Errorf("limits are %d, %d, %d; want 15, 4 and 40 %% of 60", a, b, c)
	}
	if err := owner.SetRoles(t.Context(), warehouse.Limits{Loader: 50, Reader: 9}); err != nil { // also for other tests
		t.Fatal(err)
	}
	for role, denied := range map[string][]string{
		contract.RoleReader: {"INSERT INTO partition_wanted VALUES (now())", "DELETE FROM events", "CREATE TABLE x ()"},
		contract.RoleLoader: {"DELETE FROM events", "UPDATE events SET user_id = ''", "UPDATE events_floor SET floor = now()", "CREATE TABLE x ()"},
	} {
		as, err := pgx.Connect(t.Context(), d.URL(role))
		if err != nil {
			t.Fatal(err)
		}
		var idle string
		if err := as.QueryRow(t.Context(), "SHOW idle_session_timeout").Scan(&idle); err != nil || idle != "5min" {
			t.Errorf("%s: idle_session_timeout is %s, %v", role, idle, err)
		}
		for _, sql := range denied {
			if _, err := as.Exec(t.Context(), sql); err == nil {
				t.Errorf("%s may %s", role, sql)
			}
		}
		if err := as.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// newest is the number of the latest migration.
const newest = 13

func TestEnsureRolesAndMigrateAgain(t *testing.T) {
	d := shared.Warehouse(t, noon, noon)
	for range 2 {
		master := warehouse.NewURL(d.MasterURL())
		if err := master.EnsureRoles(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := master.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if version, err := d.As(t, contract.RoleOwner).Migrate(t.Context()); err != nil || version != newest {
			t.Errorf("version %d, %v", version, err)
		}
	}
}

func TestMigrationsThatDiffer(t *testing.T) {
	d := shared.Warehouse(t, noon, noon)
	owner := d.As(t, contract.RoleOwner)
	own, err := fs.Sub(warehouse.MigrationFiles(), "migrations")
	if err != nil {
		t.Fatal(err)
	}
	files := func(change func(name, text string) string) fstest.MapFS {
		all := fstest.MapFS{}
		entries, err := fs.ReadDir(own, ".")
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			text, err := fs.ReadFile(own, e.Name())
			if err != nil {
				t.Fatal(err)
			}
			if text := change(e.Name(), string(text)); text != "" {
				all["migrations/"+e.Name()] = &fstest.MapFile{Data: []byte(text)}
			}
		}
		return all
	}
	older := files(func(name, text string) string {
		if name > "0003" {
			return ""
		}
		return text
	})
	if version, err := owner.MigrateFrom(t.Context(), older); err != nil || version != newest {
		t.Errorf("older code returns version %d, %v", version, err)
	}
	changed := files(func(name, text string) string {
		if strings.HasPrefix(name, "0002") {
			return text + "-- more"
		}
		return text
	})
	if _, err := owner.MigrateFrom(t.Context(), changed); err == nil || !strings.Contains(err.Error(), "0002_days") {
		t.Errorf("with a changed migration: %v", err)
	}
	more := files(func(_, text string) string { return text })
	bad := fmt.Sprintf("%04d_bad", newest+1)
	more["migrations/"+bad+".sql"] = &fstest.MapFile{Data: []byte("CREATE TABLE half (); SELECT 1/0;")}
	if _, err := owner.MigrateFrom(t.Context(), more); err == nil || !strings.Contains(err.Error(), bad) {
		t.Errorf("with a failing migration: %v", err)
	}
	if n := number(t, d.Conn(t), "SELECT count(*) FROM pg_class WHERE relname = 'half'"); n != 0 {
		t.Error("a part of the failed migration remains")
	}
	more["migrations/"+bad+".sql"] = &fstest.MapFile{Data: []byte("CREATE TABLE whole ();")}
	if version, err := owner.MigrateFrom(t.Context(), more); err != nil || version != newest+1 {
		t.Errorf("the repaired migration: version %d, %v", version, err)
	}
}
