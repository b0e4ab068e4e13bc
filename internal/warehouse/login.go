// Package warehouse stores events and rollups in PostgreSQL: schema and roles,
// loading, rollups, partitions and reads.
package warehouse

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/rds/auth"
	"github.com/jackc/pgx/v5"
)

// Login is an address and credentials.
type Login struct {
	Host string
	Port string
	// Database is the database's name.
	Database string
	User     string
	// TLS is required if set, with ServerName and RootCAs. Nil connects without
	// encryption, to a server on this machine.
	TLS *tls.Config
	// Password is called for every new connection, because an IAM token is
	// valid for 15 minutes. Nil sends no password.
	Password func(context.Context) (string, error)
}

// connectTimeout is the timeout for connecting and for checking that a session
// still responds.
const connectTimeout = 5 * time.Second

// Connect opens a connection.
func (l Login) Connect(ctx context.Context) (*pgx.Conn, error) {
	cfg, err := pgx.ParseConfig("")
	if err != nil {
		return nil, fmt.Errorf("connect to warehouse: %w", err)
	}
	port, err := strconv.ParseUint(l.Port, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("connect to warehouse: port: %w", err)
	}
	cfg.Host, cfg.Port, cfg.Database, cfg.User, cfg.Password = l.Host, uint16(port), l.Database, l.User, ""
	cfg.TLSConfig, cfg.Fallbacks, cfg.ConnectTimeout = l.TLS, nil, connectTimeout
	cfg.RuntimeParams = map[string]string{}
	if l.Password != nil {
		if cfg.Password, err = l.Password(ctx); err != nil {
			return nil, fmt.Errorf("connect to warehouse: %w", err)
		}
	}
	return open(ctx, cfg)
}

// IAMPassword returns the Password function for a role that is a member of
// rds_iam.
func IAMPassword(host, port, user, region string, credentials aws.CredentialsProvider) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		token, err := auth.BuildAuthToken(ctx, net.JoinHostPort(host, port), region, user, credentials)
		if err != nil {
			return "", fmt.Errorf("sign login: %w", err)
		}
		return token, nil
	}
}
