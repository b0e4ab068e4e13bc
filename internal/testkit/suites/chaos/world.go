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
	// Random is for what runs concurrently, Steps for what the seed decides.
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

	// Owner is the warehouse as maintenance sees it, Cache the same for Redis.
	Owner *warehouse.DB
	Cache *cache.Cache
	raw   *redis.Client
	// hurry lets more time pass with each step.
	hurry bool
	// crash is held while PostgreSQL is away.
	crash sync.Mutex

	Processor, Archiver               *Function
	processorMapping, archiverMapping *Mapping

	// Frozens counts the invocations that were frozen.
	Frozens int
	// MostInvocations is how many the processor may have needed; 0 is any.
	MostInvocations int

	// Floor is where retention ended; Frozen are the rollups below it.
	Floor  time.Time
	Frozen []warehouse.MinuteRow
}

// NewWorld makes a run's platform, of n shards, until the test ends.
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

// Mapping is a mapper that runs.
type Mapping struct {
	m    *mapper.Mapper
	stop func()
}

// settings are those of a test: batches of that size, that many at a time.
func settings(batch, parallel int) contract.Mapping {
	return contract.Mapping{BatchSize: batch, Parallelization: parallel, Bisect: true, Retries: -1, RecordAgeSeconds: -1}
}

// StartProcessor begins the processor's mapping after checkpoints.
func (w *World) StartProcessor(ctx context.Context, s contract.Mapping, checkpoints map[string]string) error {
	m, err := w.start(ctx, w.Processor, s, checkpoints)
	w.processorMapping = m
	return err
}

// StartArchiver begins the archiver's mapping after checkpoints.
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
		_ = m.Run(ctx) // it ends with ctx only
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

// Refresh is what maintenance does each minute. Servers that are away are no
// error.
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
