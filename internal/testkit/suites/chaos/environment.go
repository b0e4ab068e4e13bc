package chaos

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/redis/go-redis/v9"

	"github.com/streamctl/streamctl/functions/archiver"
	"github.com/streamctl/streamctl/functions/processor"
	"github.com/streamctl/streamctl/functions/query"
	"github.com/streamctl/streamctl/internal/archive"
	"github.com/streamctl/streamctl/internal/cache"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// Variants replace parts of the product by wrong ones. The zero value replaces
// nothing.
type Variants struct {
	Warehouse func(processor.Warehouse) processor.Warehouse
	Archive   func(archiver.Objects) archiver.Objects
	Refresh   func(cache.Warehouse) cache.Warehouse
	// Script replaces the script that writes minutes.
	Script string
	// Answer replaces the processor's response.
	Answer func(events.KinesisEventResponse) (events.KinesisEventResponse, error)
	// Cache and Query replace the query function's sources, Response its response.
	Cache    func(query.Cache) query.Cache
	Query    func(query.Warehouse) query.Warehouse
	Response func(body string) string
}

// processing is an environment of the processor.
type processing struct {
	w     *World
	proxy *Proxy
	db    *warehouse.DB
	redis *redis.Client
	next  processor.Warehouse
	cache *cache.Cache
	h     *processor.Handler

	// for the current invocation
	fault Fault
	kill  func()
}

func (w *World) openProcessor(ctx context.Context) (handler, error) {
	proxy, err := NewProxy(ctx, w.Servers.PostgresAddr())
	if err != nil {
		return nil, err
	}
	p := &processing{w: w, proxy: proxy, db: loaderAt(net.JoinHostPort("127.0.0.1", proxy.Port()), w.Database, w.Servers.Password(contract.RoleLoader)), redis: w.redis()}
	p.next = p.db
	if w.Variants.Warehouse != nil {
		p.next = w.Variants.Warehouse(p.db)
	}
	p.cache = cache.New(p.redis, w.Clock.Now)
	p.h = processor.New(contract.Processor{}, processor.Deps{Warehouse: p, Cache: p, Objects: w.writer(), Metrics: nothing{}, Log: w.Log})
	return p, nil
}

// loaderAt logs in like the processor, at an address.
func loaderAt(addr, database, password string) *warehouse.DB {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		host = addr // connecting fails with an error
	}
	return warehouse.NewDB(warehouse.Login{Host: host, Port: port, Database: database, User: contract.RoleLoader, Password: func(context.Context) (string, error) { return password, nil }})
}

func (p *processing) handle(ctx context.Context, e events.KinesisEvent, f Fault, kill func()) (events.KinesisEventResponse, error) {
	p.fault, p.kill = f, kill
	switch f {
	case CutBeforeCommit:
		p.proxy.Arm(&Rule{Match: commitMessage, CutBefore: true})
	case CutAfterCommit:
		p.proxy.Arm(&Rule{Match: commitMessage, CutAfter: true})
	case KillBeforeCommit:
		p.proxy.Arm(&Rule{Match: commitMessage, CutBefore: true, Hook: kill})
	default:
		p.proxy.Arm(nil)
	}
	resp, err := p.h.Handle(ctx, e)
	if err == nil && p.w.Variants.Answer != nil {
		return p.w.Variants.Answer(resp)
	}
	return resp, err
}

func (p *processing) close(ctx context.Context) error {
	// Close the proxy first: a killed process does not close its connections.
	err := p.proxy.Close()
	_ = p.db.Close(ctx)
	return errors.Join(err, p.redis.Close())
}

// Load loads and records what is known to be committed; it may be the
// environment's last action.
func (p *processing) Load(ctx context.Context, c warehouse.Chunk) (warehouse.Loaded, error) {
	loaded, err := p.next.Load(ctx, c)
	if err != nil {
		return loaded, err
	}
	p.w.Commits.Add(loaded)
	if p.fault == KillAfterCommit {
		p.kill()
	}
	return loaded, nil
}

// MinuteRows reads complete minutes.
func (p *processing) MinuteRows(ctx context.Context, metric string, minutes []time.Time) ([]warehouse.MinuteRow, error) {
	return p.next.MinuteRows(ctx, metric, minutes)
}

// Update updates Redis; it may be the environment's last action.
func (p *processing) Update(ctx context.Context, source cache.Source, rows []warehouse.MinuteRow, users map[string][]string) error {
	err := p.cache.Update(ctx, source, rows, users)
	if p.fault == KillAfterRedis {
		p.kill()
	}
	return err
}

// archiving is an environment of the archiver.
type archiving struct {
	next  archiver.Objects
	h     *archiver.Handler
	fault Fault
	kill  func()
}

var errRefused = errors.New("slow down")

func (w *World) openArchiver(context.Context) (handler, error) {
	a := &archiving{next: w.writer()}
	if w.Variants.Archive != nil {
		a.next = w.Variants.Archive(a.next)
	}
	a.h = archiver.New(contract.Archiver{}, archiver.Deps{Objects: a, Metrics: nothing{}, Log: w.Log})
	return a, nil
}

func (a *archiving) handle(ctx context.Context, e events.KinesisEvent, f Fault, kill func()) (events.KinesisEventResponse, error) {
	a.fault, a.kill = f, kill
	return a.h.Handle(ctx, e)
}

func (a *archiving) close(context.Context) error { return nil }

// Put writes an object; it may be the environment's last action.
func (a *archiving) Put(ctx context.Context, key string, body []byte) error {
	switch a.fault {
	case KillBeforePut:
		a.kill()
		return errKilled
	case RefusePut:
		return errRefused
	}
	err := a.next.Put(ctx, key, body)
	if a.fault == KillAfterPut {
		a.kill()
	}
	return err
}

func (w *World) writer() archive.Writer {
	return archive.Writer{API: w.Bucket, Bucket: "chaos"}
}

// redis returns a client like the product's, with the run's script.
func (w *World) redis() *redis.Client { return w.scripted(cache.Local(w.Servers.RedisAddr(), "")) }

// patientRedis returns a client that does not stop connecting for a second
// after a few failures.
func (w *World) patientRedis() *redis.Client {
	return w.scripted(redis.NewClient(&redis.Options{Addr: w.Servers.RedisAddr(), PoolSize: 1000, MaxRetries: -1, DialerRetries: 1}))
}

func (w *World) scripted(c *redis.Client) *redis.Client {
	c.AddHook(script{w})
	return c
}

// quiet is a log that is dropped.
func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }
