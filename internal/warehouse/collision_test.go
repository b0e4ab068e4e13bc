package warehouse_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// catalog selects the named objects of the schema public, without those whose names
// PostgreSQL chooses: indexes of constraints, sequences of identity columns, triggers of
// foreign keys, types of tables. Columns are listed with their table.
const catalog = `
	SELECT 'relation ' || relname FROM pg_class c WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'i', 'I', 'S', 'f', 'c')
		AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = c.oid) AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = c.oid AND refclassid = 'pg_class'::regclass AND refobjsubid > 0 AND deptype = 'i')
	UNION ALL SELECT 'type ' || typname FROM pg_type WHERE typnamespace = 'public'::regnamespace AND typrelid = 0 AND typcategory <> 'A'
	UNION ALL SELECT 'function ' || proname || '(' || replace(oidvectortypes(proargtypes), 'timestamp with time zone', 'timestamptz') || ')' FROM pg_proc WHERE pronamespace = 'public'::regnamespace
	UNION ALL SELECT 'trigger ' || relname || '.' || tgname FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid WHERE NOT tgisinternal
	UNION ALL SELECT 'column ' || relname || '.' || attname FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid
		WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND attnum > 0 AND NOT attisdropped`

// TestCreatedNames compares the names that the text of each migration creates with the
// objects that it adds to the database.
func TestCreatedNames(t *testing.T) {
	d := schemaAt(t, 0)
	conn, owner := d.Conn(t), d.As(t, contract.RoleOwner)
	read := func() map[string]bool {
		rows, err := conn.Query(t.Context(), catalog)
		if err != nil {
			t.Fatal(err)
		}
		names, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		all := map[string]bool{}
		for _, name := range names {
			all[name] = true
		}
		return all
	}
	before := read()
	for version := 1; version <= newest; version++ {
		if _, err := owner.MigrateFrom(t.Context(), firstMigrations(t, version)); err != nil {
			t.Fatal(err)
		}
		after := read()
		var added []string
		for name := range after {
			table, _, _ := strings.Cut(strings.TrimPrefix(name, "column "), ".")
			isNewTable := strings.HasPrefix(name, "column ") && !before["relation "+table]
			if !before[name] && !isNewTable {
				added = append(added, name)
			}
		}
		slices.Sort(added)
		if want := slices.Sorted(maps.Keys(warehouse.CreatedBy(t, version))); !slices.Equal(added, want) {
			t.Errorf("migration %d creates\n%s\nits text contains\n%s", version, strings.Join(added, "\n"), strings.Join(want, "\n"))
		}
		before = after
	}
}

// TestCollisions gives objects of an operator the names of those that migrations create.
// The error names each with its owner before anything changes, and its statements are
// the fix.
func TestCollisions(t *testing.T) {
	d := schemaAt(t, 1)
	conn, owner := d.Conn(t), d.As(t, contract.RoleOwner)
	if _, err := conn.Exec(t.Context(), "CREATE FUNCTION public.own_trigger() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'"); err != nil {
		t.Fatal(err)
	}
	planted, own := 0, map[string]bool{}
	for version := 2; version <= newest; version++ {
		for object, parts := range warehouse.CreatedBy(t, version) {
			kind, name, on := parts[0], parts[1], parts[2]
			sql := []string{"CREATE TABLE public.%s (id int)", "CREATE VIEW public.%s AS SELECT 1", "CREATE SEQUENCE public.%s", "CREATE DOMAIN public.%s AS int", "CREATE MATERIALIZED VIEW public.%s AS SELECT 1",
				"CREATE TYPE public.%s AS ENUM ('a')", "CREATE TYPE public.%s AS (a int)", "CREATE INDEX %s ON public.events_floor (floor)"}[planted%8]
			switch kind {
			case "function":
				sql = "CREATE FUNCTION public.%s(" + on + ") RETURNS int LANGUAGE sql AS 'SELECT 1'"
			case "column":
				sql = "ALTER TABLE public." + on + " ADD COLUMN %s int"
			case "trigger":
				sql = "CREATE TRIGGER %s AFTER DELETE ON public." + on + " FOR EACH STATEMENT EXECUTE FUNCTION public.own_trigger()"
			}
			if _, err := conn.Exec(t.Context(), fmt.Sprintf(sql, name)); err != nil {
				if kind != "column" && kind != "trigger" || number(t, conn, "SELECT count(*) FROM pg_class WHERE relname = $1", on) > 0 {
					t.Fatal(object, err)
				}
				continue // the table comes with a later migration
			}
			own[object] = true
			planted++
		}
	}
	if planted < 30 {
		t.Fatalf("%d objects", planted)
	}
	reported := 0
	for version := 2; ; version++ {
		_, err := owner.Migrate(t.Context())
		var collision *warehouse.CollisionError
		if err == nil {
			break
		}
		if !errors.As(err, &collision) || len(collision.Objects) != len(collision.Renames) || version > newest {
			t.Fatal(err)
		}
		if n := number(t, conn, "SELECT max(version) FROM public.schema_migration"); n != 1 {
			t.Fatalf("version %d after %v", n, err)
		}
		reported += len(collision.Objects)
		for i, rename := range collision.Renames {
			if !strings.Contains(collision.Objects[i], "(owner "+"streamctl_") && !strings.Contains(collision.Objects[i], "(owner "+conn.Config().User+")") {
				t.Errorf("%s: no owner", collision.Objects[i])
			}
			if !strings.Contains(err.Error(), collision.Objects[i]) || !strings.Contains(err.Error(), rename) {
				t.Errorf("%v: want %s and %s", err, collision.Objects[i], rename)
			}
			if _, err := conn.Exec(t.Context(), rename); err != nil {
				t.Errorf("%s: %v", rename, err)
			}
		}
	}
	if reported != planted {
		t.Errorf("%d objects were reported, want %d", reported, planted)
	}
	if version, err := owner.SchemaVersion(t.Context()); err != nil || version != newest {
		t.Error(version, err)
	}
}

// TestOverloads lets an operator's function with other arguments stay.
func TestOverloads(t *testing.T) {
	d := schemaAt(t, 1)
	if _, err := d.Conn(t).Exec(t.Context(), "CREATE FUNCTION public.record_unsequenced(n int) RETURNS int LANGUAGE sql AS 'SELECT 1'"); err != nil {
		t.Fatal(err)
	}
	if version, err := d.As(t, contract.RoleOwner).Migrate(t.Context()); err != nil || version != newest {
		t.Error(version, err)
	}
}
