package archive

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// ReadAPI is what the reader needs of S3; *s3.Client has it.
type ReadAPI interface {
	ListObjectsV2(context.Context, *s3.ListObjectsV2Input, ...func(*s3.Options)) (*s3.ListObjectsV2Output, error)
	GetObject(context.Context, *s3.GetObjectInput, ...func(*s3.Options)) (*s3.GetObjectOutput, error)
}

// Reader reads the raw archive.
type Reader struct {
	API    ReadAPI
	Bucket string
}

// Stored is an object of the raw archive, as its name tells it.
type Stored struct {
	Key string
	// Hour is the hour in which its records arrived.
	Hour  time.Time
	Shard string
	// First and Last are sequence numbers; Records is how many records there
	// are from one to the other.
	First, Last string
	Records     int
	// After is the largest sequence number of the hour's objects before it:
	// up to it, its records are repeats, from a batch that was cut anew.
	After string
}

// rawKey is an object's name.
var rawKey = regexp.MustCompile(`^raw/v1/dt=(\d{4}-\d\d-\d\d)/hr=(\d\d)/([^/]+)/(\d+)-(\d+)-(\d+)\.ndjson\.gz$`)

// parseKey reads a name; ok is false for what the archiver didn't write.
func parseKey(key string) (s Stored, ok bool) {
	m := rawKey.FindStringSubmatch(key)
	if m == nil {
		return s, false
	}
	hour, err := time.Parse("2006-01-02 15", m[1]+" "+m[2])
	if err != nil {
		return s, false
	}
	n, err := strconv.Atoi(m[6])
	return Stored{Key: key, Hour: hour, Shard: m[3], First: m[4], Last: m[5], Records: n}, err == nil
}

// CompareSequences orders sequence numbers, which are longer than any integer.
func CompareSequences(a, b string) int {
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
}

// Objects lists the objects of an hour of arrival, by shard and sequence.
func (r Reader) Objects(ctx context.Context, hour time.Time) ([]Stored, error) {
	prefix := "raw/v1/" + hour.UTC().Format("dt=2006-01-02/hr=15/")
	var all []Stored
	pages := s3.NewListObjectsV2Paginator(r.API, &s3.ListObjectsV2Input{Bucket: &r.Bucket, Prefix: &prefix})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", prefix, err)
		}
		for _, o := range page.Contents {
			if s, ok := parseKey(aws.ToString(o.Key)); ok {
				all = append(all, s)
			}
		}
	}
	slices.SortFunc(all, func(a, b Stored) int {
		return cmp.Or(strings.Compare(a.Shard, b.Shard), CompareSequences(a.First, b.First), CompareSequences(a.Last, b.Last))
	})
	for i := 1; i < len(all); i++ {
		if before := all[i-1]; before.Shard == all[i].Shard {
			all[i].After = before.Last
			if CompareSequences(before.After, before.Last) > 0 {
				all[i].After = before.After
			}
		}
	}
	return all, nil
}

// Records gives an object's records in order, but for the repeats.
func (r Reader) Records(ctx context.Context, o Stored) (records []ArchivedRecord, err error) {
	out, err := r.API.GetObject(ctx, &s3.GetObjectInput{Bucket: &r.Bucket, Key: &o.Key})
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", o.Key, err)
	}
	defer func() { err = errors.Join(err, out.Body.Close()) }()
	if records, err = ReadRecords(out.Body, o.After); err != nil {
		return nil, fmt.Errorf("read %s: %w", o.Key, err)
	}
	return records, nil
}

// maxLine bounds a line: a record's 1 MiB as base64, and what stands beside it.
const maxLine = 2 << 20

// ReadRecords reads an object's bytes. Records up to the sequence number after
// are left out; the empty one leaves out none.
func ReadRecords(object io.Reader, after string) ([]ArchivedRecord, error) {
	zr, err := gzip.NewReader(object)
	if err != nil {
		return nil, err
	}
	var records []ArchivedRecord
	lines := bufio.NewScanner(zr)
	lines.Buffer(make([]byte, 64<<10), maxLine)
	for lines.Scan() {
		l, err := parseLine(lines.Bytes())
		if err != nil {
			return nil, err
		}
		if after != "" && CompareSequences(l.Sequence, after) <= 0 {
			continue
		}
		if n := len(records); n > 0 && records[n-1].Sequence == l.Sequence {
			last := &records[n-1]
			last.Data = append(append(last.Data, '\n'), l.Bytes...)
			continue
		}
		l.Data = l.Bytes
		records = append(records, l.ArchivedRecord)
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	return records, zr.Close()
}

// parseLine reads what appendJSON wrote. Its bytes are its own.
func parseLine(text []byte) (Line, error) {
	var v struct {
		Shard    string         `json:"shard"`
		Sequence string         `json:"seq"`
		I        int            `json:"i"`
		At       time.Time      `json:"at"`
		Key      string         `json:"key"`
		Event    jsontext.Value `json:"event"`
		Data     []byte         `json:"data64"`
	}
	// An event may name a member twice: it is kept as it came.
	if err := json.Unmarshal(text, &v, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)); err != nil {
		return Line{}, fmt.Errorf("read line: %w", err)
	}
	if v.Shard == "" || v.Sequence == "" || strings.Trim(v.Sequence, "0123456789") != "" || v.I < 0 {
		return Line{}, errors.New("read line: it names no place in the stream")
	}
	l := Line{ArchivedRecord: ArchivedRecord{Shard: v.Shard, Sequence: v.Sequence, Arrived: v.At.UTC(), PartitionKey: v.Key}, I: v.I, Bytes: v.Data}
	if v.Event != nil {
		l.Bytes = bytes.Clone(v.Event)
	}
	return l, nil
}

// Replayed tells what was read.
type Replayed struct{ Objects, Records int }

// Replay gives the records that arrived from (inclusive) to (exclusive), each
// once, an object's at a time: a shard's in its order, hour by hour. sink may
// keep them. After an error, its own or the archive's, what was given before it
// is told; a replay may be begun again at any time, since loading a record
// again changes nothing.
func (r Reader) Replay(ctx context.Context, from, to time.Time, sink func(context.Context, []ArchivedRecord) error) (Replayed, error) {
	var done Replayed
	for hour := from.UTC().Truncate(time.Hour); hour.Before(to); hour = hour.Add(time.Hour) {
		objects, err := r.Objects(ctx, hour)
		if err != nil {
			return done, err
		}
		for _, o := range objects {
			records, err := r.Records(ctx, o)
			if err != nil {
				return done, err
			}
			records = slices.DeleteFunc(records, func(rec ArchivedRecord) bool { return rec.Arrived.Before(from) || !rec.Arrived.Before(to) })
			done.Objects++
			if len(records) == 0 {
				continue
			}
			if err := sink(ctx, records); err != nil {
				return done, fmt.Errorf("replay %s: %w", o.Key, err)
			}
			done.Records += len(records)
		}
	}
	return done, nil
}
