package fake

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/streamctl/streamctl/internal/pause"
	"github.com/streamctl/streamctl/internal/testkit/aws/fake/cfn"
)

// streams returns a client of the Kinesis server; nil without one.
func (f kinesisAPI) streams() *kinesis.Client {
	if f.options.KinesisEndpoint == "" {
		return nil
	}
	return kinesis.New(kinesis.Options{
		Region: f.options.Region, BaseEndpoint: aws.String(f.options.KinesisEndpoint),
		Credentials: credentials.NewStaticCredentialsProvider("AKIAFAKE", "fake", ""),
	})
}

func checkStream(_ *account, r cfn.Request) error {
	mode, count := str(child(r.Properties, "StreamModeDetails"), "StreamMode"), str(r.Properties, "ShardCount")
	refuse := func(message string) error { return handlerError("Kinesis", 400, message, "InvalidRequest") }
	switch {
	case mode == "ON_DEMAND" && count != "":
		return refuse("ShardCount is not expected when StreamMode=ON_DEMAND")
	case mode != "ON_DEMAND" && count == "":
		return refuse("ShardCount is required when StreamMode=PROVISIONED")
	}
	if hours := number(r.Properties, "RetentionPeriodHours", 24); hours < 24 || hours > 8760 {
		return refuse(fmt.Sprintf("Minimum allowed retention period is 24 hours and maximum 8760 hours. Requested retention period (%d hours)", hours))
	}
	return nil
}

func createStream(ctx context.Context, f *account, r cfn.Request) (map[string]any, error) {
	client := f.streaming.streams()
	if client == nil {
		return nil, nil
	}
	in := &kinesis.CreateStreamInput{StreamName: aws.String(r.PhysicalID)}
	if str(child(r.Properties, "StreamModeDetails"), "StreamMode") == "ON_DEMAND" {
		in.StreamModeDetails = &types.StreamModeDetails{StreamMode: types.StreamModeOnDemand}
	} else {
		in.ShardCount = aws.Int32(int32(number(r.Properties, "ShardCount", 1)))
	}
	if _, err := client.CreateStream(ctx, in); err != nil {
		return nil, fmt.Errorf("create stream: %w", err)
	}
	if err := f.streaming.streamActive(ctx, client, r.PhysicalID); err != nil {
		return nil, err
	}
	return nil, setRetention(ctx, client, r.PhysicalID, 24, number(r.Properties, "RetentionPeriodHours", 24))
}

func setRetention(ctx context.Context, client *kinesis.Client, name string, from, to int) error {
	var err error
	switch {
	case to > from:
		_, err = client.IncreaseStreamRetentionPeriod(ctx, &kinesis.IncreaseStreamRetentionPeriodInput{StreamName: aws.String(name), RetentionPeriodHours: aws.Int32(int32(to))})
	case to < from:
		_, err = client.DecreaseStreamRetentionPeriod(ctx, &kinesis.DecreaseStreamRetentionPeriodInput{StreamName: aws.String(name), RetentionPeriodHours: aws.Int32(int32(to))})
	}
	if err != nil {
		return fmt.Errorf("set stream retention: %w", err)
	}
	return nil
}

func (f kinesisAPI) streamActive(ctx context.Context, client *kinesis.Client, name string) error {
	for {
		out, err := client.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: aws.String(name)})
		if err != nil {
			return fmt.Errorf("describe stream: %w", err)
		}
		if out.StreamDescriptionSummary.StreamStatus == types.StreamStatusActive {
			return nil
		}
		if err := pause.For(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
}

// onDemandShards is the number of shards with which an on-demand stream begins.
const onDemandShards = 4

func updateStream(ctx context.Context, f *account, r cfn.Request) (map[string]any, error) {
	client := f.streaming.streams()
	from, to := number(r.OldProperties, "ShardCount", onDemandShards), number(r.Properties, "ShardCount", 0)
	if to == 0 { // on demand: the stream keeps its shards
		to = from
	}
	if to > 2*from || 2*to < from {
		return nil, handlerError("Kinesis", 400, fmt.Sprintf("UpdateShardCount cannot scale from %d to %d shards: at most double, at least half", from, to), "InvalidRequest")
	}
	if client == nil {
		return nil, nil
	}
	if from != to {
		_, err := client.UpdateShardCount(ctx, &kinesis.UpdateShardCountInput{StreamName: aws.String(r.PhysicalID), TargetShardCount: aws.Int32(int32(to)), ScalingType: types.ScalingTypeUniformScaling})
		if err != nil {
			return nil, fmt.Errorf("update shard count: %w", err)
		}
	}
	return nil, setRetention(ctx, client, r.PhysicalID, number(r.OldProperties, "RetentionPeriodHours", 24), number(r.Properties, "RetentionPeriodHours", 24))
}

func removeStream(ctx context.Context, f *account, r cfn.Request) error {
	client := f.streaming.streams()
	if client == nil {
		return nil
	}
	if _, err := client.DeleteStream(ctx, &kinesis.DeleteStreamInput{StreamName: aws.String(r.PhysicalID)}); err != nil {
		return fmt.Errorf("delete stream: %w", err)
	}
	return nil
}

// serve records the call, and forwards it unless the template has the answer.
func (f kinesisAPI) serve(w http.ResponseWriter, r *request) {
	var names struct{ StreamName, StreamARN string }
	if err := json.Unmarshal(r.body, &names); err == nil {
		if names.StreamARN != "" {
			r.call.Resource = names.StreamARN
		} else if names.StreamName != "" {
			r.call.Resource = f.arn("kinesis", "stream/"+names.StreamName)
		}
	}
	if f.serveOwn(w, r, names.StreamName) {
		return
	}
	if f.kinesis == nil {
		f.refuse(w, r, notThere(r))
		return
	}
	forwarded := r.Clone(r.Context())
	forwarded.Body = io.NopCloser(bytes.NewReader(r.body))
	forwarded.ContentLength = int64(len(r.body))
	// With the fake's own keys the server would use a different account.
	forwarded.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), r.holder.AccessKeyID, "AKIAFAKE", 1))
	forwarded.Header.Del("X-Amz-Security-Token")
	f.kinesis.ServeHTTP(w, forwarded)
}
