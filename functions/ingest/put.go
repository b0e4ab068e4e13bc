package ingest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/streamctl/streamctl/internal/event"
)

// Limits of one PutRecords call, and the retry policy.
const (
	maxCallRecords = 500
	maxCallBytes   = 5 << 20
	tries          = 5
	firstPause     = 50 * time.Millisecond
	// reserve is the part of the invocation's time that is kept for the
	// response.
	reserve = 2 * time.Second
	// callTime is the timeout of one call, so that a hanging connection leaves
	// time for a retry.
	callTime = 4 * time.Second
)

// put writes envelopes to the stream and reports for each whether the stream
// acknowledged it. It retries only unacknowledged records, until the tries or
// the time are used up; err is then the reason.
func (h *Handler) put(ctx context.Context, envelopes []event.Envelope) (stored []bool, err error) {
	stored = make([]bool, len(envelopes))
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-reserve))
		defer cancel()
	}
	left := event.Pack(envelopes)
	pause := firstPause
	for try := 1; len(left) > 0; try++ {
		var failed []event.Record
		failed, err = h.putAll(ctx, left, stored)
		if left = failed; len(left) == 0 {
			return stored, nil
		}
		if try == tries {
			break
		}
		// Wait between half the pause and the full pause, so that clients which
		// failed together don't retry together.
		if waitErr := h.Clock.For(ctx, pause/2+rand.N(pause/2)); waitErr != nil {
			return stored, errors.Join(err, waitErr)
		}
		pause *= 2
	}
	return stored, err
}

// putAll writes the records with as many calls as the limits require and
// returns the unacknowledged ones.
func (h *Handler) putAll(ctx context.Context, records []event.Record, stored []bool) (failed []event.Record, err error) {
	var errs []error
	for len(records) > 0 {
		n, size := 0, 0
		for n < len(records) && n < maxCallRecords {
			if size += len(records[n].Data) + len(records[n].PartitionKey); size > maxCallBytes && n > 0 {
				break
			}
			n++
		}
		bad, err := h.call(ctx, records[:n], stored)
		if err != nil {
			errs = append(errs, err)
		}
		failed = append(failed, bad...)
		records = records[n:]
	}
	return failed, errors.Join(errs...)
}

func (h *Handler) call(ctx context.Context, records []event.Record, stored []bool) (failed []event.Record, err error) {
	entries := make([]types.PutRecordsRequestEntry, len(records))
	for i := range records {
		entries[i] = types.PutRecordsRequestEntry{Data: records[i].Data, PartitionKey: &records[i].PartitionKey}
	}
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	out, err := h.Stream.PutRecords(ctx, &kinesis.PutRecordsInput{StreamName: aws.String(h.env.Stream), Records: entries})
	if err != nil {
		return records, fmt.Errorf("put %d records: %w", len(records), err)
	}
	if len(out.Records) != len(records) {
		return records, fmt.Errorf("put %d records: %d results", len(records), len(out.Records))
	}
	for i, result := range out.Records {
		if result.ErrorCode != nil || aws.ToString(result.SequenceNumber) == "" {
			failed = append(failed, records[i])
			err = fmt.Errorf("put record: %s: %s", aws.ToString(result.ErrorCode), aws.ToString(result.ErrorMessage))
			continue
		}
		for _, n := range records[i].Envelopes {
			stored[n] = true
		}
	}
	return failed, err
}
