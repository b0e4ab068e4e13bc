package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/local/mapper"
	"github.com/streamctl/streamctl/internal/local/stream"
	"github.com/streamctl/streamctl/internal/pause"
)

// number reads an environment variable.
func number(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// TestDamagedFiles damages the files of stream and checkpoints at random
// places, with STREAMCTL_DAMAGE_SEEDS seeds (default 40) or the one in
// STREAMCTL_DAMAGE_SEED. After each restart either every accepted event is
// loaded and archived, or the start fails with the file in the error; when the
// damage is accepted, exactly the reported records are missing. New events
// never get the number of an accepted one.
func TestDamagedFiles(t *testing.T) {
	first, seeds := uint64(1), number(t, "STREAMCTL_DAMAGE_SEEDS", 40)
	if one := number(t, "STREAMCTL_DAMAGE_SEED", 0); one > 0 {
		first, seeds = one, 1
	}
	var sum damageResult
	for seed := first; seed < first+seeds; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := damageRun(t, seed)
			sum.refused, sum.loaded, sum.named = sum.refused+r.refused, sum.loaded+r.loaded, sum.named+r.named
			sum.missing, sum.events = sum.missing+r.missing, sum.events+r.events
			if t.Failed() {
				t.Logf("to repeat, setSTREAMCTL_DAMAGE_SEED=%d", seed)
			}
		})
	}
	t.Logf("%d seeds, %d events: %d started with all events; %d failed and reported the file, of which %d lost nothing and %d reported %d missing records",
		seeds, sum.events, sum.loaded, sum.refused, sum.refused-sum.named, sum.named, sum.missing)
	if seeds >= 40 && (sum.loaded == 0 || sum.refused == 0 || sum.named == 0) {
		t.Error("the seeds damage too little for a meaningful test")
	}
}

// damageResult counts outcomes.
type damageResult struct{ refused, loaded, named, missing, events int }

// damaged is a stream with two consumers whose effects survive it, like those
// of the database and the archive.
type damaged struct {
	t      *testing.T
	dir    string
	random *rand.Rand
	o      stream.Options

	mu      sync.Mutex
	acked   map[string]place   // by event
	handled [2]map[string]bool // events, by consumer
}

// place is an event's position in the stream.
type place struct{ shard, sequence string }

func names() []string { return []string{contract.FuncProcessor, contract.FuncArchiver} }

func damageRun(t *testing.T, seed uint64) (r damageResult) {
	d := &damaged{
		t: t, dir: t.TempDir(), random: rand.New(rand.NewPCG(seed, 22)), acked: map[string]place{},
		handled: [2]map[string]bool{{}, {}},
	}
	d.o = stream.Options{Dir: filepath.Join(d.dir, "stream"), Shards: 1 + d.random.IntN(3), SegmentBytes: 1000 + d.random.Int64N(8000), Volatile: true}
	if err := os.MkdirAll(filepath.Join(d.dir, "checkpoints"), 0o700); err != nil {
		t.Fatal(err)
	}
	s, kept, err := d.open()
	if err != nil {
		t.Fatal(err)
	}
	d.put(s, "old", 10+d.random.IntN(80))
	d.consume(s, kept, d.random.IntN(60))
	old := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(old, os.DirFS(d.dir)); err != nil {
		t.Fatal(err)
	}
	d.put(s, "new", 1+d.random.IntN(60))
	d.consume(s, kept, d.random.IntN(60))
	if d.random.IntN(3) == 0 {
		if _, err := s.Trim(time.Now().Add(time.Hour), kept[0].get(), kept[1].get()); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	what := d.damage(old)
	s, kept, err = d.open()
	var found *stream.DamageError
	var named []stream.Damage
	switch {
	case errors.As(err, &found):
		r.refused++
		if text := err.Error(); !strings.Contains(text, d.dir) {
			t.Errorf("%s: no file in %q", what, text)
		}
		d.o.AcceptDamage = true
		if s, kept, err = d.open(); err != nil {
			t.Fatalf("%s: not accepted: %v", what, err)
		}
		named = s.Accepted()
		d.o.AcceptDamage = false
	case err != nil:
		t.Fatalf("%s: neither opened nor failed with the file's path: %v", what, err)
	default:
		r.loaded++
	}
	before := maps.Clone(d.acked)
	d.put(s, "after", 20)
	for event, p := range d.acked {
		if o, ok := before[event]; !ok {
			for other, q := range before {
				if q == p {
					t.Errorf("%s: %s has the sequence number of %s", what, event, other)
				}
			}
		} else if o != p {
			t.Errorf("%s: %s was acknowledged twice", what, event)
		}
	}
	d.consume(s, kept, -1)
	missing := d.check(what, named)
	if r.missing, r.events = missing, len(d.acked); missing > 0 {
		r.named++
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, _, err = d.open(); err != nil {
		t.Errorf("%s: not reopened: %v", what, err)
		return r
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return r
}

// open opens checkpoints and stream like a platform.
func (d *damaged) open() (*stream.Stream, []*checkpoints, error) {
	o := d.o
	var kept []*checkpoints
	for _, name := range names() {
		c, err := openCheckpoints(filepath.Join(d.dir, "checkpoints", name+".json"), name)
		if err != nil {
			return nil, nil, err
		}
		kept = append(kept, c)
		o.Consumers = append(o.Consumers, stream.Consumer{File: c.path, At: c.get()})
	}
	s, err := stream.Open(o)
	if err == nil && len(s.Accepted()) > 0 {
		for _, c := range kept {
			c.keepOnly(s.Has)
		}
	}
	return s, kept, err
}

func (d *damaged) put(s *stream.Stream, prefix string, n int) {
	d.t.Helper()
	for i := 0; i < n; {
		var records []types.PutRecordsRequestEntry
		for range min(n-i, 1+d.random.IntN(10)) {
			event := fmt.Sprintf("%s-%d-%s", prefix, i, strings.Repeat("x", d.random.IntN(300)))
			records = append(records, types.PutRecordsRequestEntry{PartitionKey: aws.String(fmt.Sprint(d.random.IntN(50))), Data: []byte(event)})
			i++
		}
		out, err := s.PutRecords(d.t.Context(), &kinesis.PutRecordsInput{Records: records})
		if err != nil {
			d.t.Fatal(err)
		}
		for i, r := range out.Records {
			if r.ErrorCode != nil {
				d.t.Fatal(*r.ErrorMessage)
			}
			d.acked[string(records[i].Data)] = place{*r.ShardId, *r.SequenceNumber}
		}
	}
}

// consume handles up to most events with each consumer, or all for -1, and
// saves the checkpoints.
func (d *damaged) consume(s *stream.Stream, kept []*checkpoints, most int) {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), 20*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	for i, c := range kept {
		limit := most
		if most > 0 {
			limit = d.random.IntN(most + 1)
		}
		if limit == 0 {
			continue
		}
		running, stop := context.WithCancel(ctx)
		m, err := mapper.New(mapper.Options{
			UUID: "test", Source: s, Checkpoints: c.get(), Checkpoint: c.set, Poll: time.Millisecond,
			Settings: contract.Mapping{BatchSize: 10, Parallelization: 1, Retries: -1, RecordAgeSeconds: -1},
			Invoker: mapper.InvokerFunc(func(_ context.Context, payload []byte) (mapper.Result, error) {
				var batch struct {
					Records []struct{ Kinesis struct{ Data []byte } }
				}
				if err := json.Unmarshal(payload, &batch); err != nil {
					return mapper.Result{}, err
				}
				d.mu.Lock()
				defer d.mu.Unlock()
				for _, r := range batch.Records {
					d.handled[i][string(r.Kinesis.Data)] = true
				}
				return mapper.Result{}, nil
			}),
		})
		if err != nil {
			d.t.Fatal(err)
		}
		wg.Go(func() { _ = m.Run(running) })
		wg.Go(func() {
			defer stop()
			for pause.For(running, time.Millisecond) == nil {
				left, _ := s.Unread(m.Checkpoints())
				if left == 0 || limit > 0 && m.Stats().Records >= limit {
					return
				}
			}
		})
	}
	wg.Wait()
	if most < 0 && ctx.Err() != nil {
		d.t.Errorf("not everything was read: %v", s.Troubles())
	}
	for _, c := range kept {
		if err := c.save(); err != nil {
			d.t.Fatal(err)
		}
	}
}

// check compares the handled events with the acknowledged ones and the reported
// missing ones, and returns the number of missing records.
func (d *damaged) check(what string, named []stream.Damage) (missing int) {
	d.t.Helper()
	uncertain := false // without the mark, records after the last readable one are unknown
	for _, n := range named {
		uncertain = uncertain || strings.Contains(n.What, "may be missing too") || strings.Contains(n.What, "no readable copy") ||
			strings.Contains(n.File, "stream.json") || strings.HasSuffix(n.File, "mark")
	}
	lost := map[string]bool{}
	for event, p := range d.acked {
		if d.handled[0][event] && d.handled[1][event] {
			continue
		}
		lost[event] = true
		isNamed := slices.ContainsFunc(named, func(n stream.Damage) bool {
			return n.Shard == p.shard && n.First != "" && n.First <= p.sequence && p.sequence <= n.Last
		})
		excused := uncertain && strings.Contains(what, " and ") // two files damaged
		if !isNamed && !excused {
			d.t.Errorf("%s: %.10s (%s %s) is missing and was not reported: %v", what, event, p.shard, p.sequence, named)
		}
	}
	for _, handled := range d.handled {
		for event := range handled {
			if _, ok := d.acked[event]; !ok {
				d.t.Errorf("%s: %.10s was never put", what, event)
			}
		}
	}
	return len(lost)
}

// damage changes one or two files and returns a description.
func (d *damaged) damage(old string) string {
	d.t.Helper()
	var files []string
	err := filepath.WalkDir(d.dir, func(path string, entry os.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		d.t.Fatal(err)
	}
	what := d.damageOne(files, old)
	if d.random.IntN(3) == 0 && !strings.Contains(what, "old copy") {
		what += " and " + d.damageOne(files, "")
	}
	return what
}

func (d *damaged) damageOne(files []string, old string) string {
	d.t.Helper()
	path := files[d.random.IntN(len(files))]
	name := strings.TrimPrefix(path, d.dir+"/")
	content, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return "nothing"
	}
	at := func() int { return d.random.IntN(max(len(content), 1)) }
	other := files[d.random.IntN(len(files))]
	how := ""
	switch kind := d.random.IntN(9); {
	case err != nil:
	case kind == 0 || len(content) == 0:
		how, err = "removed", os.Remove(path)
	case kind == 1:
		n := at()
		content[n] ^= 1 << d.random.IntN(8)
		how, err = fmt.Sprint("bit flipped at ", n), os.WriteFile(path, content, 0o600)
	case kind == 2:
		n := at()
		how, err = fmt.Sprint("cut at ", n), os.WriteFile(path, content[:n], 0o600)
	case kind == 3:
		from := at() / 512 * 512
		clear(content[from:min(len(content), from+512<<d.random.IntN(4))])
		how, err = fmt.Sprint("zeroes from ", from), os.WriteFile(path, content, 0o600)
	case kind == 4:
		for range 1 + d.random.IntN(200) {
			content = append(content, byte(d.random.Uint32()))
		}
		how, err = "garbage appended", os.WriteFile(path, content, 0o600)
	case kind == 5:
		how = "swapped with " + strings.TrimPrefix(other, d.dir+"/")
		theirs, failed := os.ReadFile(other)
		if failed == nil && other != path {
			err = errors.Join(os.WriteFile(path, theirs, 0o600), os.WriteFile(other, content, 0o600))
		}
	case kind == 6:
		how = "duplicated over " + strings.TrimPrefix(other, d.dir+"/")
		err = os.WriteFile(other, content, 0o600)
	case kind == 7 && old != "":
		how = "old copy"
		if before, failed := os.ReadFile(filepath.Join(old, name)); failed == nil {
			err = os.WriteFile(path, before, 0o600)
		}
	default:
		n := at()
		end := min(len(content), n+1+d.random.IntN(100))
		how, err = fmt.Sprint("bytes removed at ", n), os.WriteFile(path, append(content[:n:n], content[end:]...), 0o600)
	}
	if err != nil {
		d.t.Fatal(err)
	}
	return name + " " + how
}
