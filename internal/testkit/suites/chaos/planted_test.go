package chaos

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/streamctl/streamctl/functions/archiver"
	"github.com/streamctl/streamctl/functions/processor"
	"github.com/streamctl/streamctl/internal/archive"
	"github.com/streamctl/streamctl/internal/cache"
	"github.com/streamctl/streamctl/internal/local/mapper"
	"github.com/streamctl/streamctl/internal/pause"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// bug is a bug that exactly the intended check must find. The same scenario
// without the bug must pass.
type bug struct {
	name  string
	check Check
	plant func(context.Context, *World) error
	run   func(context.Context, *World) error
	// says is a text in the complaint, for checks with different complaints.
	says string
}

// planted are bugs of loading and archiving.
var planted = []bug{
	{"INCR instead of totals", Redis, withScript(incr), threeLoads, ""},
	{"larger value instead of larger rev", Redis, withScript(largerValue), recounted, ""},
	{"key begun with own rows", Answers, withScript(ownRows), wipedInMidMinute, ""},
	{"insert without conflict rule", Duplicate, withoutKey, deliveredTwice, ""},
	{"receipt time in the identity of a resend", Duplicate, receiptTime, resent, ""},
	{"acknowledge before commit", Lost, earlyAnswer, killedAfterAnswer, ""},
	{"error instead of partial response", Invocations, errorAnswer, flakyDatabase, ""},
	{"archive name without lastSeq", Archive, shortName, cutLonger, ""},
	{"replay below the floor", BelowFloor, floorless, droppedAndReplayed, ""},
	{"refresh by clock", Redis, refreshByClock, lateCommit, ""},
}

func TestPlantedBugs(t *testing.T) {
	for _, tt := range slices.Concat(planted, plantedQueries) {
		t.Run(tt.name, func(t *testing.T) {
			if r := scenario(t, 3, nil, tt.run); len(r.Failed) > 0 {
				t.Fatalf("without the bug: %v", r)
			}
			r := scenario(t, 3, tt.plant, tt.run)
			if len(r.Failed) != 1 || len(r.Failed[tt.check]) == 0 {
				t.Fatalf("want only %q to complain: %v", tt.check, r)
			}
			if complaint := r.Failed[tt.check][0]; !strings.Contains(complaint, tt.says) {
				t.Errorf("want a complaint of %q: %s", tt.says, complaint)
			}
			t.Logf("planted %q: caught by %q: %s", tt.name, tt.check, r.Failed[tt.check][0])
		})
	}
}

// scenario runs a small world with a number of shards, with or without a bug.
func scenario(t *testing.T, shards int, plant, run func(context.Context, *World) error) *Report {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	w := NewWorld(t, servers(t), 1, shards, Variants{})
	if plant != nil {
		if err := plant(ctx, w); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.StartProcessor(ctx, settings(100, 1), nil), w.StartArchiver(ctx, 100, nil)); err != nil {
		t.Fatal(err)
	}
	if err := run(ctx, w); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Drain(ctx), w.Refresh(ctx)); err != nil {
		t.Fatal(err)
	}
	r, err := w.Report(ctx, 1)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func withScript(text string) func(context.Context, *World) error {
	return func(_ context.Context, w *World) error {
		w.Variants.Script = text
		return nil
	}
}

// load sends events and waits until they are loaded.
func load(ctx context.Context, w *World, n int) error {
	return errors.Join(w.Client.Send(ctx, n), w.Drain(ctx))
}

func threeLoads(ctx context.Context, w *World) error {
	return errors.Join(load(ctx, w, 30), load(ctx, w, 30), load(ctx, w, 30))
}

func recounted(ctx context.Context, w *World) error {
	return errors.Join(load(ctx, w, 60), w.Refresh(ctx), w.recount(ctx))
}

func wipedInMidMinute(ctx context.Context, w *World) error {
	if err := errors.Join(load(ctx, w, 60), w.raw.FlushAll(ctx).Err(), load(ctx, w, 10)); err != nil {
		return err
	}
	now := w.Clock.Now().Truncate(time.Minute)
	return w.Reader.Ask(ctx, warehouse.MetricEvents, []time.Time{now, now.Add(-time.Minute), now.Add(-2 * time.Minute)})
}

func withoutKey(ctx context.Context, w *World) error {
	return w.superuser(ctx, "ALTER TABLE events DROP CONSTRAINT events_pkey")
}

func deliveredTwice(ctx context.Context, w *World) error {
	if err := load(ctx, w, 60); err != nil {
		return err
	}
	w.processorMapping.stop()
	return w.StartProcessor(ctx, settings(7, 3), nil)
}

func receiptTime(_ context.Context, w *World) error {
	w.Client.Receive = func(body map[string]any) {
		if body["eventId"] != nil && body["timestamp"] == nil {
			body["timestamp"] = w.Clock.Now().Format(timeLayout)
		}
	}
	return nil
}

func resent(ctx context.Context, w *World) error {
	if err := load(ctx, w, 60); err != nil {
		return err
	}
	return w.Client.Request(ctx, w.Client.Events)
}

// early reports success for a chunk immediately and commits it with the next
// one.
type early struct {
	processor.Warehouse
	waiting *warehouse.Chunk
}

func (e *early) Load(ctx context.Context, c warehouse.Chunk) (loaded warehouse.Loaded, err error) {
	if e.waiting != nil {
		loaded, err = e.Warehouse.Load(ctx, *e.waiting)
	}
	if err == nil {
		e.waiting = &c
	}
	return loaded, err
}

func earlyAnswer(_ context.Context, w *World) error {
	w.Variants.Warehouse = func(next processor.Warehouse) processor.Warehouse { return &early{Warehouse: next} }
	return nil
}

func killedAfterAnswer(ctx context.Context, w *World) error {
	return errors.Join(load(ctx, w, 30), load(ctx, w, 30), w.Processor.Close(ctx))
}

func errorAnswer(_ context.Context, w *World) error {
	w.Variants.Answer = func(resp events.KinesisEventResponse) (events.KinesisEventResponse, error) {
		if len(resp.BatchItemFailures) > 0 {
			return events.KinesisEventResponse{}, errors.New("the database is unavailable")
		}
		return resp, nil
	}
	return nil
}

// flaky fails three of four loads.
type flaky struct {
	processor.Warehouse
	calls int
}

func (f *flaky) Load(ctx context.Context, c warehouse.Chunk) (warehouse.Loaded, error) {
	if f.calls++; f.calls%4 != 0 {
		return warehouse.Loaded{}, errors.New("the database is unavailable")
	}
	return f.Warehouse.Load(ctx, c)
}

// flakyDatabase expects four invocations for each of its few batches, and
// allows twice as many.
func flakyDatabase(ctx context.Context, w *World) error {
	w.processorMapping.stop()
	if err := w.Client.Send(ctx, 90); err != nil {
		return err
	}
	batches := 0
	for _, records := range w.Stream.Records() {
		batches += (len(records) + 99) / 100
	}
	w.Stream.WholeReads()
	w.MostInvocations = 2 * 4 * batches
	next := w.Variants.Warehouse
	w.Variants.Warehouse = func(db processor.Warehouse) processor.Warehouse {
		if next != nil {
			db = next(db)
		}
		return &flaky{Warehouse: db}
	}
	return w.StartProcessor(ctx, settings(100, 1), nil)
}

// shortNamed omits the last sequence number and the count from keys.
type shortNamed struct{ next archiver.Objects }

func cutLonger(ctx context.Context, w *World) error {
	w.archiverMapping.stop()
	if err := w.Client.Send(ctx, 90); err != nil {
		return err
	}
	h, err := w.openArchiver(ctx)
	if err != nil {
		return err
	}
	for shard, records := range w.Stream.Records() {
		for _, n := range []int{len(records) / 2, len(records)} {
			resp, err := h.handle(ctx, toEvent(fromStream(shard, records[:n])), NoFault, nil)
			if err != nil || len(resp.BatchItemFailures) > 0 {
				return fmt.Errorf("archive %d of %d records: %v, %w", n, len(records), resp, err)
			}
		}
	}
	return w.StartArchiver(ctx, 100, w.ends())
}

// ends returns checkpoints at the end of every shard.
func (w *World) ends() map[string]string {
	ends := map[string]string{}
	for shard, records := range w.Stream.Records() {
		if n := len(records); n > 0 {
			ends[shard] = records[n-1].SequenceNumber
		}
	}
	return ends
}

// lifting loads below the floor, as if none existed.
type lifting struct {
	processor.Warehouse
	w *World
}

func (l *lifting) Load(ctx context.Context, c warehouse.Chunk) (warehouse.Loaded, error) {
	if err := l.w.superuser(ctx, "UPDATE events_floor SET floor = '-infinity'"); err != nil {
		return warehouse.Loaded{}, err
	}
	owner := l.w.owner()
	_, err := owner.EnsurePartitions(ctx, l.w.Servers.Begin.Add(-6*day), l.w.Servers.Begin, pause.For)
	if err := errors.Join(err, owner.Close(ctx)); err != nil {
		return warehouse.Loaded{}, err
	}
	return l.Warehouse.Load(ctx, c)
}

func floorless(_ context.Context, w *World) error {
	w.Variants.Warehouse = func(next processor.Warehouse) processor.Warehouse { return &lifting{next, w} }
	return nil
}

func droppedAndReplayed(ctx context.Context, w *World) error {
	if err := w.superuser(ctx, "SELECT 1"); err != nil {
		return err
	}
	for range 10 {
		if err := w.Client.Request(ctx, []*Sent{w.Client.Old(w.Servers.Begin.Add(-5 * day)), w.Client.Old(w.Servers.Begin)}); err != nil {
			return err
		}
	}
	return w.retention(ctx)
}

// byClock uses times instead of transaction ids as the watermark.
type byClock struct {
	cache.Warehouse
	w *World
}

func (b byClock) Changed(ctx context.Context, watermark string, oldest time.Time) (c warehouse.Change, err error) {
	if watermark == "" {
		c, err = b.Warehouse.Changed(ctx, watermark, oldest)
	}
	conn, connErr := b.w.connect(ctx)
	if err := errors.Join(err, connErr); err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	var now time.Time
	if err := conn.QueryRow(ctx, "SELECT clock_timestamp()").Scan(&now); err != nil {
		return c, err
	}
	if watermark != "" {
		err = conn.QueryRow(ctx, "SELECT ARRAY(SELECT DISTINCT m FROM load_batch, unnest(minutes) m WHERE loaded_at >= $1::text::timestamptz AND m >= $2)", watermark, oldest).Scan(&c.Minutes)
	}
	c.Watermark = now.Format(time.RFC3339Nano)
	return c, err
}

func refreshByClock(_ context.Context, w *World) error {
	w.Variants.Refresh = func(next cache.Warehouse) cache.Warehouse { return byClock{next, w} }
	return nil
}

// lateCommit has a transaction that begins before a refresh and commits after
// it, in an environment that is killed before it updates Redis.
func lateCommit(ctx context.Context, w *World) error {
	if err := errors.Join(load(ctx, w, 30), w.Refresh(ctx)); err != nil {
		return err
	}
	w.processorMapping.stop()
	before := w.processorMapping.m.Checkpoints()
	if err := w.Client.Send(ctx, 30); err != nil {
		return err
	}
	for shard, records := range w.Stream.Records() {
		at := slices.IndexFunc(records, func(r mapper.StreamRecord) bool { return r.SequenceNumber == before[shard] }) + 1
		if at == len(records) {
			continue
		}
		if err := w.commitLate(ctx, toEvent(fromStream(shard, records[at:]))); err != nil {
			return err
		}
	}
	return w.StartProcessor(ctx, settings(100, 1), w.ends())
}

func (w *World) commitLate(ctx context.Context, e events.KinesisEvent) error {
	opened, err := w.openProcessor(ctx)
	if err != nil {
		return err
	}
	p := opened.(*processing)
	defer func() { _ = p.close(context.WithoutCancel(ctx)) }()
	own, kill := context.WithCancel(ctx)
	defer kill()
	reached, goOn, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	p.fault, p.kill = KillAfterCommit, kill
	p.proxy.Arm(&Rule{Match: commitMessage, Hook: func() { close(reached); <-goOn }})
	go func() {
		_, err := p.h.Handle(own, e)
		ended <- err
	}()
	select {
	case <-reached:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	err = w.Refresh(ctx)
	close(goOn)
	return errors.Join(err, <-ended)
}

var lastAndCount = regexp.MustCompile(`-\d+-\d+\.ndjson`)

// Put writes the object under its shorter key.
func (s shortNamed) Put(ctx context.Context, key string, body []byte) error {
	return s.next.Put(ctx, lastAndCount.ReplaceAllString(key, ".ndjson"), body)
}

func shortName(_ context.Context, w *World) error {
	w.Variants.Archive = func(next archiver.Objects) archiver.Objects { return shortNamed{next} }
	return nil
}

// fromStream converts records to package archive's type.
func fromStream(shard string, records []mapper.StreamRecord) []archive.ArchivedRecord {
	out := make([]archive.ArchivedRecord, len(records))
	for i, r := range records {
		out[i] = archive.ArchivedRecord{Shard: shard, Sequence: r.SequenceNumber, Arrived: r.Arrival, PartitionKey: r.PartitionKey, Data: r.Data}
	}
	return out
}
