package local

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/pause"
)

// TestAdviceOfAStop: the hint must not call unreadable records safe.
func TestAdviceOfAStop(t *testing.T) {
	if e := (&UnreadError{Loading: 3}); !strings.Contains(e.Hint(), "safe in the stream") {
		t.Error(e.Hint())
	}
	e := &UnreadError{Loading: 3, Unreadable: errors.New("shardId-000000000000: damaged record")}
	if strings.Contains(e.Hint(), "safe") || !strings.Contains(e.Error(), "3 records to load and 0 to archive: shardId-000000000000: damaged record") {
		t.Errorf("%v; %s", e, e.Hint())
	}
}

// TestTaskThatFails: a failing task is reported until it succeeds.
func TestTaskThatFails(t *testing.T) {
	h := newHealthState()
	h.task(contract.TaskUpkeep, errors.New("no connection"))
	h.task(contract.TaskRefresh, nil)
	if got := h.failingTasks(); len(got) != 1 || got[0] != contract.TaskUpkeep {
		t.Errorf("%v", got)
	}
	if h.task(contract.TaskUpkeep, nil); len(h.failingTasks()) != 0 {
		t.Errorf("%v", h.failingTasks())
	}
}

// TestNothingIsDiscardedForItsAge: a mapping has neither a maximum record age
// nor a retry limit.
func TestNothingIsDiscardedForItsAge(t *testing.T) {
	s := contract.ProcessorMapping(24)
	s.Retries = 3
	if got := onThisMachine(s); got.RecordAgeSeconds != -1 || got.Retries != -1 || got.BatchSize != s.BatchSize || !got.OnFailure {
		t.Errorf("%+v", got)
	}
}

// TestCheckpointFiles reads files of this and of earlier versions, and expects
// a damaged or swapped file to be renamed.
func TestCheckpointFiles(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "processor.json")
	c, err := openCheckpoints(path, "processor")
	if err != nil || c.discarded != "" {
		t.Fatal(err, c.discarded)
	}
	c.set("s", "17")
	c.trying("s", "18", time.Hour)
	c.trying("s", "19", time.Hour)
	c.trying("s", "19", 0)
	if err := c.save(); err != nil {
		t.Fatal(err)
	}
	saved, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	other := strings.Replace(string(saved), "1", "2", 1)
	for _, tt := range []struct {
		name, mapping, content string
		at                     string
		tried                  int
		discarded              bool
	}{
		{"saved", "processor", string(saved), "17", 1, false},
		{"of an earlier version", "processor", `{"s":"17"}`, "17", 0, false},
		{"of another mapping", "archiver", string(saved), "", 0, true},
		{"a changed digit", "processor", other, "", 0, true},
		{"cut", "processor", string(saved[:20]), "", 0, true},
		{"empty", "processor", "", "", 0, true},
		{"something else", "processor", `{"s": 1}`, "", 0, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "c.json")
			if err := os.WriteFile(path, []byte(tt.content), 0o600); err != nil {
				t.Fatal(err)
			}
			c, err := openCheckpoints(path, tt.mapping)
			if err != nil {
				t.Fatal(err)
			}
			if c.get()["s"] != tt.at || len(c.triedNow()["s"]) != tt.tried || (c.discarded != "") != tt.discarded {
				t.Errorf("%v, %v, %q", c.get(), c.triedNow(), c.discarded)
			}
			aside, err := filepath.Glob(path + ".damaged-*")
			if err != nil || len(aside) == 1 != tt.discarded {
				t.Errorf("moved to %v, %v", aside, err)
			}
		})
	}
}

// TestCheckpointsThatCannotBeSaved: the error is reported until saving
// succeeds.
func TestCheckpointsThatCannotBeSaved(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "gone")
	c, err := openCheckpoints(filepath.Join(dir, "processor.json"), "processor")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	c.set("s", "1")
	go c.keep(ctx, slog.New(slog.DiscardHandler))
	for c.trouble() == nil {
		if err := pause.For(ctx, 10*time.Millisecond); err != nil {
			t.Fatal("not reported")
		}
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for c.trouble() != nil {
		if err := pause.For(ctx, 10*time.Millisecond); err != nil {
			t.Fatal("still reported: ", c.trouble())
		}
	}
}
