package stream_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/streamctl/streamctl/internal/local/stream"
)

const (
	firstShard = "shardId-000000000000"
	header     = 64 // of a segment
	headBytes  = 28 // of a record
)

func segmentName(first int) string { return fmt.Sprintf("%020d.log", first) }

// encodeRecord returns a record as it is stored.
func encodeRecord(number uint64, key, data string) []byte {
	b := make([]byte, 4, headBytes)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(key)))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(data)))
	b = binary.LittleEndian.AppendUint64(b, number)
	b = binary.LittleEndian.AppendUint64(b, 1700000000000)
	b = append(append(b, key...), data...)
	binary.LittleEndian.PutUint32(b, crc32.Checksum(b[4:], crc32.MakeTable(crc32.Castagnoli)))
	return b
}

func change(t *testing.T, path string, f func([]byte) []byte) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, f(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestInterruptedWriteIsCut appends a part of a record, never acknowledged, to
// the last file: the bytes are saved and the stream continues.
func TestInterruptedWriteIsCut(t *testing.T) {
	whole := encodeRecord(4, "k", "never acknowledged")
	for cut := 1; cut <= len(whole); cut++ {
		dir := t.TempDir()
		s := open(t, stream.Options{Dir: dir, Shards: 1})
		sequences := put(t, s, "k", "first", "second", "third")
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		tail := append(whole[:cut:cut], make([]byte, cut%7)...)
		change(t, filepath.Join(dir, firstShard, segmentName(1)), func(b []byte) []byte { return append(b, tail...) })
		var notes []string
		s = open(t, stream.Options{Dir: dir, Shards: 1, Note: func(n string) { notes = append(notes, n) }})
		want := []string{"first", "second", "third"}
		rest := tail
		if cut == len(whole) { // complete: a client that retries is recognized by the event's id
			want, rest = append(want, "never acknowledged"), tail[cut:]
		}
		put(t, s, "k", "next")
		got := data(t, s)
		if !slices.Equal(got, append(want, "next")) {
			t.Fatalf("cut at %d: %q", cut, got)
		}
		removed, err := filepath.Glob(filepath.Join(dir, "removed", "*"))
		if err != nil || len(removed) != min(1, len(rest)) {
			t.Fatalf("cut at %d: removed %v, %v", cut, removed, err)
		}
		if len(rest) > 0 {
			kept, err := os.ReadFile(removed[0])
			if err != nil || !bytes.Equal(kept, rest) || len(notes) != 1 || !strings.Contains(notes[0], removed[0]) {
				t.Fatalf("cut at %d: kept %q, %v; notes %q", cut, kept, err, notes)
			}
		}
		_ = sequences
	}
}

// data returns the data of all shards.
func data(t *testing.T, s *stream.Stream) (all []string) {
	t.Helper()
	shards, err := s.Shards(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, sh := range shards {
		records, _ := readAll(t, s, sh.ID, "", 7)
		for _, r := range records {
			all = append(all, string(r.Data))
		}
	}
	return all
}

// TestDamageIsRefusedAndAccepted damages a stream with two shards of several
// segments. Opening fails with the file in the error; when the damage is
// accepted, exactly the reported records are missing.
func TestDamageIsRefusedAndAccepted(t *testing.T) {
	second := "shardId-000000000001"
	swap := func(t *testing.T, a, b string) {
		t.Helper()
		for _, r := range [][2]string{{a, a + ".x"}, {b, a}, {a + ".x", b}} {
			if err := os.Rename(r[0], r[1]); err != nil {
				t.Fatal(err)
			}
		}
	}
	remove := func(t *testing.T, path string) {
		t.Helper()
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
	}
	flip := func(at int) func([]byte) []byte {
		return func(b []byte) []byte {
			if at < 0 {
				at += len(b)
			}
			b[at] ^= 4
			return b
		}
	}
	const each = headBytes + 1 + 100 // a record's bytes: key k, 100 bytes of data
	for _, tt := range []struct {
		name    string
		damage  func(t *testing.T, dir string, segments []string)
		file    string // in the error
		missing int
	}{
		{"bit flipped in the last segment", func(t *testing.T, _ string, s []string) { change(t, s[4], flip(header+each+50)) }, segmentName(17), 1},
		{"bit flipped in the last record", func(t *testing.T, _ string, s []string) { change(t, s[4], flip(-1)) }, segmentName(17), 1},
		{"bit flipped in a length", func(t *testing.T, _ string, s []string) { change(t, s[1], flip(header+4)) }, segmentName(5), 1},
		{"bit flipped in a number", func(t *testing.T, _ string, s []string) { change(t, s[1], flip(header+12)) }, segmentName(5), 1},
		{"bit flipped in a header", func(t *testing.T, _ string, s []string) { change(t, s[1], flip(9)) }, segmentName(5), 0},
		{"two records zeroed", func(t *testing.T, _ string, s []string) {
			change(t, s[2], func(b []byte) []byte { clear(b[header+each : header+3*each]); return b })
		}, segmentName(9), 2},
		{"last segment cut at a record's end", func(t *testing.T, _ string, s []string) {
			change(t, s[4], func(b []byte) []byte { return b[:header+2*each] })
		}, segmentName(17), 2},
		{"last segment cut within a record", func(t *testing.T, _ string, s []string) {
			change(t, s[4], func(b []byte) []byte { return b[:header+2*each+40] })
		}, segmentName(17), 2},
		{"last segment emptied", func(t *testing.T, _ string, s []string) { change(t, s[4], func([]byte) []byte { return nil }) }, segmentName(17), 4},
		{"middle segment cut", func(t *testing.T, _ string, s []string) {
			change(t, s[2], func(b []byte) []byte { return b[:header+each] })
		}, segmentName(9), 3},
		{"bytes removed from the middle", func(t *testing.T, _ string, s []string) {
			change(t, s[2], func(b []byte) []byte { return append(b[:header+each:header+each], b[header+2*each:]...) })
		}, segmentName(9), 1},
		{"first segment removed", func(t *testing.T, _ string, s []string) { remove(t, s[0]) }, segmentName(1), 4},
		{"middle segment removed", func(t *testing.T, _ string, s []string) { remove(t, s[2]) }, segmentName(9), 4},
		{"last segment removed", func(t *testing.T, _ string, s []string) { remove(t, s[4]) }, segmentName(17), 4},
		{"all segments removed", func(t *testing.T, _ string, s []string) {
			for _, path := range s {
				remove(t, path)
			}
		}, segmentName(1), 20},
		{"segments swapped", func(t *testing.T, _ string, s []string) { swap(t, s[1], s[3]) }, segmentName(5), 0},
		{"first and last segment swapped", func(t *testing.T, _ string, s []string) { swap(t, s[0], s[4]) }, segmentName(1), 0},
		{"segments of two shards swapped", func(t *testing.T, dir string, s []string) {
			swap(t, s[0], filepath.Join(dir, second, segmentName(1)))
		}, segmentName(1), 0},
		{"shards swapped", func(t *testing.T, dir string, _ []string) {
			swap(t, filepath.Join(dir, firstShard), filepath.Join(dir, second))
		}, "mark", 0},
		{"segment duplicated over another", func(t *testing.T, _ string, s []string) {
			content, err := os.ReadFile(s[1])
			if err != nil {
				t.Fatal(err)
			}
			change(t, s[3], func([]byte) []byte { return content })
		}, segmentName(13), 4},
		{"mark removed", func(t *testing.T, dir string, _ []string) { remove(t, filepath.Join(dir, firstShard, "mark")) }, "mark", 0},
		{"mark cut", func(t *testing.T, dir string, _ []string) {
			change(t, filepath.Join(dir, firstShard, "mark"), func(b []byte) []byte { return b[:5000] })
		}, "mark", 0},
		{"marks swapped", func(t *testing.T, dir string, _ []string) {
			swap(t, filepath.Join(dir, firstShard, "mark"), filepath.Join(dir, second, "mark"))
		}, "mark", 0},
		{"shard removed", func(t *testing.T, dir string, _ []string) { remove(t, filepath.Join(dir, firstShard)) }, "mark", -1},
		{"description removed", func(t *testing.T, dir string, _ []string) { remove(t, filepath.Join(dir, "stream.json")) }, "stream.json", 0},
		{"description damaged", func(t *testing.T, dir string, _ []string) { change(t, filepath.Join(dir, "stream.json"), flip(60)) }, "stream.json", 0},
		{"description emptied", func(t *testing.T, dir string, _ []string) {
			change(t, filepath.Join(dir, "stream.json"), func([]byte) []byte { return nil })
		}, "stream.json", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			o := stream.Options{Dir: dir, Shards: 2, SegmentBytes: header + 4*each}
			s := open(t, o)
			given := map[string]string{} // data by shard and sequence number
			fill := func(n int, shard, key string) {
				t.Helper()
				for i := range n {
					d := fmt.Sprintf("%-100s", fmt.Sprint(shard, " ", len(given), " ", i))
					given[shard+" "+put(t, s, key, d)[0]] = d
				}
			}
			a, b := keyOf(t, s, firstShard), keyOf(t, s, second)
			fill(20, firstShard, a)
			fill(6, second, b)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			segments, err := filepath.Glob(filepath.Join(dir, firstShard, "*.log"))
			if err != nil || len(segments) != 5 {
				t.Fatalf("%d segments, %v", len(segments), err)
			}
			tt.damage(t, dir, segments)
			_, err = stream.Open(o)
			var damaged *stream.DamageError
			if !errors.As(err, &damaged) || !strings.Contains(err.Error(), tt.file) || tt.missing >= 0 && tt.missing > int(damaged.Missing()) {
				t.Fatalf("opened with %v; want an error with %s and %d missing", err, tt.file, tt.missing)
			}
			o.AcceptDamage = true
			s = open(t, o)
			missing := 0
			for _, d := range s.Accepted() {
				missing += int(d.Records)
			}
			found := read(t, s)
			for place, d := range found {
				if given[place] != d {
					t.Errorf("%s holds %q, want %q", place, d, given[place])
				}
			}
			if tt.missing >= 0 && (len(given)-len(found) != tt.missing || missing != tt.missing || int(s.Missing()) != tt.missing) {
				t.Errorf("%d of %d records, %d reported missing, %d remembered; want %d\n%v", len(found), len(given), missing, s.Missing(), tt.missing, s.Accepted())
			}
			maps.Copy(given, found)
			after := len(found)
			for i := range 30 {
				d := fmt.Sprint("after ", i)
				r := put(t, s, fmt.Sprint(i), d)
				for place := range given {
					if strings.HasSuffix(place, " "+r[0]) {
						t.Fatalf("sequence number %s was assigned twice", r[0])
					}
				}
				after++
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			o.AcceptDamage = false
			s = open(t, o) // accepted damage is remembered
			if all := read(t, s); len(all) != after {
				t.Errorf("%d records after another start, want %d", len(all), after)
			}
		})
	}
}

// keyOf finds a one-letter key of a shard.
func keyOf(t *testing.T, s *stream.Stream, shard string) string {
	t.Helper()
	for c := 'a'; c <= 'z'; c++ {
		if s.ShardOf(string(c)) == shard {
			return string(c)
		}
	}
	t.Fatal("no key of " + shard)
	return ""
}

// read returns the data of all records by shard and sequence number.
func read(t *testing.T, s *stream.Stream) map[string]string {
	t.Helper()
	all := map[string]string{}
	shards, err := s.Shards(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, sh := range shards {
		records, _ := readAll(t, s, sh.ID, "", 3)
		for _, r := range records {
			place := sh.ID + " " + r.SequenceNumber
			if _, twice := all[place]; twice {
				t.Errorf("%s is read twice", place)
			}
			all[place] = string(r.Data)
		}
	}
	return all
}

// TestOnePageOfTheMark zeroes each page of the mark: the other copy is used.
func TestOnePageOfTheMark(t *testing.T) {
	for writes := 1; writes < 4; writes++ {
		for page := range 4 {
			dir := t.TempDir()
			s := open(t, stream.Options{Dir: dir, Shards: 1})
			for range writes {
				put(t, s, "k", "x")
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			change(t, filepath.Join(dir, firstShard, "mark"), func(b []byte) []byte { clear(b[page*4096 : (page+1)*4096]); return b })
			change(t, filepath.Join(dir, firstShard, segmentName(1)), func(b []byte) []byte { return b[:header] })
			var damaged *stream.DamageError
			if _, err := stream.Open(stream.Options{Dir: dir, Shards: 1}); !errors.As(err, &damaged) || int(damaged.Missing()) != writes {
				t.Errorf("%d writes, page %d: %v", writes, page, err)
			}
		}
	}
}

// TestCheckpointsAreCompared opens a stream with checkpoints that don't match
// it.
func TestCheckpointsAreCompared(t *testing.T) {
	dir := t.TempDir()
	s := open(t, stream.Options{Dir: dir, Shards: 1})
	sequences := put(t, s, "k", "first", "second", "third")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	epoch := strings.TrimSuffix(sequences[0], "000000000001")
	for _, tt := range []struct {
		name    string
		at      map[string]string
		want    string
		missing uint64
	}{
		{"it fits", map[string]string{firstShard: sequences[2]}, "", 0},
		{"nothing read", nil, "", 0},
		{"after the end", map[string]string{firstShard: epoch + "000000000007"}, "checkpoint after the end", 4},
		{"another stream", map[string]string{firstShard: "1600000000000000000000001"}, "checkpoint of another stream", 0},
		{"no number", map[string]string{firstShard: "x"}, "checkpoint of another stream", 0},
		{"unknown shard", map[string]string{"shardId-000000000009": sequences[0]}, "which is not a shard of the stream", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := stream.Options{Dir: t.TempDir(), Shards: 1, Consumers: []stream.Consumer{{File: "processor.json", At: tt.at}}}
			if err := os.CopyFS(o.Dir, os.DirFS(dir)); err != nil {
				t.Fatal(err)
			}
			s, err := stream.Open(o)
			if tt.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				return
			}
			var damaged *stream.DamageError
			if !errors.As(err, &damaged) || !strings.Contains(err.Error(), "processor.json: has a ") || !strings.Contains(err.Error(), tt.want) || damaged.Missing() != tt.missing {
				t.Fatalf("%v", err)
			}
			o.AcceptDamage = true
			s = open(t, o)
			if next := put(t, s, "k", "next")[0]; slices.Contains(slices.Collect(maps.Values(tt.at)), next) || next <= sequences[2] {
				t.Errorf("next is %s", next)
			}
		})
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Open(stream.Options{Dir: dir, Shards: 1, Consumers: []stream.Consumer{{File: "p", At: map[string]string{firstShard: sequences[0]}}}}); err == nil || !strings.Contains(err.Error(), "stream.json: is missing") {
		t.Errorf("a removed stream: %v", err)
	}
}

// TestDamageThatAllHaveReadIsHarmless damages records that every consumer has
// handled, in the last segment and in an older one.
func TestDamageThatAllHaveReadIsHarmless(t *testing.T) {
	dir := t.TempDir()
	o := stream.Options{Dir: dir, Shards: 1, SegmentBytes: 300}
	s := open(t, o)
	var sequences []string
	for range 10 {
		sequences = append(sequences, put(t, s, "k", strings.Repeat("x", 100))...)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	segments, err := filepath.Glob(filepath.Join(dir, firstShard, "*.log"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(segments[1]); err != nil {
		t.Fatal(err)
	}
	last := segments[len(segments)-1]
	change(t, last, func(b []byte) []byte { return b[:len(b)-1] })
	o.Consumers = []stream.Consumer{{File: "a", At: map[string]string{firstShard: sequences[9]}}, {File: "b", At: map[string]string{firstShard: sequences[9]}}}
	s = open(t, o)
	next := put(t, s, "k", "next")
	if next[0] <= sequences[9] {
		t.Errorf("%s after %s: a number was assigned twice", next[0], sequences[9])
	}
	if n, _ := s.Unread(o.Consumers[0].At); n != 1 {
		t.Errorf("%d unread, want 1", n)
	}
}
