package chaos

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/streamctl/streamctl/internal/pause"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// plan determines the actions at each step of a run.
type plan struct {
	w     *World
	steps map[int][]deed
	// running are actions that run in parallel with the traffic.
	running sync.WaitGroup
	mu      sync.Mutex
	errs    []error
}

// deed is a planned action.
type deed struct {
	name string
	do   func(context.Context) error
}

// plan creates a seed's plan.
func (w *World) plan(seed uint64) *plan {
	p := &plan{w: w, steps: map[int][]deed{}}
	sometime := func() int { return 2 + w.Steps.IntN(steps-4) }
	for range 3 {
		p.add(sometime(), "reshard", func(context.Context) error { w.Stream.Reshard(); return nil })
		p.add(sometime(), "restart processor", w.restartProcessor)
		p.add(sometime(), "restart archiver", w.restartArchiver)
		p.add(sometime(), "wipe redis", func(ctx context.Context) error {
			_ = w.raw.FlushAll(ctx).Err() // it may be unavailable
			return nil
		})
	}
	p.add(sometime(), "kill postgres", p.beside(w.crashPostgres))
	drop := steps/2 + w.Steps.IntN(steps/3)
	if seed%2 == 1 {
		p.add(drop, "kill postgres", p.beside(w.crashPostgres))
	}
	// One outage of Redis longer than an hour, and a short one.
	away := 2 + w.Steps.IntN(steps-outage-6)
	p.add(away, "kill redis", w.loseRedis)
	p.add(away+outage, "start redis", w.findRedis)
	if seed%2 == 0 {
		p.add(away+outage+2, "kill redis", w.Servers.KillRedis)
		p.add(away+outage+3, "start redis", w.Servers.StartRedis)
	}
	bad := sometime()
	p.add(bad, "bad deploy", func(ctx context.Context) error { return w.deploy(ctx, int(seed)) })
	p.add(bad+4, "deploy repaired", w.repair)
	p.add(sometime(), "recount", p.beside(w.recount))
	if seed%2 == 0 {
		p.add(sometime(), "freeze", func(context.Context) error { w.Freeze(time.Second); return nil })
	}
	p.add(drop, "retention", w.retention)
	if seed%3 == 0 { // another series from then on, and in half of the runs back again
		first := 4 + w.Steps.IntN(steps/2)
		p.add(first, "declare anew", p.beside(func(ctx context.Context) error { return w.redeclare(ctx, declaredAnew()) }))
		if seed%2 == 0 {
			p.add(first+10, "declare as before", p.beside(func(ctx context.Context) error { return w.redeclare(ctx, Declared()) }))
		}
	}
	return p
}

func (p *plan) add(step int, name string, do func(context.Context) error) {
	step = min(step, steps-1)
	p.steps[step] = append(p.steps[step], deed{name, do})
}

// at runs the actions planned for a step.
func (p *plan) at(ctx context.Context, step int) error {
	for _, d := range p.steps[step] {
		if err := d.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", d.name, err)
		}
	}
	return nil
}

// beside runs an action in parallel with the traffic.
func (p *plan) beside(do func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		p.running.Go(func() {
			if err := do(ctx); err != nil {
				p.mu.Lock()
				defer p.mu.Unlock()
				p.errs = append(p.errs, err)
			}
		})
		return nil
	}
}

// end waits for parallel actions and restores everything.
func (p *plan) end(ctx context.Context) error {
	p.running.Wait()
	if len(p.errs) > 0 {
		return p.errs[0]
	}
	if err := p.w.repair(ctx); err != nil {
		return err
	}
	return p.w.Servers.StartRedis(ctx)
}

// outage is the length of Redis' outage in steps, of at least eight minutes
// each.
const outage = 10

func (w *World) loseRedis(ctx context.Context) error {
	w.hurry = true
	return w.Servers.KillRedis(ctx)
}

func (w *World) findRedis(ctx context.Context) error {
	w.hurry = false
	return w.Servers.StartRedis(ctx)
}

// crashPostgres kills the server at a random moment, for a short time.
func (w *World) crashPostgres(ctx context.Context) error {
	if err := pause.For(ctx, time.Duration(w.Random.IntN(300))*time.Millisecond); err != nil {
		return err
	}
	w.crash.Lock()
	defer w.crash.Unlock()
	if err := w.Servers.KillPostgres(ctx); err != nil {
		return err
	}
	if err := pause.For(ctx, time.Duration(w.Random.IntN(60))*time.Millisecond); err != nil {
		return err
	}
	return w.Servers.StartPostgres(ctx)
}

func (w *World) restartProcessor(ctx context.Context) error {
	w.processorMapping.stop()
	checkpoints := w.Stream.Rewind(w.processorMapping.m.Checkpoints(), 200)
	return w.StartProcessor(ctx, settings(1+w.Random.IntN(120), 1+w.Random.IntN(10)), checkpoints)
}

func (w *World) restartArchiver(ctx context.Context) error {
	w.archiverMapping.stop()
	checkpoints := w.Stream.Rewind(w.archiverMapping.m.Checkpoints(), 200)
	return w.StartArchiver(ctx, 1+w.Random.IntN(200), checkpoints)
}

// deploys are wrong schemas that reject every event; none of these may cause an
// event to be quarantined.
var deploys = []string{
	"ALTER TABLE events ADD CONSTRAINT wrong CHECK (user_id = '') NOT VALID",
	"ALTER TABLE events ADD COLUMN wrong text NOT NULL DEFAULT 'x', ADD CONSTRAINT wrong CHECK (wrong = 'y') NOT VALID",
	"REVOKE INSERT ON events FROM streamctl_loader",
	"ALTER TABLE events RENAME COLUMN user_id TO wrong",
	"ALTER TABLE metric_minute ADD CONSTRAINT wrong CHECK (n < 0) NOT VALID",
}

var mended = []string{
	"ALTER TABLE events DROP CONSTRAINT IF EXISTS wrong",
	"ALTER TABLE metric_minute DROP CONSTRAINT IF EXISTS wrong",
	"GRANT INSERT ON events TO streamctl_loader",
	`DO $$ BEGIN
		IF EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'events'::regclass AND attname = 'user_id') THEN
			ALTER TABLE events DROP COLUMN IF EXISTS wrong;
		ELSE
			ALTER TABLE events RENAME COLUMN wrong TO user_id;
		END IF;
	END $$`,
}

func (w *World) deploy(ctx context.Context, n int) error {
	w.Servers.Away.Set(awaySchema, true)
	return w.superuser(ctx, deploys[n%len(deploys)])
}

func (w *World) repair(ctx context.Context) error {
	err := w.superuser(ctx, mended...)
	w.Servers.Away.Set(awaySchema, err != nil)
	return err
}

// superuser runs statements, and retries while the server is unavailable.
func (w *World) superuser(ctx context.Context, statements ...string) error {
	return w.patiently(ctx, func() error { return w.Servers.exec(ctx, w.Database, statements...) })
}

// patiently retries an action until it succeeds.
func (w *World) patiently(ctx context.Context, do func() error) error {
	for {
		err := do()
		if err == nil {
			return nil
		}
		if waitErr := pause.For(ctx, 20*time.Millisecond); waitErr != nil {
			return fmt.Errorf("%w: %w", waitErr, err)
		}
	}
}

// recount recounts the last hours while events are loaded.
func (w *World) recount(ctx context.Context) error {
	now := w.Clock.Now()
	from, to := now.Add(-2*time.Hour), now.Add(time.Hour)
	done := w.Commits.Recounting(from, to)
	defer done()
	owner := w.owner()
	defer func() { _ = owner.Close(ctx) }()
	return w.patiently(ctx, func() error { return owner.RebuildRollups(ctx, from, to, nil, nil) })
}

// lastKept returns the oldest day that retention keeps.
func (w *World) lastKept() time.Time { return w.Servers.Begin.Truncate(day).Add(-4 * day) }

// retention drops the oldest days, and then tries to load them again: by
// replay, by resends, and with new events of those days.
func (w *World) retention(ctx context.Context) error {
	floor := w.lastKept()
	if err := w.repair(ctx); err != nil {
		return err
	}
	if err := w.Drain(ctx); err != nil {
		return err
	}
	owner := w.owner()
	defer func() { _ = owner.Close(ctx) }()
	if err := w.patiently(ctx, func() error { return w.reconcile(ctx, owner) }); err != nil {
		return err
	}
	err := w.patiently(ctx, func() error {
		done, err := owner.DropDays(ctx, floor, pause.For)
		if err == nil && len(done.Kept) > 0 {
			return fmt.Errorf("kept %v", done.Kept)
		}
		return err
	})
	if err != nil {
		return err
	}
	w.Floor = floor
	var rows []warehouse.MinuteRow
	err = w.patiently(ctx, func() error {
		conn, err := w.connect(ctx)
		if err != nil {
			return err
		}
		rows, err = rollupRows(ctx, conn, "")
		return errors.Join(err, conn.Close(ctx))
	})
	if err != nil {
		return err
	}
	w.Frozen = slices.Clone(w.below(rows))
	if err := w.Replay(ctx, w.Servers.Begin, w.Clock.Now()); err != nil {
		return err
	}
	return w.Client.Resend(ctx, 100)
}
