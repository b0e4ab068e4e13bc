package local

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/streamctl/streamctl/functions/archiver"
	"github.com/streamctl/streamctl/functions/ingest"
	"github.com/streamctl/streamctl/functions/processor"
	"github.com/streamctl/streamctl/functions/query"
	"github.com/streamctl/streamctl/internal/archive"
	"github.com/streamctl/streamctl/internal/cache"
	"github.com/streamctl/streamctl/internal/config"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/invocation"
	"github.com/streamctl/streamctl/internal/local/dirbucket"
	"github.com/streamctl/streamctl/internal/metric"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// functions are the deployed handlers. Each receives the same dependencies as
// from its bootstrap, backed by this machine.
type functions struct {
	ingest, archiver, processor, query, maintenance *function
}

// maxEnvironments is the maximum number of execution environments per function.
// PostgreSQL has 100 connections: loader and reader stay well below their
// limits.
const maxEnvironments = 32

// builder creates the handlers' dependencies.
type builder struct {
	v       config.Variables
	stores  *stores
	stream  ingest.Stream
	archive dirbucket.Bucket
	meters  *Meters
	log     *slog.Logger
	// keys are the write keys.
	keys []contract.WriteKey
	// secret is the secret for hashing user ids.
	secret string
	// webhook is Options.AlertWebhook.
	webhook string
}

// stackName and bucket are the names in the functions' environment.
const (
	stackName = "local"
	bucket    = "archive"
)

func newFunctions(m builder) *functions {
	timeout := func(name string) time.Duration { return timeoutOf(m.v, name) }
	loaders := max(1, m.v.ShardCount) * max(1, m.v.ProcessorMapping.Parallelization)
	return &functions{
		ingest:      newFunction(contract.FuncIngest, timeout(contract.FuncIngest), maxEnvironments, m.meters, m.ingest),
		archiver:    newFunction(contract.FuncArchiver, timeout(contract.FuncArchiver), maxEnvironments, m.meters, m.archiver),
		processor:   newFunction(contract.FuncProcessor, timeout(contract.FuncProcessor), min(maxEnvironments, loaders), m.meters, m.processor),
		query:       newFunction(contract.FuncQuery, query.RequestTime, 8, m.meters, m.query),
		maintenance: newFunction(contract.FuncMaintenance, timeout(contract.FuncMaintenance), 2, m.meters, m.maintenance),
	}
}

// timeoutOf returns the deadline of one invocation, as on AWS:
// Functions.<name>.Timeout or the function's default.
func timeoutOf(v config.Variables, name string) time.Duration {
	f, _ := contract.FunctionByName(name)
	f, _ = v.Function(f)
	return time.Duration(f.TimeoutSeconds) * time.Second
}

// Close closes the connections of all environments.
func (f *functions) Close(ctx context.Context) error {
	return errors.Join(f.ingest.Close(ctx), f.archiver.Close(ctx), f.processor.Close(ctx), f.query.Close(ctx), f.maintenance.Close(ctx))
}

func nothing(context.Context) error { return nil }

// timed returns an environment whose handler reports invocations that come
// close to their timeout.
func (m builder) timed(handler invocation.Handler, end func(context.Context) error) environment {
	return environment{invocation.Timed(handler, m.meters), end}
}

// logger returns a function's logger.
func (m builder) logger(function string) *slog.Logger { return m.log.With("function", function) }

func (m builder) ingest() (environment, error) {
	env := contract.Ingest{Stack: stackName, Stream: "events", EventMaxAgeDays: m.v.EventMaxAgeDays, CorsOrigins: m.v.CorsAllowedOrigins, WriteKeys: m.keys, Privacy: m.v.Privacy}
	secret := func(context.Context) (string, error) { return m.secret, nil }
	h := ingest.New(env, ingest.Deps{Stream: m.stream, Secret: secret, Metrics: m.meters, Log: m.logger(contract.FuncIngest)})
	return m.timed(invocation.JSON(h.Handle), nothing), nil
}

func (m builder) writer() archive.Writer { return archive.Writer{API: m.archive, Bucket: bucket} }

func (m builder) archiver() (environment, error) {
	env := contract.Archiver{Stack: stackName, Bucket: bucket, StreamFormats: m.v.StreamFormats}
	h := archiver.New(env, archiver.Deps{Objects: m.writer(), Metrics: m.meters, Log: m.logger(contract.FuncArchiver)})
	return m.timed(invocation.Stream(h.Handle), nothing), nil
}

// connected returns clients of the database and Redis for one environment,
// logged in as a role.
func (m builder) connected(role string) (*warehouse.DB, *cache.Cache, func(context.Context) error) {
	db, client := warehouse.NewURL(m.stores.database(role)), m.stores.redis()
	return db, cache.New(client, time.Now), func(ctx context.Context) error { return errors.Join(db.Close(ctx), client.Close()) }
}

func (m builder) processor() (environment, error) {
	db, redis, end := m.connected(contract.RoleLoader)
	h := processor.New(contract.Processor{Stack: stackName, Bucket: bucket, StreamFormats: m.v.StreamFormats}, processor.Deps{
		Warehouse: db, Cache: redis, Objects: m.writer(), Metrics: m.meters, Log: m.logger(contract.FuncProcessor),
	})
	return m.timed(invocation.Stream(h.Handle), end), nil
}

func (m builder) query() (environment, error) {
	metrics, err := metric.Encode(m.v.Metrics)
	if err != nil {
		return environment{}, err
	}
	db, redis, end := m.connected(contract.RoleReader)
	h, err := query.New(contract.Query{Stack: stackName, CorsOrigins: m.v.CorsAllowedOrigins, Metrics: metrics}, query.Deps{
		Warehouse: db, Sequences: &warehouse.Sequences{DB: db}, Cache: redis, Answers: redis, Metrics: m.meters, Log: m.logger(contract.FuncQuery),
	})
	if err != nil {
		return environment{}, err
	}
	return m.timed(invocation.JSON(h.Handle), end), nil
}

func (m builder) maintenance() (environment, error) {
	db, redis, end := m.connected(contract.RoleOwner)
	loader := warehouse.NewURL(m.stores.database(contract.RoleLoader))
	h, err := maintenanceOf(m.v, db, loader, redis, m.archive, noOther, m.meters, m.logger(contract.FuncMaintenance))
	if err != nil {
		return environment{}, err
	}
	h.Notify = alerting{webhook: m.webhook, log: m.logger(contract.FuncMaintenance)}.notify
	return m.timed(invocation.JSON(h.Do), func(ctx context.Context) error { return errors.Join(end(ctx), loader.Close(ctx)) }), nil
}
