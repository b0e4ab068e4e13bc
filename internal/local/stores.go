package local

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"github.com/streamctl/streamctl/internal/cache"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/local/daemon"
	"github.com/streamctl/streamctl/internal/local/pgserver"
	"github.com/streamctl/streamctl/internal/local/redisserver"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// stores are PostgreSQL and Redis: servers that this process started, or
// servers given by URL.
type stores struct {
	postgres, cache *supervisor // nil if given by URL
	// database returns the URL with which a role logs in.
	database func(role string) string
	// admit sets the passwords of new roles.
	admit func(context.Context) error
	// redis returns a new client.
	redis func() *redis.Client
	// master is the master user's URL, for people and their tools; redisURL is
	// Redis' URL.
	master, redisURL string
	// psql and redisCLI are ready-to-use commands without passwords; empty for
	// servers given by URL.
	psql, redisCLI string
	// server is the name of the program that runs as Redis.
	server string
	// memory reports whether Redis runs in this process.
	memory bool
}

// startStores starts the servers that are not given by URL. If it fails, it
// stops what it has started.
func startStores(ctx context.Context, o Options, st *state, log *slog.Logger) (_ *stores, err error) {
	s := &stores{}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close(context.WithoutCancel(ctx), true))
		}
	}()
	redisStarted := make(chan error, 1)
	go func() { redisStarted <- s.startRedis(ctx, o, st, log) }()
	postgresErr := s.startPostgres(ctx, o, st, log)
	return s, errors.Join(postgresErr, <-redisStarted)
}

func (s *stores) startPostgres(ctx context.Context, o Options, st *state, log *slog.Logger) error {
	if o.DatabaseURL != "" {
		return s.usePostgres(ctx, o.DatabaseURL)
	}
	po := pgserver.Options{
		Dir: st.path("postgres"), Port: o.DatabasePort, Volatile: o.Ephemeral,
		// There are many small loads: a checkpoint every 30 s would cost more
		// than it gains.
		Settings: map[string]string{"max_wal_size": "2GB", "checkpoint_timeout": "15min", "shared_buffers": "128MB"},
	}
	po.Unused, po.Verify = !st.Database, !o.Ephemeral
	if po.Port == 0 {
		po.Port = st.DatabasePort
	}
	var server *pgserver.Server
	s.postgres = &supervisor{name: "postgres", log: log, start: func(ctx context.Context) (running, error) {
		started, err := pgserver.Start(ctx, po)
		if err != nil {
			return nil, err
		}
		server, po.Port = started, started.Port // reuse the port from now on
		po.Unused, po.Verify = false, false     // verify only once
		return started, nil
	}}
	err := s.postgres.begin(ctx)
	if errors.Is(err, pgserver.ErrPortTaken) && o.DatabasePort == 0 {
		log.WarnContext(ctx, "the port that PostgreSQL used last time is taken; using a free port", "port", po.Port)
		po.Port = 0
		err = s.postgres.begin(ctx)
	}
	if err != nil {
		s.postgres = nil
		if errors.Is(err, pgserver.ErrPortTaken) {
			err = &PortError{Flag: "--database-port", Addr: "127.0.0.1:" + strconv.Itoa(po.Port), err: syscall.EADDRINUSE}
		}
		return err
	}
	// Repeat every step at every start: an earlier start may have been
	// interrupted anywhere, or was another version's.
	if err := server.CreateRDS(ctx, o.Variables.DatabaseUsername, st.Password, contract.DatabaseName); err != nil {
		return err
	}
	if err := server.AdmitRoles(ctx); err != nil {
		return err
	}
	if err := st.update(func(k *kept) { k.Database, k.DatabasePort = true, server.Port }); err != nil {
		return err
	}
	first := *server // roles, passwords and address don't change
	s.database = func(role string) string { return scramOnly(first.URL(role, contract.DatabaseName)) }
	s.admit = first.AdmitRoles
	s.master = withPassword(first.URL(o.Variables.DatabaseUsername, contract.DatabaseName), st.Password)
	s.psql, err = writePgpass(st.dir, first.Port, o.Variables.DatabaseUsername, st.Password)
	return err
}

// scramOnly makes a client never send the password itself, because another
// program may listen on the port while PostgreSQL is down.
func scramOnly(target string) string { return target + "&require_auth=scram-sha-256" }

func withPassword(target, password string) string {
	u, err := url.Parse(target)
	if err != nil {
		return target
	}
	u.User = url.UserPassword(u.User.Username(), password)
	return u.String()
}

// SuperuserError is a given database whose user is not a superuser.
type SuperuserError struct{ User string }

func (e *SuperuserError) Error() string { return "--database-url: " + e.User + " is not a superuser" }

func (e *SuperuserError) Hint() string {
	return "each function logs in as its own role, which only a superuser can do without a password: use a superuser's URL, or omit --database-url"
}

// usePostgres prepares a given server: its superuser switches to each role,
// because that server does not check IAM tokens.
func (s *stores) usePostgres(ctx context.Context, target string) (err error) {
	conn, err := pgx.Connect(ctx, target)
	if err != nil {
		return fmt.Errorf("--database-url: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	var super bool
	var user string
	if err := conn.QueryRow(ctx, "SELECT rolsuper, rolname::text FROM pg_roles WHERE rolname = current_user").Scan(&super, &user); err != nil {
		return fmt.Errorf("--database-url: %w", err)
	}
	if !super {
		return &SuperuserError{User: user}
	}
	master := warehouse.NewURL(target)
	if err := errors.Join(master.EnsureRoles(ctx), master.Close(ctx)); err != nil {
		return fmt.Errorf("--database-url: %w", err)
	}
	s.master, s.admit = target, func(context.Context) error { return nil }
	s.database = func(role string) string {
		u, err := url.Parse(target)
		if err != nil {
			return target // parsed before by pgx
		}
		q := u.Query()
		q.Set("role", role)
		u.RawQuery = q.Encode()
		return u.String()
	}
	return nil
}

func (s *stores) startRedis(ctx context.Context, o Options, st *state, log *slog.Logger) error {
	if o.RedisURL != "" {
		options, err := redis.ParseURL(o.RedisURL)
		if err != nil {
			return fmt.Errorf("--redis-url: %w", err)
		}
		client := redis.NewClient(options)
		if err := errors.Join(client.Ping(ctx).Err(), client.Close()); err != nil {
			return fmt.Errorf("--redis-url: %w", err)
		}
		s.redisURL, s.redis = o.RedisURL, func() *redis.Client { return redis.NewClient(options) }
		return nil
	}
	// An older version gave the folder to the server's account. Its content can
	// be deleted.
	if dir := st.path("redis"); !ownedByCaller(dir) {
		if err := os.RemoveAll(dir); err != nil {
			return fmt.Errorf("remove the folder of an older version: %w", err)
		}
	}
	addr := ""
	ro := redisserver.Options{Dir: st.path("redis"), Password: st.RedisPassword, Port: st.RedisPort}
	s.cache = &supervisor{name: "redis", log: log, start: func(ctx context.Context) (running, error) {
		server, err := redisserver.Start(ctx, ro)
		if err != nil {
			return nil, err
		}
		addr, ro.Port, ro.Program = server.Addr, server.Port, server.Program
		return server, nil
	}}
	err := s.cache.begin(ctx)
	if errors.Is(err, redisserver.ErrPortTaken) {
		log.WarnContext(ctx, "the port that Redis used last time is taken; using a free port", "port", ro.Port)
		ro.Port = 0
		err = s.cache.begin(ctx)
	}
	s.server = filepath.Base(ro.Program)
	if missing := (*daemon.NotFoundError)(nil); errors.As(err, &missing) {
		log.InfoContext(ctx, "valkey-server and redis-server are not installed: running Redis in this process", "install", missing.Install)
		s.memory = true
		m := &memoryRedis{password: st.RedisPassword}
		s.cache.start = m.start
		err = s.cache.begin(ctx)
		addr, ro.Port = m.addr, portOf(m.addr)
	}
	if err != nil {
		s.cache = nil
		return err
	}
	s.redisURL = "redis://:" + st.RedisPassword + "@" + addr
	s.redis = func() *redis.Client { return cache.Local(addr, st.RedisPassword) }
	if s.redisCLI, err = writeRedisPassword(st.dir, addr, st.RedisPassword); err != nil {
		return err
	}
	return st.update(func(k *kept) { k.RedisPort = ro.Port })
}

// portOf returns the port of an address; 0 if it has none.
func portOf(addr string) int {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return 0
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return 0
	}
	return n
}

// ownedByCaller reports whether a folder belongs to the caller or is missing.
func ownedByCaller(dir string) bool {
	var owner *daemon.OwnerError
	return !errors.As(daemon.CheckDir(dir, nil), &owner)
}

// close stops the servers that this process started.
func (s *stores) close(ctx context.Context, atOnce bool) error {
	var errs []error
	for _, server := range []*supervisor{s.cache, s.postgres} {
		if server != nil {
			errs = append(errs, server.end(ctx, atOnce))
		}
	}
	return errors.Join(errs...)
}
