package processor

import (
	"bytes"
	"fmt"
	"time"

	"github.com/streamctl/streamctl/internal/archive"
	"github.com/streamctl/streamctl/internal/event"
	"github.com/streamctl/streamctl/internal/metric"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// chunk holds the records that one transaction loads.
type chunk struct {
	warehouse.Chunk
	records []archive.ArchivedRecord
	lines   int
	// oldest is the arrival of the oldest record.
	oldest time.Time
	// measures is Measures, except in tests.
	measures func(event.Event) ([]metric.Contribution, error)
}

// cut splits a batch into chunks of at most limit events; it never splits a
// record.
func cut(records []archive.ArchivedRecord, limit int) []*chunk {
	var chunks []*chunk
	for _, r := range records {
		lines := bytes.Count(r.Data, []byte{'\n'}) + 1
		if n := len(chunks); n == 0 || chunks[n-1].lines+lines > limit {
			c := &chunk{Chunk: warehouse.Chunk{Shard: r.Shard, FirstSeq: r.Sequence}, measures: Measures}
			c.Decode, c.Measure = c.decode, c.measure
			chunks = append(chunks, c)
		}
		chunks[len(chunks)-1].add(r, lines)
	}
	return chunks
}

func (c *chunk) add(r archive.ArchivedRecord, lines int) {
	c.records = append(c.records, r)
	c.lines += lines
	c.Records, c.LastSeq = len(c.records), r.Sequence
	if r.Arrived.After(c.Arrived) {
		c.Arrived = r.Arrived
	}
	if c.oldest.IsZero() || r.Arrived.Before(c.oldest) {
		c.oldest = r.Arrived
	}
}

// decode decodes a record. Lines that can never be loaded are rejected.
func (c *chunk) decode(record int) ([]warehouse.Row, []warehouse.Rejected) {
	r := c.records[record]
	lines := event.Lines(r.Data)
	rows, bad, err := c.decodeRecord(record, lines)
	if err != nil { // reject the whole record: one of its lines caused a panic
		rows, bad = nil, nil
		for i := range lines {
			bad = append(bad, warehouse.Rejected{Record: record, Seq: r.Sequence, I: i, Reason: err.Error()})
		}
	}
	return rows, bad
}

// line returns a rejected line.
func (c *chunk) line(b warehouse.Rejected) archive.Line {
	r := c.records[b.Record]
	return archive.Line{ArchivedRecord: r, I: b.I, Bytes: event.Lines(r.Data)[b.I]}
}

// decodeRecord decodes and analyzes the lines of a record. err is a recovered
// panic: a single record must never stop the stream.
func (c *chunk) decodeRecord(record int, lines [][]byte) (rows []warehouse.Row, bad []warehouse.Rejected, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("panic: %v", cause)
		}
	}()
	r := c.records[record]
	rows = make([]warehouse.Row, 0, len(lines))
	for i, line := range lines {
		e, err := event.DecodeEnvelope(line)
		if err == nil {
			err = e.Event.CheckArrival(r.Arrived)
		}
		var measures []metric.Contribution
		if err == nil {
			measures, err = c.measures(e.Event)
		}
		if err != nil {
			bad = append(bad, warehouse.Rejected{Record: record, Seq: r.Sequence, I: i, Reason: err.Error()})
			continue
		}
		rows = append(rows, warehouse.Row{
			Event: e.Event, ReceivedAt: e.ReceivedAt, ArrivedAt: r.Arrived, Record: record, Seq: r.Sequence, I: i,
			Measures: measures,
		})
	}
	return rows, bad, nil
}

// measure recomputes the measures of an event that an operator's trigger
// changed.
func (c *chunk) measure(e event.Event) (measures []metric.Contribution, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("panic: %v", cause)
		}
	}()
	return c.measures(e)
}
