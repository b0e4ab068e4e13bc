package chaos

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/streamctl/streamctl/internal/cache"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/local/mapper"
	"github.com/streamctl/streamctl/internal/pause"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// World is one run's platform.
type World struct {
	Servers  *Servers
	Database string
	Clock    *Clock
	// Random is for concurrent parts, Steps for everything that the seed
	// determines.
	Random, Steps *Random
	Stream        *Stream
	Bucket        *Bucket
	Client        *Client
	Commits       *Commits
	Reader        *Reader
	Dashboard     *Dashboard
	Declarations  *Declarations
	Variants      Variants
	Log           *slog.Logger
	journal       *journal

	// Owner is the warehouse with maintenance's login, Cache its cache.
	Owner *warehouse.DB
	Cache *cache.Cache
	raw   *redis.Client
	// hurry makes more time pass per step.
	hurry bool
	// crash is held while PostgreSQL is unavailable.
	crash sync.Mutex

	Processor, Archiver               *Function
	processorMapping, archiverMapping *Mapping

	// Frozens counts the frozen invocations.
	Frozens int
	// MostInvocations is the processor's maximum number of invocations; 0 means
	// no limit.
	MostInvocations int

	// Floor is the retention floor; Frozen are the rollups below it.
	Floor  time.Time
	Frozen []warehouse.MinuteRow
}

// NewWorld returns a run's platform with n shards, which ends with the test.
func NewWorld(t testing.TB, servers *Servers, seed uint64, shards int, v Variants) *World {
	t.Helper()
	name, err := servers.Database(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	clock := NewClock(servers.Begin)
	w := &World{
		Servers: servers, Database: name, Clock: clock, Random: NewRandom(seed, 1), Steps: NewRandom(seed, 4), Bucket: NewBucket(), Commits: NewCommits(clock), Variants: v, journal: &journal{},
		Stream: NewStream(clock, NewRandom(seed, 2).r, shards),
	}
	w.Log = slog.New(slog.NewTextHandler(w.journal, &slog.HandlerOptions{Level: slog.LevelWarn}))
	w.Client = NewClient(w.Stream, clock, NewRandom(seed, 3))
	w.raw = w.patientRedis()
	w.Owner = warehouse.NewURL(servers.URL(contract.RoleOwner, name))
	w.Cache = cache.New(w.raw, clock.Now)
	w.Reader = &Reader{Cache: cache.New(w.patientRedis(), clock.Now), DB: warehouse.NewURL(servers.URL(contract.RoleReader, name)), Commits: w.Commits, clock: clock}
	w.Declarations = &Declarations{now: declaration{Definition: Declared()}}
	w.Dashboard = NewDashboard(w)
	w.Processor, w.Archiver = newFunction(w.openProcessor), newFunction(w.openArchiver)
	if err := w.raw.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 20*time.Second)
		defer cancel()
		if err := w.close(ctx); err != nil {
			t.Error(err)
		}
	})
	return w
}

func (w *World) close(ctx context.Context) error {
	w.StopMappings()
	return errors.Join(
		w.Processor.Close(ctx), w.Archiver.Close(ctx), w.Owner.Close(ctx), w.Reader.DB.Close(ctx), w.Dashboard.Close(ctx), w.raw.Close(), w.Servers.Drop(ctx, w.Database),
	)
}

// Mapping is a running mapper.
type Mapping struct {
	m    *mapper.Mapper
	stop func()
}

// settings returns a test's settings: batch size and parallelization.
func settings(batch, parallel int) contract.Mapping {
	return contract.Mapping{BatchSize: batch, Parallelization: parallel, Bisect: true, Retries: -1, RecordAgeSeconds: -1}
}

// StartProcessor starts the processor's mapping after checkpoints.
func (w *World) StartProcessor(ctx context.Context, s contract.Mapping, checkpoints map[string]string) error {
	m, err := w.start(ctx, w.Processor, s, checkpoints)
	w.processorMapping = m
	return err
}

// StartArchiver starts the archiver's mapping after checkpoints.
func (w *World) StartArchiver(ctx context.Context, batch int, checkpoints map[string]string) error {
	s := settings(batch, 1)
	s.Bisect = false
	m, err := w.start(ctx, w.Archiver, s, checkpoints)
	w.archiverMapping = m
	return err
}

func (w *World) start(ctx context.Context, f *Function, s contract.Mapping, checkpoints map[string]string) (*Mapping, error) {
	m, err := mapper.New(mapper.Options{
		UUID: "00000000-0000-4000-8000-000000000000", StreamARN: "arn:aws:kinesis:::stream/chaos", Settings: s, Source: w.Stream, Invoker: f,
		OnFailure: w.Bucket, Checkpoints: checkpoints, Poll: 3 * time.Millisecond, Backoff: 5 * time.Millisecond, MaxBackoff: 80 * time.Millisecond, Log: w.Log,
	})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = m.Run(ctx) // returns only when ctx ends
	}()
	return &Mapping{m: m, stop: sync.OnceFunc(func() { cancel(); <-ended })}, nil
}

// StopMappings ends both mappings.
func (w *World) StopMappings() {
	for _, m := range []*Mapping{w.processorMapping, w.archiverMapping} {
		if m != nil {
			m.stop()
		}
	}
}

// Drain waits until both mappings have read the whole stream.
func (w *World) Drain(ctx context.Context) error {
	for len(w.Stream.Behind(w.processorMapping.m.Checkpoints())) > 0 || len(w.Stream.Behind(w.archiverMapping.m.Checkpoints())) > 0 {
		if err := pause.For(ctx, 5*time.Millisecond); err != nil {
			return fmt.Errorf("drain: processor behind at %v, archiver at %v: %w\n%s",
				w.Stream.Behind(w.processorMapping.m.Checkpoints()), w.Stream.Behind(w.archiverMapping.m.Checkpoints()), err, w.journal)
		}
	}
	return nil
}

// Refresh refreshes like maintenance every minute. Unavailable servers are not
// an error.
func (w *World) Refresh(ctx context.Context) error {
	today := w.Clock.Now()
	_, err := w.Owner.EnsurePartitions(ctx, today, today, pause.For)
	var source cache.Warehouse = w.Owner
	if w.Variants.Refresh != nil {
		source = w.Variants.Refresh(source)
	}
	_, refreshErr := w.Cache.Refresh(ctx, source)
	return errors.Join(err, refreshErr)
}
