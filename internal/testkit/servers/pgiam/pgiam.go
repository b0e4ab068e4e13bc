// Package pgiam is a proxy in front of a PostgreSQL server that logs clients in
// like RDS: TLS only; members of rds_iam with a presigned rds-db:connect URL as
// the password, all other roles with a password.
package pgiam

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/streamctl/streamctl/internal/local/sigv4"
	"github.com/streamctl/streamctl/internal/testkit/servers/connections"
	"github.com/streamctl/streamctl/internal/testkit/servers/testca"
)

// tokenLifetime is how long a token opens connections.
const tokenLifetime = 15 * time.Minute

// Options configure the proxy.
type Options struct {
	// BackendURL connects to the server as a superuser; the proxy uses it to look
	// up rds_iam, and takes the server's address from it.
	BackendURL string
	// Master is the role that always logs in by password.
	Master string
	Keys   *sigv4.Keys
	Region string
	CA     *testca.CA
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Login receives every login attempt; it may be nil.
	Login func(Login)
}

// Login is a login attempt.
type Login struct {
	At       time.Time
	User     string
	Database string
	// Kind is "iam" or "password".
	Kind string
	// Principal is the holder of the key that signed the token.
	Principal string
	OK        bool
	Reason    string
}

// Proxy is a running proxy.
type Proxy struct {
	// Host and Port are the address for clients; tokens are signed for it.
	Host string
	Port int

	o       Options
	backend *pgx.ConnConfig
	tls     *tls.Config
	conns   *connections.Set

	mu     sync.Mutex
	logins []Login
}

// Start listens on a free port of 127.0.0.1. Call Stop to end the proxy.
func Start(ctx context.Context, o Options) (*Proxy, error) {
	backend, err := pgx.ParseConfig(o.BackendURL)
	if err != nil {
		return nil, errors.New("start login proxy: the backend's URL is invalid") // pgx's error would contain the URL
	}
	certificate, err := o.CA.Issue("127.0.0.1", "localhost")
	if err != nil {
		return nil, err
	}
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start login proxy: %w", err)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	p := &Proxy{
		Host: "127.0.0.1", Port: listener.Addr().(*net.TCPAddr).Port, o: o, backend: backend, conns: connections.New(listener),
		tls: &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12},
	}
	p.conns.Accept(ctx, p.serve)
	return p, nil
}

// Addr returns host:port.
func (p *Proxy) Addr() string { return net.JoinHostPort(p.Host, strconv.Itoa(p.Port)) }

// Logins lists every login attempt, oldest first.
func (p *Proxy) Logins() []Login {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]Login(nil), p.logins...)
}

// Stop closes every connection and waits until all have ended.
func (p *Proxy) Stop() error {
	if err := p.conns.Stop(); err != nil {
		return fmt.Errorf("stop login proxy: %w", err)
	}
	return nil
}

func (p *Proxy) record(l Login) {
	l.At = p.o.Now()
	p.mu.Lock()
	p.logins = append(p.logins, l)
	p.mu.Unlock()
	if p.o.Login != nil {
		p.o.Login(l)
	}
}

// pipe copies both ways until one side ends.
func pipe(a, b net.Conn) {
	var wg sync.WaitGroup
	oneWay := func(to, from net.Conn) {
		_, _ = io.Copy(to, from) // the connection ends when either side ends
		_ = to.Close()
		_ = from.Close()
	}
	wg.Go(func() { oneWay(a, b) })
	wg.Go(func() { oneWay(b, a) })
	wg.Wait()
}
