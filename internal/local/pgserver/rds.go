package pgserver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/jackc/pgx/v5"
)

// CreateRDS makes the server look like a new RDS instance: the roles rds_iam
// and rds_superuser, a master that is no superuser but may create roles and
// databases and grant rds_iam, and the database db that the master owns.
//
// Members of rds_iam then log in without a password: what checks their tokens
// is a proxy in front. Everybody else needs a password.
func (s *Server) CreateRDS(ctx context.Context, master, password, db string) (err error) {
	conn, err := pgx.Connect(ctx, s.URL(Superuser, "postgres"))
	if err != nil {
		return fmt.Errorf("create RDS roles: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	quoted, err := quoteLiteral(ctx, conn, password)
	if err != nil {
		return err
	}
	name, database := pgx.Identifier{master}.Sanitize(), pgx.Identifier{db}.Sanitize()
	statements := []string{
		"CREATE ROLE rds_iam NOLOGIN",
		"CREATE ROLE rds_superuser NOLOGIN",
		"CREATE ROLE " + name + " LOGIN NOSUPERUSER CREATEROLE CREATEDB NOREPLICATION PASSWORD " + quoted,
		"GRANT rds_superuser, pg_monitor, pg_signal_backend TO " + name,
		"CREATE DATABASE " + database + " OWNER " + name + " TEMPLATE template0",
	}
	var version int
	if err := conn.QueryRow(ctx, "SELECT current_setting('server_version_num')::int").Scan(&version); err != nil {
		return fmt.Errorf("read server version: %w", err)
	}
	// Before version 16 CREATEROLE is enough to grant rds_iam. From then on it
	// takes ADMIN, which RDS arranges in its own way: here the master is a
	// member, and its password line stands before that of rds_iam.
	first := ""
	if version >= 160000 {
		statements = append(statements, "GRANT rds_iam TO "+name+" WITH ADMIN TRUE, INHERIT FALSE, SET FALSE")
		first = "host all " + name + " 127.0.0.1/32 scram-sha-256\n"
	}
	for _, statement := range statements {
		if _, err := conn.Exec(ctx, statement); err != nil {
			return fmt.Errorf("create RDS roles: %w", err)
		}
	}
	rules := "host all " + Superuser + " 127.0.0.1/32 scram-sha-256\n" + first +
		"host all +rds_iam 127.0.0.1/32 trust\n" +
		"host all all 127.0.0.1/32 scram-sha-256\n"
	if err := os.WriteFile(filepath.Join(s.Dir, "data", "pg_hba.conf"), []byte(rules), 0o600); err != nil {
		return fmt.Errorf("write login rules: %w", err)
	}
	if _, err := conn.Exec(ctx, "SELECT pg_reload_conf()"); err != nil {
		return fmt.Errorf("reload login rules: %w", err)
	}
	return nil
}

// quoteLiteral lets the server quote a value for a statement that takes no
// parameters.
func quoteLiteral(ctx context.Context, conn *pgx.Conn, value string) (string, error) {
	var quoted string
	if err := conn.QueryRow(ctx, "SELECT quote_literal($1::text)", value).Scan(&quoted); err != nil {
		return "", fmt.Errorf("quote literal: %w", err)
	}
	return quoted, nil
}
