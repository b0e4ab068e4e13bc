package jobs_test

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/streamctl/streamctl/internal/archive"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/local/dirbucket"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// TestAnotherArchive replays the archive of another stack, with the same shards
// and older arrivals. Nothing that an alarm reads changes.
func TestAnotherArchive(t *testing.T) {
	w := newWorld(t)
	own := w.generate(1000, 1_000_000_000, rand.New(rand.NewPCG(1, 2)))
	store(t, w.Bucket, own)
	w.load(t, own)
	m := metrics{}
	h, end := w.open(m)
	defer func() { _ = end(context.WithoutCancel(t.Context())) }()
	finish(t, h, contract.MaintenanceTask{Task: contract.TaskReconcile, Action: contract.ActionRun})
	upkeep := func() string {
		t.Helper()
		if _, err := h.Do(t.Context(), contract.MaintenanceTask{Task: contract.TaskUpkeep}); err != nil {
			t.Fatal(err)
		}
		first, _, err := h.Warehouse.Hours.FirstArrival(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return first.Format(time.RFC3339) + string(text)
	}
	before := upkeep()
	if m[contract.MetricUnreconciled] != 0 {
		t.Fatalf("unreconciled before: %s", before)
	}
	clear(m)

	other := *w
	other.from, other.to = w.from.AddDate(0, 0, -40), w.to.AddDate(0, 0, -40)
	events := other.generate(3000, 1_000_000_000, rand.New(rand.NewPCG(3, 4)))
	for _, records := range events { // and a line that is not an event
		records[0].Data = append(records[0].Data, "\nrubbish"...)
		break
	}
	store(t, w.Bucket+"-other", events)
	task := other.replay()
	task.Source = "s3://other"
	j := finish(t, h, task)
	if j.Counts[contract.CountInserted] != 3000 || j.Counts[contract.CountRejected] != 1 || len(m) > 0 {
		t.Errorf("%+v, metrics %v", j, m)
	}
	if after := upkeep(); after != before {
		t.Errorf("after the replay: %s\nbefore: %s", after, before)
	}
	if n := w.text(t, "SELECT count(*) || ' ' || count(source) || ' ' || min(source) FROM events"); n != "4000 3000 other" {
		t.Errorf("events, with a source: %s", n)
	}
	retry := finish(t, h, contract.MaintenanceTask{Task: contract.TaskQuarantine, Action: contract.ActionRun})
	if retry.Counts[contract.CountRejected] != 1 || retry.Done != 1 {
		t.Errorf("the retry: %+v", retry)
	}
	w.recount(t)
}

// TestGivenUp replays what Lambda gave up, as its on-failure destination writes
// it.
func TestGivenUp(t *testing.T) {
	w := newWorld(t)
	events := w.generate(500, 1_000_000_000, rand.New(rand.NewPCG(1, 2)))
	for shard, records := range events {
		store(t, w.Bucket, map[string][]archive.ArchivedRecord{shard: records})
		payload, err := json.Marshal(kinesisEvent(records))
		if err != nil {
			t.Fatal(err)
		}
		object, err := json.Marshal(map[string]any{"version": "1.0", "payload": string(payload)})
		if err == nil {
			err = dirbucket.Bucket{Dir: w.Bucket}.Put(t.Context(), "aws/lambda/1b5a/"+shard+"/2026/01/31/2026-01-31T12.00.00-"+uuid.NewString(), object)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	h, end := w.open(metrics{})
	defer func() { _ = end(context.WithoutCancel(t.Context())) }()
	task := w.replay()
	task.JobParameters = contract.JobParameters{Source: contract.SourceGivenUp}
	if j := finish(t, h, task); j.Counts[contract.CountInserted] != 500 || j.Counts[contract.CountObjects] != 4 {
		t.Errorf("%+v", j)
	}
	if j := finish(t, h, contract.MaintenanceTask{Task: contract.TaskReconcile, Action: contract.ActionRun}); j.Counts[contract.CountDiffering] != 0 || j.Done == 0 {
		t.Errorf("archive and warehouse: %+v", j)
	}
	if j := finish(t, h, w.replay()); j.Counts[contract.CountInserted] != 0 || j.Counts[contract.CountDuplicates] != 500 {
		t.Errorf("a replay of the archive: %+v", j)
	}
}

// TestFilters replays the events of a type and of a user.
func TestFilters(t *testing.T) {
	w := newWorld(t)
	store(t, w.Bucket, w.generate(3000, 1_000_000_000, rand.New(rand.NewPCG(1, 2))))
	h, end := w.open(metrics{})
	defer func() { _ = end(context.WithoutCancel(t.Context())) }()
	clicks := w.replay()
	clicks.EventType = "click"
	n := finish(t, h, clicks).Counts[contract.CountInserted]
	if got := w.text(t, "SELECT count(*) || ' ' || count(*) FILTER (WHERE event_type = 'click') FROM events"); n < 500 || n > 1000 || got != jsonText(n)+" "+jsonText(n) {
		t.Errorf("%d clicks: %s", n, got)
	}
	user := w.replay()
	user.User = "user-5"
	if m := finish(t, h, user).Counts[contract.CountInserted]; m > 20 {
		t.Errorf("%d events of a user", m)
	}
	w.recount(t)
}

func jsonText(n int64) string {
	text, _ := json.Marshal(n) // a number
	return string(text)
}

// TestSixJobs runs every kind of job at the same time, beside refresh and upkeep.
func TestSixJobs(t *testing.T) {
	w, before, _ := loaded(t)
	w.exec(t, "DELETE FROM events WHERE hashtext(user_id) % 5 = 0", "DELETE FROM metric_minute WHERE hashtext(dimension || bucket) % 3 = 0",
		"INSERT INTO dimension (metric, value) VALUES ('events', 'junk')")
	tasks := []contract.MaintenanceTask{
		w.replay(), rebuild(contract.ActionRollups), rebuild(contract.ActionCache),
		{Task: contract.TaskReconcile, Action: contract.ActionRun, Seconds: 1, JobParameters: contract.JobParameters{From: w.from, To: w.to, Again: true}},
		{Task: contract.TaskQuarantine, Action: contract.ActionRun, Seconds: 1},
	}
	others := []contract.MaintenanceTask{
		{Task: contract.TaskForget, Metric: warehouse.MetricEvents, Values: []string{"junk"}}, {Task: contract.TaskRefresh}, {Task: contract.TaskUpkeep},
	}
	var wg sync.WaitGroup
	for _, task := range tasks {
		wg.Go(func() {
			h, end := w.open(metrics{})
			defer func() { _ = end(context.WithoutCancel(t.Context())) }()
			task.Token = uuid.NewString()
			if _, err := loop(t.Context(), h, task); err != nil {
				t.Errorf("%s %s: %v", task.Task, task.Action, err)
			}
		})
	}
	for _, task := range others {
		wg.Go(func() {
			h, end := w.open(metrics{})
			defer func() { _ = end(context.WithoutCancel(t.Context())) }()
			if _, err := h.Do(t.Context(), task); err != nil {
				t.Errorf("%s: %v", task.Task, err)
			}
		})
	}
	wg.Wait()
	h, end := w.open(metrics{})
	defer func() { _ = end(context.WithoutCancel(t.Context())) }()
	// What one job changed after another had passed it.
	finish(t, h, rebuild(contract.ActionRollups))
	finish(t, h, rebuild(contract.ActionCache))
	if j := finish(t, h, contract.MaintenanceTask{Task: contract.TaskReconcile, Action: contract.ActionRun, JobParameters: contract.JobParameters{From: w.from, To: w.to}}); j.Counts[contract.CountDiffering] != 0 {
		t.Errorf("%+v", j)
	}
	w.recount(t)
	if after := w.state(t); after != before {
		t.Errorf("after six jobs\n%s\nbefore\n%s", after, before)
	}
}

// TestAJobOfAKindAtATime starts a job while another one of its kind works.
func TestAJobOfAKindAtATime(t *testing.T) {
	w := newWorld(t)
	store(t, w.Bucket, w.generate(100, 1_000_000_000, rand.New(rand.NewPCG(1, 2))))
	w.exec(t, "INSERT INTO job (kind, parameters, lease, leased_until) VALUES ('replay', '{}', 'x', now() + interval '1 minute')")
	h, end := w.open(metrics{})
	defer func() { _ = end(context.WithoutCancel(t.Context())) }()
	task := w.replay()
	task.Token = uuid.NewString()
	if r, err := h.Do(t.Context(), task); err != nil || r.Problem == nil || r.Problem.Kind != contract.ProblemBusy {
		t.Errorf("%+v, %v", r, err)
	}
	w.exec(t, "UPDATE job SET updated_at = now() - interval '3 minutes', leased_until = now() - interval '1 minute'")
	if j := finish(t, h, task); j.Counts[contract.CountInserted] != 100 {
		t.Errorf("%+v", j)
	}
	r, err := h.Do(t.Context(), contract.MaintenanceTask{Task: contract.TaskJobs})
	if err != nil || len(r.Jobs) != 2 || r.Jobs[0].State != contract.StateDone || r.Jobs[1].State != contract.StateInterrupted {
		t.Errorf("%+v, %v", r.Jobs, err)
	}
}

// TestJobsSlowDown has the stream lag, and limits the rate.
func TestJobsSlowDown(t *testing.T) {
	w := newWorld(t)
	store(t, w.Bucket, w.generate(2000, 1_000_000_000, rand.New(rand.NewPCG(1, 2))))
	h, end := w.open(metrics{})
	defer func() { _ = end(context.WithoutCancel(t.Context())) }()
	task := w.replay()
	task.Rate, task.Token = 1000, uuid.NewString()
	began := time.Now()
	if _, err := loop(t.Context(), h, task); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < time.Second {
		t.Errorf("2,000 events at 1,000 per second took %s", took)
	}
	w.exec(t, `INSERT INTO load_batch (shard, first_seq, last_seq, inserted, duplicates, quarantined, expired, minutes, arrived, loaded_at)
		SELECT 's', '1', '1', 0, 0, 0, 0, '{}', now() - interval '5 seconds', now() + interval '1 minute'`)
	task.Rate, task.Token, task.Seconds = 0, uuid.NewString(), 3
	r, err := h.Do(t.Context(), task)
	if err != nil || r.Job == nil || r.Job.State == contract.StateDone || r.Job.Done == 0 {
		t.Errorf("while the stream lags: %+v, %v", r, err)
	}
}
