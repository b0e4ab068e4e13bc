package mapper_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/local/mapper"
	"github.com/streamctl/streamctl/internal/pause"
)

// partialAt responds like the processor: the first record with the word failed;
// later ones are not reported.
func partialAt(word string) func(int, event) (mapper.Result, error) {
	return func(_ int, e event) (mapper.Result, error) {
		for _, r := range e.Records {
			if strings.Contains(string(r.Kinesis.Data), word) { // one transaction for all
				return mapper.Result{Payload: []byte(`{"batchItemFailures":[{"itemIdentifier":"` + e.Records[0].Kinesis.SequenceNumber + `"}]}`)}, nil
			}
		}
		return mapper.Result{}, nil
	}
}

// wait sleeps in the test's fake time.
func wait(t *testing.T, d time.Duration) {
	t.Helper()
	if err := pause.For(t.Context(), d); err != nil {
		t.Fatal(err)
	}
}

// kept stores a mapping's tries like its owner.
type kept struct {
	mu    sync.Mutex
	tried map[string]map[string]time.Duration
}

func (k *kept) trying(shard, sequence string, spent time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.tried = map[string]map[string]time.Duration{shard: {sequence: spent}}
	if spent == 0 {
		k.tried = nil
	}
}

func (k *kept) spent() (d time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, records := range k.tried {
		for _, one := range records {
			d += one
		}
	}
	return d
}

func localOptions(l *log, f *function, s *sink, k *kept) mapper.Options {
	return mapper.Options{
		UUID: "u", Source: l, Invoker: f, OnFailure: s, Trying: k.trying, TryFor: 24 * time.Hour, Poll: time.Minute,
		Settings: contract.Mapping{BatchSize: 1000, Parallelization: 1, Bisect: true, Retries: -1, RecordAgeSeconds: -1, OnFailure: true},
	}
}

// TestRecordThatFailsAlone has one record in a thousand that the function can
// never handle, with partial responses: all other records are handled, the
// record is isolated with few invocations, and after 24 hours of tries it is
// given up.
func TestRecordThatFailsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		data := make([]string, 1000)
		for i := range data {
			data[i] = fmt.Sprint("good", i)
		}
		data[617] = "poison"
		l, f, s, k := newLog(data...), &function{answer: partialAt("poison")}, &sink{}, &kept{}
		o := localOptions(l, f, s, k)
		m, err := mapper.New(o)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		began := time.Now()
		done := make(chan struct{})
		go func() { defer close(done); _ = m.Run(ctx) }()
		wait(t, time.Minute)
		synctest.Wait()
		if n := m.Stats().Records; n != 617 {
			t.Errorf("after a minute %d records are handled, want the 617 before it", n)
		}
		if n := len(f.seen()); n > 40 {
			t.Errorf("%d invocations to isolate a record", n)
		}
		if failing := m.Failing(); len(failing) != 1 || failing[0].SequenceNumber != "s1-618" || !strings.Contains(failing[0].String(), "fails alone") {
			t.Errorf("failing: %+v", failing)
		}
		wait(t, 23*time.Hour)
		synctest.Wait()
		if m.Stats().GivenUp != 0 {
			t.Error("given up too early")
		}
		wait(t, 2*time.Hour)
		synctest.Wait()
		if stats := m.Stats(); stats.GivenUp != 1 || stats.Records != 999 || len(s.objects) != 1 || len(m.Failing()) != 0 || k.spent() != 0 {
			t.Errorf("%+v, %d objects, failing %v, kept %v", stats, len(s.objects), m.Failing(), k.spent())
		}
		if n := len(f.seen()); n > 1600 {
			t.Errorf("%d invocations in %s", n, time.Since(began))
		}
		cancel()
		<-done
	})
}

// TestOnlyTriesCount turns the machine off for a week after records have
// arrived: the week does not count, the earlier tries do.
func TestOnlyTriesCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, s, k := newLog("poison", "good"), &sink{}, &kept{}
		run := func(d time.Duration, answer func(int, event) (mapper.Result, error), blame bool) mapper.Stats {
			o := localOptions(l, &function{answer: answer}, s, k)
			o.Tried = k.tried
			o.Blame = func(context.Context) bool { return blame }
			m, err := mapper.New(o)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() { defer close(done); _ = m.Run(ctx) }()
			wait(t, d)
			synctest.Wait()
			cancel()
			<-done
			return m.Stats()
		}
		run(20*time.Hour, partialAt("poison"), true)
		if spent := k.spent(); spent < 19*time.Hour || spent > 20*time.Hour+time.Minute {
			t.Errorf("spent %s of 20 h", spent)
		}
		wait(t, 7*24*time.Hour) // off
		if stats := run(3*time.Hour, partialAt("poison"), true); stats.GivenUp != 0 {
			t.Error("the time that the machine was off counts")
		}
		if stats := run(100*time.Hour, partialAt("poison"), false); stats.GivenUp != 0 {
			t.Error("the time that the database was down counts")
		}
		if stats := run(2*time.Hour, partialAt("poison"), true); stats.GivenUp != 1 || stats.Records != 1 || len(s.objects) != 1 {
			t.Errorf("after 24 h of tries: %+v", stats)
		}
	})
}

// TestOutageHalvesNothingForGood fails everything for two days without blame:
// afterwards all records are handled, in order.
func TestOutageHalvesNothingForGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var data []string
		for i := range 300 {
			data = append(data, fmt.Sprint("good", i))
		}
		down := true
		f := &function{answer: func(call int, e event) (mapper.Result, error) {
			if down {
				return partialAt("")(call, e)
			}
			return mapper.Result{}, nil
		}}
		l, s, k := newLog(data...), &sink{}, &kept{}
		o := localOptions(l, f, s, k)
		o.Blame = func(context.Context) bool { return false }
		m, err := mapper.New(o)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); _ = m.Run(ctx) }()
		wait(t, 48*time.Hour)
		synctest.Wait()
		f.mu.Lock()
		down, f.batches = false, nil
		f.mu.Unlock()
		wait(t, 2*time.Minute)
		synctest.Wait()
		if got := strings.Join(f.seen(), " "); got != strings.Join(data, " ") {
			t.Errorf("handled %d records: %.80s", len(strings.Fields(got)), got)
		}
		if m.Stats().GivenUp != 0 || m.Stats().Records != 300 {
			t.Errorf("%+v", m.Stats())
		}
		cancel()
		<-done
	})
}

// failingSource has a shard that can't be read for a while.
type failingSource struct {
	*log
	reads map[string]int
	down  bool
}

func (f *failingSource) Read(ctx context.Context, shard, after string, limit int) ([]mapper.StreamRecord, bool, error) {
	f.mu.Lock()
	f.reads[shard]++
	down := f.down && shard == "s1"
	f.mu.Unlock()
	if down {
		return nil, false, fmt.Errorf("read %s: input/output error", shard)
	}
	return f.log.Read(ctx, shard, after, limit)
}

// TestShardThatCannotBeRead is retried less and less often and does not delay
// other shards.
func TestShardThatCannotBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLog("one")
		l.add("s2", "two")
		l.shards = append(l.shards, mapper.Shard{ID: "s2"})
		source := &failingSource{log: l, reads: map[string]int{}, down: true}
		f := &function{}
		m, err := mapper.New(mapper.Options{
			Source: source, Invoker: f, Poll: 25 * time.Millisecond,
			Settings: contract.Mapping{BatchSize: 10, Parallelization: 1, Retries: -1, RecordAgeSeconds: -1},
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); _ = m.Run(ctx) }()
		wait(t, time.Hour)
		synctest.Wait()
		source.mu.Lock()
		reads := source.reads["s1"]
		source.down = false
		source.mu.Unlock()
		if got := f.seen(); len(got) != 1 || got[0] != "two" || reads > 75 {
			t.Errorf("%q handled, %d reads in an hour", got, reads)
		}
		wait(t, time.Minute)
		synctest.Wait()
		if got := f.seen(); len(got) != 2 || got[1] != "one" {
			t.Errorf("%q handled after the repair", got)
		}
		cancel()
		<-done
	})
}
