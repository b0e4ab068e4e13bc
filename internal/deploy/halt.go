package deploy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	gateway "github.com/aws/aws-sdk-go-v2/service/apigateway/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

const (
	// throttleMark is the stage variable in which a destroy writes down what the
	// throttle was, in the same call that sets it to nothing: whoever finds it can
	// put the stage back, and a stage that somebody throttled by hand has none.
	throttleMark = "streamctlBeforeDestroy"
	// drainedMark is the stage variable that repeats that one once the stream was
	// read to its end.
	drainedMark = "streamctlDrained"
	// denySid names the statement that denies writes.
	denySid = "StreamctlDestroy"
	// allMethods is a stage's setting for each method of each path.
	allMethods = "*/*"
)

// apiOf finds a stack's API and stage; ok is false where one isn't there.
func apiOf(resources []Resource) (api, stage string, ok bool) {
	apis, stages := byType(resources, "AWS::ApiGateway::RestApi"), byType(resources, "AWS::ApiGateway::Stage")
	if len(apis) == 0 || len(stages) == 0 {
		return "", "", false
	}
	return apis[0].PhysicalID, stages[0].PhysicalID, true
}

// stage reads a stage; nil where it is gone.
func (o *Operator) stage(ctx context.Context, api, name string) (*apigateway.GetStageOutput, error) {
	out, err := o.Gateway.GetStage(ctx, &apigateway.GetStageInput{RestApiId: &api, StageName: &name})
	var gone *gateway.NotFoundException
	if errors.As(err, &gone) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look at stage %s of API %s: %w", name, api, err)
	}
	return out, nil
}

func (o *Operator) patchStage(ctx context.Context, api, stage string, patches ...gateway.PatchOperation) error {
	_, err := o.Gateway.UpdateStage(ctx, &apigateway.UpdateStageInput{RestApiId: &api, StageName: &stage, PatchOperations: patches})
	if err != nil {
		return fmt.Errorf("change stage %s of API %s: %w", stage, api, err)
	}
	return nil
}

func replace(path, value string) gateway.PatchOperation {
	return gateway.PatchOperation{Op: gateway.OpReplace, Path: &path, Value: &value}
}

func remove(path string) gateway.PatchOperation {
	return gateway.PatchOperation{Op: gateway.OpRemove, Path: &path}
}

// throttle is what a mark says: the limits before, and when they were taken
// away.
type throttle struct {
	rate, burst string // empty where there were none
	at          time.Time
}

func (t throttle) String() string {
	return t.rate + ":" + t.burst + ":" + strconv.FormatInt(t.at.Unix(), 10)
}

func parseThrottle(mark string) (t throttle, ok bool) {
	parts := strings.Split(mark, ":")
	if len(parts) != 3 {
		return t, false
	}
	seconds, err := strconv.ParseInt(parts[2], 10, 64)
	return throttle{rate: parts[0], burst: parts[1], at: time.Unix(seconds, 0)}, err == nil
}

// halt is what a destroy has stopped at the API.
type halt struct {
	api, stage string // empty where there is no stage any more
	mark       string
	// since is when events were accepted no more.
	since time.Time
	// drained says that what was accepted before has been handled.
	drained bool
}

// stopAPI throttles the stack's API to nothing, so that no event is accepted any
// more: now, or before an interruption. Where a delete that failed has taken the
// stage away, the stream was read to its end before that.
func (o *Operator) stopAPI(ctx context.Context, p Plan) (h halt, err error) {
	api, name, ok := apiOf(p.Resources)
	if !ok {
		return halt{since: o.now(), drained: p.Stack.Status == StatusDeleteFailed}, nil
	}
	stage, err := o.stage(ctx, api, name)
	if err != nil || stage == nil {
		return halt{since: o.now()}, err
	}
	o.learnClock(stage.ResultMetadata)
	h = halt{api: api, stage: name, mark: stage.Variables[throttleMark], since: o.now()}
	before, marked := parseThrottle(h.mark)
	if marked && closed(stage) {
		h.since, h.drained = before.at, h.mark == stage.Variables[drainedMark]
		return h, nil
	}
	before = throttle{at: h.since} // also where somebody opened it by hand meanwhile
	settings, limited := stage.MethodSettings[allMethods]
	if limited && settings.ThrottlingRateLimit >= 0 {
		before.rate, before.burst = strconv.FormatFloat(settings.ThrottlingRateLimit, 'f', -1, 64), strconv.Itoa(int(settings.ThrottlingBurstLimit))
	}
	h.mark = before.String()
	o.step("throttling the API to nothing: from now on no event is accepted")
	return h, o.patchStage(ctx, api, name, append(limits("0", "0"), replace("/variables/"+throttleMark, h.mark))...)
}

// limits set the throttle of all methods.
func limits(rate, burst string) []gateway.PatchOperation {
	return []gateway.PatchOperation{replace("/"+allMethods+"/throttling/rateLimit", rate), replace("/"+allMethods+"/throttling/burstLimit", burst)}
}

// closed says that a stage accepts nothing.
func closed(stage *apigateway.GetStageOutput) bool {
	settings, limited := stage.MethodSettings[allMethods]
	return limited && (settings.ThrottlingRateLimit == 0 || settings.ThrottlingBurstLimit == 0)
}

// markDrained remembers in the stage that what was accepted before it was
// throttled has been handled.
func (o *Operator) markDrained(ctx context.Context, h halt) error {
	if h.stage == "" {
		return nil
	}
	return o.patchStage(ctx, h.api, h.stage, replace("/variables/"+drainedMark, h.mark))
}

// statement is one of a bucket policy, as it came.
type statement = json.RawMessage

// bucketPolicy reads a bucket's policy; nil where it has none, or is gone.
func (o *Operator) bucketPolicy(ctx context.Context, bucket string) (document map[string]json.RawMessage, statements []statement, err error) {
	out, err := o.Buckets.GetBucketPolicy(ctx, &s3.GetBucketPolicyInput{Bucket: &bucket, ExpectedBucketOwner: &o.Caller.Account})
	if c := code(err); c == "NoSuchBucketPolicy" || c == "NoSuchBucket" {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read the policy of bucket %s: %w", bucket, err)
	}
	if err := json.Unmarshal([]byte(aws.ToString(out.Policy)), &document); err != nil {
		return nil, nil, fmt.Errorf("read the policy of bucket %s: %w", bucket, err)
	}
	if json.Unmarshal(document["Statement"], &statements) != nil { // a single one needs no list
		statements = []statement{document["Statement"]}
	}
	return document, statements, nil
}

// isDenial says that a statement is the one that a destroy adds.
func isDenial(s statement) bool {
	var named struct{ Sid string }
	return json.Unmarshal(s, &named) == nil && named.Sid == denySid
}

// denyWrites adds a statement to a bucket's policy by which nobody may write:
// what is deleted from then on stays deleted.
func (o *Operator) denyWrites(ctx context.Context, bucket string) error {
	document, statements, err := o.bucketPolicy(ctx, bucket)
	if err != nil || slices.ContainsFunc(statements, isDenial) {
		return err
	}
	if document == nil {
		document = map[string]json.RawMessage{"Version": json.RawMessage(`"2012-10-17"`)}
	}
	denial := fmt.Sprintf(`{"Sid":%q,"Effect":"Deny","Principal":"*","Action":"s3:PutObject","Resource":"arn:%s:s3:::%s/*"}`, denySid, o.Caller.Partition(), bucket)
	o.step("denying everybody to write into bucket " + bucket)
	err = o.putPolicy(ctx, bucket, document, append(statements, statement(denial)))
	if code(err) == "NoSuchBucket" {
		return nil
	}
	return err
}

func (o *Operator) putPolicy(ctx context.Context, bucket string, document map[string]json.RawMessage, statements []statement) error {
	if len(statements) == 0 {
		if _, err := o.Buckets.DeleteBucketPolicy(ctx, &s3.DeleteBucketPolicyInput{Bucket: &bucket, ExpectedBucketOwner: &o.Caller.Account}); err != nil {
			return fmt.Errorf("take the policy of bucket %s away: %w", bucket, err)
		}
		return nil
	}
	var err error
	if document["Statement"], err = json.Marshal(statements); err != nil {
		return fmt.Errorf("write the policy of bucket %s: %w", bucket, err)
	}
	text, err := json.Marshal(document)
	if err != nil {
		return fmt.Errorf("write the policy of bucket %s: %w", bucket, err)
	}
	if _, err := o.Buckets.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: &bucket, ExpectedBucketOwner: &o.Caller.Account, Policy: aws.String(string(text))}); err != nil {
		return fmt.Errorf("write the policy of bucket %s: %w", bucket, err)
	}
	return nil
}
