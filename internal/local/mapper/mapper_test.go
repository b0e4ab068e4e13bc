package mapper_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/local/mapper"
)

// log is a source with one or more shards.
type log struct {
	mu      sync.Mutex
	shards  []mapper.Shard
	records map[string][]mapper.StreamRecord
	ended   map[string]bool
}

func (l *log) Shards(context.Context) ([]mapper.Shard, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.shards), nil
}

func (l *log) Read(_ context.Context, shard, after string, limit int) ([]mapper.StreamRecord, bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := l.records[shard]
	i := 0
	if after != "" {
		i = slices.IndexFunc(all, func(r mapper.StreamRecord) bool { return r.SequenceNumber == after }) + 1
	}
	end := min(i+limit, len(all))
	return slices.Clone(all[i:end]), l.ended[shard] && end == len(all), nil
}

func newLog(data ...string) *log {
	l := &log{shards: []mapper.Shard{{ID: "s1"}}, records: map[string][]mapper.StreamRecord{}, ended: map[string]bool{}}
	l.add("s1", data...)
	return l
}

func (l *log) add(shard string, data ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, d := range data {
		n := len(l.records[shard]) + 1
		l.records[shard] = append(l.records[shard], mapper.StreamRecord{SequenceNumber: shard + "-" + strconv.Itoa(n), PartitionKey: "k", Data: []byte(d), Arrival: time.UnixMilli(1545084650987)})
	}
}

// event is the event that a function receives.
type event struct {
	Records []struct {
		Kinesis struct {
			SequenceNumber string
			Data           []byte
		}
		EventID string
	}
}

// function records its batches and gives the configured responses.
type function struct {
	mu      sync.Mutex
	batches []string // data joined by spaces
	payload []byte   // the last
	answer  func(call int, e event) (mapper.Result, error)
}

func (f *function) Invoke(_ context.Context, payload []byte) (mapper.Result, error) {
	var e event
	if err := json.Unmarshal(payload, &e); err != nil {
		return mapper.Result{}, err
	}
	var data []string
	for _, r := range e.Records {
		data = append(data, string(r.Kinesis.Data))
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.batches, f.payload = append(f.batches, strings.Join(data, " ")), payload
	if f.answer == nil {
		return mapper.Result{Payload: []byte(`{"batchItemFailures":[]}`)}, nil
	}
	return f.answer(len(f.batches), e)
}

func (f *function) seen() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.batches)
}

// failAt responds that every record containing word failed.
func failAt(word string) func(int, event) (mapper.Result, error) {
	return func(_ int, e event) (mapper.Result, error) {
		var failures []string
		for _, r := range e.Records {
			if strings.Contains(string(r.Kinesis.Data), word) {
				failures = append(failures, `{"itemIdentifier":"`+r.Kinesis.SequenceNumber+`"}`)
			}
		}
		return mapper.Result{Payload: []byte(`{"batchItemFailures":[` + strings.Join(failures, ",") + `]}`)}, nil
	}
}

// sink records on-failure objects.
type sink struct {
	mu      sync.Mutex
	objects map[string][]byte
	fail    int
}

func (s *sink) Put(_ context.Context, key string, object []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail--; s.fail >= 0 {
		return errors.New("bucket is unavailable")
	}
	if s.objects == nil {
		s.objects = map[string][]byte{}
	}
	s.objects[key] = object
	return nil
}

func settings() contract.Mapping {
	return contract.Mapping{BatchSize: 10, Parallelization: 1, Retries: -1, RecordAgeSeconds: -1}
}

// run runs a mapper until done returns true.
func run(t *testing.T, o mapper.Options, done func(*mapper.Mapper) bool) *mapper.Mapper {
	t.Helper()
	o.UUID, o.StreamARN, o.Region, o.RoleARN = "uuid-1", "arn:stream", "us-east-1", "arn:role"
	o.Poll, o.Backoff, o.MaxBackoff = 2*time.Millisecond, time.Millisecond, 4*time.Millisecond
	m, err := mapper.New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !done(m) {
		select {
		case <-ctx.Done():
			t.Fatalf("not done: %+v, %v", m.Stats(), m.Checkpoints())
		case <-tick.C:
		}
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("run ended with %v", err)
	}
	return m
}

func reached(sequence string) func(*mapper.Mapper) bool {
	return func(m *mapper.Mapper) bool { return m.Checkpoints()["s1"] == sequence }
}

func TestRules(t *testing.T) {
	crash := func(_ int, e event) (mapper.Result, error) {
		for _, r := range e.Records {
			if string(r.Kinesis.Data) == "bad" {
				return mapper.Result{Failed: true, Payload: []byte(`{"errorMessage":"crash"}`)}, nil
			}
		}
		return mapper.Result{}, nil
	}
	once := func(payload string) func(int, event) (mapper.Result, error) {
		return func(call int, _ event) (mapper.Result, error) {
			if call == 1 {
				return mapper.Result{Payload: []byte(payload)}, nil
			}
			return mapper.Result{}, nil
		}
	}
	for _, tt := range []struct {
		name    string
		data    []string
		change  func(*contract.Mapping)
		answer  func(int, event) (mapper.Result, error)
		last    string
		want    []string
		objects int
	}{
		{name: "in order, in batches", data: []string{"a", "b", "c", "d", "e"}, change: func(s *contract.Mapping) { s.BatchSize = 2 }, last: "s1-5", want: []string{"a b", "c d", "e"}},
		{name: "an event of 6 MB at most", data: []string{"a", strings.Repeat("x", 3<<20), strings.Repeat("y", 3<<20), "b"}, last: "s1-4",
			want: []string{"a " + strings.Repeat("x", 3<<20), strings.Repeat("y", 3<<20) + " b"}},
		{name: "the lowest failed is the checkpoint", data: []string{"a", "b", "bad", "c", "bad2"}, change: func(s *contract.Mapping) { s.Retries = 1 }, answer: failAt("bad"), last: "s1-5",
			want: []string{"a b bad c bad2", "bad c bad2"}, objects: 1},
		{name: "an error fails the whole batch", data: []string{"a", "bad", "c"}, change: func(s *contract.Mapping) { s.Retries = 2 }, answer: crash, last: "s1-3",
			want: []string{"a bad c", "a bad c", "a bad c"}, objects: 1},
		{name: "an empty identifier fails the whole batch", data: []string{"a", "b"}, answer: once(`{"batchItemFailures":[{"itemIdentifier":""}]}`), last: "s1-2", want: []string{"a b", "a b"}},
		{name: "an unknown identifier fails the whole batch", data: []string{"a", "b"}, answer: once(`{"batchItemFailures":[{"itemIdentifier":"s1-9"}]}`), last: "s1-2", want: []string{"a b", "a b"}},
		{name: "an unreadable answer fails the whole batch", data: []string{"a", "b"}, answer: once(`{"batchItemFailures":"x"}`), last: "s1-2", want: []string{"a b", "a b"}},
		{name: "a null answer is success", data: []string{"a", "b"}, answer: once(`null`), last: "s1-2", want: []string{"a b"}},
		{name: "bisect halves a crash", data: []string{"a", "b", "bad", "c"}, change: func(s *contract.Mapping) { s.Bisect, s.Retries = true, 1 }, answer: crash, last: "s1-4",
			want: []string{"a b bad c", "a b", "bad c", "bad", "bad", "c"}, objects: 1},
		{name: "bisect leaves a partial answer whole", data: []string{"bad", "b", "c"}, change: func(s *contract.Mapping) { s.Bisect, s.Retries = true, 1 }, answer: failAt("bad"), last: "s1-3",
			want: []string{"bad b c", "bad b c"}, objects: 1},
		{name: "a function that cannot be run uses up no retry", data: []string{"a"}, change: func(s *contract.Mapping) { s.Retries = 0 }, last: "s1-1",
			answer: func(call int, _ event) (mapper.Result, error) {
				if call < 3 {
					return mapper.Result{}, errors.New("throttled")
				}
				return mapper.Result{}, nil
			}, want: []string{"a", "a", "a"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, s, o := &function{answer: tt.answer}, &sink{fail: 1}, settings()
			if tt.change != nil {
				tt.change(&o)
			}
			m := run(t, mapper.Options{Settings: o, Source: newLog(tt.data...), Invoker: f, OnFailure: s}, reached(tt.last))
			if got := f.seen(); !slices.Equal(got, tt.want) {
				t.Errorf("batches are %.200q, want %.200q", got, tt.want)
			}
			if len(s.objects) != tt.objects {
				t.Errorf("%d on-failure objects, want %d", len(s.objects), tt.objects)
			}
			if st := m.Stats(); st.Invocations != len(tt.want) {
				t.Errorf("stats are %+v", st)
			}
		})
	}
}

func TestAge(t *testing.T) {
	f, s, o := &function{}, &sink{}, settings()
	o.RecordAgeSeconds = 60
	l := newLog("old", "old", "new")
	l.records["s1"][2].Arrival = time.Now()
	m := run(t, mapper.Options{Settings: o, Source: l, Invoker: f, OnFailure: s}, reached("s1-3"))
	if got := f.seen(); !slices.Equal(got, []string{"new"}) {
		t.Errorf("batches are %q", got)
	}
	if st := m.Stats(); st.GivenUp != 2 || st.Records != 1 {
		t.Errorf("stats are %+v", st)
	}
	for key, object := range s.objects {
		var got struct {
			RequestContext   struct{ Condition string }
			KinesisBatchInfo struct {
				ShardID, StartSequenceNumber, EndSequenceNumber, StreamArn string
				BatchSize                                                  int
			}
			Payload string
		}
		if err := json.Unmarshal(object, &got); err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(key, "aws/lambda/uuid-1/s1/"+time.Now().UTC().Format("2006/01/02/")) {
			t.Errorf("key is %s", key)
		}
		if got.RequestContext.Condition != "RecordAgeExceeded" || got.KinesisBatchInfo.StartSequenceNumber != "s1-1" || got.KinesisBatchInfo.EndSequenceNumber != "s1-2" ||
			got.KinesisBatchInfo.BatchSize != 2 || !strings.Contains(got.Payload, `"sequenceNumber":"s1-2"`) {
			t.Errorf("object is %s", object)
		}
	}
}

func TestWindow(t *testing.T) {
	f, o, l := &function{}, settings(), newLog("a")
	o.WindowSeconds = 1
	began := time.Now()
	late := time.AfterFunc(200*time.Millisecond, func() { l.add("s1", "b") })
	defer late.Stop()
	run(t, mapper.Options{Settings: o, Source: l, Invoker: f}, reached("s1-2"))
	if got := f.seen(); !slices.Equal(got, []string{"a b"}) || time.Since(began) < time.Second {
		t.Errorf("batches are %q after %v", got, time.Since(began))
	}
}

// TestDisable stops reading and then resumes.
func TestDisable(t *testing.T) {
	f, l, stopped := &function{}, newLog("a"), false
	run(t, mapper.Options{Settings: settings(), Source: l, Invoker: f}, func(m *mapper.Mapper) bool {
		if !stopped && m.Checkpoints()["s1"] == "s1-1" {
			stopped = true
			m.SetEnabled(false)
			m.Drain()
			l.add("s1", "b")
			<-time.After(20 * time.Millisecond) // ten polls
			if got := f.seen(); len(got) != 1 {
				t.Errorf("a disabled mapper continued to read: %q", got)
			}
			m.SetEnabled(true)
		}
		return m.Checkpoints()["s1"] == "s1-2"
	})
	if got := f.seen(); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("batches are %q", got)
	}
}

// TestReshard reads a child only after its parent has ended.
func TestReshard(t *testing.T) {
	l := newLog("a", "b", "c")
	l.shards = append(l.shards, mapper.Shard{ID: "s2", Parents: []string{"s1", "gone"}})
	l.add("s2", "d")
	l.ended["s1"] = true
	f := &function{answer: func(call int, _ event) (mapper.Result, error) {
		if call < 4 {
			return mapper.Result{Failed: true}, nil
		}
		return mapper.Result{}, nil
	}}
	run(t, mapper.Options{Settings: settings(), Source: l, Invoker: f}, func(m *mapper.Mapper) bool { return m.Checkpoints()["s2"] == "s2-1" })
	if got := f.seen(); got[len(got)-1] != "d" || got[len(got)-2] != "a b c" {
		t.Errorf("batches are %q", got)
	}
}

// TestResume starts after the given checkpoints.
func TestResume(t *testing.T) {
	f := &function{}
	run(t, mapper.Options{Settings: settings(), Source: newLog("a", "b"), Invoker: f, Checkpoints: map[string]string{"s1": "s1-1"}}, reached("s1-2"))
	if got := f.seen(); !slices.Equal(got, []string{"b"}) {
		t.Errorf("batches are %q", got)
	}
}

func TestEvent(t *testing.T) {
	f := &function{}
	run(t, mapper.Options{Settings: settings(), Source: newLog("hello"), Invoker: f}, reached("s1-1"))
	const want = `{"Records":[{"kinesis":{"kinesisSchemaVersion":"1.0","partitionKey":"k","sequenceNumber":"s1-1","data":"aGVsbG8=","approximateArrivalTimestamp":1545084650.987},` +
		`"eventSource":"aws:kinesis","eventVersion":"1.0","eventID":"s1:s1-1","eventName":"aws:kinesis:record","invokeIdentityArn":"arn:role","awsRegion":"us-east-1","eventSourceARN":"arn:stream"}]}`
	if string(f.payload) != want {
		t.Errorf("event is\n%s\nwant\n%s", f.payload, want)
	}
}

func TestNew(t *testing.T) {
	for i, change := range []func(*contract.Mapping){
		func(s *contract.Mapping) { s.BatchSize = 0 }, func(s *contract.Mapping) { s.BatchSize = 10001 }, func(s *contract.Mapping) { s.WindowSeconds = 301 },
		func(s *contract.Mapping) { s.Retries = -2 }, func(s *contract.Mapping) { s.Parallelization = 0 }, func(s *contract.Mapping) { s.Parallelization = 11 }, func(s *contract.Mapping) { s.RecordAgeSeconds = 59 },
	} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			s := settings()
			change(&s)
			if _, err := mapper.New(mapper.Options{Settings: s, Source: newLog(), Invoker: &function{}}); err == nil {
				t.Errorf("%+v was accepted", s)
			}
		})
	}
}
