package archive

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// bucket is an in-memory bucket with pages of two objects.
type bucket map[string][]byte

func (b bucket) ListObjectsV2(_ context.Context, in *s3.ListObjectsV2Input, _ ...func(*s3.Options)) (*s3.ListObjectsV2Output, error) {
	out := &s3.ListObjectsV2Output{}
	for _, key := range slices.Sorted(maps.Keys(b)) {
		if !strings.HasPrefix(key, *in.Prefix) || key <= aws.ToString(in.ContinuationToken) {
			continue
		}
		if len(out.Contents) == 2 {
			out.IsTruncated, out.NextContinuationToken = aws.Bool(true), out.Contents[1].Key
			break
		}
		out.Contents = append(out.Contents, types.Object{Key: aws.String(key), Size: aws.Int64(int64(len(b[key])))})
	}
	return out, nil
}

func (b bucket) GetObject(_ context.Context, in *s3.GetObjectInput, _ ...func(*s3.Options)) (*s3.GetObjectOutput, error) {
	body, ok := b[*in.Key]
	if !ok {
		return nil, &types.NoSuchKey{}
	}
	return &s3.GetObjectOutput{Body: io.NopCloser(bytes.NewReader(body))}, nil
}

func (b bucket) archive(t *testing.T, batch []ArchivedRecord) {
	t.Helper()
	for _, o := range Objects(batch) {
		body, _, err := o.Encode()
		if err != nil {
			t.Fatal(err)
		}
		b[o.Key] = body
	}
}

// stream returns n records of a shard, one per minute.
func stream(shard string, n int) []ArchivedRecord {
	var rs []ArchivedRecord
	for i := range n {
		rs = append(rs, ArchivedRecord{
			Shard: shard, Sequence: fmt.Sprint("4965", 95+i), Arrived: arrived.Add(time.Duration(i) * time.Minute), PartitionKey: "k",
			Data: []byte(fmt.Sprintf(`{"n":%d}`+"\n"+`not JSON %d`+"\n", i, i)),
		})
	}
	return rs
}

// TestReplayGivesEachRecordOnce archives a shard with retried batches of other
// boundaries, and reads back every record byte for byte, in order.
func TestReplayGivesEachRecordOnce(t *testing.T) {
	b := bucket{"raw/v1/dt=2026-01-31/hr=12/notes.txt": []byte("somebody's")}
	first, second := stream("shardId-000000000001", 150), stream("shardId-000000000002", 20)
	b.archive(t, first[:40])
	b.archive(t, first[30:100]) // after a rewind
	b.archive(t, first[35:60])  // and another retry that did not get far
	b.archive(t, first[100:])
	b.archive(t, second)
	r := Reader{API: b, Bucket: "b"}
	got := map[string][]ArchivedRecord{}
	n := 0
	for hour := range 24 {
		objects, err := r.Objects(t.Context(), arrived.Add(time.Duration(hour)*time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range objects {
			records, err := r.Records(t.Context(), o)
			if err != nil || o.Size != int64(len(b[o.Key])) {
				t.Errorf("%s: %d bytes, %v", o.Key, o.Size, err)
			}
			for _, rec := range records {
				got[rec.Shard] = append(got[rec.Shard], rec)
				n++
			}
		}
	}
	if n != 170 {
		t.Fatalf("%d records", n)
	}
	for shard, want := range map[string][]ArchivedRecord{first[0].Shard: first, second[0].Shard: second} {
		for i, rec := range got[shard] {
			if rec.Sequence != want[i].Sequence || !bytes.Equal(rec.Data, want[i].Data) || !rec.Arrived.Equal(want[i].Arrived) || rec.PartitionKey != "k" {
				t.Fatalf("%s record %d is %+v, want %+v", shard, i, rec, want[i])
			}
		}
	}
}

func TestReplayStopsAtABrokenObject(t *testing.T) {
	b := bucket{}
	b.archive(t, stream("s", 3))
	for key, body := range b {
		b[key] = body[:len(body)-9]
	}
	r := Reader{API: b, Bucket: "b"}
	objects, err := r.Objects(t.Context(), arrived)
	if err != nil || len(objects) != 1 {
		t.Fatalf("%d objects, %v", len(objects), err)
	}
	if _, err := r.Records(t.Context(), objects[0]); err == nil {
		t.Error("a truncated object was accepted")
	}
}

func TestCompareSequences(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"9", "10", -1}, {"10", "9", 1}, {"", "0", 0}, {"", "1", -1}, {"49650", "49650", 0}, {"0049", "5", 1}} {
		if got := CompareSequences(c.a, c.b); got != c.want {
			t.Errorf("%q, %q: %d", c.a, c.b, got)
		}
	}
}

// FuzzRecord writes arbitrary records into an object and reads them back.
func FuzzRecord(f *testing.F) {
	f.Add([]byte(`{"a":1}`+"\n"+` {"b":2}`), "key")
	f.Add([]byte("\xff\n\n"), "")
	f.Add([]byte(`{"a":1,"a":2}`), "ü\x00")
	f.Fuzz(func(t *testing.T, data []byte, key string) {
		rec := ArchivedRecord{Shard: "shardId-000000000001", Sequence: "42", Arrived: arrived, PartitionKey: strings.ToValidUTF8(key, "?"), Data: data}
		body, _, err := Objects([]ArchivedRecord{rec})[0].Encode()
		if err != nil {
			t.Fatal(err)
		}
		back, err := ReadRecords(bytes.NewReader(body), "")
		if err != nil || len(back) != 1 || !bytes.Equal(back[0].Data, data) || back[0].PartitionKey != rec.PartitionKey {
			t.Errorf("%q was read back as %+v, %v", data, back, err)
		}
	})
}

// FuzzReadRecords reads arbitrary bytes as an object; it must not crash.
func FuzzReadRecords(f *testing.F) {
	b := bucket{}
	for _, o := range Objects(stream("s", 3)) {
		body, _, err := o.Encode()
		if err != nil {
			f.Fatal(err)
		}
		b[o.Key] = body
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, object []byte) {
		if records, err := ReadRecords(bytes.NewReader(object), "49651"); err == nil {
			for _, r := range records {
				if CompareSequences(r.Sequence, "49651") <= 0 {
					t.Errorf("a repeat was returned: %s", r.Sequence)
				}
			}
		}
	})
}
