package warehouse

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/streamctl/streamctl/internal/contract"
)

// Limits are the connection limits of the loader and reader roles. Zero means
// 40 % of the server's max_connections.
type Limits struct {
	Loader int
	Reader int
}

// EnsureRoles creates missing roles. Run it as the master user, until
// streamctl_owner can log in.
//
// The master user must never become a member, even indirectly, of a role that
// is a member of rds_iam: RDS would then require a token instead of its
// password. But from PostgreSQL 16 on, the creator of a role becomes a member
// of it. So the master user creates a role that creates streamctl_owner, and
// drops it, which removes the membership. streamctl_owner itself creates loader
// and reader and so may alter them later.
func (d *DB) EnsureRoles(ctx context.Context) error {
	err := d.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return transact(ctx, conn, func(tx pgx.Tx) error { return ensureRoles(ctx, tx) })
	})
	if err != nil {
		return fmt.Errorf("create roles: %w", err)
	}
	return nil
}

func ensureRoles(ctx context.Context, tx pgx.Tx) error {
	if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1::int, $2::int)", lockSpace, lockMigration); err != nil {
		return err
	}
	rows, err := tx.Query(ctx, `SELECT rolname::text FROM pg_roles
		WHERE rolname IN ('streamctl_tables', 'streamctl_owner', 'streamctl_loader', 'streamctl_reader', 'rds_iam')`)
	if err != nil {
		return err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	have := map[string]bool{}
	for _, name := range names {
		have[name] = true
	}
	var steps []string
	if !have["streamctl_tables"] {
		steps = append(steps, "CREATE ROLE streamctl_tables NOLOGIN")
	}
	steps = append(steps,
		"GRANT streamctl_tables TO CURRENT_USER",
		"GRANT USAGE, CREATE ON SCHEMA public TO streamctl_tables")
	if !have["streamctl_owner"] {
		steps = append(steps, makeOwner...)
		for _, role := range []string{"streamctl_loader", "streamctl_reader"} {
			if !have[role] {
				steps = append(steps, "CREATE ROLE "+role+" LOGIN")
			}
		}
		steps = append(steps, "RESET ROLE", "DROP ROLE streamctl_maker")
	}
	steps = append(steps, "GRANT streamctl_tables TO streamctl_owner")
	if have["rds_iam"] {
		steps = append(steps, "GRANT rds_iam TO streamctl_owner, streamctl_loader, streamctl_reader")
	}
	for _, sql := range steps {
		if _, err := tx.Exec(ctx, sql); err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
	}
	return nil
}

// makeOwner leaves streamctl_owner as the current role. Before version 16,
// CREATEROLE grants no membership in the new role, so the membership is granted
// explicitly.
var makeOwner = []string{
	"CREATE ROLE streamctl_maker NOLOGIN CREATEROLE",
	"GRANT streamctl_maker TO CURRENT_USER",
	"SET LOCAL ROLE streamctl_maker",
	`DO $$ BEGIN
		IF current_setting('server_version_num')::int >= 160000 THEN
			SET LOCAL createrole_self_grant = 'set';
		END IF;
	END $$`,
	"CREATE ROLE streamctl_owner LOGIN CREATEROLE CONNECTION LIMIT 5",
	`DO $$ BEGIN
		IF current_setting('server_version_num')::int >= 160000 THEN
			SET LOCAL createrole_self_grant = '';
		ELSE
			GRANT streamctl_owner TO streamctl_maker;
		END IF;
	END $$`,
	"SET LOCAL ROLE streamctl_owner",
}

// SetRoles sets the connection limits of loader and reader and the timeouts of
// every role. Run it as streamctl_owner, at each deploy.
func (d *DB) SetRoles(ctx context.Context, l Limits) error {
	err := d.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return transact(ctx, conn, func(tx pgx.Tx) error {
			for _, role := range []string{contract.RoleOwner, contract.RoleLoader, contract.RoleReader} {
				for _, s := range roleSettings(role) {
					sql := "ALTER ROLE " + role + " SET " + s.name + " = '" + s.value + "'"
					if _, err := tx.Exec(ctx, sql); err != nil {
						return fmt.Errorf("%s: %w", sql, err)
					}
				}
			}
			if err := limit(ctx, tx, "streamctl_loader", l.Loader); err != nil {
				return err
			}
			return limit(ctx, tx, "streamctl_reader", l.Reader)
		})
	})
	if err != nil {
		return fmt.Errorf("set roles: %w", err)
	}
	return nil
}

// limit sets a role's connection limit. ALTER ROLE accepts no parameters, so
// the server formats the statement.
func limit(ctx context.Context, tx pgx.Tx, role string, connections int) error {
	var sql string
	err := tx.QueryRow(ctx, `SELECT format('ALTER ROLE %I CONNECTION LIMIT %s', $1::text,
		CASE WHEN $2::int > 0 THEN $2::int ELSE current_setting('max_connections')::int * 2 / 5 END)`, role, connections).Scan(&sql)
	if err != nil {
		return fmt.Errorf("limit %s: %w", role, err)
	}
	if _, err := tx.Exec(ctx, sql); err != nil {
		return fmt.Errorf("limit %s: %w", role, err)
	}
	return nil
}
