// Package stacklogs reads log groups from CloudWatch Logs. All calls only read.
package stacklogs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/streamctl/streamctl/internal/logs"
)

// API reads log groups; *cloudwatchlogs.Client satisfies it.
type API interface {
	FilterLogEvents(context.Context, *cloudwatchlogs.FilterLogEventsInput, ...func(*cloudwatchlogs.Options)) (*cloudwatchlogs.FilterLogEventsOutput, error)
}

var _ API = (*cloudwatchlogs.Client)(nil)

const (
	// maxPages bounds the pages of one group in one read. A page has up to 10,000 lines or
	// 1 MB, and none if a filter matched nothing in the part that was searched.
	maxPages = 500
	// overlap is the time that a read of Follow repeats before the newest line, because
	// CloudWatch makes lines available late and in another order.
	overlap = time.Minute
	// late is the greatest delay of a line, with the difference between two clocks: a
	// group without new lines is read from so long ago.
	late = 5 * time.Minute
)

// Group is a log group and the function that it belongs to.
type Group struct {
	Name, Function string
}

// Request selects lines.
type Request struct {
	Groups []Group
	Since  time.Time
	// Filter is a filter pattern of CloudWatch Logs; empty selects every line.
	Filter string
	// MaxPages bounds the pages per group; 0 means 500.
	MaxPages int
}

// Reader reads the lines of groups, in order of time. It is not safe for concurrent use.
type Reader struct {
	api     API
	request Request
	states  []*state
	// Missing are the groups that do not exist, Cut those whose number of pages exceeded
	// the limit in a read.
	Missing, Cut []Group
}

// state is the position in a group.
type state struct {
	group Group
	since time.Time
	// newest is the time of the newest line.
	newest time.Time
	// seen are the ids of the lines that a repeated read can return, with their times.
	seen map[string]time.Time
	// keep is the time from which a later read can return a line again.
	keep time.Time
	// reads counts the reads.
	reads int

	page  []types.FilteredLogEvent
	token *string
	pages int
	done  bool
}

// New returns a reader.
func New(api API, r Request) *Reader {
	if r.MaxPages == 0 {
		r.MaxPages = maxPages
	}
	out := &Reader{api: api, request: r}
	for _, g := range r.Groups {
		out.states = append(out.states, &state{group: g, since: r.Since, seen: map[string]time.Time{}})
	}
	return out
}

// Read calls show for every line that no earlier Read has shown, in order of time across
// the groups. It holds one page per group. now is the current time.
func (r *Reader) Read(ctx context.Context, now time.Time, show func(logs.Line) error) error {
	r.Missing, r.Cut = nil, nil
	for _, s := range r.states {
		s.begin(now)
	}
	for {
		var first *state
		for _, s := range r.states {
			if err := r.fill(ctx, s); err != nil {
				return err
			}
			if len(s.page) > 0 && (first == nil || aws.ToInt64(s.page[0].Timestamp) < aws.ToInt64(first.page[0].Timestamp)) {
				first = s
			}
		}
		if first == nil {
			return nil
		}
		e := first.page[0]
		first.page = first.page[1:]
		if line, isNew := first.take(e); isNew {
			if err := show(line); err != nil {
				return err
			}
		}
	}
}

// begin sets the position of the next read.
func (s *state) begin(now time.Time) {
	s.page, s.token, s.pages, s.done = nil, nil, 0, false
	if from := laterOf(s.newest.Add(-overlap), now.Add(-late)); s.reads > 0 && from.After(s.since) {
		s.since = from
	}
	s.reads++
	s.keep = now.Add(-late - overlap)
	for id, at := range s.seen {
		if at.Before(s.since) {
			delete(s.seen, id)
		}
	}
}

func laterOf(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// fill gets pages until there is a line, or the group has no more.
func (r *Reader) fill(ctx context.Context, s *state) error {
	for len(s.page) == 0 && !s.done {
		if s.pages == r.request.MaxPages {
			s.done = true
			r.Cut = append(r.Cut, s.group)
			return nil
		}
		in := &cloudwatchlogs.FilterLogEventsInput{LogGroupName: &s.group.Name, StartTime: aws.Int64(s.since.UnixMilli()), NextToken: s.token}
		if r.request.Filter != "" {
			in.FilterPattern = &r.request.Filter
		}
		out, err := r.api.FilterLogEvents(ctx, in)
		var missing *types.ResourceNotFoundException
		if errors.As(err, &missing) {
			s.done = true
			r.Missing = append(r.Missing, s.group)
			return nil
		}
		if err != nil {
			return fmt.Errorf("read log group %s: %w", s.group.Name, err)
		}
		s.pages++
		s.page, s.token = out.Events, out.NextToken
		s.done = aws.ToString(s.token) == ""
	}
	return nil
}

// take returns a line, and whether no earlier read returned it.
func (s *state) take(e types.FilteredLogEvent) (logs.Line, bool) {
	at := time.UnixMilli(aws.ToInt64(e.Timestamp)).UTC()
	id := aws.ToString(e.EventId)
	if _, known := s.seen[id]; known && id != "" {
		return logs.Line{}, false
	}
	if at.After(s.keep) {
		s.seen[id] = at
	}
	if at.After(s.newest) {
		s.newest = at
	}
	return logs.Parse(aws.ToString(e.Message), s.group.Function, at), true
}
