package localrun_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/streamctl/streamctl/internal/local/stream"
	"github.com/streamctl/streamctl/internal/pause"
	"github.com/streamctl/streamctl/internal/testkit/suites/localrun"
)

// brokenResult counts the runs' actions.
type brokenResult struct{ events, kills, damaged, refused, missing int }

// TestLocalBroken kills `streamctl local` while events are sent, with an even
// seed also damages a file of its stream or checkpoints, and starts it again:
// one run, or STREAMCTL_LOCAL_RUNS runs, starting with the seed
// STREAMCTL_LOCAL_SEED. Without damage every event is in every store once. With
// damage the same holds, or the start fails with the file in the error and the
// report counts the missing records.
func TestLocalBroken(t *testing.T) {
	number := func(name string, otherwise uint64) uint64 {
		n, err := strconv.ParseUint(os.Getenv(name), 10, 64)
		if os.Getenv(name) == "" {
			return otherwise
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return n
	}
	first, runs := number("STREAMCTL_LOCAL_SEED", 2), number("STREAMCTL_LOCAL_RUNS", 1)
	var sum brokenResult
	for seed := first; seed < first+runs; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := brokenRun(t, seed)
			sum = brokenResult{sum.events + r.events, sum.kills + r.kills, sum.damaged + r.damaged, sum.refused + r.refused, sum.missing + r.missing}
			if t.Failed() {
				t.Logf("to repeat, set STREAMCTL_LOCAL_SEED=%d STREAMCTL_LOCAL_RUNS=1", seed)
			}
		})
	}
	t.Logf("%d runs: %d events, %d kills, %d damaged files, %d starts failed with the file's path, %d records reported missing", runs, sum.events, sum.kills, sum.damaged, sum.refused, sum.missing)
}

func brokenRun(t *testing.T, seed uint64) (r brokenResult) {
	random := rand.New(rand.NewPCG(seed, 11))
	dir := workDir(t)
	l := program.Start(t, localrun.Spec{Dir: dir})
	same := []string{"--port", port(l.API)}
	withDamage := seed%2 == 0
	count := 2000 + random.IntN(4000)
	args := []string{"--url", l.API, "--count", strconv.Itoa(count), "--seed", strconv.FormatUint(seed, 10), "--rate", "1500", "--retry-for", "2m"}
	if !withDamage {
		args = append(args, "--verify")
	}
	done := send(t, dir, args...)
	missing := 0
	for range 1 + random.IntN(3) {
		if err := pause.For(t.Context(), time.Duration(200+random.IntN(1500))*time.Millisecond); err != nil {
			t.Fatal(err)
		}
		if err := l.Kill(); err != nil {
			t.Fatal(err)
		}
		r.kills++
		what := ""
		if withDamage {
			what = damageFile(t, random, filepath.Join(dir, ".streamctl", "local"))
			r.damaged++
		}
		next, err := program.Try(t, localrun.Spec{Dir: dir, Args: same})
		if err != nil {
			if !withDamage || !strings.Contains(err.Error(), "--accept-damage") {
				t.Fatalf("%s: not started, and no advice: %v", what, err)
			}
			r.refused++
			next = program.Start(t, localrun.Spec{Dir: dir, Args: append([]string{"--accept-damage"}, same...)})
			if missing = reported(t, dir); missing > 0 {
				t.Logf("%s: %d records are missing", what, missing)
			}
		}
		l = next
	}
	s := <-done
	if s.Accepted != count {
		t.Fatalf("sent %+v", s)
	}
	r.events, r.missing = count, missing
	if missing == 0 {
		l.Settle(t, count, patience)
		return r
	}
	await(t, func() bool { h := healthOf(t, l); return *h.Waiting == 0 })
	if h := healthOf(t, l); int(*h.Missing) != missing {
		t.Errorf("%d records missing on the dashboard, %d reported", *h.Missing, missing)
	}
	c, err := l.Look(t.Context())
	if err != nil || c.Rows != c.Distinct || c.Rows != c.Rolled || c.Rows > count || c.Quarantined > 0 {
		t.Errorf("%+v of %d, %v", c, count, err)
	}
	return r
}

// damageFile changes a random file of the stream or the checkpoints.
func damageFile(t *testing.T, random *rand.Rand, data string) string {
	t.Helper()
	var files []string
	for _, folder := range []string{"stream", "checkpoints"} {
		err := filepath.WalkDir(filepath.Join(data, folder), func(path string, entry os.DirEntry, err error) error {
			if err == nil && !entry.IsDir() && filepath.Base(filepath.Dir(path)) != "removed" {
				files = append(files, path)
			}
			return err
		})
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
	path := files[random.IntN(len(files))]
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := random.IntN(max(len(content), 1))
	what := ""
	switch kind := random.IntN(4); {
	case kind == 0 || len(content) == 0:
		what, err = "removed", os.Remove(path)
	case kind == 1:
		what, err = fmt.Sprint("cut at ", at), os.WriteFile(path, content[:at], 0o600)
	case kind == 2:
		content[at] ^= 1
		what, err = fmt.Sprint("bit flipped at ", at), os.WriteFile(path, content, 0o600)
	default:
		clear(content[at:min(len(content), at+4096)])
		what, err = fmt.Sprint("zeroes at ", at), os.WriteFile(path, content, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimPrefix(path, data) + " " + what
}

// reported sums the missing records of all reports.
func reported(t *testing.T, dir string) (records int) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, ".streamctl", "local", "damage-*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no report, %v", err)
	}
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var report struct{ Damage []stream.Damage }
		if err := json.Unmarshal(text, &report); err != nil {
			t.Fatal(err)
		}
		records += int((&stream.DamageError{Damage: report.Damage}).Missing())
	}
	return records
}
