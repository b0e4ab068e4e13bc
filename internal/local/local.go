// Package local runs the whole platform on one machine: the deployed functions
// behind an HTTP gateway, a durable stream, the event source mapper, real
// PostgreSQL and Redis, and a folder as the archive.
package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/streamctl/streamctl/internal/config"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/local/dirbucket"
	"github.com/streamctl/streamctl/internal/local/stream"
	"github.com/streamctl/streamctl/internal/pause"
)

// Options configure a platform.
type Options struct {
	// Variables are the settings of variables.yaml. The mappings, metrics and
	// limits are used; AWS settings are ignored.
	Variables config.Variables
	// Dir is the data folder, which is created if missing. With Ephemeral it is
	// removed when the platform stops.
	Dir       string
	Ephemeral bool
	// Addr and DashboardAddr are host:port of the API and the dashboard; port 0
	// selects a free one.
	Addr, DashboardAddr string
	// IAM requires callers of the API to sign requests with the folder's keys.
	IAM bool
	// DatabaseURL and RedisURL are the URLs of running servers; if empty, Start
	// starts its own.
	DatabaseURL, RedisURL string
	// DatabasePort is the port of PostgreSQL when Start starts it; 0 selects a
	// free one.
	DatabasePort int
	Faults       Faults
	// AcceptDamage starts on a damaged event stream without the unreadable
	// records and lists them in a file of the data folder.
	AcceptDamage bool
	// AlertWebhook is the URL that gets a POST request for each alert that fires or no
	// longer does; empty for none. See CheckWebhook.
	AlertWebhook string
	// Version is the program's version, which the dashboard shows.
	Version string
	Log     *slog.Logger
}

// Platform is a running platform.
type Platform struct {
	o          Options
	state      *state
	stores     *stores
	stream     *stream.Stream
	functions  *functions
	mappings   []*mapping
	meters     *Meters
	health     *healthState
	logged     io.Closer
	rejections io.Closer // the log, as the dashboard reads it
	servers    []*http.Server
	info       Info

	stopReading context.CancelFunc // of the mappings and all periodic tasks
	work        sync.WaitGroup
	failed      chan error
}

// Info holds the addresses and commands for using the platform.
type Info struct {
	API       string `json:"api"`
	Dashboard string `json:"dashboard"`
	// Database is the master user's URL, Redis the server's, Archive a folder.
	Database string `json:"database"`
	Redis    string `json:"redis"`
	Archive  string `json:"archive"`
	// Psql and RedisCLI are shell commands that read the password from a file.
	// They are empty if Options gives the server.
	Psql     string `json:"psql,omitempty"`
	RedisCLI string `json:"redisCli,omitempty"`
	// RedisServer is the program that runs as Redis: valkey-server or
	// redis-server. It is empty if Options gives the server or Redis runs in
	// this process.
	RedisServer string `json:"redisServer,omitempty"`
	// RedisInMemory reports whether Redis runs in this process.
	RedisInMemory bool `json:"redisInMemory"`
	// Region, AccessKeyID and SecretAccessKey are for signing requests; empty
	// without IAM.
	Region          string `json:"region,omitempty"`
	AccessKeyID     string `json:"accessKeyId,omitempty"`
	SecretAccessKey string `json:"secretAccessKey,omitempty"`
	// WriteKey is the key of this machine's apps and pages, for the libraries of Segment
	// and RudderStack.
	WriteKey string `json:"writeKey"`
}

// PortError is an address that can't be listened on.
type PortError struct {
	Flag, Addr string
	err        error
}

func (e *PortError) Error() string { return fmt.Sprintf("listen on %s: %v", e.Addr, e.err) }

// Unwrap returns the listen error.
func (e *PortError) Unwrap() error { return e.err }

func (e *PortError) Hint() string {
	return "stop the program that listens there, or choose another port with " + e.Flag + " (0 selects a free port)"
}

func listen(ctx context.Context, addr, flag string) (net.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) {
			err = op.Err
		}
		return nil, &PortError{Flag: flag, Addr: addr, err: err}
	}
	return l, nil
}

// Start starts a platform and returns when it serves requests. ctx applies to
// the start only; call Stop to end the platform. If Start fails, it stops
// everything it has started.
func Start(ctx context.Context, o Options) (_ *Platform, err error) {
	if err := checkSystem(runtime.GOOS); err != nil {
		return nil, err
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	api, err := listen(ctx, o.Addr, "--port")
	if err != nil {
		return nil, err
	}
	page, err := listen(ctx, o.DashboardAddr, "--dashboard-port")
	if err != nil {
		return nil, errors.Join(err, api.Close())
	}
	p := &Platform{o: o, meters: newMeters(), health: newHealthState(), failed: make(chan error, 2)}
	defer func() {
		if err != nil {
			ended, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
			cancel(err) // nothing to drain
			err = errors.Join(err, p.Stop(ended), closeListener(api), closeListener(page))
		}
	}()
	if p.state, err = openState(o.Dir); err != nil {
		return nil, err
	}
	if err := p.keepLog(); err != nil {
		return nil, err
	}
	o.Log = p.o.Log
	if p.stores, err = startStores(ctx, o, p.state, o.Log); err != nil {
		return nil, err
	}
	if err := migrate(ctx, o.Variables, p.stores, p.state.Password, o.Log); err != nil {
		return nil, err
	}
	if err := p.begin(ctx); err != nil {
		return nil, err
	}
	p.serve(ctx, api, page)
	return p, nil
}

func closeListener(l net.Listener) error {
	if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// begin opens the stream and starts the functions.
func (p *Platform) begin(ctx context.Context) error {
	kept, err := p.openStream(ctx)
	if err != nil {
		return err
	}
	v, log := p.o.Variables, p.o.Log
	archive := dirbucket.Bucket{Dir: p.state.path("archive"), Volatile: p.o.Ephemeral}
	m := builder{v: v, stores: p.stores, stream: p.stream, archive: archive, meters: p.meters, log: log, keys: writeKeys(p), secret: p.state.UserIDSecret, webhook: p.o.AlertWebhook}
	if p.o.Faults.Throttle > 0 || p.o.Faults.Duplicate > 0 {
		m.stream = faultyStream{p.stream, p.o.Faults}
	}
	p.functions = newFunctions(m)
	for i, one := range []struct {
		f        *function
		settings contract.Mapping
	}{{p.functions.processor, v.ProcessorMapping}, {p.functions.archiver, v.ArchiverMapping}} {
		mapping, err := newMapping(p.stream, one.f, one.settings, archive, kept[i], p.stores.reachable, log)
		if err != nil {
			return err
		}
		p.mappings = append(p.mappings, mapping)
	}
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	p.stopReading = cancel
	for _, m := range p.mappings {
		m.run(running, &p.work)
		p.work.Go(func() { m.checkpoints.keep(running, log) })
	}
	p.repeat(running)
	return nil
}

// openStream opens the stream and the checkpoints of processor and archiver,
// and checks that they match.
func (p *Platform) openStream(ctx context.Context) (kept []*checkpoints, err error) {
	v, log := p.o.Variables, p.o.Log
	shards := v.ShardCount
	if v.StreamMode == config.StreamOnDemand {
		shards = 4 // the shard count of a new ON_DEMAND stream
	}
	if err := os.MkdirAll(p.state.path("checkpoints"), 0o700); err != nil {
		return nil, fmt.Errorf("create checkpoints folder: %w", err)
	}
	o := stream.Options{
		Dir: p.state.path("stream"), Shards: shards, Volatile: p.o.Ephemeral, AcceptDamage: p.o.AcceptDamage,
		Note: func(text string) { log.WarnContext(ctx, "stream: "+text) },
		Report: func(damage []stream.Damage) error {
			path, err := reportDamage(p.o.Dir, damage)
			if err == nil {
				log.WarnContext(ctx, "damage to the event stream accepted", "records", (&stream.DamageError{Damage: damage}).Missing(), "file", path)
			}
			return err
		},
	}
	for _, name := range []string{contract.FuncProcessor, contract.FuncArchiver} {
		c, err := openCheckpoints(p.state.path("checkpoints", name+".json"), name)
		if err != nil {
			return nil, err
		}
		if c.discarded != "" {
			log.WarnContext(ctx, c.discarded)
		}
		kept = append(kept, c)
		o.Consumers = append(o.Consumers, stream.Consumer{File: c.path, At: c.get()})
	}
	p.stream, err = stream.Open(o)
	var damaged *stream.DamageError
	if errors.As(err, &damaged) {
		return nil, &DamageError{DamageError: damaged, Dir: p.o.Dir}
	}
	if err != nil {
		return nil, err
	}
	for _, c := range kept {
		if len(p.stream.Accepted()) > 0 {
			c.keepOnly(p.stream.Has)
		}
	}
	p.health.failedBefore, err = countFailed(p.state.path("archive"))
	return kept, err
}

// repeat starts the periodic tasks.
func (p *Platform) repeat(ctx context.Context) {
	log := p.o.Log
	var emptied chan struct{} // to refill Redis as soon as it is back
	if p.stores.cache != nil {
		emptied = p.stores.cache.back
	}
	p.work.Go(func() {
		schedule(ctx, p.functions.maintenance, contract.TaskRefresh, time.Minute, emptied, p.health.task, log)
	})
	p.work.Go(func() {
		schedule(ctx, p.functions.maintenance, contract.TaskUpkeep, time.Hour, nil, p.health.task, log)
	})
	p.work.Go(func() {
		for pause.For(ctx, time.Minute) == nil {
			p.trim(ctx)
		}
	})
	if d := p.o.Faults.PostgresDown; d > 0 && p.stores.postgres != nil {
		p.work.Go(func() { stage(ctx, p.stores.postgres, d, log) })
	}
	if d := p.o.Faults.RedisDown; d > 0 && p.stores.cache != nil {
		p.work.Go(func() { stage(ctx, p.stores.cache, d, log) })
	}
}

// trim drops records that are older than the stream's retention and that both
// consumers have handled.
func (p *Platform) trim(ctx context.Context) {
	before := time.Now().Add(-time.Duration(p.o.Variables.StreamRetentionHours) * time.Hour)
	var readers []map[string]string
	for _, m := range p.mappings {
		readers = append(readers, m.checkpoints.get())
	}
	if _, err := p.stream.Trim(before, readers...); err != nil {
		p.o.Log.WarnContext(ctx, "could not trim the stream", "err", err)
	}
}

// Info returns the addresses and commands for using the platform.
func (p *Platform) Info() Info { return p.info }

// Failed delivers an error that ends the platform.
func (p *Platform) Failed() <-chan error { return p.failed }
