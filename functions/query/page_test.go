package query_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/streamctl/streamctl/functions/query"
	"github.com/streamctl/streamctl/internal/api"
)

// follow requests all pages and sums their points by type.
func follow(t *testing.T, h *query.Handler, parameters map[string]string) (pages []api.MetricResponse, sums map[string]int64) {
	t.Helper()
	sums = map[string]int64{}
	for {
		resp := get(t, h, "events", parameters)
		var a api.MetricResponse
		if err := json.Unmarshal([]byte(resp.Body), &a); err != nil || resp.StatusCode != 200 {
			t.Fatalf("%d %.300s, %v", resp.StatusCode, resp.Body, err)
		}
		if n := len(pages); n > 0 && !pages[n-1].To.Equal(*a.From) {
			t.Fatalf("a page to %s, the next from %s", pages[n-1].To, a.From)
		}
		for _, p := range a.Points {
			sums[p.EventType] += p.Count
			if p.At.Before(*a.From) || !p.At.Before(*a.To) {
				t.Fatalf("a point at %s in %s to %s", p.At, a.From, a.To)
			}
		}
		pages = append(pages, a)
		if a.Next == "" {
			return pages, sums
		}
		parameters = map[string]string{"cursor": a.Next}
	}
}

func TestLongRangesHaveCursors(t *testing.T) {
	from := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		minutes    int
		step       string
		parameters []string
		pages      int
		view       int64
		total      int64
	}{
		{1440, "1m", nil, 1, 1440, 2 * 1440},
		{1441, "1m", nil, 2, 1441, 2 * 1441},
		{3*1440 + 7, "1m", nil, 4, 3*1440 + 7, 2 * (3*1440 + 7)},
		{1440*7 + 3, "7m", nil, 2, 1440*7 + 3, 2 * (1440*7 + 3)},
		{1440 * 60, "1h", nil, 1, 1440 * 60, 2 * 1440 * 60},
		{3000, "1m", []string{"eventType", "view"}, 3, 3000, 3000},
		{3000, "1m", []string{"by", "none"}, 3, 0, 6000},
		{3000, "1m", []string{"by", "none", "eventType", "view"}, 3, 0, 3000},
	} {
		h, _, _ := fakes(t, "click", "view")
		to := from.Add(time.Duration(c.minutes) * time.Minute)
		parameters := map[string]string{"from": from.Format(time.RFC3339), "to": to.Format(time.RFC3339), "step": c.step}
		for i := 0; i < len(c.parameters); i += 2 {
			parameters[c.parameters[i]] = c.parameters[i+1]
		}
		pages, sums := follow(t, h, parameters)
		if len(pages) != c.pages || sums["view"] != c.view || sums["click"]+sums["view"]+sums[""] != c.total {
			t.Errorf("%d minutes by %s, %v: %d pages, %v", c.minutes, c.step, c.parameters, len(pages), sums)
		}
		if !pages[0].From.Equal(from) || !pages[len(pages)-1].To.Equal(to) {
			t.Errorf("%d minutes by %s: from %s to %s", c.minutes, c.step, pages[0].From, pages[len(pages)-1].To)
		}
	}
}

func TestACursorKeepsWhereNowWas(t *testing.T) {
	h, _, _ := fakes(t, "view")
	parameters := map[string]string{"from": now.Add(-50 * time.Hour).Format(time.RFC3339)}
	var a api.MetricResponse
	if err := json.Unmarshal([]byte(get(t, h, "events", parameters).Body), &a); err != nil {
		t.Fatal(err)
	}
	h.Clock.Time = func() time.Time { return now.Add(time.Hour) }
	pages, _ := follow(t, h, map[string]string{"cursor": a.Next})
	if end := pages[len(pages)-1].To; !end.Equal(now.Truncate(time.Minute).Add(time.Minute)) {
		t.Errorf("the last page ends at %s", end)
	}
}

func TestPagesFitIntoLambdasAnswer(t *testing.T) {
	for _, filler := range []string{"x", "\u2028", `"`, "😀"} {
		testLargeAnswer(t, filler)
	}
}

func testLargeAnswer(t *testing.T, filler string) {
	t.Helper()
	var types []string
	for i := range 100 {
		types = append(types, fmt.Sprintf("type-%02d-%s", i, strings.Repeat(filler, 90)))
	}
	h, _, _ := fakes(t, types...)
	from := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	pages, sums := follow(t, h, map[string]string{"from": from.Format(time.RFC3339), "to": from.AddDate(0, 0, 1).Format(time.RFC3339)})
	if len(pages) < 2 || len(sums) != 100 || sums[types[99]] != 1440 {
		t.Errorf("%d pages, %v", len(pages), sums)
	}
	for _, p := range pages {
		inner, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		outer, err := json.Marshal(string(inner))
		if err != nil || len(outer) > 6<<20 || p.Next != "" && len(outer) < 2<<20 {
			t.Errorf("a page of %d points has %d bytes, %v", len(p.Points), len(outer), err)
		}
	}
}
