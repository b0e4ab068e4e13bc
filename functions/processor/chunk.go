package processor

import (
	"bytes"
	"fmt"

	"github.com/streamctl/streamctl/internal/archive"
	"github.com/streamctl/streamctl/internal/event"
	"github.com/streamctl/streamctl/internal/metric"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// chunk is what one transaction loads, with the lines it came from.
type chunk struct {
	warehouse.Chunk
	lines []archive.Line
}

// cut makes chunks of at most warehouse.MaxChunk events out of a batch; a
// record is never cut in two.
func cut(records []archive.Record) []chunk {
	var chunks []chunk
	left := 0 // lines, for room that needn't grow
	for _, r := range records {
		left += bytes.Count(r.Data, []byte{'\n'}) + 1
	}
	for _, r := range records {
		lines := event.Lines(r.Data)
		if n := len(chunks); n == 0 || len(chunks[n-1].lines)+len(lines) > warehouse.MaxChunk {
			room := min(left, warehouse.MaxChunk)
			chunks = append(chunks, chunk{
				Chunk: warehouse.Chunk{Shard: r.Shard, FirstSeq: r.Sequence, Rows: make([]warehouse.Row, 0, room)},
				lines: make([]archive.Line, 0, room),
			})
		}
		left -= len(lines)
		chunks[len(chunks)-1].add(r, lines)
	}
	return chunks
}

// add decodes a record. What can never be loaded is set aside.
func (c *chunk) add(r archive.Record, lines [][]byte) {
	c.LastSeq = r.Sequence
	if r.Arrived.After(c.Arrived) {
		c.Arrived = r.Arrived
	}
	first := len(c.lines)
	for i, b := range lines {
		c.lines = append(c.lines, archive.Line{Record: r, I: i, Bytes: b})
	}
	rows, bad, err := judge(r, c.lines[first:])
	if err != nil { // all of the record, for one of its lines broke our code
		rows, bad = nil, nil
		for i := range lines {
			bad = append(bad, warehouse.Bad{Line: i, Seq: r.Sequence, I: i, Reason: err.Error()})
		}
	}
	for i := range rows {
		rows[i].Line += first
	}
	for i := range bad {
		bad[i].Line += first
	}
	c.Rows, c.Bad = append(c.Rows, rows...), append(c.Bad, bad...)
}

// judge decodes the lines of a record and has them analysed. err is a panic, so
// that one record can never stop the stream.
func judge(r archive.Record, lines []archive.Line) (rows []warehouse.Row, bad []warehouse.Bad, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("panic: %v", cause)
		}
	}()
	for i, l := range lines {
		e, err := event.DecodeEnvelope(l.Bytes)
		if err == nil {
			err = e.Event.CheckArrival(r.Arrived)
		}
		var measures []metric.Measure
		if err == nil {
			measures, err = Measures(e.Event)
		}
		if err != nil {
			bad = append(bad, warehouse.Bad{Line: i, Seq: r.Sequence, I: l.I, Reason: err.Error()})
			continue
		}
		rows = append(rows, warehouse.Row{
			Event: e.Event, ReceivedAt: e.ReceivedAt, ArrivedAt: r.Arrived, Line: i, Seq: r.Sequence, I: l.I,
			Measures: measures,
		})
	}
	return rows, bad, nil
}
