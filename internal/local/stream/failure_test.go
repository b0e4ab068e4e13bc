package stream_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/streamctl/streamctl/internal/local/stream"
	"github.com/streamctl/streamctl/internal/pause"
)

// tryPut puts one record and returns its error.
func tryPut(t *testing.T, s *stream.Stream, key, data string) error {
	t.Helper()
	out, err := s.PutRecords(t.Context(), &kinesis.PutRecordsInput{Records: []types.PutRecordsRequestEntry{{PartitionKey: aws.String(key), Data: []byte(data)}}})
	if err != nil {
		t.Fatal(err)
	}
	if r := out.Records[0]; r.ErrorCode != nil {
		return errors.New(*r.ErrorMessage)
	}
	return nil
}

// TestSegmentThatCannotBeBegun fails the creation of the next file with an
// error of an overloaded machine: no record is rejected, and the file is
// created later.
func TestSegmentThatCannotBeBegun(t *testing.T) {
	for _, cause := range []error{syscall.EMFILE, syscall.ENOSPC, syscall.EACCES} {
		t.Run(cause.Error(), func(t *testing.T) {
			dir := t.TempDir()
			var notes []string
			s := open(t, stream.Options{Dir: dir, Shards: 1, SegmentBytes: 500, Note: func(n string) { notes = append(notes, n) }})
			failing := true
			s.FailOn(func(op, path string) error {
				if failing && op == "open" {
					return &os.PathError{Op: "open", Path: path, Err: cause}
				}
				return nil
			})
			var want []string
			for i := range 40 {
				failing = i < 20
				want = append(want, fmt.Sprintf("%0100d", i))
				put(t, s, "k", want[i])
			}
			if got := data(t, s); !slices.Equal(got, want) {
				t.Errorf("%d records", len(got))
			}
			segments, err := filepath.Glob(filepath.Join(dir, firstShard, "*.log"))
			if err != nil || len(segments) < 3 {
				t.Errorf("%d segments, %v", len(segments), err)
			}
			if len(notes) != 1 || !strings.Contains(notes[0], cause.Error()) {
				t.Errorf("notes %q", notes)
			}
			s = open(t, stream.Options{Dir: dir, Shards: 1})
			if got := data(t, s); !slices.Equal(got, want) {
				t.Errorf("%d records after a restart", len(got))
			}
		})
	}
}

// TestFailuresPass fails writes and syncs of segment and mark while several
// clients write: acknowledged records are read in the order of their numbers,
// no number is assigned twice, and writing resumes without a restart.
func TestFailuresPass(t *testing.T) {
	for _, op := range []string{"write .log", "sync .log", "write mark", "open .log"} {
		t.Run(op, func(t *testing.T) {
			dir := t.TempDir()
			clock := time.Now()
			var mu sync.Mutex
			calls := 0
			s := open(t, stream.Options{Dir: dir, Shards: 1, SegmentBytes: 2000, Clock: pause.Clock{Time: func() time.Time {
				mu.Lock()
				defer mu.Unlock()
				clock = clock.Add(100 * time.Millisecond)
				return clock
			}}})
			s.FailOn(func(what, path string) error {
				mu.Lock()
				defer mu.Unlock()
				if !strings.HasPrefix(op, what) || !strings.HasSuffix(path, strings.Fields(op)[1]) {
					return nil
				}
				if calls++; calls%7 == 0 {
					return &os.PathError{Op: what, Path: path, Err: syscall.EIO}
				}
				return nil
			})
			acked, failed := map[string]bool{}, 0
			var wg sync.WaitGroup
			for w := range 4 {
				wg.Go(func() {
					for i := range 100 {
						d := fmt.Sprintf("%d-%0100d", w, i)
						err := tryPut(t, s, "k", d)
						mu.Lock()
						if err == nil {
							acked[d] = true
						} else {
							failed++
						}
						mu.Unlock()
					}
				})
			}
			wg.Wait()
			if op != "open .log" && failed == 0 {
				t.Error("nothing failed")
			}
			s.FailOn(func(string, string) error { return nil })
			mu.Lock()
			clock = clock.Add(time.Minute)
			mu.Unlock()
			put(t, s, "k", "at the end")
			check := func(s *stream.Stream) {
				t.Helper()
				seen := map[string]int{}
				for _, d := range data(t, s) {
					seen[d]++
				}
				for d := range acked {
					if seen[d] != 1 {
						t.Errorf("%.5s was acknowledged and read %d times", d, seen[d])
					}
				}
			}
			check(s)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			check(open(t, stream.Options{Dir: dir, Shards: 1}))
			t.Logf("%d acknowledged, %d failed", len(acked), failed)
		})
	}
}

// TestFilesRemovedWhileOpen removes or replaces the files being written: the
// acknowledged records are rewritten from the open file.
func TestFilesRemovedWhileOpen(t *testing.T) {
	for _, name := range []string{segmentName(1), "mark"} {
		for _, how := range []string{"removed", "replaced"} {
			t.Run(name+" "+how, func(t *testing.T) {
				dir := t.TempDir()
				clock := time.Now()
				s := open(t, stream.Options{Dir: dir, Shards: 1, Clock: pause.Clock{Time: func() time.Time { clock = clock.Add(time.Second); return clock }}})
				want := []string{"first", "second"}
				put(t, s, "k", want...)
				path := filepath.Join(dir, firstShard, name)
				content, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if err := os.Remove(path); err != nil {
					t.Fatal(err)
				}
				if how == "replaced" {
					if err := os.WriteFile(path, content, 0o600); err != nil {
						t.Fatal(err)
					}
				}
				if err := tryPut(t, s, "k", "lost"); err == nil || !strings.Contains(err.Error(), how) {
					t.Fatalf("acknowledged, or another error: %v", err)
				}
				put(t, s, "k", "third")
				got := data(t, s)
				if len(s.Troubles()) > 0 || got[len(got)-1] != "third" || !slices.Equal(got[:2], want) {
					t.Errorf("%q, %v", got, s.Troubles())
				}
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				if again := data(t, open(t, stream.Options{Dir: dir, Shards: 1})); !slices.Equal(again, got) {
					t.Errorf("after a restart: %q, want %q", again, got)
				}
			})
		}
	}
}

// TestReadErrors damages a file while the stream is open: the shard reports the
// error, and other shards are still read.
func TestReadErrors(t *testing.T) {
	dir := t.TempDir()
	s := open(t, stream.Options{Dir: dir, Shards: 2})
	a := keyOf(t, s, firstShard)
	b := keyOf(t, s, "shardId-000000000001")
	put(t, s, a, "one", "two")
	put(t, s, b, "three")
	path := filepath.Join(dir, firstShard, segmentName(1))
	change(t, path, func(b []byte) []byte { b[len(b)-1] ^= 1; return b })
	if _, _, err := s.Read(t.Context(), firstShard, "", 10); err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "record 2 at byte 96: damaged") {
		t.Errorf("%v", err)
	}
	if troubles := s.Troubles(); len(troubles) != 1 || !strings.Contains(troubles[0].Error(), firstShard) {
		t.Errorf("%v", troubles)
	}
	if records, _, err := s.Read(t.Context(), "shardId-000000000001", "", 10); err != nil || len(records) != 1 {
		t.Errorf("the other shard: %d, %v", len(records), err)
	}
	change(t, path, func(b []byte) []byte { b[len(b)-1] ^= 1; return b })
	if records, _, err := s.Read(t.Context(), firstShard, "", 10); err != nil || len(records) != 2 || len(s.Troubles()) > 0 {
		t.Errorf("after the repair: %d, %v, %v", len(records), err, s.Troubles())
	}
}

// BenchmarkPutRecords reports the cost of the acknowledged mark: throughput
// with marks relative to the same stream without.
func BenchmarkPutRecords(b *testing.B) {
	for _, writers := range []int{1, 8} {
		b.Run(fmt.Sprint(writers, " writers"), func(b *testing.B) {
			run := func(mark bool) time.Duration {
				s, err := stream.Open(stream.Options{Dir: b.TempDir(), Shards: 1})
				if err != nil {
					b.Fatal(err)
				}
				if !mark {
					s.WithoutMarks()
				}
				began := time.Now()
				var wg sync.WaitGroup
				for range writers {
					wg.Go(func() {
						for range 200 {
							records := make([]types.PutRecordsRequestEntry, 10)
							for i := range records {
								records[i] = types.PutRecordsRequestEntry{PartitionKey: aws.String("k"), Data: make([]byte, 1000)}
							}
							if _, err := s.PutRecords(b.Context(), &kinesis.PutRecordsInput{Records: records}); err != nil {
								b.Error(err)
							}
						}
					})
				}
				wg.Wait()
				took := time.Since(began)
				if err := s.Close(); err != nil {
					b.Fatal(err)
				}
				return took
			}
			var with, without time.Duration
			for b.Loop() {
				without += run(false)
				with += run(true)
			}
			b.ReportMetric(float64(without)/float64(with), "ratio")
			b.ReportMetric(float64(writers*2000*b.N)/with.Seconds(), "records/s")
		})
	}
}
