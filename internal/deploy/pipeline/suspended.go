package pipeline

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	gateway "github.com/aws/aws-sdk-go-v2/service/apigateway/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"golang.org/x/sync/errgroup"

	"github.com/streamctl/streamctl/internal/deploy/stack"
)

// Suspended is the difference between a pipeline and its template that
// CloudFormation does not know: parts that an unfinished destroy suspended, and a
// stage with another deployment.
type Suspended struct {
	// Stopped are disabled event source mappings.
	Stopped []stack.Resource `json:"stopped,omitempty"`
	// Throttled reports that the API accepts no event.
	Throttled bool `json:"throttled,omitempty"`
	// Denied is the bucket to which writes are denied.
	Denied string `json:"denied,omitempty"`
	// Deployment is the API deployment of the stage if it is not the stack's.
	Deployment string `json:"deployment,omitempty"`

	before throttle
	// methods are the limits of single methods before the destroy.
	methods []gateway.PatchOperation
	// marked reports that an unfinished destroy left its mark in the stage.
	marked          bool
	marks           []gateway.PatchOperation // that remove the marks
	api, stage, own string
}

// Lines describes the differences, one per line.
func (s Suspended) Lines() []string {
	var out []string
	if s.Throttled {
		out = append(out, "the API accepts no events: an unfinished destroy set its rate limit to 0")
	}
	for _, m := range s.Stopped {
		out = append(out, m.LogicalID+" is disabled: its function does not consume the stream")
	}
	if s.Denied != "" {
		out = append(out, "writes to bucket "+s.Denied+" are denied by an unfinished destroy")
	}
	if s.Deployment != "" {
		out = append(out, "the stage serves deployment "+s.Deployment+", which is not the stack's")
	}
	return out
}

// Find reads the differences by the stack's outputs, in parallel calls. The
// deployment function returns the API deployment that the template gives the
// stage, empty if it has none.
func (p *Pipeline) Find(ctx context.Context, s stack.Stack, names Outputs, deployment func(context.Context) (string, error)) (Suspended, error) {
	var out Suspended
	api, name := s.Outputs[names.API], ""
	if _, after, ok := strings.Cut(s.Outputs[names.StageURL], "/"); ok {
		name = after
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		out.Stopped, err = p.stopped(ctx, s, names)
		return err
	})
	var serves string
	if api != "" && name != "" {
		out.api, out.stage = api, name
		group.Go(func() error {
			stage, err := p.stage(ctx, api, name)
			if err == nil && stage != nil {
				serves = aws.ToString(stage.DeploymentId)
				out.before, out.marked = parseThrottle(stage.Variables[throttleMark])
				out.Throttled = out.marked && isClosed(stage)
				out.methods = openMethods(stage)
				for _, mark := range append(methodMarks(stage), throttleMark, drainedMark) {
					if _, set := stage.Variables[mark]; set {
						out.marks = append(out.marks, patchRemove("/variables/"+mark))
					}
				}
			}
			return err
		})
		group.Go(func() (err error) {
			out.own, err = deployment(ctx)
			return err
		})
	}
	group.Go(func() error {
		bucket := s.Outputs[names.Archive]
		if bucket == "" {
			return nil
		}
		_, statements, err := p.bucketPolicy(ctx, bucket)
		if slices.ContainsFunc(statements, isDenial) {
			out.Denied = bucket
		}
		return err
	})
	if err := group.Wait(); err != nil {
		return out, err
	}
	if out.own != "" && serves != "" && serves != out.own {
		out.Deployment = serves
	}
	return out, nil
}

// stopped lists the stack's disabled event source mappings, in one call: the
// stream and the functions are known by the stack's outputs.
func (p *Pipeline) stopped(ctx context.Context, s stack.Stack, names Outputs) ([]stack.Resource, error) {
	stream := s.Outputs[names.Stream]
	if stream == "" {
		return nil, nil
	}
	arn := fmt.Sprintf("arn:%s:kinesis:%s:%s:stream/%s", p.Caller.Partition(), p.Caller.Region, p.Caller.Account, stream)
	var out []stack.Resource
	pages := stack.Limit("event source mappings", lambda.NewListEventSourceMappingsPaginator(p.Functions, &lambda.ListEventSourceMappingsInput{EventSourceArn: &arn}))
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list the consumers of stream %s: %w", stream, err)
		}
		for _, m := range page.EventSourceMappings {
			function := functionName(aws.ToString(m.FunctionArn))
			for id, output := range names.Consumers {
				state := aws.ToString(m.State)
				if own := function != "" && s.Outputs[output] == function; own && (state == "Disabled" || state == "Disabling") {
					out = append(out, stack.Resource{LogicalID: id, PhysicalID: aws.ToString(m.UUID), Type: typeMapping, Status: state})
				}
			}
		}
	}
	return out, nil
}

// functionName is the name in a function's ARN, without an alias.
func functionName(arn string) string {
	_, name, _ := strings.Cut(arn, ":function:")
	name, _, _ = strings.Cut(name, ":")
	return name
}

// RestoreDeployment points the stage at the stack's own deployment again:
// otherwise an update would change or delete the deployment that the stage does
// not serve.
func (p *Pipeline) RestoreDeployment(ctx context.Context, s Suspended) (changed bool, err error) {
	if s.Deployment == "" {
		return false, nil
	}
	p.Step("Pointing stage %s from deployment %s to the stack's own", s.stage, s.Deployment)
	return true, p.patchStage(ctx, s.api, s.stage, patchReplace("/deploymentId", s.own))
}

// Resume undoes a suspension: first writes, then the consumers, and the API last.
// Protect restores the stack's other protections before the API is opened.
func (p *Pipeline) Resume(ctx context.Context, s Suspended, protect func(context.Context) error) (changed bool, err error) {
	if s.Denied != "" {
		changed = true
		if err := p.allowWrites(ctx, s.Denied); err != nil {
			return changed, err
		}
	}
	for _, m := range s.Stopped {
		changed = true
		p.Step("Enabling %s, which was disabled", m.LogicalID)
		if err := p.enable(ctx, m.PhysicalID, true); err != nil {
			return changed, err
		}
	}
	restored, err := p.RestoreDeployment(ctx, s)
	if changed = changed || restored; err != nil || !s.marked {
		return changed, err
	}
	if err := protect(ctx); err != nil {
		return changed, err
	}
	return changed || s.Throttled, p.open(ctx, s)
}

// open restores the rate limit. A stage that has other limits now keeps them.
func (p *Pipeline) open(ctx context.Context, s Suspended) error {
	patches := s.marks
	if s.Throttled {
		p.Step("Restoring the API's rate limit, which a destroy had set to 0")
		if s.before.rate == "" {
			patches = append(patches, patchRemove("/"+allMethods))
		} else {
			patches = append(patches, limits(allMethods, s.before.rate, s.before.burst)...)
		}
		patches = append(patches, s.methods...)
	}
	return p.patchStage(ctx, s.api, s.stage, patches...)
}
