package pipeline

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	gateway "github.com/aws/aws-sdk-go-v2/service/apigateway/types"

	"github.com/streamctl/streamctl/internal/deploy/stack"
)

const (
	// throttleMark is the stage variable with the rate limit before a destroy. The
	// same call sets it and the limit of 0, so that every later run can restore the
	// stage. A stage that was throttled by hand has no mark.
	throttleMark = "streamctlBeforeDestroy"
	// drainedMark is the stage variable that repeats throttleMark once the stream
	// is drained.
	drainedMark = "streamctlDrained"
	// allMethods is the setting of a stage for each method of each path.
	allMethods = "*/*"
)

// Suspension is a suspended API.
type Suspension struct {
	api, stage string // empty if the stage does not exist any more
	mark       string
	// Since is when the API stopped accepting events.
	Since time.Time
	// drained reports that all events from before are handled.
	drained bool
}

// Suspend sets the rate limit of the stack's API to 0, unless an earlier run did.
// If a failed delete removed the stage, the stream was drained before that.
func (p *Pipeline) Suspend(ctx context.Context, s stack.Stack, resources []stack.Resource) (Suspension, error) {
	apis, stages := stack.OfType(resources, typeAPI), stack.OfType(resources, typeStage)
	if len(apis) == 0 || len(stages) == 0 {
		return Suspension{Since: p.Clock.Now(), drained: s.Status == stack.StatusDeleteFailed}, nil
	}
	api, name := apis[0].PhysicalID, stages[0].PhysicalID
	stage, err := p.stage(ctx, api, name)
	if err != nil || stage == nil {
		return Suspension{Since: p.Clock.Now()}, err
	}
	p.Clock.Learn(stage.ResultMetadata)
	out := Suspension{api: api, stage: name, mark: stage.Variables[throttleMark], Since: p.Clock.Now()}
	before, marked := parseThrottle(out.mark)
	if marked && isClosed(stage) {
		out.Since, out.drained = before.at, out.mark == stage.Variables[drainedMark]
		return out, nil
	}
	before = throttle{at: out.Since} // also if it was opened by hand in the meantime
	settings, limited := stage.MethodSettings[allMethods]
	if limited && settings.ThrottlingRateLimit >= 0 {
		before.rate, before.burst = strconv.FormatFloat(settings.ThrottlingRateLimit, 'f', -1, 64), strconv.Itoa(int(settings.ThrottlingBurstLimit))
	}
	out.mark = before.String()
	p.Step("Setting the API's rate limit to 0. New events are rejected from now on")
	patches := append(limits(allMethods, "0", "0"), patchReplace("/variables/"+throttleMark, out.mark))
	return out, p.patchStage(ctx, api, name, append(patches, closeMethods(stage)...)...)
}

// apiPolls bounds the wait for an API, in poll intervals: 90 minutes. A change of its
// security policy takes 15 minutes, and was seen to take an hour.
const apiPolls = 1800

// AwaitAPI waits until an API is available. While its status is UPDATING, API Gateway may
// reject another change, and CloudFormation the rollback of one.
func AwaitAPI(ctx context.Context, p *Pipeline, api string) error {
	return p.Await(ctx, "API "+api, apiPolls, func() (string, error) {
		out, err := p.Stages.GetRestApi(ctx, &apigateway.GetRestApiInput{RestApiId: &api})
		var missing *gateway.NotFoundException
		if errors.As(err, &missing) {
			return "", nil
		}
		if err != nil {
			return "", fmt.Errorf("read API %s: %w", api, err)
		}
		if out.ApiStatus == gateway.ApiStatusUpdating || out.ApiStatus == gateway.ApiStatusPending {
			return string(out.ApiStatus), nil
		}
		return "", nil
	})
}

// AwaitAPIs waits until the APIs of a stack are available.
func AwaitAPIs(ctx context.Context, p *Pipeline, resources []stack.Resource) error {
	for _, r := range stack.OfType(resources, typeAPI) {
		if err := AwaitAPI(ctx, p, r.PhysicalID); err != nil {
			return err
		}
	}
	return nil
}

// markDrained remembers in the stage that the stream was drained.
func (p *Pipeline) markDrained(ctx context.Context, s Suspension) error {
	if s.stage == "" {
		return nil
	}
	return p.patchStage(ctx, s.api, s.stage, patchReplace("/variables/"+drainedMark, s.mark))
}

// stage reads a stage; nil if it does not exist.
func (p *Pipeline) stage(ctx context.Context, api, name string) (*apigateway.GetStageOutput, error) {
	out, err := p.Stages.GetStage(ctx, &apigateway.GetStageInput{RestApiId: &api, StageName: &name})
	var missing *gateway.NotFoundException
	if errors.As(err, &missing) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read stage %s of API %s: %w", name, api, err)
	}
	return out, nil
}

func (p *Pipeline) patchStage(ctx context.Context, api, stage string, patches ...gateway.PatchOperation) error {
	err := p.WhenFree(ctx, "stage "+stage+" of API "+api, func() error {
		_, err := p.Stages.UpdateStage(ctx, &apigateway.UpdateStageInput{RestApiId: &api, StageName: &stage, PatchOperations: patches})
		return err
	})
	if err != nil {
		return fmt.Errorf("change stage %s of API %s: %w", stage, api, err)
	}
	return nil
}

func patchReplace(path, value string) gateway.PatchOperation {
	return gateway.PatchOperation{Op: gateway.OpReplace, Path: &path, Value: &value}
}

func patchRemove(path string) gateway.PatchOperation {
	return gateway.PatchOperation{Op: gateway.OpRemove, Path: &path}
}

// throttle is the content of a mark: the limits before a destroy, and when it
// removed them.
type throttle struct {
	rate, burst string // empty if there were none
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

// limits set the throttle of a method setting, by its key.
func limits(key, rate, burst string) []gateway.PatchOperation {
	return []gateway.PatchOperation{patchReplace("/"+key+"/throttling/rateLimit", rate), patchReplace("/"+key+"/throttling/burstLimit", burst)}
}

// isClosed reports whether a stage accepts no request.
func isClosed(stage *apigateway.GetStageOutput) bool {
	_, limited := stage.MethodSettings[allMethods]
	for _, settings := range stage.MethodSettings {
		limited = limited && (settings.ThrottlingRateLimit == 0 || settings.ThrottlingBurstLimit == 0)
	}
	return limited
}
