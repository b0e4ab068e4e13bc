package local

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/local/mapper"
)

// Consumer is the progress of a mapping.
type Consumer struct {
	// Unread is the number of records in the stream that it hasn't handled.
	Unread int
	// Age is how long the oldest unread record has waited since its arrival;
	// zero if every record is handled.
	Age time.Duration
}

// Status is the state of the platform at a time.
type Status struct {
	Counts
	// Loading and Archiving are the processor and the archiver.
	Loading, Archiving Consumer
	// Lag is how long the oldest event that is not yet loaded has waited. If
	// every event is loaded and LagAt is not zero, it is how long the latest load took.
	Lag   time.Duration
	LagAt time.Time
	// Failing lists records that fail alone and are still being tried.
	Failing []mapper.Failing
	// Failed is the number of batches that were given up, in this run or
	// before; they are in the archive below aws/lambda.
	Failed int
	// Missing is the number of accepted records that were lost through damage.
	Missing int
	// Troubles lists lasting faults: servers that are down, shards that can't
	// be written or read, tasks that fail.
	Troubles []string
}

// healthState holds the state that Status needs and no other component has.
type healthState struct {
	failedBefore int

	mu    sync.Mutex
	tasks map[string]bool // tasks whose last run failed
}

func newHealthState() *healthState { return &healthState{tasks: map[string]bool{}} }

// task records the result of a maintenance task.
func (h *healthState) task(name string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if delete(h.tasks, name); err != nil {
		h.tasks[name] = true
	}
}

func (h *healthState) failingTasks() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Sorted(maps.Keys(h.tasks))
}

// Status returns the platform's current state.
func (p *Platform) Status() Status {
	s := Status{Counts: p.meters.Counts(), Failed: p.health.failedBefore}
	s.Lag, s.LagAt = s.LoadLag, s.LoadedAt
	if p.stores != nil {
		s.Troubles = p.stores.down()
	}
	if p.stream == nil || len(p.mappings) < 2 {
		return s
	}
	now := time.Now()
	s.Loading, s.Archiving = p.consumer(0, now), p.consumer(1, now)
	if s.Loading.Unread > 0 {
		s.Lag, s.LagAt = s.Loading.Age, now
	}
	for _, m := range p.mappings {
		s.Failing = append(s.Failing, m.Failing()...)
		s.Failed += m.Stats().GivenUp
		if err := m.checkpoints.trouble(); err != nil {
			s.Troubles = append(s.Troubles, err.Error())
		}
	}
	s.Missing = int(p.stream.Missing())
	for _, err := range p.stream.Troubles() {
		s.Troubles = append(s.Troubles, "stream: "+err.Error())
	}
	for _, task := range p.health.failingTasks() {
		s.Troubles = append(s.Troubles, "maintenance: "+task+" fails")
	}
	return s
}

func (p *Platform) consumer(i int, now time.Time) Consumer {
	unread, oldest := p.stream.Unread(p.mappings[i].Checkpoints())
	c := Consumer{Unread: unread}
	if !oldest.IsZero() {
		c.Age = max(now.Sub(oldest), 0)
	}
	return c
}

// reachTime is the timeout for checking that PostgreSQL is reachable.
const reachTime = 3 * time.Second

// reachable reports whether PostgreSQL responds: if not, no record is at fault.
func (s *stores) reachable(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, reachTime)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.database(contract.RoleLoader))
	if err != nil {
		return false
	}
	err = conn.Ping(ctx)
	return errors.Join(err, conn.Close(context.WithoutCancel(ctx))) == nil
}

// down lists the servers that this process started and that have ended.
func (s *stores) down() (list []string) {
	for _, one := range []*supervisor{s.postgres, s.cache} {
		if one != nil && one.isDown() {
			list = append(list, one.name+" is down")
		}
	}
	return list
}

func (s *supervisor) isDown() bool {
	r := s.current()
	if r == nil {
		return false
	}
	select {
	case <-r.Done():
		return true
	default:
		return false
	}
}
