package pgiam

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/streamctl/streamctl/internal/local/pgserver"
	"github.com/streamctl/streamctl/internal/local/sigv4"
)

// loginTimeout is the time for a login, from the first byte to ReadyForQuery.
const loginTimeout = 30 * time.Second

// serve logs one client in and then copies bytes.
func (p *Proxy) serve(ctx context.Context, plain net.Conn) {
	if err := plain.SetDeadline(time.Now().Add(loginTimeout)); err != nil {
		return
	}
	conn, startup, err := p.greet(ctx, plain)
	if err != nil || startup == nil {
		return // disconnected, rejected, or a cancel request
	}
	client := pgproto3.NewBackend(conn, conn)
	backend, err := p.login(ctx, client, startup)
	if err != nil {
		refuse(client, err)
		return
	}
	if err := welcome(client, backend); err != nil || plain.SetDeadline(time.Time{}) != nil || !p.conns.Track(backend.Conn) {
		_ = backend.Conn.Close()
		return
	}
	defer p.conns.Forget(backend.Conn)
	pipe(conn, backend.Conn)
}

// greet responds to SSLRequest and rejects a startup without TLS.
func (p *Proxy) greet(ctx context.Context, plain net.Conn) (net.Conn, *pgproto3.StartupMessage, error) {
	conn := plain
	for {
		client := pgproto3.NewBackend(conn, conn)
		message, err := client.ReceiveStartupMessage()
		if err != nil {
			return nil, nil, err
		}
		switch m := message.(type) {
		case *pgproto3.SSLRequest:
			if _, err := conn.Write([]byte("S")); err != nil {
				return nil, nil, err
			}
			conn = tls.Server(plain, p.tls)
		case *pgproto3.GSSEncRequest:
			if _, err := conn.Write([]byte("N")); err != nil {
				return nil, nil, err
			}
		case *pgproto3.CancelRequest:
			return nil, nil, p.cancel(ctx, m)
		case *pgproto3.StartupMessage:
			if conn == plain {
				refuse(client, &pgconn.PgError{Severity: "FATAL", Code: "28000", Message: fmt.Sprintf(
					"no pg_hba.conf entry for host %q, user %q, database %q, no encryption", "127.0.0.1", m.Parameters["user"], m.Parameters["database"])})
				return nil, nil, errors.New("no encryption")
			}
			return conn, m, nil
		default:
			return nil, nil, fmt.Errorf("unexpected startup message %T", message)
		}
	}
}

// cancel forwards a cancel request to the server.
func (p *Proxy) cancel(ctx context.Context, m *pgproto3.CancelRequest) error {
	message, err := m.Encode(nil)
	if err != nil {
		return err
	}
	dialer := net.Dialer{Timeout: loginTimeout}
	conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(p.backend.Host, fmt.Sprint(p.backend.Port)))
	if err != nil {
		return err
	}
	_, err = conn.Write(message)
	return errors.Join(err, conn.Close())
}

// login asks for the password, verifies it and connects to the server.
func (p *Proxy) login(ctx context.Context, client *pgproto3.Backend, startup *pgproto3.StartupMessage) (*pgconn.HijackedConn, error) {
	client.Send(&pgproto3.AuthenticationCleartextPassword{})
	if err := client.Flush(); err != nil {
		return nil, err
	}
	if err := client.SetAuthType(pgproto3.AuthTypeCleartextPassword); err != nil {
		return nil, err
	}
	message, err := client.Receive()
	if err != nil {
		return nil, err
	}
	answer, ok := message.(*pgproto3.PasswordMessage)
	if !ok {
		return nil, fmt.Errorf("unexpected message %T", message)
	}
	l := Login{User: startup.Parameters["user"], Database: startup.Parameters["database"], Kind: "password"}
	config := p.backend.Config.Copy()
	config.User, config.Database, config.Password, config.TLSConfig, config.Fallbacks = l.User, l.Database, answer.Password, nil, nil
	config.RuntimeParams = map[string]string{}
	for name, value := range maps.All(startup.Parameters) {
		if name != "user" && name != "database" {
			config.RuntimeParams[name] = value
		}
	}
	iam, err := p.usesIAM(ctx, l.User)
	if err != nil {
		return nil, err
	}
	if iam {
		l.Kind = "iam"
		var holder sigv4.Credential
		holder, err = p.checkToken(l.User, answer.Password)
		l.Principal = holder.Principal
		if err != nil {
			l.Reason = err.Error()
			p.record(l)
			return nil, &pgconn.PgError{Severity: "FATAL", Code: "28000", Message: fmt.Sprintf("PAM authentication failed for user %q", l.User)}
		}
		// The server itself requires the role's password, which only the proxy
		// knows.
		if config.Password, err = pgserver.Admit(ctx, p.backend.Copy(), l.User); err != nil {
			return nil, err
		}
	}
	conn, err := pgconn.ConnectConfig(ctx, config)
	if err == nil {
		var backend *pgconn.HijackedConn
		if backend, err = hijack(ctx, conn); err == nil {
			l.OK = true
			p.record(l)
			return backend, nil
		}
	}
	l.Reason = err.Error()
	p.record(l)
	return nil, err
}

// hijack takes over the server's connection. On a busy machine pgconn still reads
// it in the background, and would take the first bytes of the server's next
// response; SyncConn ends that.
func hijack(ctx context.Context, conn *pgconn.PgConn) (*pgconn.HijackedConn, error) {
	if err := conn.SyncConn(ctx); err != nil {
		return nil, errors.Join(err, conn.Close(ctx))
	}
	return conn.Hijack()
}

// usesIAM reports whether a role logs in by token: a member of rds_iam other than
// the master.
func (p *Proxy) usesIAM(ctx context.Context, user string) (member bool, err error) {
	if user == p.o.Master {
		return false, nil
	}
	conn, err := pgx.ConnectConfig(ctx, p.backend.Copy())
	if err != nil {
		return false, fmt.Errorf("look up rds_iam: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	const q = `SELECT EXISTS (SELECT FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid JOIN pg_roles u ON u.oid = m.member
	           WHERE g.rolname = 'rds_iam' AND u.rolname = $1)`
	if err := conn.QueryRow(ctx, q, user).Scan(&member); err != nil {
		return false, fmt.Errorf("look up rds_iam: %w", err)
	}
	return member, nil
}

// checkToken verifies a token for this host, port and user.
func (p *Proxy) checkToken(user, token string) (sigv4.Credential, error) {
	holder, u, err := p.o.Keys.Token(token, sigv4.Scope{Service: "rds-db", Region: p.o.Region}, tokenLifetime, p.o.Now())
	if err != nil {
		return holder, err
	}
	q := u.Query()
	switch {
	case u.Host != p.Addr() && u.Host != fmt.Sprintf("localhost:%d", p.Port):
		return holder, fmt.Errorf("token is for %s, not for %s", u.Host, p.Addr())
	case q.Get("Action") != "connect":
		return holder, fmt.Errorf("token is for action %q", q.Get("Action"))
	case q.Get("DBUser") != user:
		return holder, fmt.Errorf("token is for user %q", q.Get("DBUser"))
	}
	return holder, nil
}

// welcome forwards the server's startup messages to the client.
func welcome(client *pgproto3.Backend, backend *pgconn.HijackedConn) error {
	client.Send(&pgproto3.AuthenticationOk{})
	for name, value := range backend.ParameterStatuses {
		client.Send(&pgproto3.ParameterStatus{Name: name, Value: value})
	}
	client.Send(&pgproto3.BackendKeyData{ProcessID: backend.PID, SecretKey: backend.SecretKey})
	client.Send(&pgproto3.ReadyForQuery{TxStatus: backend.TxStatus})
	return client.Flush()
}

// refuse sends an error like the server; an error of the server itself is
// passed on unchanged.
func refuse(client *pgproto3.Backend, err error) {
	out := &pgproto3.ErrorResponse{Severity: "FATAL", SeverityUnlocalized: "FATAL", Code: "08006", Message: err.Error()}
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		out.Code, out.Message, out.Detail, out.Hint = pg.Code, pg.Message, pg.Detail, pg.Hint
	} else {
		out.Message = strings.ReplaceAll(out.Message, "\n", " ")
	}
	client.Send(out)
	_ = client.Flush() // the client may have disconnected
}
