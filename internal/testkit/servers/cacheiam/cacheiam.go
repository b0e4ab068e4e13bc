// Package cacheiam is a proxy in front of a redis-server that logs clients in
// like ElastiCache with IAM: TLS only, with a presigned connect URL for the
// replication group and the user as the password. redis-server itself enforces
// a user's permissions, from the user's access string.
package cacheiam

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/streamctl/streamctl/internal/local/sigv4"
	"github.com/streamctl/streamctl/internal/testkit/servers/connections"
	"github.com/streamctl/streamctl/internal/testkit/servers/testca"
)

// tokenLifetime is how long a token is valid.
const tokenLifetime = 15 * time.Minute

// User is a user of the cache.
type User struct {
	// Name is the user's id and name, which must be the same with IAM.
	Name string
	// AccessString is that of AWS::ElastiCache::User, such as "on ~m:* +@read".
	AccessString string
}

// Options configure the proxy.
type Options struct {
	// Backend is redis-server's address; Password is that of its default user,
	// which must have one, because clients could otherwise pass without a
	// login.
	Backend, Password string
	// ReplicationGroup is the id that tokens are signed for, in small letters.
	ReplicationGroup string
	Users            []User
	Keys             *sigv4.Keys
	Region           string
	CA               *testca.CA
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Login receives every login attempt; it may be nil.
	Login func(Login)
}

// Login is a login attempt.
type Login struct {
	At   time.Time
	User string
	// Principal is the holder of the key that signed the token.
	Principal string
	OK        bool
	Reason    string
}

// Proxy is a running proxy.
type Proxy struct {
	// Host and Port are the address for clients.
	Host string
	Port int

	o     Options
	admin *redis.Client
	tls   *tls.Config
	conns *connections.Set

	mu        sync.Mutex
	passwords map[string]string // of redis-server's users; clients never see them
	logins    []Login
}

// Start creates the users and listens on a free port of 127.0.0.1. Call Stop to
// end the proxy.
func Start(ctx context.Context, o Options) (*Proxy, error) {
	certificate, err := o.CA.Issue("127.0.0.1", "localhost")
	if err != nil {
		return nil, err
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	p := &Proxy{
		Host: "127.0.0.1", o: o, passwords: map[string]string{},
		admin: redis.NewClient(&redis.Options{Addr: o.Backend, Password: o.Password, DisableIdentity: true}),
		tls:   &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12},
	}
	if err := p.SetUsers(ctx, o.Users); err != nil {
		_ = p.admin.Close() // report the start's error
		return nil, err
	}
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		_ = p.admin.Close()
		return nil, fmt.Errorf("start cache proxy: %w", err)
	}
	p.Port = listener.Addr().(*net.TCPAddr).Port
	p.conns = connections.New(listener)
	p.conns.Accept(ctx, func(ctx context.Context, conn net.Conn) { p.serve(ctx, tls.Server(conn, p.tls)) })
	return p, nil
}

// SetUsers replaces the users; removed users are logged out.
func (p *Proxy) SetUsers(ctx context.Context, users []User) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for name := range p.passwords {
		if slices.ContainsFunc(users, func(u User) bool { return u.Name == name }) {
			continue
		}
		if err := p.admin.Do(ctx, "ACL", "DELUSER", name).Err(); err != nil {
			return fmt.Errorf("delete cache user %s: %w", name, err)
		}
		delete(p.passwords, name)
	}
	for _, u := range users {
		password := rand.Text()
		args := []any{"ACL", "SETUSER", u.Name, "reset"}
		for rule := range strings.FieldsSeq(u.AccessString) {
			args = append(args, rule)
		}
		if err := p.admin.Do(ctx, append(args, ">"+password)...).Err(); err != nil {
			return fmt.Errorf("set cache user %s: %w", u.Name, err)
		}
		p.passwords[u.Name] = password
	}
	return nil
}

// Logins lists every login attempt, oldest first.
func (p *Proxy) Logins() []Login {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]Login(nil), p.logins...)
}

// Stop closes every connection and waits until all have ended.
func (p *Proxy) Stop() error {
	if err := errors.Join(p.conns.Stop(), p.admin.Close()); err != nil {
		return fmt.Errorf("stop cache proxy: %w", err)
	}
	return nil
}

// serve forwards every command to redis-server, logins with another password,
// and every response back. redis-server itself rejects commands, with its own
// messages and in the order of the commands.
func (p *Proxy) serve(ctx context.Context, client net.Conn) {
	dialer := net.Dialer{Timeout: 5 * time.Second}
	backend, err := dialer.DialContext(ctx, "tcp", p.o.Backend)
	if err != nil || !p.conns.Track(backend) {
		return
	}
	defer p.conns.Forget(backend)
	var answers sync.WaitGroup
	answers.Go(func() {
		_, _ = io.Copy(client, backend) // the connection ends when either side ends
		_ = client.Close()
	})
	commands := newReader(client)
	for {
		command, err := commands.read()
		if err != nil {
			break
		}
		if _, err := backend.Write(encode(p.rewrite(command))); err != nil {
			break
		}
	}
	_ = backend.Close()
	answers.Wait()
}

// rewrite replaces the token of AUTH and HELLO by the user's password, or by a
// wrong one.
func (p *Proxy) rewrite(command []string) []string {
	if len(command) == 0 {
		return command
	}
	switch strings.ToUpper(command[0]) {
	case "AUTH":
		switch len(command) {
		case 2: // a password alone is for the default user, who is off
			return []string{"AUTH", p.judge("default", command[1])}
		case 3:
			return []string{"AUTH", command[1], p.judge(command[1], command[2])}
		}
	case "HELLO":
		out := slices.Clone(command)
		for i := 2; i+2 < len(out); i++ {
			if strings.EqualFold(out[i], "AUTH") {
				out[i+2] = p.judge(out[i+1], out[i+2])
				break
			}
		}
		return out
	}
	return command
}

// judge returns redis-server's password for a user with a valid token.
func (p *Proxy) judge(user, token string) string {
	holder, reason := p.checkToken(user, token)
	l := Login{At: p.o.Now(), User: user, Principal: holder.Principal, OK: reason == "", Reason: reason}
	p.mu.Lock()
	password := p.passwords[user]
	p.logins = append(p.logins, l)
	p.mu.Unlock()
	if p.o.Login != nil {
		p.o.Login(l)
	}
	if !l.OK {
		return "refused-" + rand.Text()
	}
	return password
}

func (p *Proxy) checkToken(user, token string) (sigv4.Credential, string) {
	p.mu.Lock()
	_, known := p.passwords[user]
	p.mu.Unlock()
	if !known {
		return sigv4.Credential{}, "no such user in the cache's user groups"
	}
	holder, u, err := p.o.Keys.Token(token, sigv4.Scope{Service: "elasticache", Region: p.o.Region}, tokenLifetime, p.o.Now())
	if err != nil {
		return holder, err.Error()
	}
	q := u.Query()
	switch {
	case u.Host != p.o.ReplicationGroup:
		return holder, "token is for " + u.Host + ", not for " + p.o.ReplicationGroup
	case q.Get("Action") != "connect":
		return holder, "token is for action " + q.Get("Action")
	case q.Get("User") != user:
		return holder, "token is for user " + q.Get("User")
	}
	return holder, ""
}

// Addr returns host:port.
func (p *Proxy) Addr() string { return net.JoinHostPort(p.Host, strconv.Itoa(p.Port)) }
