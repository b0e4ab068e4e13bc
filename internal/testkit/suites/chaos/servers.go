package chaos

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/local/pgserver"
	"github.com/streamctl/streamctl/internal/local/redisserver"
	"github.com/streamctl/streamctl/internal/metric"
	"github.com/streamctl/streamctl/internal/pause"
	"github.com/streamctl/streamctl/internal/testkit/servers/postgres"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// template is the database that each run copies.
const template = "chaos_template"

// Servers are one PostgreSQL and one Redis, shared by the runs.
type Servers struct {
	// Begin is the start of the runs' time: hours ago, so that a new key's
	// expiry is never in the past for Redis.
	Begin time.Time

	pgDir, redisDir string
	// Away records killed servers.
	Away Away

	// The first servers; restarted ones have the same addresses.
	firstPG    *pgserver.Server
	firstRedis *redisserver.Server

	mu        sync.Mutex
	pg        *pgserver.Server
	redis     *redisserver.Server
	redisUp   bool
	databases int
}

// StartServers starts both and creates the template, with roles, schema, days
// and the declared metrics.
func StartServers(ctx context.Context, declared []metric.Definition) (s *Servers, err error) {
	s = &Servers{Begin: time.Now().UTC().Truncate(time.Hour).Add(-5 * time.Hour)}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close(context.WithoutCancel(ctx)))
		}
	}()
	if s.pgDir, err = os.MkdirTemp("", "streamctl-chaos-pg-"); err != nil {
		return s, err
	}
	if s.redisDir, err = os.MkdirTemp("", "streamctl-chaos-redis-"); err != nil {
		return s, err
	}
	if s.pg, err = pgserver.Start(ctx, postgres.Options(s.pgDir)); err != nil {
		return s, err
	}
	if s.redis, err = redisserver.Start(ctx, redisserver.Options{Dir: s.redisDir}); err != nil {
		return s, err
	}
	s.redisUp, s.firstPG, s.firstRedis = true, s.pg, s.redis
	if err := s.pg.CreateRDS(ctx, postgres.Master, postgres.MasterPassword, template); err != nil {
		return s, err
	}
	return s, s.prepare(ctx, declared)
}

// missingDay is how many days before Begin a partition is missing.
const missingDay = 3

func (s *Servers) prepare(ctx context.Context, declared []metric.Definition) (err error) {
	master := warehouse.NewURL((&postgres.Server{Server: s.pg}).MasterURL(template))
	if err := errors.Join(master.EnsureRoles(ctx), master.Close(ctx), s.pg.AdmitRoles(ctx)); err != nil {
		return err
	}
	owner := warehouse.NewURL(s.pg.URL(contract.RoleOwner, template))
	defer func() { err = errors.Join(err, owner.Close(ctx)) }()
	if _, err := owner.Migrate(ctx); err != nil {
		return err
	}
	if err := owner.SetRoles(ctx, warehouse.Limits{}); err != nil {
		return err
	}
	for _, days := range [][2]int{{-6, -missingDay - 1}, {-missingDay + 1, 2}} {
		if _, err := owner.EnsurePartitions(ctx, s.Begin.AddDate(0, 0, days[0]), s.Begin.AddDate(0, 0, days[1]), pause.For); err != nil {
			return err
		}
	}
	if err := owner.SetMetrics(ctx, declared); err != nil {
		return err
	}
	// The runs' events are in the past and must be counted nevertheless.
	return s.exec(ctx, template, "UPDATE metric SET since = '-infinity'")
}

// exec runs statements as the superuser.
func (s *Servers) exec(ctx context.Context, database string, statements ...string) (err error) {
	conn, err := pgx.Connect(ctx, s.URL(pgserver.Superuser, database))
	if err != nil {
		return fmt.Errorf("connect as superuser: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	for _, sql := range statements {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
	}
	return nil
}

// Database creates a database for a run.
func (s *Servers) Database(ctx context.Context) (string, error) {
	s.mu.Lock()
	s.databases++
	name := "run_" + strconv.Itoa(s.databases)
	s.mu.Unlock()
	return name, s.exec(ctx, "postgres", "CREATE DATABASE "+name+" OWNER "+postgres.Master+" TEMPLATE "+template)
}

// Drop drops a run's database.
func (s *Servers) Drop(ctx context.Context, name string) error {
	return s.exec(ctx, "postgres", "DROP DATABASE "+name+" WITH (FORCE)")
}

// URL returns a role's connection URL.
func (s *Servers) URL(user, database string) string { return s.firstPG.URL(user, database) }

// Password returns a role's password.
func (s *Servers) Password(role string) string { return s.firstPG.Password(role) }

// PostgresAddr returns PostgreSQL's address.
func (s *Servers) PostgresAddr() string {
	return net.JoinHostPort(s.firstPG.Host, strconv.Itoa(s.firstPG.Port))
}

// RedisAddr returns Redis' address.
func (s *Servers) RedisAddr() string { return s.firstRedis.Addr }

// KillPostgres kills the server; StartPostgres restarts it.
func (s *Servers) KillPostgres(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Away.Set(awayPostgres, true)
	if err := syscall.Kill(s.pg.PID(), syscall.SIGKILL); err != nil {
		return fmt.Errorf("kill postgres: %w", err)
	}
	return s.pg.Stop(ctx)
}

// StartPostgres restarts the killed server on its data and port. The killed
// server's children hold its shared memory for a moment.
func (s *Servers) StartPostgres(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := postgres.Options(s.pgDir)
	o.Port = s.pg.Port
	for try := 1; ; try++ {
		pg, err := pgserver.Start(ctx, o)
		if err == nil {
			s.pg = pg
			s.Away.Set(awayPostgres, false)
			return nil
		}
		if try == 100 {
			return err
		}
		if err := pause.For(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
}

// KillRedis kills the server, which loses all its data.
func (s *Servers) KillRedis(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.redisUp {
		return nil
	}
	s.redisUp = false
	s.Away.Set(awayRedis, true)
	if err := syscall.Kill(s.redis.PID(), syscall.SIGKILL); err != nil {
		return fmt.Errorf("kill redis: %w", err)
	}
	return s.redis.Stop(ctx)
}

// StartRedis restarts the killed server, empty, on its port.
func (s *Servers) StartRedis(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.redisUp {
		return nil
	}
	for try := 1; ; try++ {
		r, err := redisserver.Start(ctx, redisserver.Options{Dir: s.redisDir, Port: s.redis.Port})
		if err == nil {
			s.redis, s.redisUp = r, true
			s.Away.Set(awayRedis, false)
			return nil
		}
		if try == 50 {
			return err
		}
		if err := pause.For(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
}

// Close stops both servers and removes their data.
func (s *Servers) Close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	var errs []error
	if s.pg != nil {
		errs = append(errs, s.pg.Stop(ctx))
	}
	if s.redis != nil {
		errs = append(errs, s.redis.Stop(ctx))
	}
	return errors.Join(append(errs, os.RemoveAll(s.pgDir), os.RemoveAll(s.redisDir))...)
}
