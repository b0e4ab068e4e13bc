package chaos

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/streamctl/streamctl/internal/pause"
)

// TestFrozenHandler freezes a handler within its transaction, with the timeouts
// of a deployed stack: the server ends the transaction, and the next try of the
// same records succeeds.
func TestFrozenHandler(t *testing.T) {
	const within = 30 * time.Second
	var took time.Duration
	r := scenario(t, 3, nil, func(ctx context.Context, w *World) error {
		if err := load(ctx, w, 20); err != nil {
			return err
		}
		w.Freeze(10 * time.Second)
		if err := w.Client.Send(ctx, 40); err != nil {
			return err
		}
		for {
			if n := w.frozens(); n > 0 {
				break
			}
			if err := pause.For(ctx, time.Millisecond); err != nil {
				return err
			}
		}
		began := time.Now()
		err := w.Drain(ctx)
		took = time.Since(began)
		return err
	})
	if len(r.Failed) > 0 {
		t.Error(r)
	}
	if took < time.Second || took > within {
		t.Errorf("the next try succeeded after %v, want less than %v and not immediately", took, within)
	}
	t.Logf("the next try succeeded after %.1f s", took.Seconds())
}

// TestRefusedDeploys uses schemas that reject all events, and one that looks
// like wrong data: no event is quarantined, and all are loaded after the
// repair. In a batch of up to ten events, wrong data and a wrong schema can't
// be distinguished; these batches are larger.
func TestRefusedDeploys(t *testing.T) {
	const looksLikeData = `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '22P02'; END $$;
		CREATE TRIGGER refuse BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION refuse()`
	for _, sql := range append([]string{looksLikeData}, deploys...) {
		t.Run(strings.Join(strings.Fields(sql)[:6], " "), func(t *testing.T) {
			r := scenario(t, 1, nil, func(ctx context.Context, w *World) error {
				w.Stream.WholeReads()
				w.processorMapping.stop()
				// Each batch has too many events to be wrong data.
				if err := errors.Join(w.superuser(ctx, sql), w.Client.Send(ctx, 60)); err != nil {
					return err
				}
				if err := w.StartProcessor(ctx, settings(1000, 1), nil); err != nil {
					return err
				}
				for w.invocations() < 4 {
					if err := pause.For(ctx, time.Millisecond); err != nil {
						return err
					}
				}
				// If the repair happened between two savepoints of a load, the
				// first events of its batch would be rejected and the rest
				// accepted.
				w.processorMapping.stop()
				if err := errors.Join(w.superuser(ctx, "DROP TRIGGER IF EXISTS refuse ON events"), w.repair(ctx)); err != nil {
					return err
				}
				return w.StartProcessor(ctx, settings(1000, 1), w.processorMapping.m.Checkpoints())
			})
			if len(r.Failed) > 0 {
				t.Error(r)
			}
		})
	}
}

func (w *World) frozens() (n int) {
	w.Processor.note(func() { n = w.Frozens })
	return n
}

func (w *World) invocations() (n int) {
	w.Processor.note(func() { n = w.Processor.invocations })
	return n
}

// TestRestoredDatabase returns to smaller revisions, like a restored database:
// a refresh can't repair the cache then, a rebuild can.
func TestRestoredDatabase(t *testing.T) {
	restored := func(ctx context.Context, w *World) error {
		return errors.Join(load(ctx, w, 60), load(ctx, w, 60), w.Refresh(ctx), w.superuser(ctx, "UPDATE metric_minute SET rev = 1"))
	}
	if r := scenario(t, 3, nil, restored); len(r.Failed) != 1 || len(r.Failed[Redis]) == 0 {
		t.Errorf("want the cache to differ before the rebuild: %v", r)
	}
	r := scenario(t, 3, nil, func(ctx context.Context, w *World) error {
		now := w.Clock.Now()
		if err := restored(ctx, w); err != nil {
			return err
		}
		_, err := w.Cache.Rebuild(ctx, w.Owner, now.Add(-time.Hour), now.Add(time.Hour))
		return err
	})
	if len(r.Failed) > 0 {
		t.Error(r)
	}
}
