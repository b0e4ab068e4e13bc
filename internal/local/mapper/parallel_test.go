package mapper_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/streamctl/streamctl/internal/local/mapper"
)

// addKeyed adds a record per word, such as a1, whose key is its letter.
func (l *log) addKeyed(shard string, words ...string) {
	for _, w := range words {
		l.add(shard, w)
		l.mu.Lock()
		all := l.records[shard]
		all[len(all)-1].PartitionKey = w[:1]
		l.mu.Unlock()
	}
}

// perKey checks that each key's words arrived in order, apart from repeats.
func perKey(t *testing.T, batches []string) {
	t.Helper()
	last := map[string]string{}
	seen := map[string]bool{}
	for _, b := range batches {
		for w := range strings.FieldsSeq(b) {
			if !seen[w] && w < last[w[:1]] {
				t.Errorf("%s came after %s: %q", w, last[w[:1]], batches)
			}
			seen[w], last[w[:1]] = true, max(w, last[w[:1]])
		}
	}
}

// TestParallel runs the maximum number of batches of a shard concurrently and
// keeps the order of each key.
func TestParallel(t *testing.T) {
	var words []string
	for i := range 9 {
		for key := 'a'; key <= 'z'; key++ {
			words = append(words, fmt.Sprintf("%c%d", key, i))
		}
	}
	for _, factor := range []int{1, 2, 10} {
		t.Run(fmt.Sprint(factor), func(t *testing.T) {
			l, o := newLog(), settings()
			l.addKeyed("s1", words...)
			o.Parallelization, o.BatchSize = factor, 7
			var mu sync.Mutex
			running, most := 0, 0
			all := make(chan struct{}) // closed when the maximum number is running
			f := &function{}
			invoke := mapper.InvokerFunc(func(ctx context.Context, payload []byte) (mapper.Result, error) {
				mu.Lock()
				running++
				if most = max(most, running); most == factor && running == factor {
					select {
					case <-all:
					default:
						close(all)
					}
				}
				mu.Unlock()
				defer func() {
					mu.Lock()
					running--
					mu.Unlock()
				}()
				select {
				case <-all:
				case <-ctx.Done():
				}
				return f.Invoke(ctx, payload)
			})
			run(t, mapper.Options{Settings: o, Source: l, Invoker: invoke}, reached(fmt.Sprintf("s1-%d", len(words))))
			if most != factor {
				t.Errorf("%d batches at a time, want %d", most, factor)
			}
			perKey(t, f.seen())
			if got := strings.Fields(strings.Join(f.seen(), " ")); len(got) != len(words) {
				t.Errorf("%d records, want %d", len(got), len(words))
			}
		})
	}
}

// TestParallelCheckpoint expects the checkpoint before the first unhandled
// record; a mapper with another factor resumes there and receives the later
// records again.
func TestParallelCheckpoint(t *testing.T) {
	words := []string{"a0", "b0", "c0", "a1", "b1", "c1", "b2"}
	for _, tt := range []struct {
		name, stuck, checkpoint string
		again                   int // the number of records that a second mapper receives
	}{
		{"the first", "a0", "", 7},
		{"in the middle", "c0", "s1-2", 5},
		{"the last", "b2", "s1-6", 1},
	} {
		for _, factor := range []int{1, 3} {
			t.Run(fmt.Sprint(tt.name, " then ", factor), func(t *testing.T) {
				l, o := newLog(), settings()
				l.addKeyed("s1", words...)
				o.Parallelization, o.BatchSize = 10, 1
				f := &function{answer: failAt(tt.stuck)}
				// All other keys continue meanwhile.
				m := run(t, mapper.Options{Settings: o, Source: l, Invoker: f}, func(*mapper.Mapper) bool {
					seen := f.seen()
					for _, w := range words {
						if w[:1] != tt.stuck[:1] && !slices.Contains(seen, w) {
							return false
						}
					}
					return times(seen, tt.stuck) > 2
				})
				if got := m.Checkpoints()["s1"]; got != tt.checkpoint {
					t.Errorf("checkpoint is %q, want %q", got, tt.checkpoint)
				}
				o.Parallelization = factor
				again := &function{}
				run(t, mapper.Options{Settings: o, Source: l, Invoker: again, Checkpoints: m.Checkpoints()}, reached("s1-7"))
				if got := again.seen(); len(got) != tt.again {
					t.Errorf("the second mapper received %q", got)
				}
				perKey(t, again.seen())
			})
		}
	}
}

// times counts how often a batch was received.
func times(batches []string, batch string) (n int) {
	for _, b := range batches {
		if b == batch {
			n++
		}
	}
	return n
}

// TestParallelStopsAhead limits how far a stuck shard is read ahead.
func TestParallelStopsAhead(t *testing.T) {
	l, o := newLog(), settings()
	o.Parallelization, o.BatchSize = 2, 2
	for i := range 100 {
		l.addKeyed("s1", fmt.Sprintf("a%03d", i))
	}
	counted := &counting{log: l}
	f := &function{answer: failAt("a000")}
	run(t, mapper.Options{Settings: o, Source: counted, Invoker: f}, func(*mapper.Mapper) bool { return len(f.seen()) > 5 })
	if counted.records > 20 {
		t.Errorf("%d records were read ahead", counted.records)
	}
}

// counting counts the records that were read.
type counting struct {
	*log
	records int
}

func (c *counting) Read(ctx context.Context, shard, after string, limit int) ([]mapper.StreamRecord, bool, error) {
	records, ended, err := c.log.Read(ctx, shard, after, limit)
	c.records += len(records)
	return records, ended, err
}

// TestFamilies reads children after all of their parents, for any factor.
func TestFamilies(t *testing.T) {
	for _, tt := range []struct {
		name    string
		parents map[string][]string
		closed  []string
		last    map[string]string
		before  [][2]string // words, the first one handled first
		never   string
	}{
		{"split", map[string][]string{"s1": nil, "s2": {"s1"}, "s3": {"s1"}}, []string{"s1"}, map[string]string{"s2": "s2-4", "s3": "s3-4"},
			[][2]string{{"a1s1", "a0s2"}, {"b1s1", "a0s2"}, {"a1s1", "b0s3"}}, ""},
		{"merge", map[string][]string{"s1": nil, "s2": nil, "s3": {"s1", "s2"}}, []string{"s1", "s2"}, map[string]string{"s3": "s3-4"},
			[][2]string{{"a1s1", "a0s3"}, {"b1s2", "a0s3"}, {"b1s1", "b0s3"}}, ""},
		{"split, then merge", map[string][]string{"s1": nil, "s2": {"s1"}, "s3": {"s1"}, "s4": {"s2", "s3"}}, []string{"s1", "s2", "s3"}, map[string]string{"s4": "s4-4"},
			[][2]string{{"b1s1", "a0s2"}, {"b1s2", "a0s4"}, {"b1s3", "a0s4"}}, ""},
		{"an open parent", map[string][]string{"s1": nil, "s2": {"s1"}}, nil, map[string]string{"s1": "s1-4"}, nil, "a0s2"},
		{"a parent that is gone", map[string][]string{"s2": {"s1"}}, nil, map[string]string{"s2": "s2-4"}, nil, ""},
	} {
		for _, factor := range []int{1, 3} {
			t.Run(fmt.Sprint(tt.name, " ", factor), func(t *testing.T) {
				l, o := newLog(), settings()
				l.shards = nil
				for id, parents := range tt.parents {
					l.shards = append(l.shards, mapper.Shard{ID: id, Parents: parents})
					l.addKeyed(id, "a0"+id, "b0"+id, "a1"+id, "b1"+id)
				}
				for _, id := range tt.closed {
					l.ended[id] = true
				}
				o.Parallelization, o.BatchSize = factor, 1
				f := &function{}
				run(t, mapper.Options{Settings: o, Source: l, Invoker: f}, func(m *mapper.Mapper) bool {
					for id, last := range tt.last {
						if m.Checkpoints()[id] != last {
							return false
						}
					}
					return true
				})
				seen := f.seen()
				for _, pair := range tt.before {
					if first, second := slices.Index(seen, pair[0]), slices.Index(seen, pair[1]); first < 0 || second < first {
						t.Errorf("%s isn't before %s: %q", pair[0], pair[1], seen)
					}
				}
				if tt.never != "" && slices.Contains(seen, tt.never) {
					t.Errorf("%s was read: %q", tt.never, seen)
				}
			})
		}
	}
}

// TestParallelWindow gathers batches per lane.
func TestParallelWindow(t *testing.T) {
	l, o := newLog(), settings()
	l.addKeyed("s1", "a0", "b0") // two lanes of ten
	o.Parallelization, o.WindowSeconds, o.BatchSize = 10, 1, 2
	late := time.AfterFunc(100*time.Millisecond, func() { l.addKeyed("s1", "a1") })
	defer late.Stop()
	f := &function{}
	began := time.Now()
	run(t, mapper.Options{Settings: o, Source: l, Invoker: f}, func(*mapper.Mapper) bool { return slices.Contains(f.seen(), "a0 a1") })
	if time.Since(began) > 900*time.Millisecond {
		t.Error("a full batch waited for its window")
	}
}

// TestParallelGivesUp gives up only the records of the failing lane.
func TestParallelGivesUp(t *testing.T) {
	for _, bisect := range []bool{false, true} {
		t.Run(fmt.Sprint("bisect ", bisect), func(t *testing.T) {
			l, o, s := newLog(), settings(), &sink{}
			l.addKeyed("s1", "a0", "b0", "c0", "a1", "b1", "c1", "a2", "b2")
			o.Parallelization, o.Retries, o.Bisect = 3, 1, bisect
			f := &function{answer: failAt("b1")}
			m := run(t, mapper.Options{Settings: o, Source: l, Invoker: f, OnFailure: s}, reached("s1-8"))
			given := 0
			for _, object := range s.objects {
				given += strings.Count(string(object), `\"kinesisSchemaVersion\"`)
			}
			// A batch with a partial response isn't halved: the records after
			// b1 in its batch are given up with it.
			if st := m.Stats(); st.GivenUp != given || given < 1 || given+st.Records != 8 {
				t.Errorf("stats are %+v, %d records were given up", st, given)
			}
			perKey(t, f.seen())
		})
	}
}
