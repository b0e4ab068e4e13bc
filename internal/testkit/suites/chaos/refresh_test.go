package chaos

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/streamctl/streamctl/internal/cache"
	"github.com/streamctl/streamctl/internal/pause"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// TestCrashTakesTransactionIDsBack refreshes the cache after transactions were
// rolled back, and kills PostgreSQL before it has written their ids.
func TestCrashTakesTransactionIDsBack(t *testing.T) {
	r := scenario(t, 3, nil, func(ctx context.Context, w *World) error {
		if err := load(ctx, w, 30); err != nil {
			return err
		}
		conn, err := w.connect(ctx)
		if err != nil {
			return err
		}
		var last string
		for range 50 {
			tx, err := conn.Begin(ctx)
			if err != nil {
				return err
			}
			if err := tx.QueryRow(ctx, "SELECT pg_current_xact_id()::text").Scan(&last); err != nil {
				return err
			}
			if err := tx.Rollback(ctx); err != nil {
				return err
			}
		}
		if _, err := w.Cache.Refresh(ctx, w.Owner); err != nil {
			return err
		}
		mark := w.raw.HGet(ctx, "meta:refreshed", "xid").Val()
		if err := errors.Join(w.Servers.KillPostgres(ctx), w.Servers.StartPostgres(ctx)); err != nil {
			return err
		}
		_ = conn.Close(ctx)
		if conn, err = w.connect(ctx); err != nil {
			return err
		}
		var now string
		if err := conn.QueryRow(ctx, "SELECT pg_current_xact_id()::text").Scan(&now); err != nil {
			return err
		}
		t.Logf("last rolled back %s, watermark %s, after the crash %s", last, mark, now)
		// The cache does not receive these: the processor is killed after its
		// commit.
		w.Processor.fault = func() Fault { return KillAfterCommit }

		if err := w.Client.Send(ctx, 30); err != nil {
			return err
		}
		for w.invocations() < 8 {
			if err := pause.For(ctx, time.Millisecond); err != nil {
				return err
			}
		}
		w.Processor.note(func() { w.Processor.fault = nil })

		return conn.Close(ctx)
	})
	if len(r.Failed) > 0 {
		t.Error(r)
	}
}

// slowSource waits after reading.
type slowSource struct {
	cache.Source
	read, goOn chan struct{}
}

func (s slowSource) MinuteRows(ctx context.Context, metric string, minutes []time.Time) ([]warehouse.MinuteRow, error) {
	rows, err := s.Source.MinuteRows(ctx, metric, minutes)
	close(s.read)
	<-s.goOn
	return rows, err
}

// during runs an action within a refresh.
type during struct {
	cache.Warehouse
	do func() error
}

func (d during) Changed(ctx context.Context, watermark string, oldest time.Time) (warehouse.Change, error) {
	c, err := d.Warehouse.Changed(ctx, watermark, oldest)
	return c, errors.Join(err, d.do())
}

// TestWipeDuringRefresh wipes Redis during a refresh; a fill writes data that
// it read before a commit which has already been refreshed.
func TestWipeDuringRefresh(t *testing.T) {
	r := scenario(t, 3, nil, func(ctx context.Context, w *World) error {
		now := w.Clock.Now().Truncate(time.Minute)
		minutes := []time.Time{now.Add(-2 * time.Minute), now.Add(-time.Minute), now}
		if err := load(ctx, w, 30); err != nil {
			return err
		}
		slow := slowSource{w.Reader.DB, make(chan struct{}), make(chan struct{})}
		filled := make(chan error, 1)
		go func() {
			_, err := w.Reader.Cache.Fill(ctx, slow, warehouse.MetricEvents, minutes)
			filled <- err
		}()
		<-slow.read
		if err := errors.Join(load(ctx, w, 30), w.Refresh(ctx)); err != nil {
			return err
		}
		w.Clock.Advance(time.Second)
		w.Variants.Refresh = func(next cache.Warehouse) cache.Warehouse {
			return during{next, func() error {
				err := w.raw.FlushAll(ctx).Err()
				close(slow.goOn)
				return errors.Join(err, <-filled)
			}}
		}
		err := w.Refresh(ctx)
		w.Variants.Refresh = nil
		return errors.Join(err, w.Reader.Ask(ctx, warehouse.MetricEvents, minutes))
	})
	if len(r.Failed) > 0 {
		t.Error(r)
	}
}
