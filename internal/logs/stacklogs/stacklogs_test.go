package stacklogs_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/streamctl/streamctl/internal/logs"
	"github.com/streamctl/streamctl/internal/logs/stacklogs"
)

var now = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// fake has pages of two lines, and an empty page before the last line.
type fake struct {
	groups map[string][]types.FilteredLogEvent
	calls  int
	from   map[string]time.Time
	err    error
}

func (f *fake) add(group string, age time.Duration, message string) {
	e := types.FilteredLogEvent{Timestamp: aws.Int64(now.Add(-age).UnixMilli()), Message: &message, EventId: aws.String(group + message)}
	f.groups[group] = append(f.groups[group], e)
	slices.SortStableFunc(f.groups[group], func(a, b types.FilteredLogEvent) int { return int(*a.Timestamp - *b.Timestamp) })
}

func (f *fake) FilterLogEvents(_ context.Context, in *cloudwatchlogs.FilterLogEventsInput, _ ...func(*cloudwatchlogs.Options)) (*cloudwatchlogs.FilterLogEventsOutput, error) {
	f.calls++
	all, ok := f.groups[*in.LogGroupName]
	if !ok {
		return nil, &types.ResourceNotFoundException{}
	}
	if f.err != nil {
		return nil, f.err
	}
	f.from[*in.LogGroupName] = time.UnixMilli(*in.StartTime)
	all = slices.DeleteFunc(slices.Clone(all), func(e types.FilteredLogEvent) bool {
		return *e.Timestamp < *in.StartTime || !strings.Contains(*e.Message, aws.ToString(in.FilterPattern))
	})
	page := 0
	if in.NextToken != nil {
		page, _ = strconv.Atoi(*in.NextToken)
	}
	out := &cloudwatchlogs.FilterLogEventsOutput{}
	if page%2 == 1 {
		out.NextToken = aws.String(strconv.Itoa(page + 1))
		return out, nil
	}
	begin := min(page, len(all))
	end := min(begin+2, len(all))
	out.Events = all[begin:end]
	if end < len(all) {
		out.NextToken = aws.String(strconv.Itoa(page + 1))
	}
	return out, nil
}

func reader(f *fake, r stacklogs.Request) func(*testing.T, time.Time) []string {
	all := stacklogs.New(f, r)
	return func(t *testing.T, at time.Time) (lines []string) {
		t.Helper()
		if err := all.Read(t.Context(), at, func(l logs.Line) error {
			lines = append(lines, l.Function+" "+l.Message)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		for _, g := range all.Missing {
			lines = append(lines, "missing "+g.Function)
		}
		for _, g := range all.Cut {
			lines = append(lines, "cut "+g.Function)
		}
		return lines
	}
}

func check(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// TestFollow merges two groups by time, and shows each line once in later reads, also one
// that arrives late.
func TestFollow(t *testing.T) {
	f := &fake{groups: map[string][]types.FilteredLogEvent{}, from: map[string]time.Time{}}
	groups := []stacklogs.Group{{"a", "ingest"}, {"b", "query"}, {"c", "schema"}}
	read := reader(f, stacklogs.Request{Groups: groups, Since: now.Add(-time.Hour)})
	f.add("a", 2*time.Hour, "too old")
	for i := range 5 {
		f.add("a", time.Duration(50-10*i)*time.Second, fmt.Sprint("a", i))
	}
	f.add("b", 45*time.Second, "b0")
	f.add("b", 5*time.Second, "b1")
	check(t, read(t, now), "ingest a0", "query b0", "ingest a1", "ingest a2", "ingest a3", "ingest a4", "query b1", "missing schema")
	if calls := f.calls; calls != 5+1+1 {
		t.Errorf("%d calls", calls)
	}
	check(t, read(t, now.Add(3*time.Second)), "missing schema")
	if !f.from["a"].Equal(now.Add(-70 * time.Second)) {
		t.Errorf("read from %s", f.from["a"])
	}
	f.add("a", 41*time.Second, "late")
	f.add("b", -2*time.Second, "b2")
	f.add("c", -time.Second, "c0")
	check(t, read(t, now.Add(6*time.Second)), "ingest late", "schema c0", "query b2")
	check(t, read(t, now.Add(9*time.Second)))
	read(t, now.Add(time.Hour)) // nothing new for an hour: an old line can't come any more
	if want := now.Add(55 * time.Minute); !f.from["a"].Equal(want) || !f.from["b"].Equal(want) {
		t.Errorf("after an hour: from %s and %s, want %s", f.from["a"], f.from["b"], want)
	}
}

// TestLimits bounds the pages, and ends with the first error.
func TestLimits(t *testing.T) {
	f := &fake{groups: map[string][]types.FilteredLogEvent{}, from: map[string]time.Time{}}
	for i := range 20 {
		f.add("a", time.Duration(100-i)*time.Second, fmt.Sprint("x", i))
	}
	f.add("b", 0, "y")
	groups := []stacklogs.Group{{"a", "ingest"}, {"b", "query"}}
	check(t, reader(f, stacklogs.Request{Groups: groups, Since: now.Add(-time.Hour), MaxPages: 3})(t, now), "ingest x0", "ingest x1", "ingest x2", "ingest x3", "query y", "cut ingest")
	check(t, reader(f, stacklogs.Request{Groups: groups, Since: now.Add(-time.Hour), Filter: "x19"})(t, now), "ingest x19")
	all := stacklogs.New(f, stacklogs.Request{Groups: groups})
	full := errors.New("disk full")
	if err := all.Read(t.Context(), now, func(logs.Line) error { return full }); !errors.Is(err, full) {
		t.Errorf("got %v", err)
	}
	f.err = errors.New("denied")
	if err := all.Read(t.Context(), now, func(logs.Line) error { return nil }); err == nil || err.Error() != "read log group a: denied" {
		t.Errorf("got %v", err)
	}
}
