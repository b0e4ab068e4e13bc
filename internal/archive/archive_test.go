package archive

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

var arrived = time.Date(2026, 1, 31, 12, 59, 59, 999e6, time.UTC)

func records(data ...string) []ArchivedRecord {
	var rs []ArchivedRecord
	for i, d := range data {
		rs = append(rs, ArchivedRecord{
			Shard: "shardId-000000000001", Sequence: "4965" + string(rune('0'+i)), Arrived: arrived.Add(time.Duration(i) * time.Millisecond),
			PartitionKey: "u\"", Data: []byte(d),
		})
	}
	return rs
}

func unpack(t *testing.T, body []byte) []byte {
	t.Helper()
	zr, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(zr)
	if err != nil {
		t.Fatal(err)
	}
	return plain
}

func TestObjectsHoldRecordsByteForByte(t *testing.T) {
	data := []string{
		`{"a":1}` + "\n" + `{"a": "two"}`, "", "\n", "not JSON", "\xff\xfe", ` {"space":"around"} `, `{"a":1,"a":2}`, `{"cr":` + "\r" + `1}`,
	}
	objects := Objects(records(data...))
	if len(objects) != 2 {
		t.Fatalf("%d objects, want one for each hour", len(objects))
	}
	wantKeys := []string{
		"raw/v1/dt=2026-01-31/hr=12/shardId-000000000001/49650-49650-1.ndjson.gz",
		"raw/v1/dt=2026-01-31/hr=13/shardId-000000000001/49651-49657-7.ndjson.gz",
	}
	got := map[string][]string{}
	for i, o := range objects {
		if o.Key != wantKeys[i] || o.First != i {
			t.Errorf("object %d is %s from %d, want %s", i, o.Key, o.First, wantKeys[i])
		}
		body, lines, err := o.Encode()
		if err != nil {
			t.Fatal(err)
		}
		again, _, err := o.Encode()
		if err != nil || !bytes.Equal(body, again) {
			t.Errorf("object %d has other bytes the second time (%v)", i, err)
		}
		text := strings.TrimSuffix(string(unpack(t, body)), "\n")
		if n := len(strings.Split(text, "\n")); n != lines {
			t.Errorf("object %d has %d lines, Encode returned %d", i, n, lines)
		}
		for line := range strings.SplitSeq(text, "\n") {
			var l struct {
				Shard, Seq, Key, At string
				I                   int
				Event               json.RawMessage
				Data64              []byte
			}
			if err := json.Unmarshal([]byte(line), &l); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			if l.I != len(got[l.Seq]) || l.Key != `u"` || !strings.HasPrefix(l.At, "2026-01-31T1") {
				t.Errorf("line is %s", line)
			}
			b := l.Data64
			if l.Event != nil {
				b = l.Event
			}
			got[l.Seq] = append(got[l.Seq], string(b))
		}
	}
	for i, r := range records(data...) {
		if joined := strings.Join(got[r.Sequence], "\n"); joined != data[i] {
			t.Errorf("record %d reads %q, want %q", i, joined, data[i])
		}
	}
}

func TestQuarantineIsNamedByContent(t *testing.T) {
	r := records("bad")[0]
	line := Line{ArchivedRecord: r, I: 2, Bytes: []byte("bad")}
	key, body, err := Quarantine([]Line{line})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(key, "quarantine/v1/dt=2026-01-31/hr=12/shardId-000000000001/") || len(key) != 55+64+10 {
		t.Errorf("key is %s (%d)", key, len(key))
	}
	want := `{"shard":"shardId-000000000001","seq":"49650","i":2,"at":"2026-01-31T12:59:59.999000Z","key":"u\"","data64":"YmFk"}` + "\n"
	if got := string(unpack(t, body)); got != want {
		t.Errorf("line is %s", got)
	}
	if other, _, err := Quarantine([]Line{line, line}); err != nil || other == key {
		t.Errorf("a different batch has the same key (%v)", err)
	}
}

func TestFromEvent(t *testing.T) {
	var e events.KinesisEvent
	raw := `{"Records":[{"eventID":"shardId-000000000007:495","kinesis":{"approximateArrivalTimestamp":1700000000.123,"partitionKey":"u","sequenceNumber":"495","data":"aGk="}}]}`
	if err := json.Unmarshal([]byte(raw), &e); err != nil {
		t.Fatal(err)
	}
	r := FromEvent(e.Records[0], false)
	if r.Shard != "shardId-000000000007" || r.Sequence != "495" || string(r.Data) != "hi" || r.Arrived.UnixMicro() != 1700000000123000 {
		t.Errorf("record is %+v", r)
	}
}

type answers struct {
	statuses []int
	calls    int
}

func (a *answers) PutObject(_ context.Context, in *s3.PutObjectInput, _ ...func(*s3.Options)) (*s3.PutObjectOutput, error) {
	status := a.statuses[min(a.calls, len(a.statuses)-1)]
	a.calls++
	if *in.IfNoneMatch != "*" {
		return nil, errors.New("put is not conditional")
	}
	if status == http.StatusOK {
		return &s3.PutObjectOutput{}, nil
	}
	return nil, &smithyhttp.ResponseError{
		Response: &smithyhttp.Response{Response: &http.Response{StatusCode: status}}, Err: errors.New(http.StatusText(status)),
	}
}

func TestPut(t *testing.T) {
	for name, c := range map[string]struct {
		statuses []int
		calls    int
		ok       bool
	}{
		"written":        {[]int{200}, 1, true},
		"there already":  {[]int{412}, 1, true},
		"another writer": {[]int{409, 409, 412}, 3, true},
		"never free":     {[]int{409}, conflictTries, false},
		"forbidden":      {[]int{403}, 1, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			api := &answers{statuses: c.statuses}
			w := Writer{API: api, Bucket: "b"}
			if err := w.Put(t.Context(), "k", []byte("x")); (err == nil) != c.ok || api.calls != c.calls {
				t.Errorf("%s: %d calls, %v", name, api.calls, err)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		stop := errors.New("stop")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(stop)
		w := Writer{API: &answers{statuses: []int{409}}}
		if err := w.Put(ctx, "k", nil); !errors.Is(err, stop) {
			t.Errorf("the wait's error became %v", err)
		}
	})
}
