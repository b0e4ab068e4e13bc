// Package chunk cuts records into the chunks that one transaction loads, and
// decodes their events.
package chunk

import (
	"bytes"
	"fmt"
	"time"

	"github.com/streamctl/streamctl/internal/analyze"
	"github.com/streamctl/streamctl/internal/archive"
	"github.com/streamctl/streamctl/internal/event"
	"github.com/streamctl/streamctl/internal/metric"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// Chunk holds the records that one transaction loads.
type Chunk struct {
	warehouse.Chunk
	// Formats are the formats of events that are no envelopes.
	Formats []string
	// Lines is the number of lines of all records.
	Lines int
	// Oldest is the arrival of the oldest record.
	Oldest time.Time
	// Measures is analyze.Measures, except in tests.
	Measures func(event.Event) ([]metric.Contribution, error)
	// Match selects the events to load. All others are skipped, and so are lines
	// that can't be decoded. Nil selects every event.
	Match func(event.Event) bool

	records []archive.ArchivedRecord
	// first is the index of each record's first line.
	first []int
}

// Cut splits records of one shard into chunks of at most limit events; it never
// splits a record.
func Cut(records []archive.ArchivedRecord, limit int) []*Chunk {
	var chunks []*Chunk
	for len(records) > 0 {
		c := First(records, limit)
		chunks, records = append(chunks, c), records[c.Records:]
	}
	return chunks
}

// First returns the first chunk of records, which are at least one.
func First(records []archive.ArchivedRecord, limit int) *Chunk {
	c := start(records[0])
	for _, r := range records {
		lines := bytes.Count(r.Data, []byte{'\n'}) + 1
		if c.Records > 0 && c.Lines+lines > limit {
			break
		}
		c.add(r, 0, lines)
	}
	return c
}

// OfLines returns the chunk of single lines of one shard.
func OfLines(lines []archive.Line) *Chunk {
	c := start(lines[0].ArchivedRecord)
	for _, l := range lines {
		r := l.ArchivedRecord
		r.Data = l.Bytes
		c.add(r, l.I, 1)
	}
	return c
}

func start(r archive.ArchivedRecord) *Chunk {
	c := &Chunk{Chunk: warehouse.Chunk{Shard: r.Shard, FirstSeq: r.Sequence}, Measures: analyze.Measures}
	c.Decode, c.Measure = c.decode, c.measure
	return c
}

func (c *Chunk) add(r archive.ArchivedRecord, first, lines int) {
	c.records, c.first = append(c.records, r), append(c.first, first)
	c.Lines += lines
	c.MaySkew = c.MaySkew || bytes.Contains(r.Data, []byte(`,"skewMs":`))
	c.Records, c.LastSeq = len(c.records), r.Sequence
	if r.Arrived.After(c.Arrived) {
		c.Arrived = r.Arrived
	}
	if c.Oldest.IsZero() || r.Arrived.Before(c.Oldest) {
		c.Oldest = r.Arrived
	}
}

// Line returns a rejected line.
func (c *Chunk) Line(b warehouse.Rejected) archive.Line {
	r := c.records[b.Record]
	return archive.Line{ArchivedRecord: r, I: b.I, Bytes: event.Lines(r.Data)[b.I-c.first[b.Record]]}
}

// decode decodes a record. Lines that can never be loaded are rejected.
func (c *Chunk) decode(record int) ([]warehouse.Row, []warehouse.Rejected) {
	r := c.records[record]
	lines := event.Lines(r.Data)
	rows, bad, err := c.decodeRecord(record, lines)
	if err != nil { // reject the whole record: one of its lines caused a panic
		rows, bad = nil, nil
		for i := range lines {
			bad = append(bad, warehouse.Rejected{Record: record, Seq: r.Sequence, I: c.first[record] + i, Reason: err.Error()})
		}
	}
	return rows, bad
}

// decodeRecord decodes and analyzes the lines of a record. err is a recovered
// panic: a single record must never stop the stream.
func (c *Chunk) decodeRecord(record int, lines [][]byte) (rows []warehouse.Row, bad []warehouse.Rejected, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("panic: %v", cause)
		}
	}()
	r := c.records[record]
	rows = make([]warehouse.Row, 0, len(lines))
	for i, line := range lines {
		i += c.first[record]
		e, err := DecodeLine(archive.Line{ArchivedRecord: r, I: i, Bytes: line}, c.Formats)
		if c.Match != nil && (err != nil || !c.Match(e.Event)) {
			continue
		}
		if err == nil {
			err = e.Event.CheckArrival(r.Arrived)
		}
		var measures []metric.Contribution
		if err == nil {
			measures, err = c.Measures(e.Event)
		}
		if err != nil {
			bad = append(bad, warehouse.Rejected{Record: record, Seq: r.Sequence, I: i, Reason: err.Error()})
			continue
		}
		rows = append(rows, warehouse.Row{
			Event: e.Event, ReceivedAt: e.ReceivedAt, ArrivedAt: r.Arrived, Record: record, Seq: r.Sequence, I: i, Skewed: e.Skewed(),
			Links: e.Links, Measures: measures,
		})
	}
	return rows, bad, nil
}

// DecodeLine decodes a line of the stream: an envelope, or one of the formats.
func DecodeLine(l archive.Line, formats []string) (event.Envelope, error) {
	return event.DecodeLine(l.Bytes, event.Origin{
		Stream: l.Stream, Shard: l.Shard, Sequence: l.Sequence, Line: l.I, Arrived: l.Arrived, PartitionKey: l.PartitionKey,
	}, formats)
}

// measure recomputes the measures of an event that an operator's trigger
// changed.
func (c *Chunk) measure(e event.Event) (measures []metric.Contribution, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("panic: %v", cause)
		}
	}()
	return c.Measures(e)
}
