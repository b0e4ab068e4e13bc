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
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/streamctl/streamctl/internal/pattern"
)

// ReadAPI is the part of S3 that the reader needs; *s3.Client satisfies it.
type ReadAPI interface {
	ListObjectsV2(context.Context, *s3.ListObjectsV2Input, ...func(*s3.Options)) (*s3.ListObjectsV2Output, error)
	GetObject(context.Context, *s3.GetObjectInput, ...func(*s3.Options)) (*s3.GetObjectOutput, error)
}

// Reader reads the raw archive.
type Reader struct {
	API    ReadAPI
	Bucket string
}

// Stored is an object of the raw archive, described by its key.
type Stored struct {
	Key string
	// Hour is the hour in which its records arrived.
	Hour  time.Time
	Shard string
	// First and Last are the sequence numbers of its first and last record;
	// Records is the number of records.
	First, Last string
	Records     int
	// Size is the object's size in bytes, compressed.
	Size int64
	// Frozen reports whether the object must be restored before it can be read.
	Frozen bool
	// After is the largest sequence number in the hour's objects before it: the
	// records up to After are repeats, from a batch that was retried with other
	// boundaries.
	After string
}

// rawKey matches an object's key.
var rawKey = pattern.New(`^raw/v1/dt=(\d{4}-\d\d-\d\d)/hr=(\d\d)/([^/]+)/(\d+)-(\d+)-(\d+)\.ndjson\.gz$`)

// parseKey parses a key; ok is false for objects that the archiver didn't
// write.
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

// Objects lists the objects of an hour of arrival by shard and sequence number.
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
				s.Size, s.Frozen = aws.ToInt64(o.Size), isFrozen(o)
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

func isFrozen(o types.Object) bool {
	return o.StorageClass == types.ObjectStorageClassGlacier || o.StorageClass == types.ObjectStorageClassDeepArchive
}

// Records returns an object's records in order, without repeats.
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

// maxLine is the maximum length of a line: a record of 1 MiB as base64, and the
// other members.
const maxLine = 2 << 20

// ReadRecords reads the records of an object. It skips records up to the
// sequence number after; if after is empty, it skips none.
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

// parseLine parses a line written by appendJSON. The result does not refer to
// text.
func parseLine(text []byte) (Line, error) {
	var v struct {
		Shard    string         `json:"shard"`
		Sequence string         `json:"seq"`
		I        int            `json:"i"`
		At       time.Time      `json:"at"`
		Key      string         `json:"key"`
		Stream   string         `json:"stream"`
		Event    jsontext.Value `json:"event"`
		Data     []byte         `json:"data64"`
	}
	// An event may contain duplicate names: it is kept as received.
	if err := json.Unmarshal(text, &v, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)); err != nil {
		return Line{}, fmt.Errorf("read line: %w", err)
	}
	if v.Shard == "" || v.Sequence == "" || strings.Trim(v.Sequence, "0123456789") != "" || v.I < 0 {
		return Line{}, errors.New("read line: it has no position in the stream")
	}
	l := Line{ArchivedRecord: ArchivedRecord{Stream: v.Stream, Shard: v.Shard, Sequence: v.Sequence, Arrived: v.At.UTC(), PartitionKey: v.Key}, I: v.I, Bytes: v.Data}
	if v.Event != nil {
		l.Bytes = bytes.Clone(v.Event)
	}
	return l, nil
}
