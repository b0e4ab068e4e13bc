// Package mapper implements Lambda's event source mapping between a stream and
// a function: records of a partition key are handled in order, several batches
// of a shard run concurrently, the checkpoint is the lowest sequence number
// that is not handled, batches are bisected, retries and record age are
// limited, records that are given up are written to an on-failure destination,
// and in a resharded stream parents are read before children.
package mapper

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/pause"
)

// StreamRecord is one record of a shard.
type StreamRecord struct {
	SequenceNumber string
	PartitionKey   string
	Data           []byte
	// Arrival is when the stream accepted the record.
	Arrival time.Time
}

// Source is a sharded log.
type Source interface {
	// Shards lists the current shards.
	Shards(ctx context.Context) ([]Shard, error)
	// Read returns up to limit records of a shard after a sequence number, in
	// order; an empty sequence number means from the oldest record. ended
	// reports that the shard is closed and holds no more records.
	Read(ctx context.Context, shard, after string, limit int) (records []StreamRecord, ended bool, err error)
}

// Shard is a part of the stream.
type Shard struct {
	ID string
	// Parents must be read completely before this shard.
	Parents []string
}

// Result is the result of an invocation: Payload is the function's response;
// Failed reports that the function as a whole failed.
type Result struct {
	Payload []byte
	Failed  bool
}

// Invoker runs the function. An error means that the function could not be run
// at all, which does not use up a retry.
type Invoker interface {
	Invoke(ctx context.Context, payload []byte) (Result, error)
}

// InvokerFunc adapts a function to Invoker.
type InvokerFunc func(ctx context.Context, payload []byte) (Result, error)

// Invoke calls f.
func (f InvokerFunc) Invoke(ctx context.Context, payload []byte) (Result, error) {
	return f(ctx, payload)
}

// Sink stores records that were given up, under a key.
type Sink interface {
	Put(ctx context.Context, key string, object []byte) error
}

// Options configure a mapping.
type Options struct {
	// UUID identifies the mapping in on-failure keys.
	UUID string
	// FunctionARN and StreamARN appear in events and on-failure objects.
	FunctionARN, StreamARN string
	// Region is the events' awsRegion, RoleARN their invokeIdentityArn.
	Region, RoleARN string
	Settings        contract.Mapping
	Source          Source
	Invoker         Invoker
	// OnFailure stores records that are given up; nil drops them with a log
	// line.
	OnFailure Sink
	// Checkpoints is the last handled sequence number by shard; a missing shard
	// starts with the oldest record.
	Checkpoints map[string]string
	// Checkpoint receives every new checkpoint, in order within a shard; it may
	// be nil.
	Checkpoint func(shard, sequence string)
	// Poll is the pause after an empty read; zero means 1 s.
	Poll time.Duration
	// Backoff is the pause before the first retry. It doubles with each retry
	// up to MaxBackoff. Zero means 1 s and 1 min.
	Backoff, MaxBackoff time.Duration
	// TryFor replaces AWS's maximum record age on a machine that may be
	// switched off. A batch that keeps failing at the same record is halved
	// until that record is alone; a record that has failed alone for this long
	// is given up. Only the time of its tries counts. Zero means AWS's rules.
	TryFor time.Duration
	// Tried is how long records have been tried so far, by shard and sequence
	// number.
	Tried map[string]map[string]time.Duration
	// Trying receives how long a record that fails alone has been tried, and zero
	// once it was handled or given up. It may be nil.
	Trying func(shard, sequence string, spent time.Duration)
	// Blame reports whether a failure can be the record's fault; it cannot
	// while the function's database is down. If Blame returns false, the time
	// of the try does not count. Nil means always true.
	Blame func(context.Context) bool
	Log   *slog.Logger
}

// Mapper reads a stream for one function.
type Mapper struct {
	o Options

	mu          sync.Mutex
	enabled     bool
	changed     chan struct{} // closed and replaced when enabled changes
	inFlight    sync.WaitGroup
	checkpoints map[string]string
	ended       map[string]bool
	stats       Stats
	tried       map[string]map[string]time.Duration // by shard and sequence number
}

// Stats are a mapper's counters.
type Stats struct {
	Invocations, Failures, Retries, Bisections, GivenUp int
	// Records is the number of handled records, without those given up.
	Records int
}

// New returns an enabled mapper; call Run to start it.
func New(o Options) (*Mapper, error) {
	s := o.Settings
	switch {
	case o.Source == nil || o.Invoker == nil:
		return nil, errors.New("make mapper: source and invoker are required")
	case s.BatchSize < 1 || s.BatchSize > 10000:
		return nil, fmt.Errorf("make mapper: batch size %d is outside 1..10000", s.BatchSize)
	case s.WindowSeconds < 0 || s.WindowSeconds > 300:
		return nil, fmt.Errorf("make mapper: window %d s is outside 0..300", s.WindowSeconds)
	case s.Parallelization < 1 || s.Parallelization > 10:
		return nil, fmt.Errorf("make mapper: parallelization %d is outside 1..10", s.Parallelization)
	case s.Retries < -1 || s.Retries > 10000:
		return nil, fmt.Errorf("make mapper: retries %d are outside -1..10000", s.Retries)
	case s.RecordAgeSeconds != -1 && (s.RecordAgeSeconds < 60 || s.RecordAgeSeconds > contract.MaxRecordAgeSeconds):
		return nil, fmt.Errorf("make mapper: record age %d s is neither -1 nor in 60..604800", s.RecordAgeSeconds)
	}
	if o.Poll == 0 {
		o.Poll = time.Second
	}
	if o.Backoff == 0 {
		o.Backoff = time.Second
	}
	if o.MaxBackoff == 0 {
		o.MaxBackoff = time.Minute
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	m := &Mapper{o: o, enabled: true, changed: make(chan struct{}), checkpoints: map[string]string{}, ended: map[string]bool{}, tried: map[string]map[string]time.Duration{}}
	for shard, records := range o.Tried {
		m.tried[shard] = maps.Clone(records)
	}
	for shard, sequence := range o.Checkpoints {
		m.checkpoints[shard] = sequence
	}
	return m, nil
}

// Run reads every shard until ctx ends, then waits for running invocations. It
// returns ctx's cause.
func (m *Mapper) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	started := map[string]bool{}
	wait := m.o.Poll
	for {
		shards, err := m.o.Source.Shards(ctx)
		if wait = m.nextWait(wait, err); err != nil && ctx.Err() == nil {
			m.o.Log.WarnContext(ctx, "could not list shards", "err", err, "retryIn", wait.String())
		}
		for _, s := range shards {
			if started[s.ID] || !m.parentsEnded(s, shards) {
				continue
			}
			started[s.ID] = true
			wg.Go(func() { m.readShard(ctx, s.ID) })
		}
		if err := pause.For(ctx, wait); err != nil {
			return err
		}
	}
}

// nextWait returns the pause after a read: Poll, or after a failure twice the
// previous pause, so that a lasting error logs one line per minute.
func (m *Mapper) nextWait(wait time.Duration, err error) time.Duration {
	if err == nil {
		return m.o.Poll
	}
	return min(2*wait, max(m.o.MaxBackoff, m.o.Poll))
}

// parentsEnded reports whether all existing parents have been read completely.
func (m *Mapper) parentsEnded(s Shard, all []Shard) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, parent := range s.Parents {
		for _, other := range all {
			if other.ID == parent && !m.ended[parent] {
				return false
			}
		}
	}
	return true
}

// SetEnabled stops reading, or resumes it at the checkpoints.
func (m *Mapper) SetEnabled(enabled bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.enabled != enabled {
		m.enabled = enabled
		close(m.changed)
		m.changed = make(chan struct{})
	}
}

// Drain waits until no invocation is running. Disable the mapper first.
func (m *Mapper) Drain() { m.inFlight.Wait() }

// Enabled reports whether the mapper is reading.
func (m *Mapper) Enabled() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.enabled
}

// Stats returns the counters.
func (m *Mapper) Stats() Stats {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.stats
}

// Checkpoints returns, by shard, the sequence number up to which every record
// is handled. With parallel batches, later records may be handled too; a mapper
// that resumes here delivers those again.
func (m *Mapper) Checkpoints() map[string]string {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := map[string]string{}
	for shard, sequence := range m.checkpoints {
		out[shard] = sequence
	}
	return out
}

// begin waits until the mapper is enabled and counts an invocation as in
// flight.
func (m *Mapper) begin(ctx context.Context) error {
	for {
		m.mu.Lock()
		if m.enabled {
			m.inFlight.Add(1)
			m.mu.Unlock()
			return nil
		}
		changed := m.changed
		m.mu.Unlock()
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-changed:
		}
	}
}

func (m *Mapper) count(add func(*Stats)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	add(&m.stats)
}

func (m *Mapper) checkpoint(shard, sequence string) {
	m.mu.Lock()
	m.checkpoints[shard] = sequence
	m.mu.Unlock()
	if m.o.Checkpoint != nil {
		m.o.Checkpoint(shard, sequence)
	}
}

// answer is the response of a function with ReportBatchItemFailures.
type answer struct {
	BatchItemFailures []struct {
		ItemIdentifier *string `json:"itemIdentifier"`
	} `json:"batchItemFailures"`
}

// firstFailed returns the index of the first record to retry, len(records) if
// all are handled. whole reports that the entire batch failed and may be
// halved: the response is unreadable, has no identifier, or has one that is not
// in the batch.
func firstFailed(payload []byte, records []StreamRecord) (first int, whole bool) {
	var a answer
	if len(payload) == 0 || string(payload) == "null" {
		return len(records), false
	}
	if err := json.Unmarshal(payload, &a); err != nil {
		return 0, true
	}
	position := map[string]int{}
	for i, r := range records {
		position[r.SequenceNumber] = i
	}
	first = len(records)
	for _, f := range a.BatchItemFailures {
		if f.ItemIdentifier == nil || *f.ItemIdentifier == "" {
			return 0, true
		}
		i, ok := position[*f.ItemIdentifier]
		if !ok {
			return 0, true
		}
		first = min(first, i)
	}
	return first, false
}
