package local

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"time"

	"github.com/streamctl/streamctl/functions/archiver"
	"github.com/streamctl/streamctl/functions/ingest"
	"github.com/streamctl/streamctl/functions/maintenance"
	"github.com/streamctl/streamctl/functions/processor"
	"github.com/streamctl/streamctl/functions/query"
	"github.com/streamctl/streamctl/internal/api"
	"github.com/streamctl/streamctl/internal/archive"
	"github.com/streamctl/streamctl/internal/cache"
	"github.com/streamctl/streamctl/internal/config"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/lambdarun"
	"github.com/streamctl/streamctl/internal/local/folder"
	"github.com/streamctl/streamctl/internal/pause"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// functions are the deployed handlers, each with what its bootstrap gives it,
// but from this machine.
type functions struct {
	ingest, archiver, processor, query, maintenance *function
}

// most is how many environments a function has at a time. The database's
// connections are 100: loader and reader stay well below their limits.
const most = 32

// makers make what the handlers are given.
type makers struct {
	v       config.Variables
	stores  *stores
	stream  ingest.Stream
	archive folder.Folder
	meters  *Meters
	log     *slog.Logger
}

// bucket is the name that the archive's keys are said to be in.
const bucket = "archive"

func newFunctions(m makers) *functions {
	timeout := func(name string) time.Duration { return timeoutOf(m.v, name) }
	loaders := max(1, m.v.ShardCount) * max(1, m.v.ProcessorMapping.Parallelization)
	return &functions{
		ingest:      newFunction(contract.FuncIngest, timeout(contract.FuncIngest), most, m.ingest),
		archiver:    newFunction(contract.FuncArchiver, timeout(contract.FuncArchiver), most, m.archiver),
		processor:   newFunction(contract.FuncProcessor, timeout(contract.FuncProcessor), min(most, loaders), m.processor),
		query:       newFunction(contract.FuncQuery, timeout(contract.FuncQuery), 8, m.query),
		maintenance: newFunction(contract.FuncMaintenance, timeout(contract.FuncMaintenance), 2, m.maintenance),
	}
}

// timeoutOf is the deadline of one invocation, as on AWS: Functions.<name>.Timeout,
// or the function's default.
func timeoutOf(v config.Variables, name string) time.Duration {
	f, _ := contract.FunctionByName(name)
	f, _ = v.Function(f)
	return time.Duration(f.TimeoutSeconds) * time.Second
}

// Close ends what the environments keep open.
func (f *functions) Close(ctx context.Context) error {
	return errors.Join(f.ingest.Close(ctx), f.archiver.Close(ctx), f.processor.Close(ctx), f.query.Close(ctx), f.maintenance.Close(ctx))
}

func nothing(context.Context) error { return nil }

func (m makers) ingest() environment {
	h := &ingest.Handler{
		Stream: m.stream, StreamName: "events", MaxAgeDays: m.v.EventMaxAgeDays,
		Now: time.Now, Random: rand.Reader, Wait: pause.For, Metrics: m.meters, Log: m.log.With("function", contract.FuncIngest),
	}
	return environment{lambdarun.Timed(api.AllowOrigins(m.v.CorsAllowedOrigins, h.Handle), h.Metrics, h.Log, time.Now), nothing}
}

func (m makers) writer() archive.Writer {
	return archive.Writer{API: m.archive, Bucket: bucket, Wait: pause.For}
}

func (m makers) archiver() environment {
	h := &archiver.Handler{Objects: m.writer(), Metrics: m.meters, Log: m.log.With("function", contract.FuncArchiver)}
	return environment{lambdarun.Timed(lambdarun.Stream(h.Handle), h.Metrics, h.Log, time.Now), nothing}
}

// connected are the stores as an environment that logs in as a role has them.
func (m makers) connected(role string) (*warehouse.DB, *cache.Cache, func(context.Context) error) {
	db, client := warehouse.NewURL(m.stores.database(role)), m.stores.redis()
	return db, cache.New(client, time.Now), func(ctx context.Context) error { return errors.Join(db.Close(ctx), client.Close()) }
}

func (m makers) processor() environment {
	db, redis, end := m.connected(contract.RoleLoader)
	h := &processor.Handler{
		Warehouse: db, Cache: redis, Objects: m.writer(), Metrics: m.meters, Now: time.Now, Log: m.log.With("function", contract.FuncProcessor),
	}
	return environment{lambdarun.Timed(lambdarun.Stream(h.Handle), h.Metrics, h.Log, time.Now), end}
}

func (m makers) query() environment {
	db, redis, end := m.connected(contract.RoleReader)
	h := &query.Handler{
		Warehouse: db, Cache: redis, Definitions: m.v.Metrics, Now: time.Now, Metrics: m.meters, Log: m.log.With("function", contract.FuncQuery),
	}
	return environment{lambdarun.Timed(api.AllowOrigins(m.v.CorsAllowedOrigins, h.Handle), h.Metrics, h.Log, time.Now), end}
}

func (m makers) maintenance() environment {
	db, redis, end := m.connected(contract.RoleOwner)
	h := &maintenance.Handler{
		Warehouse: db, Cache: redis, Archive: archive.Reader{API: m.archive, Bucket: bucket},
		MaxAgeDays: m.v.EventMaxAgeDays, RetentionDays: m.v.WarehouseRetentionDays, Now: time.Now, Pause: pause.For,
		Metrics: m.meters, Log: m.log.With("function", contract.FuncMaintenance),
	}
	return environment{lambdarun.Timed(h.Do, h.Metrics, h.Log, time.Now), end}
}
