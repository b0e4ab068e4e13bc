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

// chunk is what one transaction loads, with the records it comes from.
type chunk struct {
	warehouse.Chunk
	records []archive.ArchivedRecord
	lines   int
	// oldest is when the oldest record arrived.
	oldest time.Time
	// measures is Measures.
	measures func(event.Event) ([]metric.Contribution, error)
}

// cut makes chunks of at most limit events out of a batch; a record is never cut
// in two.
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

// decode takes a record apart. What can never be loaded is set aside.
func (c *chunk) decode(record int) ([]warehouse.Row, []warehouse.Rejected) {
	r := c.records[record]
	lines := event.Lines(r.Data)
	rows, bad, err := c.decodeRecord(record, lines)
	if err != nil { // all of the record, for one of its lines broke our code
		rows, bad = nil, nil
		for i := range lines {
			bad = append(bad, warehouse.Rejected{Record: record, Seq: r.Sequence, I: i, Reason: err.Error()})
		}
	}
	return rows, bad
}

// line finds the line that was set aside.
func (c *chunk) line(b warehouse.Rejected) archive.Line {
	r := c.records[b.Record]
	return archive.Line{ArchivedRecord: r, I: b.I, Bytes: event.Lines(r.Data)[b.I]}
}

// decodeRecord decodes and analyzes the lines of a record. err is a panic: one record
// must never stop the stream.
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

// measure calls code again, for an event that an operator's trigger changed.
func (c *chunk) measure(e event.Event) (measures []metric.Contribution, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("panic: %v", cause)
		}
	}()
	return c.measures(e)
}
