package stream_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/streamctl/streamctl/internal/local/mapper"
	"github.com/streamctl/streamctl/internal/local/stream"
)

func open(t *testing.T, o stream.Options) *stream.Stream {
	t.Helper()
	s, err := stream.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func put(t *testing.T, s *stream.Stream, key string, data ...string) (sequences []string) {
	t.Helper()
	var records []types.PutRecordsRequestEntry
	for _, d := range data {
		records = append(records, types.PutRecordsRequestEntry{PartitionKey: aws.String(key), Data: []byte(d)})
	}
	out, err := s.PutRecords(t.Context(), &kinesis.PutRecordsInput{Records: records})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range out.Records {
		if r.ErrorCode != nil {
			t.Fatal(*r.ErrorCode, *r.ErrorMessage)
		}
		sequences = append(sequences, *r.SequenceNumber)
	}
	return sequences
}

// readAll reads a shard from a sequence number to its end.
func readAll(t *testing.T, s *stream.Stream, shard, after string, limit int) (all []mapper.StreamRecord, ended bool) {
	t.Helper()
	for {
		records, end, err := s.Read(t.Context(), shard, after, limit)
		if err != nil {
			t.Fatal(err)
		}
		if all = append(all, records...); len(records) == 0 || end {
			return all, end
		}
		after = records[len(records)-1].SequenceNumber
	}
}

func TestRecordsComeBackInOrder(t *testing.T) {
	o := stream.Options{Dir: t.TempDir(), Shards: 1, SegmentBytes: 4 << 10}
	s := open(t, o)
	var want, sequences []string
	for i := range 300 {
		d := strings.Repeat(fmt.Sprint(i), 1+i%50)
		want = append(want, d)
		sequences = append(sequences, put(t, s, "k", d)...)
	}
	for i, limit := range []int{1, 7, 1000} {
		if i == 1 { // the same after reopening
			s = open(t, o)
		}
		records, ended := readAll(t, s, "shardId-000000000000", "", limit)
		if len(records) != len(want) || ended {
			t.Fatalf("limit %d: %d records, ended %v", limit, len(records), ended)
		}
		for i, r := range records {
			if string(r.Data) != want[i] || r.SequenceNumber != sequences[i] || r.PartitionKey != "k" || time.Since(r.Arrival) > time.Minute {
				t.Fatalf("record %d is %+v, want %s", i, r, sequences[i])
			}
		}
	}
	half := map[string]string{"shardId-000000000000": sequences[149]}
	if n, oldest := s.Unread(half); n != 150 || time.Since(oldest) > time.Minute {
		t.Errorf("%d unread, want 150", n)
	}
	if rest, _ := readAll(t, s, "shardId-000000000000", sequences[149], 1000); len(rest) != 150 || string(rest[0].Data) != want[150] {
		t.Errorf("%d records after the middle", len(rest))
	}
}

// TestAnotherNumberOfShards closes the old shards; their records are read
// first.
func TestAnotherNumberOfShards(t *testing.T) {
	dir := t.TempDir()
	s := open(t, stream.Options{Dir: dir, Shards: 1})
	put(t, s, "a", "old")
	s = open(t, stream.Options{Dir: dir, Shards: 3})
	shards, err := s.Shards(t.Context())
	if err != nil || len(shards) != 4 {
		t.Fatalf("%v, %v", shards, err)
	}
	for _, sh := range shards[1:] {
		if len(sh.Parents) != 1 || sh.Parents[0] != shards[0].ID {
			t.Errorf("%+v has a different parent", sh)
		}
	}
	for i := range 60 {
		put(t, s, fmt.Sprint(i), "new")
	}
	old, ended := readAll(t, s, shards[0].ID, "", 10)
	if len(old) != 1 || !ended {
		t.Errorf("the old shard has %d records, ended %v", len(old), ended)
	}
	total := 0
	for _, sh := range shards[1:] {
		records, ended := readAll(t, s, sh.ID, "", 100)
		if len(records) == 0 || ended {
			t.Errorf("%s has %d records, ended %v", sh.ID, len(records), ended)
		}
		total += len(records)
	}
	if total != 60 {
		t.Errorf("%d new records, want 60", total)
	}
}

func TestTrimWaitsForReaders(t *testing.T) {
	s := open(t, stream.Options{Dir: t.TempDir(), Shards: 1, SegmentBytes: 100})
	var sequences []string
	for range 10 {
		sequences = append(sequences, put(t, s, "k", strings.Repeat("x", 100))...)
	}
	at := func(n int) map[string]string { return map[string]string{"shardId-000000000000": sequences[n]} }
	later := time.Now().Add(time.Hour)
	for _, tt := range []struct {
		before  time.Time
		readers []map[string]string
		files   int
	}{
		{later, []map[string]string{at(4), {}}, 0},                         // one consumer has read nothing
		{time.Now().Add(-time.Hour), []map[string]string{at(4), at(9)}, 0}, // all records are recent
		{later, []map[string]string{at(4), at(9)}, 5},
		{later, []map[string]string{at(9), at(9)}, 4}, // the current file stays
	} {
		files, err := s.Trim(tt.before, tt.readers...)
		if err != nil || files != tt.files {
			t.Errorf("%d files, %v, want %d", files, err, tt.files)
		}
	}
	left, _ := readAll(t, s, "shardId-000000000000", "", 100)
	if len(left) != 1 || left[0].SequenceNumber != sequences[9] {
		t.Errorf("%d records are left", len(left))
	}
}

// TestManyWriters writes and reads concurrently.
func TestManyWriters(t *testing.T) {
	s := open(t, stream.Options{Dir: t.TempDir(), Shards: 1, SegmentBytes: 8 << 10})
	const writers, each = 8, 100
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				put(t, s, fmt.Sprint(w), fmt.Sprint(i))
			}
		})
	}
	next := map[string]int{}
	after, seen := "", 0
	for seen < writers*each && t.Context().Err() == nil {
		records, _, err := s.Read(t.Context(), "shardId-000000000000", after, 50)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range records {
			if string(r.Data) != fmt.Sprint(next[r.PartitionKey]) || r.SequenceNumber <= after {
				t.Fatalf("key %s: %s at %s after %s", r.PartitionKey, r.Data, r.SequenceNumber, after)
			}
			next[r.PartitionKey]++
			after = r.SequenceNumber
		}
		seen += len(records)
	}
	wg.Wait()
}
