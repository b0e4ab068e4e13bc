// Package backends puts real servers behind the fake's databases and caches:
// the installed PostgreSQL, set up like RDS, and redis-server, each behind a
// proxy that logs in with IAM tokens.
package backends

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/streamctl/streamctl/internal/local/pgserver"
	"github.com/streamctl/streamctl/internal/local/redisserver"
	awsfake "github.com/streamctl/streamctl/internal/testkit/aws/fake"
	"github.com/streamctl/streamctl/internal/testkit/servers/cacheiam"
	"github.com/streamctl/streamctl/internal/testkit/servers/pgiam"
)

// Postgres starts a PostgreSQL server for each database instance; a read
// replica is another endpoint of its source. template is a folder with an
// initialized cluster for later starts; if empty, initdb runs each time.
func Postgres(template string) awsfake.DatabaseBackend {
	return func(ctx context.Context, spec awsfake.DatabaseSpec) (awsfake.Database, error) {
		if source, ok := spec.Source.(interface{ primary() *database }); ok {
			d := source.primary()
			proxy, err := login(ctx, d.server, d.master, spec)
			if err != nil {
				return nil, err
			}
			return &replica{d, proxy}, nil
		}
		server, err := pgserver.Start(ctx, pgserver.Options{Dir: spec.Dir, Template: template, Volatile: true})
		if err != nil {
			return nil, err
		}
		name := spec.DBName
		if name == "" {
			name = "unnamed" // RDS creates no database then
		}
		d := &database{server: server, master: spec.MasterUsername}
		if err := server.CreateRDS(ctx, spec.MasterUsername, spec.MasterPassword, name); err != nil {
			return nil, errors.Join(err, server.Stop(ctx))
		}
		d.proxy, err = login(ctx, server, spec.MasterUsername, spec)
		if err != nil {
			return nil, errors.Join(err, server.Stop(ctx))
		}
		return d, nil
	}
}

// login starts the proxy that logs clients in like RDS.
func login(ctx context.Context, server *pgserver.Server, master string, spec awsfake.DatabaseSpec) (*pgiam.Proxy, error) {
	return pgiam.Start(ctx, pgiam.Options{
		BackendURL: server.URL(pgserver.Superuser, "postgres"), Master: master, Keys: spec.Keys, Region: spec.Region, CA: spec.CA,
		Login: func(l pgiam.Login) {
			spec.Login(awsfake.Login{At: l.At, Store: spec.ID, User: l.User, Kind: l.Kind, Principal: l.Principal, OK: l.OK, Reason: l.Reason})
		},
	})
}

// replica has its own endpoint in front of its source's server, which it
// doesn't stop.
type replica struct {
	*database
	proxy *pgiam.Proxy
}

func (r *replica) Endpoint() (string, int) { return r.proxy.Host, r.proxy.Port }

func (r *replica) Stop(context.Context) error { return r.proxy.Stop() }

type database struct {
	server *pgserver.Server
	proxy  *pgiam.Proxy
	master string
}

// primary returns the database that replicas copy, also for a replica.
func (d *database) primary() *database { return d }

func (d *database) Endpoint() (string, int) { return d.proxy.Host, d.proxy.Port }

// SuperuserURL is a connection that bypasses the proxy, for inspection by
// tests.
func (d *database) SuperuserURL(db string) string { return d.server.URL(pgserver.Superuser, db) }

func (d *database) SetMasterPassword(ctx context.Context, password string) (err error) {
	conn, err := pgx.Connect(ctx, d.server.URL(pgserver.Superuser, "postgres"))
	if err != nil {
		return fmt.Errorf("set master password: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	var statement string
	const q = `SELECT format('ALTER ROLE %I PASSWORD %L', $1::text, $2::text)`
	if err := conn.QueryRow(ctx, q, d.master, password).Scan(&statement); err != nil {
		return fmt.Errorf("set master password: %w", err)
	}
	if _, err := conn.Exec(ctx, statement); err != nil {
		return fmt.Errorf("set master password: %w", err)
	}
	return nil
}

func (d *database) Stop(ctx context.Context) error {
	return errors.Join(d.proxy.Stop(), d.server.Stop(ctx))
}

// Redis starts a redis-server for each replication group.
func Redis() awsfake.CacheBackend {
	return func(ctx context.Context, spec awsfake.CacheSpec) (awsfake.Cache, error) {
		password := rand.Text()
		server, err := redisserver.Start(ctx, redisserver.Options{Dir: spec.Dir, Password: password})
		if err != nil {
			return nil, err
		}
		proxy, err := cacheiam.Start(ctx, cacheiam.Options{
			Backend: server.Addr, Password: password, ReplicationGroup: spec.ID, Users: users(spec.Users), Keys: spec.Keys, Region: spec.Region, CA: spec.CA,
			Login: func(l cacheiam.Login) {
				spec.Login(awsfake.Login{At: l.At, Store: spec.ID, User: l.User, Kind: "iam", Principal: l.Principal, OK: l.OK, Reason: l.Reason})
			},
		})
		if err != nil {
			return nil, errors.Join(err, server.Stop(ctx))
		}
		return &cache{server: server, proxy: proxy, password: password}, nil
	}
}

type cache struct {
	server   *redisserver.Server
	proxy    *cacheiam.Proxy
	password string
}

func (c *cache) Endpoint() (string, int) { return c.proxy.Host, c.proxy.Port }

// Backend returns the redis-server behind the proxy and its default user's
// password, for inspection by tests.
func (c *cache) Backend() (addr, password string) { return c.server.Addr, c.password }

func (c *cache) SetUsers(ctx context.Context, list []awsfake.CacheUser) error {
	return c.proxy.SetUsers(ctx, users(list))
}

func (c *cache) Stop(ctx context.Context) error {
	return errors.Join(c.proxy.Stop(), c.server.Stop(ctx))
}

func users(list []awsfake.CacheUser) []cacheiam.User {
	out := make([]cacheiam.User, len(list))
	for i, u := range list {
		out[i] = cacheiam.User{Name: u.Name, AccessString: u.AccessString}
	}
	return out
}
