package local

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/streamctl/streamctl/functions/ingest"
	"github.com/streamctl/streamctl/internal/pause"
)

// Faults are simulated faults for users' own tests.
type Faults struct {
	// Throttle and Duplicate are the fractions of records, 0 to 1, that the
	// stream rejects or stores twice.
	Throttle, Duplicate float64
	// PostgresDown and RedisDown are the length of each simulated outage. An
	// outage starts faultPause after the previous one has ended; 0 means never.
	PostgresDown, RedisDown time.Duration
}

// faultPause is how long a server runs between two simulated outages.
const faultPause = 10 * time.Second

// ParseFaults reads throttle=0.3,duplicate=0.1,pg-down=10s,redis-down=10s.
func ParseFaults(text string) (f Faults, err error) {
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		switch name {
		case "throttle":
			f.Throttle, err = fraction(value)
		case "duplicate":
			f.Duplicate, err = fraction(value)
		case "pg-down":
			f.PostgresDown, err = outage(value)
		case "redis-down":
			f.RedisDown, err = outage(value)
		default:
			err = fmt.Errorf("want throttle, duplicate, pg-down or redis-down")
		}
		if err != nil {
			return f, fmt.Errorf("--fault %q: %w", part, err)
		}
	}
	return f, nil
}

func fraction(value string) (float64, error) {
	n, err := strconv.ParseFloat(value, 64)
	if err != nil || !(n >= 0 && n <= 1) {
		return 0, fmt.Errorf("want a fraction of all records, 0 to 1")
	}
	return n, nil
}

func outage(value string) (time.Duration, error) {
	d, err := time.ParseDuration(value)
	if err != nil || d < 100*time.Millisecond || d > 10*time.Minute {
		return 0, fmt.Errorf("want a duration from 100ms to 10m")
	}
	return d, nil
}

// faultyStream is a stream that throttles, and that stores some records twice,
// as happens when a client retries after a lost response.
type faultyStream struct {
	next ingest.Stream
	Faults
}

func (t faultyStream) PutRecords(ctx context.Context, in *kinesis.PutRecordsInput, o ...func(*kinesis.Options)) (*kinesis.PutRecordsOutput, error) {
	results := make([]types.PutRecordsResultEntry, len(in.Records))
	var twice []types.PutRecordsRequestEntry
	passed := kinesis.PutRecordsInput{StreamName: in.StreamName}
	var places []int
	failed := int32(len(in.Records))
	for i, r := range in.Records {
		if rand.Float64() < t.Throttle {
			results[i] = types.PutRecordsResultEntry{
				ErrorCode: aws.String("ProvisionedThroughputExceededException"), ErrorMessage: aws.String("Rate exceeded for shard (simulated by --fault)"),
			}
			continue
		}
		if rand.Float64() < t.Duplicate {
			twice = append(twice, r)
		}
		passed.Records, places = append(passed.Records, r), append(places, i)
	}
	if len(passed.Records) > 0 {
		out, err := t.next.PutRecords(ctx, &passed, o...)
		if err != nil {
			return nil, err
		}
		for n, i := range places {
			if results[i] = out.Records[n]; results[i].ErrorCode == nil {
				failed--
			}
		}
	}
	if len(twice) > 0 {
		if _, err := t.next.PutRecords(ctx, &kinesis.PutRecordsInput{StreamName: in.StreamName, Records: twice}, o...); err != nil {
			return nil, err
		}
	}
	return &kinesis.PutRecordsOutput{Records: results, FailedRecordCount: &failed}, nil
}

// stage takes a server down repeatedly until ctx ends.
func stage(ctx context.Context, s *supervisor, d time.Duration, log *slog.Logger) {
	for pause.For(ctx, faultPause) == nil {
		log.WarnContext(ctx, "simulated outage", "server", s.name, "for", d.String())
		if err := s.down(ctx, d); err != nil {
			log.ErrorContext(ctx, "simulated outage failed", "server", s.name, "err", err)
		}
		if pause.For(ctx, d) != nil {
			return
		}
	}
}
