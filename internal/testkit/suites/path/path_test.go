// Package path_test sends events through the whole pipeline, ingest, Kinesis,
// archive and warehouse, with independent implementations of Kinesis and S3.
package path_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/streamctl/streamctl/functions/archiver"
	"github.com/streamctl/streamctl/functions/ingest"
	"github.com/streamctl/streamctl/functions/maintenance"
	"github.com/streamctl/streamctl/functions/processor"
	"github.com/streamctl/streamctl/internal/api"
	"github.com/streamctl/streamctl/internal/archive"
	"github.com/streamctl/streamctl/internal/awshttp"
	"github.com/streamctl/streamctl/internal/cache"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/emf"
	"github.com/streamctl/streamctl/internal/testkit/aws/moto"
	"github.com/streamctl/streamctl/internal/testkit/servers/postgres"
	"github.com/streamctl/streamctl/internal/testkit/servers/redis"
	"github.com/streamctl/streamctl/internal/testkit/suites/workload"
)

var shared postgres.Shared

func TestMain(m *testing.M) { os.Exit(shared.Run(m)) }

const stream, bucket = "events", "archive"

// startAWS returns clients of a moto with the stream, of two shards, and the
// bucket.
func startAWS(t *testing.T) (*kinesis.Client, *s3.Client) {
	t.Helper()
	server, err := moto.Start(t.Context(), moto.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 10*time.Second)
		defer cancel()
		if err := server.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	getenv := func(name string) string {
		return map[string]string{
			"AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret",
			"AWS_ENDPOINT_URL_KINESIS": server.URL, "AWS_ENDPOINT_URL_S3": server.URL,
		}[name]
	}
	cfg, err := awshttp.Config(getenv)
	if err != nil {
		t.Fatal(err)
	}
	streams, objects := ingest.NewStream(cfg, getenv), archive.NewClient(cfg, getenv)
	if _, err := streams.CreateStream(t.Context(), &kinesis.CreateStreamInput{StreamName: aws.String(stream), ShardCount: aws.Int32(2)}); err != nil {
		t.Fatal(err)
	}
	if err := kinesis.NewStreamExistsWaiter(streams).Wait(t.Context(), &kinesis.DescribeStreamInput{StreamName: aws.String(stream)}, time.Minute); err != nil {
		t.Fatal(err)
	}
	if _, err := objects.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String(bucket)}); err != nil {
		t.Fatal(err)
	}
	return streams, objects
}

// read returns each shard's records in the form of Lambda's events.
func read(t *testing.T, client *kinesis.Client) map[string]events.KinesisEvent {
	t.Helper()
	list, err := client.ListShards(t.Context(), &kinesis.ListShardsInput{StreamName: aws.String(stream)})
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]events.KinesisEvent{}
	for _, shard := range list.Shards {
		begin, err := client.GetShardIterator(t.Context(), &kinesis.GetShardIteratorInput{
			StreamName: aws.String(stream), ShardId: shard.ShardId, ShardIteratorType: types.ShardIteratorTypeTrimHorizon,
		})
		if err != nil {
			t.Fatal(err)
		}
		var batch events.KinesisEvent
		for at := begin.ShardIterator; at != nil; {
			out, err := client.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: at})
			if err != nil {
				t.Fatal(err)
			}
			if at = out.NextShardIterator; len(out.Records) == 0 {
				break
			}
			for _, r := range out.Records {
				var record events.KinesisEventRecord
				record.EventID = *shard.ShardId + ":" + *r.SequenceNumber
				record.Kinesis.SequenceNumber, record.Kinesis.PartitionKey, record.Kinesis.Data = *r.SequenceNumber, *r.PartitionKey, r.Data
				record.Kinesis.ApproximateArrivalTimestamp.Time = *r.ApproximateArrivalTimestamp
				batch.Records = append(batch.Records, record)
			}
		}
		all[*shard.ShardId] = batch
	}
	return all
}

func TestTheWholeWay(t *testing.T) {
	streams, objects := startAWS(t)
	now := time.Now().UTC()
	d := shared.Warehouse(t, now.AddDate(0, 0, -1), now.AddDate(0, 0, 1))
	log := slog.New(slog.DiscardHandler)
	counts := &emf.Writer{Out: io.Discard, Stack: "path"}
	accept := ingest.New(contract.Ingest{Stream: stream, EventMaxAgeDays: 30}, ingest.Deps{Stream: streams, Metrics: counts, Log: log})
	keep := archiver.New(contract.Archiver{}, archiver.Deps{Objects: archive.Writer{API: objects, Bucket: bucket}, Metrics: counts, Log: log})
	metrics := cache.New(redis.Client(t, redis.Start(t)), time.Now)
	load := processor.New(contract.Processor{}, processor.Deps{
		Warehouse: d.As(t, contract.RoleLoader), Cache: metrics,
		Objects: archive.Writer{API: objects, Bucket: bucket}, Metrics: counts, Log: log,
	})

	const requests, each = 20, 50
	g := workload.New(1, now, time.Minute)
	accepted := map[string]bool{}
	for range requests {
		resp, err := accept.Handle(t.Context(), events.APIGatewayProxyRequest{
			HTTPMethod: http.MethodPost, Path: "/events", Headers: map[string]string{"Content-Type": "application/json"}, Body: string(g.Body(each)),
		})
		var answer api.EventsResponse
		if err != nil || resp.StatusCode != http.StatusAccepted || json.Unmarshal([]byte(resp.Body), &answer) != nil || len(answer.Results) != each {
			t.Fatalf("%d %s, %v", resp.StatusCode, resp.Body, err)
		}
		for _, e := range answer.Results {
			accepted[e.EventID] = true
		}
	}
	var stored int
	for shard, batch := range read(t, streams) {
		if len(batch.Records) == 0 {
			t.Errorf("%s has no records", shard)
		}
		stored += len(batch.Records)
		for range 2 { // Lambda delivers at least once
			for name, handle := range map[string]func(context.Context, events.KinesisEvent) (events.KinesisEventResponse, error){"archiver": keep.Handle, "processor": load.Handle} {
				if resp, err := handle(t.Context(), batch); err != nil || len(resp.BatchItemFailures) > 0 {
					t.Fatalf("%s: %v, %v", name, resp, err)
				}
			}
		}
	}
	conn := d.Conn(t)
	compare := func(what string) {
		t.Helper()
		found := map[string]bool{}
		rows, err := conn.Query(t.Context(), "SELECT event_id::text FROM events")
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			var id string
			if err := rows.Scan(&id); err != nil {
				t.Fatal(err)
			}
			if found[id] || !accepted[id] {
				t.Errorf("%s: event %s occurs twice, or was never accepted", what, id)
			}
			found[id] = true
		}
		if rows.Err() != nil || len(found) != len(accepted) || len(accepted) != requests*each {
			t.Errorf("%s: %d of %d events, %v", what, len(found), len(accepted), rows.Err())
		}
	}
	compare("from the stream")

	// Again from the archive, into an empty table.
	if _, err := conn.Exec(t.Context(), "DELETE FROM events"); err != nil {
		t.Fatal(err)
	}
	reader := archive.Reader{API: objects, Bucket: bucket}
	again := maintenance.New(contract.Maintenance{}, maintenance.Deps{
		Warehouse: maintenance.On(d.As(t, contract.RoleOwner)), Loader: d.As(t, contract.RoleLoader), Cache: metrics, Archive: reader, Kept: reader,
		Objects: archive.Writer{API: objects, Bucket: bucket}, Metrics: counts, Log: log,
	})
	done, err := again.Do(t.Context(), contract.MaintenanceTask{Task: contract.TaskReplay, Action: contract.ActionRun,
		JobParameters: contract.JobParameters{Source: contract.SourceArchive, From: now.Add(-time.Hour), To: now.Add(time.Hour)}})
	if err != nil || done.Job == nil || done.Job.State != contract.StateDone || done.Job.Done != int64(stored) {
		t.Errorf("%+v of %d records, %v", done.Job, stored, err)
	}
	compare("from the archive")
}
