package pgserver_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/streamctl/streamctl/internal/local/pgserver"
)

// filled creates a stopped server in dir with a table of 1,000 rows; with
// crashed, in the state after a power failure.
func filled(t *testing.T, dir, template string, crashed bool) pgserver.Options {
	t.Helper()
	o := pgserver.Options{Dir: dir, Template: template, Verify: true}
	s := start(t, o)
	conn, err := pgx.Connect(t.Context(), s.URL(pgserver.Superuser, "postgres"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "CREATE TABLE kept AS SELECT n, repeat(md5(n::text), 10) AS v FROM generate_series(1, 1000) n; CHECKPOINT"); err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	end := s.Stop
	if crashed {
		end = s.Crash
	}
	if err := end(t.Context()); err != nil {
		t.Fatal(err)
	}
	return o
}

// intact starts the server and checks that it has every row, or returns the
// start's error.
func intact(t *testing.T, o pgserver.Options) error {
	t.Helper()
	s, err := pgserver.Start(t.Context(), o)
	if err != nil {
		return err
	}
	defer s.Stop(context.WithoutCancel(t.Context()))
	sum, err := query(t, s.URL(pgserver.Superuser, "postgres"), "SELECT count(*) || ' ' || count(*) FILTER (WHERE v = repeat(md5(n::text), 10)) FROM kept")
	if err != nil || sum != "1000 1000" {
		t.Errorf("started with other data: %q, %v", sum, err)
	}
	return nil
}

// TestDamagedPostgresFilesAreNamed damages a file of a stopped or crashed
// server: either the start fails and reports the file, or every row exists.
// STREAMCTL_DAMAGE_SEEDS is the number of random seeds, 6 by default.
func TestDamagedPostgresFilesAreNamed(t *testing.T) {
	template := filepath.Join(t.TempDir(), "template")
	remove := func(t *testing.T, path string) {
		t.Helper()
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	write := func(text string) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			t.Helper()
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	flip := func(at int) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			t.Helper()
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			text[at%len(text)] ^= 4
			if err := os.WriteFile(path, text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, crashed := range []bool{false, true} {
		for _, tt := range []struct {
			what, file string
			damage     func(*testing.T, string)
			harmless   bool
		}{
			{"flipped bit", "global/pg_control", flip(40), false},
			{"missing", "global/pg_control", remove, false},
			{"flipped bit", "table", flip(9000), false},
			{"missing", "table", remove, false},
			{"missing", "PG_VERSION", remove, false},
			{"garbage", "PG_VERSION", write("x"), false},
			{"missing", "wal", remove, false},
			{"missing", "global/pg_filenode.map", remove, false},
			{"flipped bit", "global/pg_filenode.map", flip(9), false},
			{"garbage", "postmaster.pid", write("no number\n"), true},
			{"another's process", "postmaster.pid", write("1\n/\n"), true},
		} {
			t.Run(fmt.Sprintf("crashed %t, %s, %s", crashed, tt.file, tt.what), func(t *testing.T) {
				t.Parallel()
				o := filled(t, t.TempDir(), template, crashed)
				path := file(t, o, tt.file)
				tt.damage(t, path)
				err := intact(t, o)
				var damaged *pgserver.DamageError
				switch {
				case tt.harmless && err != nil:
					t.Errorf("refused: %v", err)
				case tt.harmless:
				case !errors.As(err, &damaged):
					t.Errorf("error is %v, want the damage", err)
				case !strings.Contains(err.Error(), filepath.Base(path)) && tt.file != "wal":
					t.Errorf("%s is not reported: %v", path, err)
				case !strings.Contains(damaged.Hint(), "archive") || !strings.Contains(damaged.Hint(), "--reset"):
					t.Errorf("no advice: %s", damaged.Hint())
				}
			})
		}
	}
	seeds, err := strconv.Atoi(os.Getenv("STREAMCTL_DAMAGE_SEEDS"))
	if err != nil {
		seeds = 6
	}
	for seed := range seeds {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(uint64(seed), 5))
			o := filled(t, t.TempDir(), template, false)
			all := regular(t, filepath.Join(o.Dir, "data"))
			path := all[random.IntN(len(all))]
			if random.IntN(3) == 0 {
				remove(t, path)
			} else {
				flip(random.IntN(1<<30))(t, path)
			}
			if err := intact(t, o); err != nil && !strings.Contains(err.Error(), filepath.Base(path)) && !strings.Contains(path, "pg_wal") {
				t.Errorf("%s is not reported: %v", path, err)
			}
		})
	}
}

// regular lists the non-empty files below a folder.
func regular(t *testing.T, dir string) (paths []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		info, err := entry.Info()
		if err == nil && info.Size() > 0 {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// file finds a file by its name in the data folder: "wal" is the newest
// segment, "table" the largest relation of those written last.
func file(t *testing.T, o pgserver.Options, name string) string {
	t.Helper()
	data := filepath.Join(o.Dir, "data")
	switch name {
	case "wal":
		segments, err := filepath.Glob(filepath.Join(data, "pg_wal", "0*"))
		if err != nil || len(segments) == 0 {
			t.Fatalf("%v, %v", segments, err)
		}
		return segments[0]
	case "table":
		var newest string
		number := 0
		for _, path := range regular(t, filepath.Join(data, "base")) {
			if n, err := strconv.Atoi(filepath.Base(path)); err == nil && n >= 16384 {
				if info, err := os.Stat(path); err == nil && info.Size() > 100_000 && n > number {
					newest, number = path, n
				}
			}
		}
		if newest == "" {
			t.Fatal("no table's file")
		}
		return newest
	}
	return filepath.Join(data, name)
}

// TestInterruptedInitdb simulates an interrupted first start of this and of an
// older version: the next start completes it.
func TestInterruptedInitdb(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"init-123/base", "data/base", "data/global"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "data", "PG_VERSION"), []byte("15\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(t, pgserver.Options{Dir: dir, Unused: true})
	for range 2 { // half of it may have been done before
		if err := s.CreateRDS(t.Context(), "boss", "password", "analytics"); err != nil {
			t.Error(err)
		}
	}
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return strings.HasPrefix(e.Name(), "init-") }) {
		t.Errorf("%v, %v", entries, err)
	}
}
