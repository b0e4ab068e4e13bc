package warehouse

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/streamctl/streamctl/internal/pattern"
)

// created is an object of the schema public that a migration creates.
type created struct {
	// kind is relation, function, column or trigger. Names of indexes of constraints
	// and of sequences are not here: PostgreSQL chooses free ones.
	kind string
	// on is the table of a column or trigger, and the types of a function's arguments.
	on, name string
}

var (
	// notSQL matches comments, texts and the bodies of functions.
	notSQL       = pattern.New(`(?s)--[^\n]*|\$\$.*?\$\$|'(?:[^']|'')*'`)
	newRelation  = pattern.New(`^CREATE (?:TABLE|VIEW|(?:UNIQUE )?INDEX) (?:IF NOT EXISTS )?(?:public\.)?(\w+)`)
	newFunction  = pattern.New(`^CREATE FUNCTION (?:public\.)?(\w+)\s*\(([^)]*)\)`)
	newTrigger   = pattern.New(`(?s)^CREATE TRIGGER (\w+) .*? ON (?:public\.)?(\w+)`)
	alteredTable = pattern.New(`^ALTER TABLE (?:public\.)?(\w+)`)
	newColumn    = pattern.New(`\bADD COLUMN (\w+)`)
)

// creates lists the objects that a migration creates. Functions that it replaces are those
// of an earlier migration.
func (m migration) creates() (out []created) {
	for statement := range strings.SplitSeq(notSQL.Regexp().ReplaceAllString(m.sql, "''"), ";") {
		statement = strings.TrimSpace(strings.TrimLeft(statement, "'\n "))
		if found := newRelation.FindStringSubmatch(statement); found != nil {
			out = append(out, created{kind: "relation", name: found[1]})
		}
		if found := newFunction.FindStringSubmatch(statement); found != nil {
			out = append(out, created{kind: "function", name: found[1], on: argumentTypes(found[2])})
		}
		if found := newTrigger.FindStringSubmatch(statement); found != nil {
			out = append(out, created{kind: "trigger", name: found[1], on: found[2]})
		}
		if table := alteredTable.FindStringSubmatch(statement); table != nil {
			for _, column := range newColumn.Regexp().FindAllStringSubmatch(statement, -1) {
				out = append(out, created{kind: "column", name: column[1], on: table[1]})
			}
		}
	}
	return out
}

// argumentTypes removes the names of a function's arguments.
func argumentTypes(arguments string) string {
	var types []string
	for argument := range strings.SplitSeq(arguments, ",") {
		if _, kind, named := strings.Cut(strings.TrimSpace(argument), " "); named {
			types = append(types, kind)
		}
	}
	return strings.Join(types, ", ")
}

// CollisionError lists objects of an operator whose names a migration needs.
type CollisionError struct {
	Migration string
	// Objects are descriptions with the owner.
	Objects []string
	// Renames are the statements that free the names.
	Renames []string
}

func (e *CollisionError) Error() string {
	return fmt.Sprintf("apply migration %s: it creates objects with the names of %s; nothing was changed. Rename your own: %s", e.Migration, strings.Join(e.Objects, ", "), strings.Join(e.Renames, "; "))
}

// checkNames reports objects with the names of those that the pending migrations create.
func checkNames(ctx context.Context, tx pgx.Tx, applied, pending []migration) error {
	var own []created
	for _, m := range applied {
		own = append(own, m.creates()...)
	}
	for _, m := range pending {
		wanted := slices.DeleteFunc(m.creates(), func(c created) bool { return slices.Contains(own, c) })
		e := &CollisionError{Migration: m.name}
		if err := e.find(ctx, tx, wanted); err != nil {
			return fmt.Errorf("check the names of migration %s: %w", m.name, err)
		}
		if len(e.Objects) > 0 {
			return e
		}
	}
	return nil
}

// taken selects the objects that have one of the names. A type has the name of its
// table; a free-standing one collides with a table too.
const taken = `
	WITH wanted AS (SELECT * FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY w(kind, name, "on", n))
	SELECT n, CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'i' THEN 'index' WHEN 'I' THEN 'index' WHEN 'S' THEN 'sequence' WHEN 'f' THEN 'foreign table' WHEN 'c' THEN 'type' ELSE 'table' END,
		format('public.%I', w.name), pg_get_userbyid(c.relowner)::text, format('RENAME TO %I', w.name || '_own')
	FROM wanted w JOIN pg_class c ON w.kind = 'relation' AND c.relname = w.name AND c.relnamespace = 'public'::regnamespace
	UNION ALL SELECT n, CASE t.typtype WHEN 'd' THEN 'domain' ELSE 'type' END, format('public.%I', w.name), pg_get_userbyid(t.typowner)::text, format('RENAME TO %I', w.name || '_own')
	FROM wanted w JOIN pg_type t ON w.kind = 'relation' AND t.typname = w.name AND t.typnamespace = 'public'::regnamespace AND t.typrelid = 0 AND t.typcategory <> 'A'
	UNION ALL SELECT n, 'function', p.oid::regprocedure::text, pg_get_userbyid(p.proowner)::text, format('RENAME TO %I', w.name || '_own')
	FROM wanted w JOIN pg_proc p ON w.kind = 'function' AND p.oid = to_regprocedure(format('public.%I(%s)', w.name, w."on"))
	UNION ALL SELECT n, 'table', format('public.%I', w."on"), pg_get_userbyid(c.relowner)::text, format('RENAME COLUMN %I TO %I', w.name, w.name || '_own')
	FROM wanted w JOIN pg_class c ON w.kind = 'column' AND c.relname = w."on" AND c.relnamespace = 'public'::regnamespace
		JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = w.name AND NOT a.attisdropped
	UNION ALL SELECT n, 'trigger', format('%I ON public.%I', w.name, w."on"), pg_get_userbyid(c.relowner)::text, format('RENAME TO %I', w.name || '_own')
	FROM wanted w JOIN pg_class c ON w.kind = 'trigger' AND c.relname = w."on" AND c.relnamespace = 'public'::regnamespace
		JOIN pg_trigger t ON t.tgrelid = c.oid AND t.tgname = w.name
	ORDER BY 1, 2`

func (e *CollisionError) find(ctx context.Context, tx pgx.Tx, wanted []created) error {
	var kinds, names, tables []string
	for _, c := range wanted {
		kinds, names, tables = append(kinds, c.kind), append(names, c.name), append(tables, c.on)
	}
	rows, err := tx.Query(ctx, taken, kinds, names, tables)
	if err != nil {
		return err
	}
	var n int
	var kind, object, owner, rename string
	_, err = pgx.ForEachRow(rows, []any{&n, &kind, &object, &owner, &rename}, func() error {
		what := kind + " " + object
		if c := wanted[n-1]; c.kind == "column" {
			what = "column " + c.name + " of " + object
		}
		e.Objects = append(e.Objects, fmt.Sprintf("%s (owner %s)", what, owner))
		e.Renames = append(e.Renames, fmt.Sprintf("ALTER %s %s %s", strings.ToUpper(kind), object, rename))
		return nil
	})
	return err
}
