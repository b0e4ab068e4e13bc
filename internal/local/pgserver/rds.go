package pgserver

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// CreateRDS makes the server look like a new RDS instance: the roles rds_iam
// and rds_superuser, a master user that is not a superuser but may create roles
// and databases and grant rds_iam, and the database db, which the master user
// owns. Existing roles and databases are left unchanged, so that a repeated
// call completes an interrupted one; the master user's password is always set.
//
// Members of rds_iam log in with the passwords of AdmitRoles; a proxy that
// checks their tokens knows the passwords.
func (s *Server) CreateRDS(ctx context.Context, master, password, db string) (err error) {
	conn, err := pgx.Connect(ctx, s.URL(Superuser, "postgres"))
	if err != nil {
		return fmt.Errorf("create RDS roles: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	name, database := pgx.Identifier{master}.Sanitize(), pgx.Identifier{db}.Sanitize()
	const missingRole = "SELECT NOT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)"
	for _, step := range []struct{ missing, what, statement string }{
		{missingRole, "rds_iam", "CREATE ROLE rds_iam NOLOGIN"},
		{missingRole, "rds_superuser", "CREATE ROLE rds_superuser NOLOGIN"},
		{missingRole, master, "CREATE ROLE " + name + " LOGIN NOSUPERUSER CREATEROLE CREATEDB NOREPLICATION"},
		{"SELECT NOT EXISTS (SELECT FROM pg_database WHERE datname = $1)", db, "CREATE DATABASE " + database + " OWNER " + name + " TEMPLATE template0"},
	} {
		var missing bool
		if err := conn.QueryRow(ctx, step.missing, step.what).Scan(&missing); err != nil {
			return fmt.Errorf("look up %s: %w", step.what, err)
		}
		if !missing {
			continue
		}
		if _, err := conn.Exec(ctx, step.statement); err != nil {
			return fmt.Errorf("create RDS roles: %w", err)
		}
	}
	var version int
	if err := conn.QueryRow(ctx, "SELECT current_setting('server_version_num')::int").Scan(&version); err != nil {
		return fmt.Errorf("read server version: %w", err)
	}
	grants := []string{"GRANT rds_superuser, pg_monitor, pg_signal_backend TO " + name}
	// Before version 16, CREATEROLE is enough to grant rds_iam. Since then it
	// takes the ADMIN option, which RDS handles in its own way: here the master
	// user is a member.
	if version >= 160000 {
		grants = append(grants, "GRANT rds_iam TO "+name+" WITH ADMIN TRUE, INHERIT FALSE, SET FALSE")
	}
	for _, grant := range grants {
		if _, err := conn.Exec(ctx, grant); err != nil {
			return fmt.Errorf("create RDS roles: %w", err)
		}
	}
	return setPassword(ctx, conn, master, password)
}

// quoteLiteral has the server quote a value for a statement that takes no
// parameters.
func quoteLiteral(ctx context.Context, conn execer, value string) (string, error) {
	var quoted string
	if err := conn.QueryRow(ctx, "SELECT quote_literal($1::text)", value).Scan(&quoted); err != nil {
		return "", fmt.Errorf("quote literal: %w", err)
	}
	return quoted, nil
}
