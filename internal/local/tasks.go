package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"path/filepath"
	"strconv"
	"time"

	"github.com/streamctl/streamctl/functions/maintenance"
	"github.com/streamctl/streamctl/internal/alert"
	"github.com/streamctl/streamctl/internal/archive"
	"github.com/streamctl/streamctl/internal/cache"
	"github.com/streamctl/streamctl/internal/config"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/emf"
	"github.com/streamctl/streamctl/internal/local/daemon"
	"github.com/streamctl/streamctl/internal/local/dirbucket"
	"github.com/streamctl/streamctl/internal/local/pgserver"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// maintenanceOf returns the maintenance function for stores on this machine.
// other returns the API of another archive's bucket.
func maintenanceOf(v config.Variables, owner, loader *warehouse.DB, c *cache.Cache, stored dirbucket.Bucket, other func(string) (archive.ReadAPI, error), m emf.Emitter, log *slog.Logger) (*maintenance.Handler, error) {
	alerts, err := alert.Encode(v.Alerts)
	if err != nil {
		return nil, err
	}
	env := contract.Maintenance{
		Stack: stackName, Bucket: bucket, EventMaxAgeDays: v.EventMaxAgeDays, WarehouseRetentionDays: v.WarehouseRetentionDays,
		StreamFormats: v.StreamFormats, Alerts: alerts,
	}
	reader := archive.Reader{API: stored, Bucket: bucket}
	return maintenance.New(env, maintenance.Deps{
		Warehouse: maintenance.On(owner), Loader: loader, Cache: c,
		Archive: reader, Kept: reader, Objects: archive.Writer{API: stored, Bucket: bucket},
		Other: func(name string) (maintenance.Archive, error) {
			api, err := other(name)
			return archive.Reader{API: api, Bucket: name}, err
		},
		Metrics: m, Log: log,
	}), nil
}

// noOther is for a function that gets no operators' tasks.
func noOther(name string) (archive.ReadAPI, error) {
	return nil, fmt.Errorf("open bucket %s: not available here", name)
}

// TaskOptions select the data of a running `streamctl local`.
type TaskOptions struct {
	// Dir is its data folder.
	Dir       string
	Variables config.Variables
	// Other returns the API of another archive's bucket.
	Other func(bucket string) (archive.ReadAPI, error)
}

// Tasks runs operators' tasks beside a running `streamctl local`, on its
// PostgreSQL, Redis and archive, with the code of the maintenance function.
type Tasks struct {
	dir   string
	h     *maintenance.Handler
	close func(context.Context) error
}

// readKept reads the state of a data folder with a database.
func readKept(dir string) (k kept, err error) {
	text, err := daemon.ReadFile(filepath.Join(dir, stateFile), nil)
	if err != nil {
		return k, &FolderError{Dir: dir, What: err.Error(), Fix: "set --data-dir to the folder of a running `streamctl local`"}
	}
	if err := json.Unmarshal(text, &k); err != nil || k.DatabasePort == 0 {
		return k, &FolderError{Dir: dir, What: "it does not contain a database yet", Fix: "start `streamctl local` first, without --database-url"}
	}
	return k, nil
}

// OpenTasks opens the data of a running `streamctl local`. Call Close.
func OpenTasks(o TaskOptions) (*Tasks, error) {
	k, err := readKept(o.Dir)
	if err != nil {
		return nil, err
	}
	as := func(role string) (*warehouse.DB, error) {
		password, err := pgserver.RolePassword(filepath.Join(o.Dir, "postgres"), role)
		if err != nil {
			return nil, err
		}
		target := url.URL{
			Scheme: "postgres", User: url.UserPassword(role, password), Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(k.DatabasePort)),
			Path: "/" + contract.DatabaseName, RawQuery: "sslmode=disable",
		}
		return warehouse.NewURL(scramOnly(target.String())), nil
	}
	owner, err := as(contract.RoleOwner)
	if err != nil {
		return nil, err
	}
	loader, err := as(contract.RoleLoader)
	if err != nil {
		return nil, err
	}
	cache.Quiet()
	redis := cache.Local(net.JoinHostPort("127.0.0.1", strconv.Itoa(k.RedisPort)), k.RedisPassword)
	stored := dirbucket.Bucket{Dir: filepath.Join(o.Dir, "archive")}
	h, err := maintenanceOf(o.Variables, owner, loader, cache.New(redis, time.Now), stored, o.Other, unmeasured{}, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, errors.Join(err, redis.Close()) // nothing else is open before the first task
	}
	return &Tasks{dir: o.Dir, h: h, close: func(ctx context.Context) error {
		return errors.Join(owner.Close(ctx), loader.Close(ctx), redis.Close())
	}}, nil
}

// unmeasured drops metrics: those of the platform are shown by its own process.
type unmeasured struct{}

func (unmeasured) Emit(context.Context, ...emf.Metric) {}

// Do runs a task.
func (t *Tasks) Do(ctx context.Context, task contract.MaintenanceTask) (contract.MaintenanceResult, error) {
	r, err := t.h.Do(ctx, task)
	if warehouse.IsUnreachable(err) {
		return r, &FolderError{Dir: t.dir, What: fmt.Sprintf("its PostgreSQL is not running: %v", err), Fix: "start `streamctl local` first"}
	}
	return r, err
}

// Close closes the connections.
func (t *Tasks) Close(ctx context.Context) error { return t.close(ctx) }
