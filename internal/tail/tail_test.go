package tail_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/logs"
	"github.com/streamctl/streamctl/internal/pause"
	"github.com/streamctl/streamctl/internal/tail"
)

var start = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// table answers the statements of this package like the warehouse.
type table struct {
	now    time.Time
	events []tail.Event
	// since are the first parameters of the statements.
	since []time.Time
	err   error
}

func (t *table) add(id string, at time.Time) {
	t.events = append(t.events, tail.Event{EventID: id, Timestamp: at.Add(-time.Second), ArrivedAt: at, UserID: "u", EventType: "x", Properties: []byte(`{}`)})
}

const layout = "2006-01-02T15:04:05.000000Z"

func (t *table) rows(_ context.Context, text string, parameters [][]byte) (rows [][][]byte, err error) {
	if t.err != nil {
		return nil, t.err
	}
	if strings.HasPrefix(text, "SELECT to_char(now()") {
		return [][][]byte{{[]byte(t.now.Format(layout))}}, nil
	}
	since, err := time.Parse(layout, string(parameters[0]))
	if err != nil {
		return nil, err
	}
	limit, err := strconv.Atoi(string(parameters[1]))
	if err != nil {
		return nil, err
	}
	t.since = append(t.since, since)
	sorted := slices.Clone(t.events)
	slices.SortFunc(sorted, func(a, b tail.Event) int { return b.ArrivedAt.Compare(a.ArrivedAt) })
	for _, e := range sorted {
		if !e.ArrivedAt.Before(since) && len(rows) < limit {
			rows = append(rows, [][]byte{[]byte(e.EventID), []byte(e.Timestamp.Format(layout)), []byte(e.ArrivedAt.Format(layout)), []byte(e.UserID), []byte(e.EventType), e.Properties})
		}
	}
	return rows, nil
}

func ids(events []tail.Event) string {
	var all []string
	for _, e := range events {
		all = append(all, e.EventID)
	}
	return strings.Join(all, " ")
}

// TestEvents returns each event once, also one that becomes queryable after later ones.
func TestEvents(t *testing.T) {
	db := &table{now: start}
	events := tail.NewEvents(db.rows, tail.NewQuery("", "", nil))
	db.add("old", start.Add(-7*time.Hour))
	db.add("ancient", start.Add(-80*time.Hour))
	first, err := events.Begin(t.Context(), 5)
	if err != nil || ids(first) != "old" || len(db.since) != 3 || !db.since[2].Equal(start.Add(-72*time.Hour)) {
		t.Fatalf("%q, %v, since %v", ids(first), err, db.since)
	}
	db.add("b", start.Add(10*time.Second))
	poll := func(want string) {
		t.Helper()
		if fresh, more, err := events.Poll(t.Context()); err != nil || more || ids(fresh) != want {
			t.Errorf("%q, %v, %v; want %q", ids(fresh), more, err, want)
		}
	}
	poll("b")
	db.add("a", start.Add(5*time.Second)) // of a slower shard
	poll("a")
	poll("")
	db.err = errors.New("restarted")
	if _, _, err := events.Poll(t.Context()); !errors.Is(err, db.err) {
		t.Error(err)
	}
	db.err = nil
	db.add("c", start.Add(10*time.Minute))
	poll("c")
	poll("") // the older ones are forgotten, and no poll reads them
	if last := db.since[len(db.since)-1]; !last.Equal(start.Add(8 * time.Minute)) {
		t.Errorf("the last poll reads from %s", last)
	}
	for i := range tail.Most + 1 {
		db.add(fmt.Sprint(i), start.Add(11*time.Minute).Add(time.Duration(i)*time.Millisecond))
	}
	if fresh, more, err := events.Poll(t.Context()); err != nil || !more || len(fresh) != tail.Most {
		t.Errorf("%d events, %v, %v", len(fresh), more, err)
	}
}

// TestRecentEvents keeps the last events, newest first, also when more arrive than it
// keeps, and after a failure at the start.
func TestRecentEvents(t *testing.T) {
	db := &table{now: start, err: errors.New("not ready")}
	recent := tail.NewRecentEvents(db.rows, 3)
	get := func(want string) {
		t.Helper()
		if all, err := recent.Get(t.Context()); err != nil || ids(all) != want {
			t.Errorf("%q, %v; want %q", ids(all), err, want)
		}
	}
	if _, err := recent.Get(t.Context()); !errors.Is(err, db.err) {
		t.Error(err)
	}
	db.err = nil
	get("")
	db.add("1", start.Add(time.Second))
	get("1")
	for i := range 9 {
		db.add(fmt.Sprint(i+2), start.Add(time.Duration(i+2)*time.Second))
	}
	get("10 9 8")
	before := len(db.since)
	get("10 9 8")
	if len(db.since) != before+1 {
		t.Errorf("%d statements", len(db.since)-before)
	}
}

// TestWrongRows reports a time that can't be read instead of an event without one.
func TestWrongRows(t *testing.T) {
	for name, rows := range map[string]tail.Rows{
		"no time": func(context.Context, string, [][]byte) ([][][]byte, error) { return nil, nil },
		"wrong time": func(_ context.Context, text string, _ [][]byte) ([][][]byte, error) {
			if strings.Contains(text, "FROM events") {
				return [][][]byte{{[]byte("id"), []byte("infinity"), []byte("infinity"), nil, nil, nil}}, nil
			}
			return [][][]byte{{[]byte(start.Format(layout))}}, nil
		},
	} {
		if _, err := tail.NewRecentEvents(rows, 1).Get(t.Context()); err == nil || !strings.Contains(err.Error(), "time") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestConditions passes all texts as parameters.
func TestConditions(t *testing.T) {
	var got [][]byte
	var statement string
	q := tail.NewQuery("x'", `u"`, []tail.Property{{Path: []string{`a"`, `b\`}, Value: "1' OR '1'='1"}})
	events := tail.NewEvents(func(_ context.Context, text string, parameters [][]byte) ([][][]byte, error) {
		if parameters == nil {
			return [][][]byte{{[]byte(start.Format(layout))}}, nil
		}
		statement, got = text, parameters
		return nil, nil
	}, q)
	if _, err := events.Begin(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	var parameters []string
	for _, p := range got[2:] {
		parameters = append(parameters, string(p))
	}
	if want := []string{"x'", `u"`, `{"a\"","b\\"}`, "1' OR '1'='1"}; !slices.Equal(parameters, want) || !strings.Contains(statement, "= $6::text ORDER BY") {
		t.Errorf("%q in %s", parameters, statement)
	}
}

func rejected(at time.Time, count int, reason string) logs.Line {
	text, _ := json.Marshal(map[string]any{"time": at, "level": "INFO", "msg": contract.LogRejected, "count": count, "reason": reason, "field": "f", "caller": "c", "request": "r"})
	return logs.Parse(string(text), contract.FuncIngest, at)
}

// TestRecentRejections keeps the last minutes, newest first, and a bounded number.
func TestRecentRejections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lines []logs.Line
		var failure error
		recent := tail.RecentRejections{Read: func(_ context.Context, show func(logs.Line) error) error {
			for _, l := range lines {
				if err := show(l); err != nil {
					return err
				}
			}
			lines = nil
			return failure
		}}
		get := func() (reasons []string) {
			t.Helper()
			all, err := recent.Get(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range all {
				reasons = append(reasons, r.Reason)
				if r.Count != 7 || r.Field != "f" || r.Caller != "c" || r.Request != "r" {
					t.Errorf("%+v", r)
				}
			}
			return reasons
		}
		now := time.Now()
		lines = []logs.Line{
			rejected(now.Add(-16*time.Minute), 7, "old"), rejected(now.Add(-14*time.Minute), 7, "a"), rejected(now, 7, "b"), rejected(now, 0, "none"),
			logs.Parse(`{"msg":"other"}`, contract.FuncIngest, now), logs.Parse(`{"msg":"`+contract.LogRejected+`","count":"7"}`, contract.FuncIngest, now),
		}
		if got := get(); !slices.Equal(got, []string{"b", "a"}) {
			t.Errorf("%q", got)
		}
		failure, lines = errors.New("throttled"), []logs.Line{rejected(now.Add(time.Second), 7, "c")}
		if _, err := recent.Get(t.Context()); !errors.Is(err, failure) {
			t.Error(err)
		}
		failure = nil
		if err := pause.For(t.Context(), 2*time.Minute); err != nil {
			t.Fatal(err)
		}
		if got := get(); !slices.Equal(got, []string{"c", "b"}) { // c was read before the failure
			t.Errorf("%q", got)
		}
		for i := range 150 {
			lines = append(lines, rejected(time.Now().Add(time.Duration(i)*time.Millisecond), 7, fmt.Sprint(i)))
		}
		if got := get(); len(got) != 100 || got[0] != "149" {
			t.Errorf("%d, %q", len(got), got)
		}
	})
}
