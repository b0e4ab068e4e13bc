package mapper

import (
	"context"
	"hash/fnv"
	"sync"
	"time"

	"github.com/streamctl/streamctl/internal/pause"
)

// ahead is how many full batches per lane a shard is read ahead. Other lanes
// continue past a stuck lane for that many batches.
const ahead = 4

// shard reads one shard. A hash of the partition key spreads its records over
// one lane per parallel batch: the records of a lane, and so those of a key,
// stay in order.
type shard struct {
	m     *Mapper
	id    string
	lanes []*lane
	room  chan struct{} // signaled when records were handled; capacity 1

	mu      sync.Mutex
	pending []place // records after the checkpoint, in order
	size    int     // of pending, in bytes
	ended   bool
}

// place is a record after the checkpoint.
type place struct {
	sequence string
	lane     *lane
	size     int
}

// lane is a part of the shard's partition keys.
type lane struct {
	came chan struct{} // signaled for new records and for the shard's end; capacity 1

	// Guarded by the shard's mu.
	queue   []StreamRecord
	handled int // how many of the lane's records in pending are handled, from its first one
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// readShard reads one shard until the shard or ctx ends.
func (m *Mapper) readShard(ctx context.Context, id string) {
	s := &shard{m: m, id: id, room: make(chan struct{}, 1)}
	var wg sync.WaitGroup
	for range m.o.Settings.Parallelization {
		l := &lane{came: make(chan struct{}, 1)}
		s.lanes = append(s.lanes, l)
		wg.Go(func() { s.work(ctx, l) })
	}
	ended := s.read(ctx)
	wg.Wait()
	if ended && len(s.pending) == 0 {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.ended[id] = true
	}
}

// read fills the lanes and reports whether the shard has ended.
func (s *shard) read(ctx context.Context) (ended bool) {
	s.m.mu.Lock()
	after := s.m.checkpoints[s.id]
	s.m.mu.Unlock()
	wait := s.m.o.Poll
	for {
		if s.waitForRoom(ctx) != nil || s.m.enabledNow(ctx) != nil {
			return false
		}
		records, ended, err := s.m.o.Source.Read(ctx, s.id, after, s.m.o.Settings.BatchSize)
		if ctx.Err() != nil {
			return false
		}
		if wait = s.m.nextWait(wait, err); err != nil {
			s.m.o.Log.WarnContext(ctx, "could not read shard", "shard", s.id, "err", err, "retryIn", wait.String())
		}
		if len(records) > 0 {
			after = records[len(records)-1].SequenceNumber
		}
		s.spread(records, ended)
		switch {
		case ended:
			return true
		case len(records) > 0:
			continue
		}
		if pause.For(ctx, wait) != nil {
			return false
		}
	}
}

// waitForRoom waits while too many records are read but not handled.
func (s *shard) waitForRoom(ctx context.Context) error {
	for {
		s.mu.Lock()
		full := len(s.pending) >= ahead*len(s.lanes)*s.m.o.Settings.BatchSize || s.size >= ahead*len(s.lanes)*maxPayload
		s.mu.Unlock()
		if !full {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-s.room:
		}
	}
}

// spread appends each record to its key's lane.
func (s *shard) spread(records []StreamRecord, ended bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = ended
	for _, r := range records {
		h := fnv.New32a()
		h.Write([]byte(r.PartitionKey))
		l := s.lanes[h.Sum32()%uint32(len(s.lanes))]
		l.queue = append(l.queue, r)
		s.pending = append(s.pending, place{r.SequenceNumber, l, recordSize(r)})
		s.size += recordSize(r)
		signal(l.came)
	}
	if ended {
		for _, l := range s.lanes {
			signal(l.came)
		}
	}
}

// work handles a lane's batches until the shard or ctx ends.
func (s *shard) work(ctx context.Context, l *lane) {
	for {
		batch, err := s.gather(ctx, l)
		if err != nil || len(batch) == 0 {
			return
		}
		if err := s.handle(ctx, l, batch); err != nil {
			return
		}
	}
}

// gather takes a batch from the lane: a full one, or all available records when
// the window after the first record has passed. An empty batch means the shard
// has ended.
func (s *shard) gather(ctx context.Context, l *lane) ([]StreamRecord, error) {
	var over <-chan time.Time
	closed := s.m.o.Settings.WindowSeconds == 0
	for {
		s.mu.Lock()
		waiting, ended := len(l.queue), s.ended
		size := s.m.o.fits(l.queue)
		if waiting > 0 && (closed || ended || size < waiting || size == s.m.o.Settings.BatchSize) || ended {
			batch := l.queue[:size:size]
			l.queue = l.queue[size:]
			s.mu.Unlock()
			return batch, nil
		}
		s.mu.Unlock()
		if waiting > 0 && over == nil {
			timer := time.NewTimer(time.Duration(s.m.o.Settings.WindowSeconds) * time.Second)
			defer timer.Stop()
			over = timer.C
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-l.came:
		case <-over:
			closed = true
		}
	}
}

// done marks the lane's next n records as handled. The checkpoint is the last
// record before the first unhandled one of any lane.
func (s *shard) done(l *lane, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l.handled += n
	last := ""
	for len(s.pending) > 0 && s.pending[0].lane.handled > 0 {
		p := s.pending[0]
		p.lane.handled--
		s.size -= p.size
		s.pending = s.pending[1:]
		last = p.sequence
	}
	if last != "" { // still locked: checkpoints are reported in order
		s.m.checkpoint(s.id, last)
		signal(s.room)
	}
}

// enabledNow waits while the mapper is disabled.
func (m *Mapper) enabledNow(ctx context.Context) error {
	if err := m.begin(ctx); err != nil {
		return err
	}
	m.inFlight.Done()
	return nil
}
