package deploy

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	gateway "github.com/aws/aws-sdk-go-v2/service/apigateway/types"
	"golang.org/x/sync/errgroup"
)

// Halted is what isn't as the template says although CloudFormation doesn't
// know it: what a destroy stopped before it was interrupted, and a stage that
// somebody pointed elsewhere.
type Halted struct {
	// Stopped are event source mappings that don't read.
	Stopped []Resource `json:"stopped,omitempty"`
	// Throttled says that the API accepts nothing.
	Throttled bool `json:"throttled,omitempty"`
	// Denied is the bucket that nobody may write into.
	Denied string `json:"denied,omitempty"`
	// Deployment is what the stage serves, where that isn't the stack's.
	Deployment string `json:"deployment,omitempty"`

	before          throttle
	marked          bool
	marks           []gateway.PatchOperation // that take the marks away
	api, stage, own string
}

// Lines say it in words; none where all is as it should be.
func (h Halted) Lines() []string {
	var out []string
	if h.Throttled {
		out = append(out, "the API accepts nothing: a destroy that didn't end throttled it")
	}
	for _, m := range h.Stopped {
		out = append(out, m.LogicalID+" doesn't read the stream: it was stopped")
	}
	if h.Denied != "" {
		out = append(out, "nobody may write into bucket "+h.Denied+": a destroy that didn't end denied it")
	}
	if h.Deployment != "" {
		out = append(out, "the stage serves deployment "+h.Deployment+", which isn't the stack's")
	}
	return out
}

// Halted finds it, by the stack's outputs and its template, in calls made at a
// time.
func (o *Operator) Halted(ctx context.Context, current Current) (Halted, error) {
	var h Halted
	stack := current.Stack
	api, name := stack.Outputs["ApiGatewayId"], ""
	if _, after, ok := strings.Cut(stack.Outputs["ApiGatewayUrl"], "/"); ok {
		name = after
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		h.Stopped, err = o.stopped(ctx, stack)
		return err
	})
	var serves string
	if api != "" && name != "" {
		h.api, h.stage = api, name
		group.Go(func() error {
			stage, err := o.stage(ctx, api, name)
			if err == nil && stage != nil {
				serves = aws.ToString(stage.DeploymentId)
				h.before, h.marked = parseThrottle(stage.Variables[throttleMark])
				h.Throttled = h.marked && closed(stage)
				for _, mark := range []string{throttleMark, drainedMark} {
					if _, there := stage.Variables[mark]; there {
						h.marks = append(h.marks, remove("/variables/"+mark))
					}
				}
			}
			return err
		})
		group.Go(func() (err error) {
			h.own, err = o.deployment(ctx, current)
			return err
		})
	}
	group.Go(func() error {
		bucket := stack.Outputs["ArchiveBucket"]
		if bucket == "" {
			return nil
		}
		_, statements, err := o.bucketPolicy(ctx, bucket)
		if slices.ContainsFunc(statements, isDenial) {
			h.Denied = bucket
		}
		return err
	})
	if err := group.Wait(); err != nil {
		return h, err
	}
	if h.own != "" && serves != "" && serves != h.own {
		h.Deployment = serves
	}
	return h, nil
}

// pointBack has the stage serve the stack's own deployment again: CloudFormation
// would change, and delete, one that it isn't.
func (o *Operator) pointBack(ctx context.Context, current Current) error {
	h, err := o.Halted(ctx, current)
	if err != nil || h.Deployment == "" {
		return err
	}
	return o.serveOwn(ctx, h)
}

func (o *Operator) serveOwn(ctx context.Context, h Halted) error {
	o.step("pointing stage " + h.stage + " back from deployment " + h.Deployment + " at the stack's own")
	return o.patchStage(ctx, h.api, h.stage, replace("/deploymentId", h.own))
}

// release undoes what a destroy stopped: what is written first, what writes
// then, what is accepted last.
func (o *Operator) release(ctx context.Context, current Current) (changed bool, err error) {
	h, err := o.Halted(ctx, current)
	if err != nil {
		return false, err
	}
	if h.Denied != "" {
		changed = true
		if err := o.allowWrites(ctx, h.Denied); err != nil {
			return changed, err
		}
	}
	for _, m := range h.Stopped {
		changed = true
		o.step("starting " + m.LogicalID + ", which was stopped")
		if err := o.enable(ctx, m.PhysicalID, true); err != nil {
			return changed, err
		}
	}
	if h.Deployment != "" {
		changed = true
		if err := o.serveOwn(ctx, h); err != nil {
			return changed, err
		}
	}
	if !h.marked {
		return changed, nil
	}
	if err := o.protectAgain(ctx, current); err != nil {
		return changed, err
	}
	return changed || h.Throttled, o.open(ctx, h)
}

// open undoes the throttle. A stage that has got other limits meanwhile keeps
// them.
func (o *Operator) open(ctx context.Context, h Halted) error {
	patches := h.marks
	if h.Throttled {
		o.step("opening the API, which a destroy had throttled")
		if h.before.rate == "" {
			patches = append(patches, remove("/"+allMethods))
		} else {
			patches = append(patches, limits(h.before.rate, h.before.burst)...)
		}
	}
	return o.patchStage(ctx, h.api, h.stage, patches...)
}

// allowWrites takes back what denyWrites did.
func (o *Operator) allowWrites(ctx context.Context, bucket string) error {
	document, statements, err := o.bucketPolicy(ctx, bucket)
	if err != nil || document == nil {
		return err
	}
	o.step("allowing to write into bucket " + bucket + " again")
	return o.putPolicy(ctx, bucket, document, slices.DeleteFunc(statements, isDenial))
}
