// Package warehouse is the PostgreSQL side of the platform: its schema and
// roles, loading, rollups, partitions and reads.
package warehouse

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/rds/auth"
	"github.com/jackc/pgx/v5"
)

// Login says where to log in, as whom and how.
type Login struct {
	Host string
	Port string
	// Database is the database's name.
	Database string
	User     string
	// TLS is required of the server when set; it must name ServerName and
	// RootCAs. Nil connects in the clear, to a server on this machine.
	TLS *tls.Config
	// Password is asked for every new connection: a token of IAM is good for
	// 15 minutes. Nil sends none.
	Password func(context.Context) (string, error)
}

// connectTimeout bounds one connection's making.
const connectTimeout = 5 * time.Second

// Connect makes one connection.
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
	cfg.RuntimeParams = map[string]string{"application_name": "streamctl", "timezone": "UTC"}
	if l.Password != nil {
		if cfg.Password, err = l.Password(ctx); err != nil {
			return nil, fmt.Errorf("connect to warehouse: %w", err)
		}
	}
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("connect to warehouse: %w", err)
	}
	return conn, nil
}

// IAMPassword makes the Password of a Login whose role is a member of rds_iam.
func IAMPassword(host, port, user, region string, credentials aws.CredentialsProvider) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		token, err := auth.BuildAuthToken(ctx, net.JoinHostPort(host, port), region, user, credentials)
		if err != nil {
			return "", fmt.Errorf("sign login: %w", err)
		}
		return token, nil
	}
}

// DB is the one connection of an execution environment, made when it is first
// needed. Its methods must not be called concurrently.
type DB struct {
	connect func(context.Context) (*pgx.Conn, error)
	conn    *pgx.Conn
}

// NewDB makes a DB that connects by l.
func NewDB(l Login) *DB { return &DB{connect: l.Connect} }

// NewURL makes a DB that connects by a URL, for a server on this machine.
func NewURL(url string) *DB {
	return &DB{connect: func(ctx context.Context) (*pgx.Conn, error) {
		conn, err := pgx.Connect(ctx, url)
		if err != nil {
			return nil, fmt.Errorf("connect to warehouse: %w", err)
		}
		return conn, nil
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

// do runs work on the connection. The server closes the connection of an
// environment that was frozen for long: work then runs once more, on a new
// one. So work must be harmless when done twice.
func (d *DB) do(ctx context.Context, work func(context.Context, *pgx.Conn) error) error {
	kept := d.conn != nil && !d.conn.IsClosed()
	if !kept {
		if err := d.reconnect(ctx); err != nil {
			return err
		}
	}
	err := work(ctx, d.conn)
	if err == nil || !kept || !d.conn.IsClosed() || ctx.Err() != nil {
		return err
	}
	if reconnectErr := d.reconnect(ctx); reconnectErr != nil {
		return errors.Join(err, reconnectErr)
	}
	return work(ctx, d.conn)
}

func (d *DB) reconnect(ctx context.Context) error {
	conn, err := d.connect(ctx)
	if err != nil {
		return err
	}
	d.conn = conn
	return nil
}

// transact runs work in a transaction. An error or a panic rolls it back.
func transact(ctx context.Context, conn *pgx.Conn, o pgx.TxOptions, work func(pgx.Tx) error) error {
	return pgx.BeginTxFunc(ctx, conn, o, work)
}
