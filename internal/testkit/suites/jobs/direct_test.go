package jobs_test

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/streamctl/streamctl/functions/maintenance"
	"github.com/streamctl/streamctl/internal/archive"
	"github.com/streamctl/streamctl/internal/chunk"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/event"
	"github.com/streamctl/streamctl/internal/local/dirbucket"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// direct returns n records of a producer that writes to the stream itself, with a line
// that isn't an event in each tenth.
func (w *world) direct(n int) map[string][]archive.ArchivedRecord {
	const shard = "shardId-000000000000"
	var records []archive.ArchivedRecord
	for i := range n {
		data := fmt.Sprintf(`{"name":"purchase","attributes":{"item":"%d"}}`, i) + "\n" + fmt.Sprintf(`{"userId":"u%d","eventType":"view"}`, i%7)
		if i%10 == 0 {
			data += "\nhello"
		}
		records = append(records, archive.ArchivedRecord{
			Stream: "arn:aws:kinesis:us-east-1:123456789012:stream/direct", Shard: shard, Sequence: strconv.Itoa(5_000_000_000 + i),
			Arrived: w.from.Add(time.Duration(i) * time.Second), PartitionKey: "key" + strconv.Itoa(i%5), Data: []byte(data),
		})
	}
	return map[string][]archive.ArchivedRecord{shard: records}
}

// TestRecordsOfDirectProducers loads records that are no envelopes. A comparison with the
// archive, a replay and a replay from another bucket know them again.
func TestRecordsOfDirectProducers(t *testing.T) {
	w := newWorld(t)
	shards := w.direct(200)
	store(t, w.Bucket, shards)
	db := w.as(t, contract.RoleLoader)
	for _, records := range shards {
		c := chunk.First(records, warehouse.MaxChunk)
		c.Formats, c.Keep = event.Formats(), w.keep(c)
		done, err := db.Load(t.Context(), c.Chunk)
		if err != nil || done.Inserted != 400 || done.Quarantined != 20 {
			t.Fatalf("%+v, %v", done, err)
		}
	}
	w.settle(t)
	if n := w.text(t, "SELECT count(*)::text FROM events WHERE event_type = 'purchase' AND user_id LIKE 'key_' AND timestamp = arrived_at AND properties->'attributes'->>'item' IS NOT NULL"); n != "200" {
		t.Errorf("%s purchases", n)
	}
	owner := w.as(t, contract.RoleOwner)
	reader := archive.Reader{API: dirbucket.Bucket{Dir: w.Bucket, Volatile: true}, Bucket: "b"}
	objects, err := reader.Objects(t.Context(), w.from)
	if err != nil || len(objects) == 0 {
		t.Fatalf("%d objects, %v", len(objects), err)
	}
	var keys []string
	for _, o := range objects {
		records, err := reader.Records(t.Context(), o)
		if err == nil {
			err = owner.CompareObject(t.Context(), w.from, o.Key, maintenance.Lines(records, event.Formats()))
		}
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, o.Key)
	}
	if state, err := owner.CloseHour(t.Context(), w.from, keys); err != nil || !state.Clean() {
		t.Errorf("%+v, %v", state, err)
	}
	before := w.text(t, identities)
	h, end := w.open(metrics{})
	defer func() { _ = end(context.WithoutCancel(t.Context())) }()
	if j := finish(t, h, w.replay()); j.Counts[contract.CountInserted] != 0 || j.Counts[contract.CountDuplicates] != 400 {
		t.Errorf("a replay beside the events: %+v", j)
	}
	if err := os.CopyFS(w.Bucket+"-other", os.DirFS(w.Bucket)); err != nil {
		t.Fatal(err)
	}
	w.empty(t)
	task := w.replay()
	task.Source = "s3://other"
	if j := finish(t, h, task); j.Counts[contract.CountInserted] != 400 {
		t.Errorf("from another bucket: %+v", j)
	}
	if after := w.text(t, identities); after != before {
		t.Errorf("after a replay from another bucket %s, before %s", after, before)
	}
}

const identities = "SELECT md5(string_agg(concat_ws('|', event_id, user_id, event_type, timestamp, properties), ',' ORDER BY event_id)) FROM events"
