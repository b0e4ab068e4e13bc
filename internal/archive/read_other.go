package archive

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// GivenUpPrefix is the prefix of the objects with records that Lambda gave up:
// the on-failure destination of the processor's event source mapping.
const GivenUpPrefix = "aws/lambda/"

// GivenUp is an object with records that Lambda gave up.
type GivenUp struct {
	Key    string
	Size   int64
	Frozen bool
}

// GivenUp lists the objects with records that Lambda gave up, by key, after a
// key; an empty key means from the first one.
func (r Reader) GivenUp(ctx context.Context, after string) (all []GivenUp, err error) {
	in := &s3.ListObjectsV2Input{Bucket: &r.Bucket, Prefix: aws.String(GivenUpPrefix)}
	if after != "" {
		in.StartAfter = &after
	}
	pages := s3.NewListObjectsV2Paginator(r.API, in)
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", GivenUpPrefix, err)
		}
		for _, o := range page.Contents {
			if key := aws.ToString(o.Key); key > after {
				all = append(all, GivenUp{Key: key, Size: aws.ToInt64(o.Size), Frozen: isFrozen(o)})
			}
		}
	}
	return all, nil
}

// GivenUpRecords returns the records of an object that Lambda wrote.
func (r Reader) GivenUpRecords(ctx context.Context, key string) (records []ArchivedRecord, err error) {
	out, err := r.API.GetObject(ctx, &s3.GetObjectInput{Bucket: &r.Bucket, Key: &key})
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", key, err)
	}
	defer func() { err = errors.Join(err, out.Body.Close()) }()
	// The payload is the event of the invocation as a text.
	var object struct {
		Payload json.RawMessage `json:"payload"`
	}
	if err := json.NewDecoder(out.Body).Decode(&object); err != nil {
		return nil, fmt.Errorf("read %s: %w", key, err)
	}
	payload := []byte(object.Payload)
	if strings.HasPrefix(string(payload), `"`) {
		var text string
		if err := json.Unmarshal(payload, &text); err != nil {
			return nil, fmt.Errorf("read %s: payload: %w", key, err)
		}
		payload = []byte(text)
	}
	var batch events.KinesisEvent
	if len(payload) == 0 {
		return nil, fmt.Errorf("read %s: it has no payload", key)
	}
	if err := json.Unmarshal(payload, &batch); err != nil {
		return nil, fmt.Errorf("read %s: payload: %w", key, err)
	}
	for _, one := range batch.Records {
		records = append(records, FromEvent(one, true))
	}
	return records, nil
}

// QuarantinedLines returns the lines of a quarantine object, in order.
func (r Reader) QuarantinedLines(ctx context.Context, key string) (all []Line, err error) {
	out, err := r.API.GetObject(ctx, &s3.GetObjectInput{Bucket: &r.Bucket, Key: &key})
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", key, err)
	}
	defer func() { err = errors.Join(err, out.Body.Close()) }()
	zr, err := gzip.NewReader(out.Body)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", key, err)
	}
	lines := bufio.NewScanner(zr)
	lines.Buffer(make([]byte, 64<<10), maxLine)
	for lines.Scan() {
		l, err := parseLine(lines.Bytes())
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", key, err)
		}
		all = append(all, l)
	}
	if err := errors.Join(lines.Err(), zr.Close()); err != nil {
		return nil, fmt.Errorf("read %s: %w", key, err)
	}
	return all, nil
}
