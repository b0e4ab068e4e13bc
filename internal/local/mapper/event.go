package mapper

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/streamctl/streamctl/internal/pause"
)

// kinesisEvent is the event that Lambda sends.
type kinesisEvent struct {
	Records []eventRecord `json:"Records"`
}

type eventRecord struct {
	Kinesis           kinesisRecord `json:"kinesis"`
	EventSource       string        `json:"eventSource"`
	EventVersion      string        `json:"eventVersion"`
	EventID           string        `json:"eventID"`
	EventName         string        `json:"eventName"`
	InvokeIdentityARN string        `json:"invokeIdentityArn"`
	AWSRegion         string        `json:"awsRegion"`
	EventSourceARN    string        `json:"eventSourceARN"`
}

type kinesisRecord struct {
	SchemaVersion  string       `json:"kinesisSchemaVersion"`
	PartitionKey   string       `json:"partitionKey"`
	SequenceNumber string       `json:"sequenceNumber"`
	Data           string       `json:"data"`
	Arrival        epochSeconds `json:"approximateArrivalTimestamp"`
}

// epochSeconds is a time in seconds since 1970 with three decimals.
type epochSeconds time.Time

// MarshalJSON writes a number such as 1545084650.987.
func (t epochSeconds) MarshalJSON() ([]byte, error) {
	ms := time.Time(t).UnixMilli()
	return fmt.Appendf(nil, "%d.%03d", ms/1000, ms%1000), nil
}

func (m *Mapper) event(shard string, records []StreamRecord) ([]byte, error) {
	e := kinesisEvent{Records: make([]eventRecord, len(records))}
	for i, r := range records {
		e.Records[i] = eventRecord{
			Kinesis: kinesisRecord{
				SchemaVersion: "1.0", PartitionKey: r.PartitionKey, SequenceNumber: r.SequenceNumber,
				Data: base64.StdEncoding.EncodeToString(r.Data), Arrival: epochSeconds(r.Arrival),
			},
			EventSource: "aws:kinesis", EventVersion: "1.0", EventID: shard + ":" + r.SequenceNumber, EventName: "aws:kinesis:record",
			InvokeIdentityARN: m.o.RoleARN, AWSRegion: m.o.Region, EventSourceARN: m.o.StreamARN,
		}
	}
	payload, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("marshal event: %w", err)
	}
	return payload, nil
}

// recordSize estimates a record's size in the event, in bytes.
func recordSize(r StreamRecord) int {
	const around = 400 // field names, ARNs and ids
	return base64.StdEncoding.EncodedLen(len(r.Data)) + len(r.PartitionKey) + around
}

// failure is the object that Lambda writes for a batch that was given up.
type failure struct {
	RequestContext struct {
		RequestID   string `json:"requestId"`
		FunctionARN string `json:"functionArn"`
		Condition   string `json:"condition"`
		InvokeCount int    `json:"approximateInvokeCount"`
	} `json:"requestContext"`
	ResponseContext struct {
		StatusCode      int    `json:"statusCode"`
		ExecutedVersion string `json:"executedVersion"`
		FunctionError   string `json:"functionError"`
	} `json:"responseContext"`
	Version   string `json:"version"`
	Timestamp string `json:"timestamp"`
	Batch     struct {
		ShardID     string `json:"shardId"`
		First       string `json:"startSequenceNumber"`
		Last        string `json:"endSequenceNumber"`
		FirstArrive string `json:"approximateArrivalOfFirstRecord"`
		LastArrive  string `json:"approximateArrivalOfLastRecord"`
		BatchSize   int    `json:"batchSize"`
		StreamARN   string `json:"streamArn"`
	} `json:"KinesisBatchInfo"`
	Payload string `json:"payload"`
}

// giveUp writes records to the on-failure sink and retries until that succeeds:
// nothing is dropped because a bucket is temporarily unavailable.
func (m *Mapper) giveUp(ctx context.Context, shard string, records []StreamRecord, tries int, condition string) error {
	m.count(func(s *Stats) { s.GivenUp += len(records) })
	m.o.Log.WarnContext(ctx, "records given up", "shard", shard, "records", len(records), "condition", condition)
	if m.o.OnFailure == nil {
		return nil
	}
	payload, err := m.event(shard, records)
	if err != nil {
		return err
	}
	now := time.Now().UTC()
	const stamp = "2006-01-02T15:04:05.000Z"
	first, last := records[0], records[len(records)-1]
	var f failure
	f.RequestContext.RequestID = first.SequenceNumber
	f.RequestContext.FunctionARN = m.o.FunctionARN
	f.RequestContext.Condition = condition
	f.RequestContext.InvokeCount = tries
	f.ResponseContext.StatusCode, f.ResponseContext.ExecutedVersion, f.ResponseContext.FunctionError = 200, "$LATEST", "Unhandled"
	f.Version, f.Timestamp = "1.0", now.Format(stamp)
	f.Batch.ShardID, f.Batch.First, f.Batch.Last = shard, first.SequenceNumber, last.SequenceNumber
	f.Batch.FirstArrive, f.Batch.LastArrive = first.Arrival.UTC().Format(stamp), last.Arrival.UTC().Format(stamp)
	f.Batch.BatchSize, f.Batch.StreamARN = len(records), m.o.StreamARN
	f.Payload = string(payload)
	object, err := json.Marshal(f)
	if err != nil {
		return fmt.Errorf("marshal on-failure object: %w", err)
	}
	// Lambda ends the key with a random id. This id is derived from the
	// records, so that a repeated write does not create a second object.
	id := uuid.NewSHA1(uuid.NameSpaceOID, []byte(m.o.UUID+"/"+shard+"/"+first.SequenceNumber+"/"+last.SequenceNumber))
	key := fmt.Sprintf("aws/lambda/%s/%s/%s-%s", m.o.UUID, shard, now.Format("2006/01/02/2006-01-02T15.04.05"), id)
	for delay := m.o.Backoff; ; delay = min(2*delay, m.o.MaxBackoff) {
		if err = m.o.OnFailure.Put(ctx, key, object); err == nil {
			return nil
		}
		m.o.Log.WarnContext(ctx, "on-failure object not written", "key", key, "err", err)
		if err := pause.For(ctx, delay); err != nil {
			return err
		}
	}
}
