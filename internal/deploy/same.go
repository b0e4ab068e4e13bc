package deploy

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
)

// Current is a stack as it is, with the template that it was last deployed with.
type Current struct {
	Stack    Stack
	Template []byte
}

// Current reads a stack that can be updated. Without one, or in any other
// status, ok is false, and Stack tells what there is.
func (o *Operator) Current(ctx context.Context, name string) (c Current, ok bool, err error) {
	c.Stack, err = o.Describe(ctx, name)
	if IsNotFound(err) {
		return c, false, nil
	}
	if err != nil || c.Stack.Status.state().Deploy != Update {
		return c, false, err
	}
	c.Template, err = o.template(ctx, c.Stack)
	return c, err == nil, err
}

// Differs says what a request would change of a stack, in words; nothing where
// the stack is already what it asks for. A value that is kept, as a password is,
// doesn't count.
func (c Current) Differs(r Request) []string {
	var out []string
	if !bytes.Equal(c.Template, r.Template) {
		out = append(out, "the template")
	}
	for _, name := range slices.Sorted(maps.Keys(r.Parameters)) {
		if value, known := c.Stack.Parameters[name]; !known || value != r.Parameters[name] {
			out = append(out, "parameter "+name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Stack.Parameters)) {
		if _, set := r.Parameters[name]; !set && !slices.Contains(r.Previous, name) {
			out = append(out, "parameter "+name)
		}
	}
	if !maps.Equal(c.Stack.Tags, r.Tags) {
		out = append(out, "the tags")
	}
	if c.Stack.Protected != r.Protected {
		out = append(out, "the termination protection")
	}
	return out
}

// stopped are the stack's event source mappings that don't read: a destroy that
// was interrupted left them so. It takes one call: the stream and the functions
// are found by the stack's outputs.
func (o *Operator) stopped(ctx context.Context, stack Stack) ([]Resource, error) {
	stream := stack.Outputs["StreamName"]
	if stream == "" {
		return nil, nil
	}
	arn := fmt.Sprintf("arn:%s:kinesis:%s:%s:stream/%s", o.Caller.Partition(), o.Caller.Region, o.Caller.Account, stream)
	var out []Resource
	pages := lambda.NewListEventSourceMappingsPaginator(o.Functions, &lambda.ListEventSourceMappingsInput{EventSourceArn: &arn})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("look at what reads %s: %w", stream, err)
		}
		for _, m := range page.EventSourceMappings {
			name, ours := reader(stack, aws.ToString(m.FunctionArn))
			if state := aws.ToString(m.State); ours && (state == "Disabled" || state == "Disabling") {
				out = append(out, Resource{LogicalID: name + "Mapping", PhysicalID: aws.ToString(m.UUID), Type: typeMapping, Status: state})
			}
		}
	}
	return out, nil
}

// reader tells which of the stack's own functions a mapping's is.
func reader(stack Stack, functionARN string) (name string, ours bool) {
	_, function, _ := strings.Cut(functionARN, ":function:")
	function, _, _ = strings.Cut(function, ":") // without an alias
	for _, name := range []string{"Processor", "Archiver"} {
		if function != "" && stack.Outputs[name+"FunctionName"] == function {
			return name, true
		}
	}
	return "", false
}
