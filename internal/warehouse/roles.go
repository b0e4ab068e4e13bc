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
	have, err := roles(ctx, tx)
	if err != nil {
		return err
	}
	if !have[contract.RoleOwner] { // no other role can log in yet
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1::int, $2::int)", lockSpace, lockRoles); err != nil {
			return err
		}
		if have, err = roles(ctx, tx); err != nil {
			return err
		}
	}
	var steps []string
	if !have["streamctl_tables"] {
		steps = append(steps, "CREATE ROLE streamctl_tables NOLOGIN")
	}
	steps = append(steps,
		"GRANT streamctl_tables TO CURRENT_USER",
		"GRANT USAGE, CREATE ON SCHEMA public TO streamctl_tables")
	if !have[contract.RoleOwner] {
		steps = append(steps, makeOwner...)
		for _, role := range []string{contract.RoleLoader, contract.RoleReader, contract.RoleSQL} {
			if !have[role] {
				steps = append(steps, "CREATE ROLE "+role+" LOGIN")
				have[role] = true
			}
		}
		steps = append(steps, "RESET ROLE", "DROP ROLE streamctl_maker")
	}
	steps = append(steps, "GRANT streamctl_tables TO streamctl_owner")
	if have[roleIAM] {
		steps = append(steps, "GRANT rds_iam TO streamctl_owner, streamctl_loader, streamctl_reader")
	}
	if have[contract.RoleSQL] {
		steps = append(steps, grantsOfSQL(have[roleIAM])...)
	}
	for _, sql := range steps {
		if _, err := tx.Exec(ctx, sql); err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
	}
	return nil
}

// roleIAM is RDS's role for logins with IAM tokens.
const roleIAM = "rds_iam"

// roles reports which of the roles exist.
func roles(ctx context.Context, tx pgx.Tx) (map[string]bool, error) {
	rows, err := tx.Query(ctx, `SELECT rolname::text FROM pg_roles WHERE rolname = ANY($1)`,
		[]string{"streamctl_tables", contract.RoleOwner, contract.RoleLoader, contract.RoleReader, contract.RoleSQL, roleIAM})
	if err != nil {
		return nil, err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, err
	}
	have := map[string]bool{}
	for _, name := range names {
		have[name] = true
	}
	return have, nil
}

// grantsOfSQL lets contract.RoleSQL log in and read the statistics of all sessions.
// A server may not let the caller grant the second.
func grantsOfSQL(iam bool) []string {
	grants := []string{`DO $$ BEGIN
		GRANT pg_read_all_stats TO streamctl_sql;
	EXCEPTION WHEN insufficient_privilege THEN NULL;
	END $$`}
	if iam {
		grants = append(grants, "GRANT rds_iam TO streamctl_sql")
	}
	return grants
}

// EnsureSQLRole creates contract.RoleSQL in a database of an earlier version, and
// reports whether the role can log in. If it can't, the owner lacks the right to
// grant rds_iam, and EnsureRoles must grant it. Run it as streamctl_owner.
func (d *DB) EnsureSQLRole(ctx context.Context) (canLogIn bool, err error) {
	err = d.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return transact(ctx, conn, func(tx pgx.Tx) error {
			have, err := roles(ctx, tx)
			if err != nil {
				return err
			}
			if !have[contract.RoleSQL] {
				if _, err := tx.Exec(ctx, "CREATE ROLE streamctl_sql LOGIN"); err != nil {
					return err
				}
			}
			if !have[roleIAM] {
				canLogIn = true
				return nil
			}
			return tx.QueryRow(ctx, "SELECT pg_has_role('streamctl_sql', 'rds_iam', 'MEMBER')").Scan(&canLogIn)
		})
	})
	if err != nil {
		return false, fmt.Errorf("create role %s: %w", contract.RoleSQL, err)
	}
	return canLogIn, nil
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
	"CREATE ROLE streamctl_owner LOGIN CREATEROLE CONNECTION LIMIT 15",
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
			for _, role := range []string{contract.RoleOwner, contract.RoleLoader, contract.RoleReader, contract.RoleSQL} {
				for _, s := range roleSettings(role) {
					sql := "ALTER ROLE " + role + " SET " + s.name + " = '" + s.value + "'"
					if _, err := tx.Exec(ctx, sql); err != nil {
						return fmt.Errorf("%s: %w", sql, err)
					}
				}
			}
			if err := raiseOwnLimit(ctx, tx); err != nil {
				return err
			}
			if err := limit(ctx, tx, "streamctl_loader", l.Loader); err != nil {
				return err
			}
			if err := limit(ctx, tx, contract.RoleSQL, contract.SQLConnections); err != nil {
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

// ownerConnections is streamctl_owner's connection limit: scheduled tasks, and
// jobs of operators beside them.
const ownerConnections = 15

// raiseOwnLimit raises the limit of a role that an earlier version made. From
// PostgreSQL 16 on, a role can't change its own limit; it then stays.
func raiseOwnLimit(ctx context.Context, tx pgx.Tx) error {
	var low bool
	err := tx.QueryRow(ctx, `SELECT rolconnlimit BETWEEN 0 AND $1::int - 1 AND current_setting('server_version_num')::int < 160000
		FROM pg_roles WHERE rolname = 'streamctl_owner'`, ownerConnections).Scan(&low)
	if err != nil || !low {
		return err
	}
	return limit(ctx, tx, "streamctl_owner", ownerConnections)
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
