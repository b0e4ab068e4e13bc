package measure_test

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"github.com/streamctl/streamctl/functions/archiver"
	"github.com/streamctl/streamctl/functions/processor"
	"github.com/streamctl/streamctl/internal/cache"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/emf"
	"github.com/streamctl/streamctl/internal/event"
	"github.com/streamctl/streamctl/internal/invocation"
	"github.com/streamctl/streamctl/internal/metric"
	"github.com/streamctl/streamctl/internal/testkit/bench"
	testpostgres "github.com/streamctl/streamctl/internal/testkit/servers/postgres"
	testredis "github.com/streamctl/streamctl/internal/testkit/servers/redis"
	"github.com/streamctl/streamctl/internal/testkit/suites/workload"
	"github.com/streamctl/streamctl/internal/warehouse"
)

const (
	// batchEvents is the number of events per invocation of the processor.
	batchEvents = 2000
	// eventTime is the time range of a batch's events.
	eventTime = 2 * time.Minute
)

// batch is a batch in Lambda's form, and its events.
type batch struct {
	payload []byte
	events  []event.Event
	arrived time.Time
	// bytes is the size of the records.
	bytes int
}

// source creates batches, each with other events.
type source struct {
	seed uint64
	from time.Time
	// length is the time range of a batch's events; 0 means eventTime.
	length time.Duration
	// size is the number of a batch's events; 0 means batchEvents.
	size int
}

func (s *source) batch(b *testing.B, shard int) batch {
	b.Helper()
	s.seed++
	length := cmp.Or(s.length, eventTime)
	g := workload.New(s.seed, s.from, length)
	out := batch{arrived: s.from.Add(length)}
	var all events.KinesisEvent
	for n := 0; len(out.events) < cmp.Or(s.size, batchEvents); n++ {
		r := g.Record()
		all.Records = append(all.Records, delivered(shard, fmt.Sprintf("49%09d%09d", s.seed, n), r.PartitionKey, r.Data, out.arrived))
		out.events = append(out.events, r.Events...)
		out.bytes += len(r.Data)
	}
	out.payload = must(b)(json.Marshal(all))
	return out
}

// delivered returns a record as Lambda delivers it.
func delivered(shard int, sequence, key string, data []byte, arrived time.Time) (r events.KinesisEventRecord) {
	r.EventID = fmt.Sprintf("shardId-%012d:%s", shard, sequence)
	r.Kinesis.SequenceNumber, r.Kinesis.PartitionKey, r.Kinesis.Data = sequence, key, data
	r.Kinesis.ApproximateArrivalTimestamp.Time = arrived
	return r
}

// mixed returns a batch that starts with a part of another batch's records.
func (s *source) mixed(b *testing.B, old batch, percent int) batch {
	b.Helper()
	var all, before events.KinesisEvent
	fresh := s.batch(b, 0)
	for payload, into := range map[string]*events.KinesisEvent{string(fresh.payload): &all, string(old.payload): &before} {
		if err := json.Unmarshal([]byte(payload), into); err != nil {
			b.Fatal(err)
		}
	}
	n := len(before.Records) * percent / 100
	all.Records = append(before.Records[:n], all.Records[:max(0, len(all.Records)-n)]...)
	fresh.payload = must(b)(json.Marshal(all))
	return fresh
}

func must(b *testing.B) func([]byte, error) []byte {
	return func(text []byte, err error) []byte {
		b.Helper()
		if err != nil {
			b.Fatal(err)
		}
		return text
	}
}

// noObjects is an archive that must stay unused.
type noObjects struct{}

func (noObjects) Put(context.Context, string, []byte) error {
	return errors.New("unexpected quarantine object")
}

// site is a warehouse, a cache and the connections to them.
type site struct {
	database *testpostgres.Database
	redis    *redis.Client
}

func newSite(b *testing.B, from time.Time, client *redis.Client, declared ...metric.Definition) site {
	b.Helper()
	s := site{database: shared.Warehouse(b, from, from.AddDate(0, 0, 1)), redis: client}
	s.declare(b, declared)
	return s
}

// declare sets the metrics over a temporary connection.
func (s site) declare(b *testing.B, declared []metric.Definition) {
	b.Helper()
	owner := warehouse.NewURL(s.database.URL(contract.RoleOwner))
	if err := errors.Join(owner.SetMetrics(b.Context(), declared), owner.Close(b.Context())); err != nil {
		b.Fatal(err)
	}
}

// invocation returns the processor as Lambda calls it, with its own
// connections.
func (s site) invocation(b *testing.B) func(batch) time.Duration {
	b.Helper()
	h := processor.New(contract.Processor{}, processor.Deps{
		Warehouse: s.database.As(b, contract.RoleLoader), Cache: cache.New(s.redis, time.Now), Objects: noObjects{},
		Metrics: &emf.Writer{Out: io.Discard, Stack: "bench"}, Log: slog.New(slog.DiscardHandler),
	})
	handler := invocation.Stream(h.Handle)
	return func(in batch) time.Duration {
		begun := time.Now()
		answer, err := handler.Invoke(b.Context(), in.payload)
		took := time.Since(begun)
		if err != nil || !bytes.Equal(answer, []byte(`{"batchItemFailures":[]}`)) {
			b.Errorf("answer %s, %v", answer, err)
		}
		return took
	}
}

func (s site) connection(b *testing.B) *pgx.Conn {
	b.Helper()
	conn, err := pgx.Connect(b.Context(), s.database.URL(contract.RoleLoader))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := conn.Close(context.WithoutCancel(b.Context())); err != nil {
			b.Error(err)
		}
	})
	return conn
}

var columns = []string{"event_id", "user_id", "event_type", "timestamp", "properties", "received_at", "arrived_at", "line"}

// rawCopy only copies the same rows into the same table, in one transaction.
func rawCopy(b *testing.B, conn *pgx.Conn, in batch) time.Duration {
	begun := time.Now()
	values := make([]any, len(columns))
	err := pgx.BeginFunc(b.Context(), conn, func(tx pgx.Tx) error {
		_, err := tx.CopyFrom(b.Context(), pgx.Identifier{"events"}, columns, pgx.CopyFromSlice(len(in.events), func(i int) ([]any, error) {
			e := &in.events[i]
			values[0], values[1], values[2], values[3], values[4] = [16]byte(e.ID), e.UserID, e.Type, e.Timestamp, []byte(e.Properties)
			values[5], values[6], values[7] = in.arrived, in.arrived, warehouse.LineHash("s", "1", i)
			return values, nil
		}))
		return err
	})
	if err != nil {
		b.Error(err)
	}
	return time.Since(begun)
}

// rowByRow is the naive version: an INSERT and an INCR per event.
func (s site) rowByRow(b *testing.B, conn *pgx.Conn, in batch) time.Duration {
	begun := time.Now()
	for i := range in.events {
		e := &in.events[i]
		_, err := conn.Exec(b.Context(), `INSERT INTO events (event_id, user_id, event_type, timestamp, properties, received_at, arrived_at)
			VALUES ($1, $2, $3, $4, $5, $6, $6)`, [16]byte(e.ID), e.UserID, e.Type, e.Timestamp, []byte(e.Properties), in.arrived)
		if err == nil {
			err = s.redis.Incr(b.Context(), "count:"+e.Type+":"+e.Timestamp.Format("200601021504")).Err()
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	return time.Since(begun)
}

// declared returns two metrics of one dimension with 50 values.
func declared() []metric.Definition {
	return []metric.Definition{
		{Name: "revenue", EventType: "purchase", Sum: "properties.amount", By: []string{"properties.country"}},
		{Name: "countries", By: []string{"properties.country"}},
	}
}

func startSource() *source {
	return &source{seed: 1, from: time.Now().UTC().Add(-time.Minute).Truncate(time.Minute)}
}

// BenchmarkProcessor compares complete invocations of 2,000 events with a COPY
// of the same rows, and with single-row statements.
func BenchmarkProcessor(b *testing.B) {
	src := startSource()
	client := testredis.Client(b, testredis.Start(b))
	ours, raw, rows := newSite(b, src.from, client, declared()...), newSite(b, src.from, client), newSite(b, src.from, client)
	invoke, rawConn, rowConn := ours.invocation(b), raw.connection(b), rows.connection(b)
	invoke(src.batch(b, 0)) // the first one prepares statements and registers the dimensions
	rawCopy(b, rawConn, src.batch(b, 0))
	took := map[string][]time.Duration{}
	for b.Loop() {
		in := src.batch(b, 0)
		took["ours"] = append(took["ours"], invoke(in))
		took["copy"] = append(took["copy"], rawCopy(b, rawConn, in))
		took["rows"] = append(took["rows"], rows.rowByRow(b, rowConn, in))
		took["1 %"] = append(took["1 %"], invoke(src.mixed(b, in, 1)))
		took["100 %"] = append(took["100 %"], invoke(in))
	}
	bench.Report(b, "processor",
		bench.Figure{Name: "COPY of 2,000 rows alone", Unit: "ms", Samples: bench.Milliseconds(took["copy"])},
		bench.Figure{Name: "invocation with 2,000 events", Unit: "ms", Samples: bench.Milliseconds(took["ours"])},
		bench.Figure{Name: "INSERT and INCR, event by event", Unit: "ms", Samples: bench.Milliseconds(took["rows"])},
		bench.Figure{Name: "speed beside the COPY alone", Samples: bench.Ratios(took["copy"], took["ours"]), Goal: 0.7, AtLeast: true},
		bench.Figure{Name: "speed beside event by event", Samples: bench.Ratios(took["rows"], took["ours"]), Goal: 20, AtLeast: true},
		bench.Figure{Name: "time with 1 % duplicates beside none", Samples: bench.Ratios(took["1 %"], took["ours"])},
		bench.Figure{Name: "time with 100 % duplicates beside none", Samples: bench.Ratios(took["100 %"], took["ours"])},
	)
}

// BenchmarkShards compares concurrent invocations with as many COPYs.
func BenchmarkShards(b *testing.B) {
	for _, n := range []int{1, 4, 10} {
		b.Run(strconv.Itoa(n), func(b *testing.B) { besideCopies(b, n) })
	}
}

func besideCopies(b *testing.B, shards int) {
	b.Helper()
	src := startSource()
	client := testredis.Client(b, testredis.Start(b))
	ours, raw := newSite(b, src.from, client, declared()...), newSite(b, src.from, client)
	invoke, conns := make([]func(batch) time.Duration, shards), make([]*pgx.Conn, shards)
	for i := range shards {
		invoke[i], conns[i] = ours.invocation(b), raw.connection(b)
		invoke[i](src.batch(b, i))
		rawCopy(b, conns[i], src.batch(b, i))
	}
	all := func(work func(shard int, in batch)) time.Duration {
		batches := make([]batch, shards)
		for i := range batches {
			batches[i] = src.batch(b, i)
		}
		done := make(chan struct{})
		begun := time.Now()
		for i, in := range batches {
			go func() { work(i, in); done <- struct{}{} }()
		}
		for range batches {
			<-done
		}
		return time.Since(begun)
	}
	took := map[string][]time.Duration{}
	round := 0
	for b.Loop() {
		process := func(shard int, in batch) { invoke[shard](in) }
		took["warm"] = append(took["warm"], all(process))
		round++
		// The first hundred of 1,000 pages are new dimension values.
		fresh := append(declared(), metric.Definition{Name: fmt.Sprintf("pages%d", round), By: []string{"properties.page"}})
		ours.declare(b, fresh)
		took["new"] = append(took["new"], all(process))
		ours.declare(b, declared())
		took["copy"] = append(took["copy"], all(func(shard int, in batch) { rawCopy(b, conns[shard], in) }))
	}
	of := fmt.Sprintf("%d shards", shards)
	if shards == 1 {
		of = "1 shard"
	}
	bench.Report(b, "processor",
		bench.Figure{Name: of + ": events per second", Unit: "events/s", Samples: bench.Rates(shards*batchEvents, took["warm"])},
		bench.Figure{Name: of + ": speed beside as many COPYs", Samples: bench.Ratios(took["copy"], took["warm"]), Goal: 0.7, AtLeast: true},
		bench.Figure{Name: of + ": the same with 100 new dimension values", Samples: bench.Ratios(took["copy"], took["new"])},
	)
}

// BenchmarkGrowth measures the processor with smaller batches than BenchmarkProcessor's.
func BenchmarkGrowth(b *testing.B) {
	for _, n := range []int{20, 200, 2000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			src := startSource()
			src.size = n
			invoke := newSite(b, src.from, testredis.Client(b, testredis.Start(b)), declared()...).invocation(b)
			invoke(src.batch(b, 0))
			var took []time.Duration
			for b.Loop() {
				took = append(took, invoke(src.batch(b, 0)))
			}
			bench.Report(b, "processor", bench.Figure{Name: "invocation", Unit: "ms", Samples: bench.Milliseconds(took), At: float64(n)})
		})
	}
}

// BenchmarkArchiver compares batches with gzip of the same bytes.
func BenchmarkArchiver(b *testing.B) {
	for _, size := range []int{60_000, 600_000, 6_000_000} {
		b.Run(strconv.Itoa(size), func(b *testing.B) { besideGzip(b, size) })
	}
}

func besideGzip(b *testing.B, size int) {
	b.Helper()
	src := startSource()
	g := workload.New(1, src.from, eventTime)
	var in events.KinesisEvent
	for n, total := 0, 0; total < size; n++ {
		r := g.Record()
		in.Records = append(in.Records, delivered(0, fmt.Sprintf("49%09d", n), r.PartitionKey, r.Data, src.from))
		total += len(r.Data)
	}
	kept := &keeping{}
	h := archiver.New(contract.Archiver{}, archiver.Deps{Objects: kept, Metrics: &emf.Writer{Out: io.Discard, Stack: "bench"}, Log: slog.New(slog.DiscardHandler)})
	handle := func() time.Duration {
		begun := time.Now()
		if resp, err := h.Handle(b.Context(), in); err != nil || len(resp.BatchItemFailures) != 0 {
			b.Fatal(resp, err)
		}
		return time.Since(begun)
	}
	handle()
	zr, err := gzip.NewReader(bytes.NewReader(kept.body))
	if err != nil {
		b.Fatal(err)
	}
	text := must(b)(io.ReadAll(zr))
	var ours, alone []time.Duration
	for b.Loop() {
		ours = append(ours, handle())
		begun := time.Now()
		zw := gzip.NewWriter(io.Discard)
		if _, err := zw.Write(text); err != nil {
			b.Fatal(err)
		}
		if err := zw.Close(); err != nil {
			b.Fatal(err)
		}
		alone = append(alone, time.Since(begun))
	}
	beside := bench.Figure{Name: "speed beside gzip alone", Samples: bench.Ratios(alone, ours), At: float64(size)}
	if size == 6_000_000 {
		beside.Goal, beside.AtLeast = 0.8, true
	}
	bench.Report(b, "archiver", bench.Figure{Name: "invocation", Unit: "ms", Samples: bench.Milliseconds(ours), At: float64(size)}, beside)
}

// keeping stores the last object.
type keeping struct{ body []byte }

func (k *keeping) Put(_ context.Context, _ string, body []byte) error {
	k.body = body
	return nil
}
