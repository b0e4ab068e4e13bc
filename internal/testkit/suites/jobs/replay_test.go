package jobs_test

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/streamctl/streamctl/internal/archive"
	"github.com/streamctl/streamctl/internal/chunk"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/local/pgserver"
	"github.com/streamctl/streamctl/internal/pause"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// loaded returns a world with an archive that is loaded, the state of its
// stores, and how long the loads took.
func loaded(t testing.TB) (w *world, before string, took time.Duration) {
	t.Helper()
	w = newWorld(t)
	w.events = size(t)
	shards := w.generate(w.events, 1_000_000_000, rand.New(rand.NewPCG(1, 2)))
	store(t, w.Bucket, shards)
	took = w.load(t, shards)
	h, end := w.open(metrics{})
	defer func() {
		if err := end(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	}()
	finish(t, h, rebuild(contract.ActionCache))
	w.recount(t)
	return w, w.state(t), took
}

// TestReplayRestoresEverything empties warehouse and cache, and restores them
// from the archive, twice: the second time nothing changes.
func TestReplayRestoresEverything(t *testing.T) {
	w, before, took := loaded(t)
	t.Logf("%d events loaded in %.1f s (%.0f per second)", w.events, took.Seconds(), float64(w.events)/took.Seconds())
	w.empty(t)
	if w.state(t) == before {
		t.Fatal("not emptied")
	}
	m := metrics{}
	h, end := w.open(m)
	defer func() { _ = end(context.WithoutCancel(t.Context())) }()
	plan, err := h.Do(t.Context(), contract.MaintenanceTask{Task: contract.TaskReplay, Action: contract.ActionPlan, JobParameters: w.replay().JobParameters})
	if err != nil || plan.Plan.Objects < 27 || plan.Plan.Bytes == 0 {
		t.Fatalf("%+v, %v", plan.Plan, err)
	}
	began := time.Now()
	j := finish(t, h, w.replay())
	t.Logf("replayed in %.1f s (%.0f per second)", time.Since(began).Seconds(), float64(w.events)/time.Since(began).Seconds())
	if j.Counts[contract.CountInserted] != int64(w.events) || j.Done != plan.Plan.Records || j.Counts[contract.CountObjects] != plan.Plan.Objects {
		t.Errorf("%+v, planned %+v", j, plan.Plan)
	}
	finish(t, h, rebuild(contract.ActionCache))
	if after := w.state(t); after != before {
		t.Errorf("after the replay\n%s\nbefore\n%s", after, before)
	}
	w.exec(t, "DELETE FROM metric_minute WHERE hashtext(dimension || bucket) % 3 = 0")
	finish(t, h, rebuild(contract.ActionRollups))
	finish(t, h, rebuild(contract.ActionCache))
	if after := w.state(t); after != before {
		t.Errorf("after the rebuild\n%s\nbefore\n%s", after, before)
	}
	again := finish(t, h, w.replay())
	if again.Counts[contract.CountInserted] != 0 || again.Counts[contract.CountDuplicates] != int64(w.events) {
		t.Errorf("the second replay: %+v", again)
	}
	if after := w.state(t); after != before {
		t.Errorf("after the second replay\n%s\nbefore\n%s", after, before)
	}
	if len(m) > 0 {
		t.Errorf("the jobs emitted %v", m)
	}
}

// TestInterruptedJobs interrupts a replay and the rebuilds at random points:
// the program ends while the function continues, the function is killed, the
// database crashes. Each job counts every event once.
func TestInterruptedJobs(t *testing.T) {
	w, before, _ := loaded(t)
	random := rand.New(rand.NewPCG(3, uint64(time.Now().UnixNano())))
	for run := range setting(t, "STREAMCTL_JOB_KILLS", 4) {
		w.empty(t)
		replay := w.replay()
		replay.Token = uuid.NewString()
		interruptions := []func(*testing.T, contract.MaintenanceTask, time.Duration){w.endProgram, w.killFunction, w.crashDatabase}
		random.Shuffle(len(interruptions), func(i, j int) {
			interruptions[i], interruptions[j] = interruptions[j], interruptions[i]
		})
		most := max(150, w.events/60)
		for _, interrupt := range interruptions {
			interrupt(t, replay, time.Duration(20+random.IntN(most))*time.Millisecond)
		}
		h, end := w.open(metrics{})
		w.await(t, replay.Token)
		if _, err := loop(t.Context(), h, replay); err != nil && err != errDone { //nolint:errorlint // loop returns it as it is
			t.Fatal(err)
		}
		var counts map[string]int64
		if err := json.Unmarshal([]byte(w.text(t, "SELECT counts::text FROM job WHERE token = '"+replay.Token+"'")), &counts); err != nil {
			t.Fatal(err)
		}
		if counts[contract.CountInserted] != int64(w.events) || counts[contract.CountDuplicates] != 0 {
			t.Errorf("run %d: %v", run, counts)
		}
		for _, action := range []string{contract.ActionRollups, contract.ActionCache} {
			task := rebuild(action)
			task.Token = uuid.NewString()
			interruptions[run%3](t, task, time.Duration(10+random.IntN(most/2))*time.Millisecond)
			w.await(t, task.Token)
			if _, err := loop(t.Context(), h, task); err != nil && err != errDone { //nolint:errorlint // the same
				t.Fatal(err)
			}
		}
		if err := end(t.Context()); err != nil {
			t.Error(err)
		}
		if after := w.state(t); after != before {
			t.Fatalf("run %d:\n%s\nbefore\n%s", run, after, before)
		}
		w.recount(t)
	}
}

// endProgram ends the program while the function works on.
func (w *world) endProgram(t *testing.T, task contract.MaintenanceTask, after time.Duration) {
	t.Helper()
	h, end := w.open(metrics{})
	ended := make(chan error, 1)
	go func() {
		_, err := h.Do(context.WithoutCancel(t.Context()), task)
		ended <- err
	}()
	t.Cleanup(func() { // the function has ended: the test waited for its job
		<-ended
		_ = end(context.WithoutCancel(t.Context()))
	})
	if err := pause.For(t.Context(), after); err != nil {
		t.Fatal(err)
	}
}

// killFunction kills the process of function and program.
func (w *world) killFunction(t *testing.T, task contract.MaintenanceTask, after time.Duration) {
	t.Helper()
	child := w.child(t, task)
	if err := pause.For(t.Context(), after); err != nil {
		t.Fatal(err)
	}
	if err := child.Process.Kill(); err != nil && err != os.ErrProcessDone { //nolint:errorlint // returned as it is
		t.Fatal(err)
	}
	_ = child.Wait() // killed
	w.expire(t)
}

// crashDatabase crashes PostgreSQL and starts it again, while a function works.
func (w *world) crashDatabase(t *testing.T, task contract.MaintenanceTask, after time.Duration) {
	t.Helper()
	child := w.child(t, task)
	if err := pause.For(t.Context(), after); err != nil {
		t.Fatal(err)
	}
	if err := w.pg.Crash(t.Context()); err != nil {
		t.Fatal(err)
	}
	var err error
	if w.pg, err = pgserver.Start(t.Context(), w.options); err != nil {
		t.Fatal(err)
	}
	w.expire(t)
	if err := child.Wait(); err != nil {
		t.Errorf("the program did not survive the crash: %v", err)
	}
}

func (w *world) child(t *testing.T, task contract.MaintenanceTask) *exec.Cmd {
	t.Helper()
	text, err := json.Marshal(work{w.place, task})
	if err != nil {
		t.Fatal(err)
	}
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env, child.Stderr = append(os.Environ(), childVariable+"="+string(text)), os.Stderr
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	return child
}

// expire lets the time of the lease pass.
func (w *world) expire(t *testing.T) {
	t.Helper()
	w.exec(t, "UPDATE job SET leased_until = now() - interval '1 second' WHERE lease IS NOT NULL")
}

// await waits until no function works on a job any more, or its lease expires.
func (w *world) await(t *testing.T, token string) {
	t.Helper()
	for w.text(t, "SELECT count(*)::text FROM job WHERE token = '"+token+"' AND lease IS NOT NULL AND leased_until > now()") != "0" {
		if err := pause.For(t.Context(), 50*time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
}

// TestLiveTraffic loads chunks of the stream while a replay and a recount run,
// and requires a delay of less than 2 seconds for 95 % of them.
func TestLiveTraffic(t *testing.T) {
	w, _, _ := loaded(t)
	w.empty(t)
	random := rand.New(rand.NewPCG(5, 6))
	live := w.generate(40_000, 2_000_000_000, random)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	delays := make(chan time.Duration, 10_000)
	done := make(chan error, 1)
	go func() {
		db := warehouse.NewURL(w.Loader)
		defer func() { _ = db.Close(context.WithoutCancel(t.Context())) }()
		for {
			for _, records := range live {
				for batch := range slices.Chunk(records, 10) {
					arrived := time.Now()
					for i := range batch {
						batch[i].Arrived = arrived
					}
					if err := liveChunk(t.Context(), db, batch); err != nil {
						done <- err
						return
					}
					delays <- time.Since(arrived)
					if pause.For(ctx, 20*time.Millisecond) != nil {
						done <- nil
						return
					}
				}
			}
		}
	}()
	h, end := w.open(metrics{})
	defer func() { _ = end(context.WithoutCancel(t.Context())) }()
	began := time.Now()
	finish(t, h, w.replay())
	took := time.Since(began)
	finish(t, h, rebuild(contract.ActionRollups))
	finish(t, h, rebuild(contract.ActionCache))
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	close(delays)
	var all []time.Duration
	for d := range delays {
		all = append(all, d)
	}
	slices.Sort(all)
	p95 := all[len(all)*95/100]
	t.Logf("%d events replayed in %.1f s beside %d chunks of the stream: delay p50 %s, p95 %s, longest %s", w.events, took.Seconds(), len(all), all[len(all)/2], p95, all[len(all)-1])
	if p95 > 2*time.Second {
		t.Errorf("the stream was delayed by %s", p95)
	}
	w.recount(t)
}

func liveChunk(ctx context.Context, db *warehouse.DB, records []archive.ArchivedRecord) error {
	_, err := db.Load(ctx, chunk.First(records, warehouse.MaxChunk).Chunk)
	return err
}
