// Package mapper is the event source mapper between a stream and a function,
// with Lambda's rules: records of a partition key in order, several batches of
// a shard at a time, the lowest sequence number that isn't handled as the
// checkpoint, bisection, caps on retries and on age, what is given up written
// elsewhere, and a resharded stream read parents first.
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
	// Arrival is when the stream took the record.
	Arrival time.Time
}

// Source is a sharded log.
type Source interface {
	// Shards lists the shards there are now.
	Shards(ctx context.Context) ([]Shard, error)
	// Read gives up to limit records of a shard after a sequence number, in
	// order; the empty one means the oldest that is kept. ended says that a
	// closed shard holds nothing more.
	Read(ctx context.Context, shard, after string, limit int) (records []StreamRecord, ended bool, err error)
}

// Shard is a part of the stream.
type Shard struct {
	ID string
	// Parents must be read to their end before this shard is begun.
	Parents []string
}

// Result is what an invocation gave: Payload is the function's answer, and
// Failed says that the function failed as a whole.
type Result struct {
	Payload []byte
	Failed  bool
}

// Invoker runs the function. An error means that it could not be run at all,
// which uses up no retry.
type Invoker interface {
	Invoke(ctx context.Context, payload []byte) (Result, error)
}

// InvokerFunc is a function as an Invoker.
type InvokerFunc func(ctx context.Context, payload []byte) (Result, error)

// Invoke calls f.
func (f InvokerFunc) Invoke(ctx context.Context, payload []byte) (Result, error) {
	return f(ctx, payload)
}

// Sink takes what was given up, under a key.
type Sink interface {
	Put(ctx context.Context, key string, object []byte) error
}

// Options describe a mapping.
type Options struct {
	// UUID identifies the mapping in on-failure keys.
	UUID string
	// FunctionARN and StreamARN appear in events and on-failure objects.
	FunctionARN, StreamARN string
	// Region is the events' awsRegion; RoleARN their invokeIdentityArn.
	Region, RoleARN string
	Settings        contract.Mapping
	Source          Source
	Invoker         Invoker
	// OnFailure takes what is given up; nil drops it, with a log line.
	OnFailure Sink
	// Checkpoints are where each shard's reading begins, by shard; a shard
	// that isn't there begins with the oldest record.
	Checkpoints map[string]string
	// Checkpoint is told every checkpoint that was reached, a shard's in order;
	// it may be nil.
	Checkpoint func(shard, sequence string)
	// Poll is the pause after a read that gave nothing, 1 s when zero.
	Poll time.Duration
	// Backoff is the pause before the first retry, doubled up to MaxBackoff;
	// 1 s and 1 min when zero.
	Backoff, MaxBackoff time.Duration
	// TryFor replaces AWS's record age on a machine that may be off: a batch that
	// keeps failing at the same record is halved until that record is alone, and
	// a record that failed alone for this long is given up. Only the time of its
	// tries counts. Zero means AWS's rules.
	TryFor time.Duration
	// Tried is how long records were tried before, by shard and sequence number.
	Tried map[string]map[string]time.Duration
	// Trying receives how long a record was tried that fails alone; zero when it
	// was handled or given up. It may be nil.
	Trying func(shard, sequence string, spent time.Duration)
	// Blame reports whether a failure can be the record's fault: not if the
	// function's database is down. Without blame the time of a try doesn't count.
	// Nil means always.
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

// Stats count what a mapper did.
type Stats struct {
	Invocations, Failures, Retries, Bisections, GivenUp int
	// Records is how many records were handled, given up ones not included.
	Records int
}

// New makes an enabled mapper; Run starts it.
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

// Run reads every shard until ctx ends; it then waits for the invocations that
// run. Its error is ctx's cause.
func (m *Mapper) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	started := map[string]bool{}
	wait := m.o.Poll
	for {
		shards, err := m.o.Source.Shards(ctx)
		if wait = m.nextWait(wait, err); err != nil && ctx.Err() == nil {
			m.o.Log.WarnContext(ctx, "shards not listed", "err", err, "retryIn", wait.String())
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

// nextWait is the pause after an attempt to read: Poll, and twice the pause before
// while attempts fail, so that a lasting error makes one log line per minute.
func (m *Mapper) nextWait(wait time.Duration, err error) time.Duration {
	if err == nil {
		return m.o.Poll
	}
	return min(2*wait, max(m.o.MaxBackoff, m.o.Poll))
}

// parentsEnded says that no parent that still exists has records left.
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

// SetEnabled stops the reading, or lets it go on from the checkpoints.
func (m *Mapper) SetEnabled(enabled bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.enabled != enabled {
		m.enabled = enabled
		close(m.changed)
		m.changed = make(chan struct{})
	}
}

// Drain waits until no invocation runs; it is for a mapper that was disabled.
func (m *Mapper) Drain() { m.inFlight.Wait() }

// Enabled says whether the mapper reads.
func (m *Mapper) Enabled() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.enabled
}

// Stats gives the counts so far.
func (m *Mapper) Stats() Stats {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.stats
}

// Checkpoints gives, for each shard, the last sequence number up to which all
// is handled. With batches in parallel more may be: a mapper that begins there
// delivers it again.
func (m *Mapper) Checkpoints() map[string]string {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := map[string]string{}
	for shard, sequence := range m.checkpoints {
		out[shard] = sequence
	}
	return out
}

// begin waits until the mapper is enabled and counts an invocation in flight.
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

// answer is what a function with ReportBatchItemFailures returns.
type answer struct {
	BatchItemFailures []struct {
		ItemIdentifier *string `json:"itemIdentifier"`
	} `json:"batchItemFailures"`
}

// firstFailed finds where a batch has to be tried again: len(records) when all
// is handled. whole says that the batch failed as such, and may be halved: the
// answer is unreadable, has no identifier, or one that is not in the batch.
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
