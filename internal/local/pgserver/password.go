package pgserver

import (
	"context"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/streamctl/streamctl/internal/local/daemon"
)

// password reads the superuser's password. A file that an older version gave to
// the server's account becomes the caller's.
func (c cluster) password() (string, error) {
	text, err := daemon.ReadFile(c.passwordFile(), c.account)
	if err != nil {
		return "", fmt.Errorf("read superuser's password: %w", err)
	}
	password := strings.TrimSpace(string(text))
	if password == "" {
		return "", &DamageError{Dir: c.dir, Files: []string{c.passwordFile() + ": empty"}}
	}
	return password, daemon.WriteFile(c.passwordFile(), text, nil)
}

// Password returns the password of a role that the server itself authenticates:
// the superuser, and every role to which AdmitRoles gave a password. It
// survives a restart, differs between roles and data folders, and does not
// reveal other passwords.
func (s *Server) Password(role string) string { return passwordOf(role, s.password) }

func passwordOf(role, superuser string) string {
	if role == Superuser {
		return superuser
	}
	m := hmac.New(sha256.New, []byte(superuser))
	m.Write([]byte(role))
	return strings.TrimRight(base32.StdEncoding.EncodeToString(m.Sum(nil)), "=")
}

// AdmitRoles sets the passwords (see Password) of all login roles that have
// none. Call it after creating roles: without a password they can't log in.
func (s *Server) AdmitRoles(ctx context.Context) error {
	config, err := pgx.ParseConfig(s.URL(Superuser, "postgres"))
	if err != nil {
		return errors.New("set passwords: the server's address is invalid") // pgx's error would contain the password
	}
	_, err = Admit(ctx, config, Superuser)
	return err
}

// admitLock is the advisory lock held while passwords are set.
const admitLock = 7_203_115

// Admit is AdmitRoles over a superuser's connection to any server of this
// package. It returns the password of role.
func Admit(ctx context.Context, superuser *pgx.ConnConfig, role string) (password string, err error) {
	conn, err := pgx.ConnectConfig(ctx, superuser)
	if err != nil {
		return "", fmt.Errorf("set passwords: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", admitLock); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, "SELECT rolname::text FROM pg_authid WHERE rolcanlogin AND rolpassword IS NULL")
		if err != nil {
			return err
		}
		names, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return err
		}
		for _, name := range names {
			if err := setPassword(ctx, tx, name, passwordOf(name, superuser.Password)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("set passwords: %w", err)
	}
	return passwordOf(role, superuser.Password), nil
}

// execer is a connection or a transaction.
type execer interface {
	Exec(ctx context.Context, sql string, arguments ...any) (pgconn.CommandTag, error)
	QueryRow(ctx context.Context, sql string, arguments ...any) pgx.Row
}

// setPassword stores a password's verifier. The server never sees the password
// itself, so it can't log it.
func setPassword(ctx context.Context, conn execer, role, password string) error {
	stored, err := verifier(password)
	if err != nil {
		return err
	}
	quoted, err := quoteLiteral(ctx, conn, stored)
	if err != nil {
		return err
	}
	if _, err := conn.Exec(ctx, "ALTER ROLE "+pgx.Identifier{role}.Sanitize()+" PASSWORD "+quoted); err != nil {
		return fmt.Errorf("set password of %s: %w", role, err)
	}
	return nil
}

// verifier returns what PostgreSQL stores for a password (RFC 5803). A password
// that isn't ASCII is returned unchanged: the server normalizes and hashes it.
func verifier(password string) (string, error) {
	for _, b := range []byte(password) {
		if b < 0x20 || b > 0x7e {
			return password, nil
		}
	}
	const iterations = 4096
	salt := make([]byte, 16)
	if _, err := rand.Read(salt); err != nil {
		return "", fmt.Errorf("create salt: %w", err)
	}
	salted, err := pbkdf2.Key(sha256.New, password, salt, iterations, sha256.Size)
	if err != nil {
		return "", fmt.Errorf("hash password: %w", err)
	}
	sign := func(text string) []byte {
		m := hmac.New(sha256.New, salted)
		m.Write([]byte(text))
		return m.Sum(nil)
	}
	stored := sha256.Sum256(sign("Client Key"))
	encode := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("SCRAM-SHA-256$%d:%s$%s:%s", iterations, encode(salt), encode(stored[:]), encode(sign("Server Key"))), nil
}

// RolePassword returns the password of a role (see Password) of the server with a data
// folder, for another program of the same account.
func RolePassword(dir, role string) (string, error) {
	account, err := Account()
	if err != nil {
		return "", fmt.Errorf("read superuser's password: %w", err)
	}
	text, err := daemon.ReadFile(cluster{dir: dir, account: account}.passwordFile(), account)
	if err != nil {
		return "", fmt.Errorf("read superuser's password: %w", err)
	}
	return passwordOf(role, strings.TrimSpace(string(text))), nil
}
