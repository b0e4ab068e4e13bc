// Package sqlproxy serves PostgreSQL's wire protocol in front of a database that runs
// one statement per call and keeps no state between calls. The proxy owns the state of
// the protocol: logins, transactions (read-only, without a snapshot of their own),
// settings, prepared statements, portals and cursors. An open portal or cursor keeps
// the response of its statement open and takes rows from it.
package sqlproxy

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/streamctl/streamctl/internal/contract"
)

// Database runs statements. It must be safe for concurrent use.
type Database interface {
	// Open starts a statement and returns the messages of the server. It must fail with
	// an *Error, or an error that the client gets as SQLSTATE 58000. The caller closes
	// the reader.
	Open(ctx context.Context, t contract.SQLTask) (io.ReadCloser, error)
	// Cancel cancels the running statement with a token and returns how many there
	// were.
	Cancel(ctx context.Context, token string) (canceled int, err error)
}

// Options configure a Server.
type Options struct {
	Database Database
	// Password is required from every client, of any user name. Empty accepts clients
	// without one: only for connections within the process.
	Password string
	// TLS encrypts the connections of clients that ask for it; nil refuses it.
	TLS *tls.Config
	// MaxParallel is the largest number of statements that run, or are open, at a time.
	MaxParallel int
	// Timeout is the longest time of a statement, with the delivery of its rows.
	Timeout time.Duration
	// Note reports a failure that no client sees; it may be called concurrently.
	Note func(format string, args ...any)
}

// Server serves connections of clients.
type Server struct {
	Options
	version string
	slots   chan struct{}

	mu       sync.Mutex
	sessions map[uint32]*session
	lastPID  uint32
	// background are the cancelations of abandoned statements.
	background sync.WaitGroup
}

// New asks the database for its version, which proves that statements can run, and
// returns a server.
func New(ctx context.Context, o Options) (*Server, error) {
	s := &Server{Options: o, slots: make(chan struct{}, max(o.MaxParallel, 1)), sessions: map[uint32]*session{}}
	values, err := s.ask(ctx, nil, "server_version")
	if err != nil {
		return nil, err
	}
	s.version = values[0]
	return s, nil
}

// With returns a server with other options, and the same database.
func (s *Server) With(o Options) *Server {
	return &Server{Options: o, version: s.version, slots: make(chan struct{}, max(o.MaxParallel, 1)), sessions: map[uint32]*session{}}
}

// Version is the database's version.
func (s *Server) Version() string { return s.version }

// Serve accepts connections until ctx ends. Then it cancels the running statements and
// returns nil.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	stop := context.AfterFunc(ctx, func() { _ = l.Close() }) // Accept then fails
	defer stop()
	var conns sync.WaitGroup
	defer s.Wait()
	defer conns.Wait()
	for {
		conn, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil //nolint:nilerr // closed on purpose
			}
			return fmt.Errorf("accept connection: %w", err)
		}
		conns.Go(func() { s.ServeConn(ctx, conn) })
	}
}

// ServeConn serves one connection until the client leaves or ctx ends, and closes it.
func (s *Server) ServeConn(ctx context.Context, conn net.Conn) {
	defer conn.Close() //nolint:errcheck // the client has everything that was flushed
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) }) // reads and writes then fail
	defer stop()
	if err := s.serve(ctx, conn); err != nil && ctx.Err() == nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, net.ErrClosed) && !errors.Is(err, syscall.ECONNRESET) {
		s.Note("SQL connection from %s: %v", conn.RemoteAddr(), err)
	}
}

// Wait waits until abandoned statements are canceled.
func (s *Server) Wait() { s.background.Wait() }

// add registers a session, so that a request to cancel finds it.
func (s *Server) add(session *session) error {
	var secret [4]byte
	if _, err := rand.Read(secret[:]); err != nil {
		return fmt.Errorf("create key: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lastPID++
	session.pid, session.secret = s.lastPID, secret[:]
	s.sessions[session.pid] = session
	return nil
}

func (s *Server) remove(session *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, session.pid)
}

// cancel cancels the running statement of a session, if the secret is right.
func (s *Server) cancel(ctx context.Context, pid uint32, secret []byte) {
	s.mu.Lock()
	session := s.sessions[pid]
	s.mu.Unlock()
	if session == nil || subtle.ConstantTimeCompare(secret, session.secret) != 1 {
		return
	}
	if running := session.current(); running != nil {
		running.cancel(ctx)
	}
}
