package event

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
)

// MaxRecordBytes bounds a record's data; the stream takes 1 MiB together with
// the partition key.
const MaxRecordBytes = 1<<20 - 2048

// Envelope is an accepted event on its way.
type Envelope struct {
	Event Event
	// ReceivedAt is when ingest received it, UTC, whole microseconds.
	ReceivedAt time.Time
	// RequestID is the API's id of the request that brought it.
	RequestID string
	// Index is its place in that request, 0 to MaxBatch-1.
	Index int
}

// AppendJSON writes the envelope on one line.
func (e Envelope) AppendJSON(dst []byte) []byte {
	dst = append(dst, `{"event":`...)
	dst = e.Event.AppendJSON(dst)
	dst = append(dst, `,"receivedAt":"`...)
	dst = AppendTime(dst, e.ReceivedAt)
	dst = append(dst, `","requestId":`...)
	dst = appendString(dst, e.RequestID)
	dst = append(dst, `,"index":`...)
	dst = strconv.AppendInt(dst, int64(e.Index), 10)
	return append(dst, '}')
}

// DecodeEnvelope reads a line that AppendJSON wrote and judges the event as
// Decode does. An event without identity is refused: ingest gives each one. An
// envelope may have members that aren't known here, since a newer ingest may
// be followed by an older processor.
func DecodeEnvelope(line []byte) (Envelope, error) {
	var v struct {
		Event      jsontext.Value `json:"event"`
		ReceivedAt time.Time      `json:"receivedAt"`
		RequestID  string         `json:"requestId"`
		Index      int            `json:"index"`
	}
	if err := json.Unmarshal(line, &v); err != nil {
		return Envelope{}, fmt.Errorf("decode envelope: %w", err)
	}
	if v.ReceivedAt.IsZero() {
		return Envelope{}, errors.New("decode envelope: receivedAt is missing")
	}
	e, errs := Decode(v.Event)
	if len(errs) > 0 {
		return Envelope{}, fmt.Errorf("decode envelope: %w", errs[0])
	}
	if e.ID == uuid.Nil || e.Timestamp.IsZero() {
		return Envelope{}, errors.New("decode envelope: the event has no identity")
	}
	return Envelope{Event: e, ReceivedAt: v.ReceivedAt.UTC().Truncate(time.Microsecond), RequestID: v.RequestID, Index: v.Index}, nil
}

// Record is what ingest puts on the stream.
type Record struct {
	// PartitionKey is the user's id: one user's events stay in order.
	PartitionKey string
	// Data holds envelopes, joined by newlines.
	Data []byte
	// Envelopes are the indexes, in what was given to Pack, of the envelopes in Data.
	Envelopes []int
}

// Pack gathers envelopes into records: those of one user share a record while
// they fit, in their order.
func Pack(envelopes []Envelope) []Record {
	var records []Record
	open := make(map[string]int, len(envelopes)) // user's id to index in records
	var line []byte
	for i, e := range envelopes {
		line = e.AppendJSON(line[:0])
		at, ok := open[e.Event.UserID]
		if ok && len(records[at].Data)+1+len(line) <= MaxRecordBytes {
			r := &records[at]
			r.Data = append(append(r.Data, '\n'), line...)
			r.Envelopes = append(r.Envelopes, i)
			continue
		}
		open[e.Event.UserID] = len(records)
		records = append(records, Record{PartitionKey: e.Event.UserID, Data: bytes.Clone(line), Envelopes: []int{i}})
	}
	return records
}

// Lines takes a record's data apart. Any data has at least one line.
func Lines(data []byte) [][]byte { return bytes.Split(data, []byte{'\n'}) }
