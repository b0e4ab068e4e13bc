// Package archive reads and writes the raw archive: it groups records into
// objects, derives each object's key from its content, and writes every object
// once.
package archive

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/streamctl/streamctl/internal/event"
)

// ArchivedRecord is a record of the stream as stored in the archive.
type ArchivedRecord struct {
	// Stream is the stream's ARN; empty unless direct producers may write to it, whose
	// events have ids that depend on it.
	Stream   string
	Shard    string
	Sequence string
	// Arrived is when the stream accepted the record, in milliseconds.
	Arrived      time.Time
	PartitionKey string
	Data         []byte
}

// FromEvent converts a record of a Lambda event. The shard is the part of the
// event's id before the sequence number. withStream keeps the ARN of the stream.
func FromEvent(r events.KinesisEventRecord, withStream bool) ArchivedRecord {
	shard, _, _ := strings.Cut(r.EventID, ":")
	stream := ""
	if withStream {
		stream = r.EventSourceArn
	}
	return ArchivedRecord{
		Stream:   stream,
		Shard:    shard,
		Sequence: r.Kinesis.SequenceNumber,
		// Lambda sends seconds as a floating-point number.
		Arrived:      r.Kinesis.ApproximateArrivalTimestamp.UTC().Round(time.Millisecond),
		PartitionKey: r.Kinesis.PartitionKey,
		Data:         r.Kinesis.Data,
	}
}

// Line is one line of a record, at index I.
type Line struct {
	ArchivedRecord
	I int
	// Bytes is this line; Data holds all lines, joined by newlines.
	Bytes []byte
}

// Object is a part of a batch that is written under one key.
type Object struct {
	// Key depends on the records alone.
	Key string
	// First is the index in the batch of the object's first record.
	First   int
	records []ArchivedRecord
}

// Objects groups a batch of one shard by the hour of arrival, each group in
// stream order.
func Objects(batch []ArchivedRecord) []Object {
	var objects []Object
	byHour := map[string]int{}
	for i, r := range batch {
		hour := hourPath(r)
		at, ok := byHour[hour]
		if !ok {
			at = len(objects)
			byHour[hour] = at
			objects = append(objects, Object{First: i})
		}
		objects[at].records = append(objects[at].records, r)
	}
	for i := range objects {
		o := &objects[i]
		first, last := o.records[0], o.records[len(o.records)-1]
		o.Key = "raw/v1/" + hourPath(first) + first.Sequence + "-" + last.Sequence + "-" + strconv.Itoa(len(o.records)) + ".ndjson.gz"
	}
	return objects
}

// hourPath returns dt=…/hr=…/<shard>/.
func hourPath(r ArchivedRecord) string {
	return r.Arrived.UTC().Format("dt=2006-01-02/hr=15/") + r.Shard + "/"
}

// Encode returns the object's bytes and the number of its lines. Equal records
// give equal bytes.
func (o Object) Encode() (body []byte, lines int, err error) {
	body, err = compress(func(write func(Line) error) error {
		for _, r := range o.records {
			for i, b := range event.Lines(r.Data) {
				if err := write(Line{ArchivedRecord: r, I: i, Bytes: b}); err != nil {
					return err
				}
				lines++
			}
		}
		return nil
	})
	if err != nil {
		return nil, 0, fmt.Errorf("encode %s: %w", o.Key, err)
	}
	return body, lines, nil
}

// Quarantine returns the key and bytes of an object with the given lines (at
// least one), in order. The key is a hash of the content: splitting the batch
// differently creates a different object.
func Quarantine(lines []Line) (key string, body []byte, err error) {
	body, err = compress(func(write func(Line) error) error {
		for _, l := range lines {
			if err := write(l); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return "", nil, fmt.Errorf("encode quarantine: %w", err)
	}
	sum := sha256.Sum256(body)
	return "quarantine/v1/" + hourPath(lines[0].ArchivedRecord) + hex.EncodeToString(sum[:]) + ".ndjson.gz", body, nil
}

// compress writes lines with gzip, without time, name or operating system, so
// that the bytes depend on the lines alone.
func compress(each func(write func(Line) error) error) ([]byte, error) {
	var body bytes.Buffer
	zw := gzip.NewWriter(&body)
	var buf []byte
	err := each(func(l Line) error {
		var err error
		if buf, err = l.appendJSON(buf[:0]); err != nil {
			return err
		}
		_, err = zw.Write(append(buf, '\n'))
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := zw.Close(); err != nil {
		return nil, err
	}
	return body.Bytes(), nil
}

func (l Line) appendJSON(dst []byte) ([]byte, error) {
	var err error
	dst = append(dst, `{"shard":`...)
	if dst, err = jsontext.AppendQuote(dst, l.Shard); err != nil {
		return nil, err
	}
	dst = append(dst, `,"seq":`...)
	if dst, err = jsontext.AppendQuote(dst, l.Sequence); err != nil {
		return nil, err
	}
	dst = append(dst, `,"i":`...)
	dst = strconv.AppendInt(dst, int64(l.I), 10)
	dst = append(dst, `,"at":"`...)
	dst = event.AppendTime(dst, l.Arrived)
	dst = append(dst, `","key":`...)
	if dst, err = jsontext.AppendQuote(dst, l.PartitionKey); err != nil {
		return nil, err
	}
	if l.Stream != "" {
		if dst, err = jsontext.AppendQuote(append(dst, `,"stream":`...), l.Stream); err != nil {
			return nil, err
		}
	}
	if verbatim(l.Bytes) {
		dst = append(append(dst, `,"event":`...), l.Bytes...)
		return append(dst, '}'), nil
	}
	dst = append(dst, `,"data64":"`...)
	dst = base64.StdEncoding.AppendEncode(dst, l.Bytes)
	return append(dst, `"}`...), nil
}

// verbatim reports whether the line survives unchanged as a JSON member: white
// space around a value would be lost.
func verbatim(b []byte) bool {
	return len(b) > 0 && len(bytes.TrimSpace(b)) == len(b) && jsontext.Value(b).IsValid()
}
