package sqlproxy

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/streamctl/streamctl/internal/contract"
)

// loginTime bounds the start of a connection.
const loginTime = 30 * time.Second

// maxMessage is the largest message of a client in bytes: a call of the function has
// at most 6 MB, with the parameters as base64.
const maxMessage = 4 << 20

// serve starts a connection and serves its session.
func (s *Server) serve(ctx context.Context, conn net.Conn) error {
	if err := conn.SetDeadline(time.Now().Add(loginTime)); err != nil {
		return fmt.Errorf("start connection: %w", err)
	}
	conn, back, input, startup, err := s.open(ctx, conn)
	if err != nil || startup == nil {
		return err
	}
	if s.Password != "" {
		if err := authenticate(back, s.Password); err != nil {
			failure := NewError(codePassword, "password authentication failed", "use the password that `streamctl sql --listen` printed")
			failure.Response.Severity = "FATAL"
			back.Send(&failure.Response)
			return errors.Join(err, back.Flush())
		}
	}
	c := &session{
		server: s, conn: conn, back: back, input: input, status: 'I', settings: map[string]string{},
		statements: map[string]*prepared{}, portals: map[string]*portal{},
	}
	if err := s.add(c); err != nil {
		return err
	}
	defer s.remove(c)
	defer c.closePortals(ctx)
	if err := c.begin(ctx, startup.ProtocolVersion, startup.Parameters); err != nil {
		failure := asError(err)
		failure.Response.Severity = "FATAL"
		back.Send(&failure.Response)
		return errors.Join(err, back.Flush())
	}
	if err := conn.SetDeadline(time.Time{}); err != nil || ctx.Err() != nil {
		return err
	}
	return c.loop(ctx)
}

// open answers the requests before the startup message. Startup is nil if the
// connection was a request to cancel.
func (s *Server) open(ctx context.Context, conn net.Conn) (_ net.Conn, back *pgproto3.Backend, input *bufio.Reader, startup *pgproto3.StartupMessage, err error) {
	for {
		// Without a buffer: the bytes behind a request for TLS belong to TLS.
		back = pgproto3.NewBackend(oneByOne{conn}, conn)
		message, err := back.ReceiveStartupMessage()
		if err != nil {
			return conn, nil, nil, nil, fmt.Errorf("read startup message: %w", err)
		}
		switch message := message.(type) {
		case *pgproto3.GSSEncRequest:
			_, err = conn.Write([]byte("N"))
		case *pgproto3.SSLRequest:
			if s.TLS == nil {
				_, err = conn.Write([]byte("N"))
				break
			}
			if _, err = conn.Write([]byte("S")); err == nil {
				encrypted := tls.Server(conn, s.TLS)
				err = encrypted.HandshakeContext(ctx)
				conn = encrypted
			}
		case *pgproto3.CancelRequest:
			s.cancel(ctx, message.ProcessID, message.SecretKey)
			return conn, nil, nil, nil, nil
		case *pgproto3.StartupMessage:
			input = bufio.NewReader(conn)
			back = pgproto3.NewBackend(input, conn)
			back.SetMaxBodyLen(maxMessage)
			return conn, back, input, message, nil
		}
		if err != nil {
			return conn, nil, nil, nil, fmt.Errorf("start connection: %w", err)
		}
	}
}

// oneByOne keeps a reader from taking more bytes than it was asked for at first: the
// startup packets are read by their exact length.
type oneByOne struct{ io.Reader }

func (r oneByOne) Read(p []byte) (int, error) {
	if len(p) > 1 {
		p = p[:1]
	}
	return r.Reader.Read(p)
}

// begin checks the startup parameters and sends the parameters of the session.
func (c *session) begin(ctx context.Context, version uint32, parameters map[string]string) error {
	if name := parameters["database"]; name != contract.DatabaseName && (name != "" || parameters["user"] != contract.DatabaseName) {
		return NewError(codeNoDatabase, fmt.Sprintf("database %q does not exist", name), "the only database is "+contract.DatabaseName)
	}
	wanted := map[string]string{}
	for name, value := range parameters {
		switch name {
		case "user", "database", "replication":
		case "options":
			if err := readOptions(value, wanted); err != nil {
				return err
			}
		default:
			if !strings.HasPrefix(name, "_pq_.") {
				wanted[strings.ToLower(name)] = value
			}
		}
	}
	for name, value := range wanted {
		if err := checkSetting(c, name, value); err != nil {
			return err
		}
	}
	c.settings = wanted
	status, err := statusValues(ctx, c)
	if err != nil {
		return err
	}
	if version > pgproto3.ProtocolVersion30 {
		c.back.Send(&pgproto3.NegotiateProtocolVersion{NewestMinorProtocol: pgproto3.ProtocolVersion30 & 0xffff})
	}
	c.back.Send(&pgproto3.AuthenticationOk{})
	for _, p := range status {
		c.back.Send(&pgproto3.ParameterStatus{Name: p[0], Value: p[1]})
	}
	c.back.Send(&pgproto3.BackendKeyData{ProcessID: c.pid, SecretKey: c.secret})
	c.ready()
	return c.flush()
}

// readOptions reads the options of a startup message: -c name=value and
// --name=value.
func readOptions(options string, into map[string]string) error {
	fields := strings.Fields(options)
	for i := 0; i < len(fields); i++ {
		text := fields[i]
		switch {
		case text == "-c" && i+1 < len(fields):
			i++
			text = fields[i]
		case strings.HasPrefix(text, "-c"):
			text = text[2:]
		case strings.HasPrefix(text, "--"):
			text = text[2:]
		default:
			return NewError(codeInvalidValue, fmt.Sprintf("option %q is not supported", text), "use -c name=value")
		}
		name, value, ok := strings.Cut(text, "=")
		if !ok {
			return NewError(codeInvalidValue, fmt.Sprintf("option %q has no value", text), "use -c name=value")
		}
		into[strings.ToLower(strings.ReplaceAll(name, "-", "_"))] = value
	}
	return nil
}
