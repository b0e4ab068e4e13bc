package warehouse

import (
	"time"

	"github.com/streamctl/streamctl/internal/metric"
)

// incoming are the events of a chunk to insert. Records are decoded one at a
// time as COPY requests rows, while the database works.
type incoming struct {
	chunk    *Chunk
	floor    *time.Time // nil: no events were dropped yet
	declared []metric.Definition

	decoded         int // records
	events, expired int
	bad             []Rejected
	// rows are the events above the floor, the first of each identity.
	rows []Row
	seen map[identity]struct{}
	// counts are the sums over rows; users is set once all records are decoded.
	counts *counter
	users  map[string][]string
	err    error

	copied int // number of rows copied
	values []any
}

// eventColumns are the columns of events that a load fills.
var eventColumns = []string{"event_id", "user_id", "event_type", "timestamp", "properties", "received_at", "arrived_at", "line", "source"}

// identity identifies an event; at is in microseconds.
type identity struct {
	id [16]byte
	at int64
}

func (r *Row) identity() identity { return identity{r.Event.ID, r.Event.Timestamp.UnixMicro()} }

func newIncoming(c *Chunk, floor *time.Time, declared []metric.Definition) *incoming {
	return &incoming{
		chunk: c, floor: floor, declared: declared,
		seen: map[identity]struct{}{}, counts: newCounter(declared), values: make([]any, len(eventColumns)),
	}
}

// decode decodes the next record and reports whether there was one.
func (in *incoming) decode() bool {
	if in.decoded == in.chunk.Records {
		return false
	}
	rows, bad := in.chunk.Decode(in.decoded)
	in.decoded++
	in.events += len(rows)
	in.bad = append(in.bad, bad...)
	for i := range rows {
		r := &rows[i]
		// Retention has dropped this event, or would drop it immediately.
		if in.floor != nil && r.Event.Timestamp.Before(*in.floor) {
			in.expired++
			continue
		}
		key := r.identity()
		if _, again := in.seen[key]; again {
			continue
		}
		in.seen[key] = struct{}{}
		in.rows = append(in.rows, *r)
		if in.err == nil {
			in.err = in.counts.event(&r.Event, r.Measures)
		}
	}
	if in.decoded == in.chunk.Records {
		in.users = usersByDay(in.rows)
	}
	return true
}

// Next advances to the next row. With Values and Err it implements
// pgx.CopyFromSource.
func (in *incoming) Next() bool {
	for in.copied == len(in.rows) {
		if !in.decode() {
			return false
		}
	}
	in.copied++
	return true
}

// Values returns the current row, in the order of eventColumns.
func (in *incoming) Values() ([]any, error) {
	v, r := in.values, &in.rows[in.copied-1]
	v[0], v[1], v[2], v[3] = [16]byte(r.Event.ID), r.Event.UserID, r.Event.Type, r.Event.Timestamp
	v[4], v[5], v[6] = []byte(r.Event.Properties), r.ReceivedAt, r.ArrivedAt
	v[7], v[8] = LineHash(in.chunk.Shard, r.Seq, r.I), textOrNull(in.chunk.Source)
	return v, nil
}

// Err returns nil: lines that can't be decoded are quarantined.
func (*incoming) Err() error { return nil }
