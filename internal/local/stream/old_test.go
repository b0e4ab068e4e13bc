package stream_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/streamctl/streamctl/internal/local/stream"
)

const oldDescription = `{"epoch":1700000000000,"shards":[{"id":"shardId-000000000000","low":0,"high":4294967295,"closed":true},` +
	`{"id":"shardId-000000000001","parents":["shardId-000000000000"],"low":0,"high":4294967295}]}`

// oldFolder writes a stream in the format without headers and marks.
func oldFolder(t *testing.T) (dir string, want []string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "stream.json"), []byte(oldDescription), 0o600); err != nil {
		t.Fatal(err)
	}
	for shard, counts := range [][]int{{3}, {4, 4, 2}} {
		folder := filepath.Join(dir, fmt.Sprintf("shardId-%012d", shard))
		if err := os.MkdirAll(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		number := uint64(1)
		for _, n := range counts {
			path := filepath.Join(folder, segmentName(int(number)))
			var b []byte
			for range n {
				want = append(want, fmt.Sprint(shard, "-", number))
				b = append(b, encodeRecord(number, "k", want[len(want)-1])...)
				number++
			}
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir, want
}

// TestOldFolderIsUpgraded opens a folder of a version without headers and
// marks, also after an interrupted upgrade.
func TestOldFolderIsUpgraded(t *testing.T) {
	for interrupted := range 6 {
		dir, want := oldFolder(t)
		s := open(t, stream.Options{Dir: dir, Shards: 1})
		if interrupted > 0 { // some of the files are upgraded, the description is not
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			old, _ := oldFolder(t)
			upgraded := dir
			dir = old
			files := []string{"shardId-000000000000/" + segmentName(1), "shardId-000000000000/mark", "shardId-000000000001/" + segmentName(1), "shardId-000000000001/" + segmentName(5), "shardId-000000000001/mark"}
			for _, name := range files[:interrupted] {
				content, err := os.ReadFile(filepath.Join(upgraded, name))
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(old, name), content, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			s = open(t, stream.Options{Dir: dir, Shards: 1})
		}
		if got := data(t, s); !slices.Equal(got, want) {
			t.Fatalf("interrupted %d: %q, want %q", interrupted, got, want)
		}
		if next := put(t, s, "k", "next"); next[0] != "1700000000000000000000011" {
			t.Errorf("the next number is %s", next[0])
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = open(t, stream.Options{Dir: dir, Shards: 1})
		if got := data(t, s); !slices.Equal(got, append(want, "next")) {
			t.Errorf("interrupted %d, opened again: %q", interrupted, got)
		}
	}
}

// TestOldFolderWithDamage damages the folder before the upgrade.
func TestOldFolderWithDamage(t *testing.T) {
	last := "shardId-000000000001/" + segmentName(9)
	for _, tt := range []struct {
		name    string
		damage  func(t *testing.T, dir string)
		want    string
		missing uint64
	}{
		{"in the middle", func(t *testing.T, dir string) {
			change(t, filepath.Join(dir, last), func(b []byte) []byte { b[headBytes+2] ^= 1; return b })
		}, segmentName(9), 1},
		{"older segment", func(t *testing.T, dir string) {
			change(t, filepath.Join(dir, "shardId-000000000001", segmentName(5)), func(b []byte) []byte { return b[:40] })
		}, segmentName(5), 3},
		{"segment removed", func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, "shardId-000000000001", segmentName(5))); err != nil {
				t.Fatal(err)
			}
		}, segmentName(5), 4},
		{"description removed", func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, "stream.json")); err != nil {
				t.Fatal(err)
			}
		}, "stream.json", 0},
		{"interrupted write", func(t *testing.T, dir string) {
			change(t, filepath.Join(dir, last), func(b []byte) []byte { return append(b, 1, 2, 3) })
		}, "", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir, want := oldFolder(t)
			tt.damage(t, dir)
			o := stream.Options{Dir: dir, Shards: 1}
			s, err := stream.Open(o)
			if tt.want != "" {
				var damaged *stream.DamageError
				if !errors.As(err, &damaged) || !strings.Contains(err.Error(), tt.want) || damaged.Missing() != tt.missing {
					t.Fatalf("%v", err)
				}
				o.AcceptDamage = true
				s, err = stream.Open(o)
			}
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			})
			if got := data(t, s); len(got) != len(want)-int(tt.missing) {
				t.Errorf("%q", got)
			}
		})
	}
}
