// Package audit reads a rendered template as AWS would, and finds what neither
// CloudFormation's own checks nor a linter notice: a function that doesn't
// reach its database, an alarm on a metric that nobody publishes, a policy that
// grants the wrong half of a bucket.
//
// It takes a template as it is rendered, by resource types and references, so
// a resource that is added later is checked without a change here.
package audit

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/streamctl/streamctl/internal/testkit/aws/fake/cfn"
)

// Problem is something that would fail, never fire or let too much through.
type Problem struct {
	// Resource is a logical id, or the name of an output.
	Resource, What string
}

func (p Problem) String() string { return p.Resource + ": " + p.What }

// Options say which stack a template is looked at for.
type Options struct {
	// StackName is at most 40 characters; empty stands for "events".
	StackName string
	// Region is empty for us-east-1.
	Region string
	// Values are parameter values beside the template's defaults.
	Values map[string]string
	// Defaults says that the variables are an environment's defaults: nothing
	// may be on that costs money or fails in a new account.
	Defaults bool
	// OwnMetrics are the metrics that the functions publish.
	OwnMetrics []string
}

// View is a template with parameters filled and functions evaluated. What only
// AWS would know, such as a VPC's id, is a stand-in that is the same in every
// run and belongs to one resource.
type View struct {
	Options
	*cfn.Evaluated

	stack  cfn.Stack
	parsed *cfn.Template
	owners map[string][]string // a physical id or attribute to logical ids; made when it is asked for
	shapes map[string]shape
	series map[string][]series
	sorted []cfn.Resource    // by logical id
	values map[string]any    // stand-ins that were asked for before
	needed map[string][]need // by function
}

// New evaluates a rendered template, JSON or YAML.
func New(body string, o Options) (*View, error) {
	parsed, err := cfn.Load(body)
	if err != nil {
		return nil, fmt.Errorf("read template: %w", err)
	}
	return view(parsed, o, shapes(), published())
}

// FromTree is New for a template that is parsed already.
func FromTree(tree map[string]any, o Options) (*View, error) {
	parsed, err := cfn.LoadTree(tree)
	if err != nil {
		return nil, fmt.Errorf("read template: %w", err)
	}
	return view(parsed, o, shapes(), published())
}

func view(parsed *cfn.Template, o Options, shapes map[string]shape, series map[string][]series) (*View, error) {
	if o.StackName == "" {
		o.StackName = "events"
	}
	if o.Region == "" {
		o.Region = "us-east-1"
	}
	v := &View{Options: o, parsed: parsed, shapes: shapes, series: series, values: map[string]any{}, needed: map[string][]need{}}
	partition, suffix := partition(o.Region)
	v.stack = cfn.Stack{
		Name: o.StackName, Account: account, Region: o.Region, Partition: partition, URLSuffix: suffix,
		ID:         "arn:" + partition + ":cloudformation:" + o.Region + ":" + account + ":stack/" + o.StackName + "/" + guid(o.StackName+o.Region),
		Zones:      []string{o.Region + "a", o.Region + "b", o.Region + "c"},
		Parameters: o.Values,
	}
	v.stack.Value = v.standIn
	evaluated, err := parsed.Evaluate(v.stack)
	if err != nil {
		return nil, fmt.Errorf("evaluate template: %w", err)
	}
	v.Evaluated = evaluated
	for _, id := range slices.Sorted(maps.Keys(v.Resources)) {
		v.sorted = append(v.sorted, v.Resources[id])
	}
	return v, nil
}

// partition is a region's, with the end of its host names.
func partition(region string) (name, suffix string) {
	switch {
	case strings.HasPrefix(region, "cn-"):
		return "aws-cn", "amazonaws.com.cn"
	case strings.HasPrefix(region, "us-gov-"):
		return "aws-us-gov", "amazonaws.com"
	}
	return "aws", "amazonaws.com"
}

// other is the same template in another stack or region.
func (v *View) other(stackName, region string) (*View, error) {
	o := v.Options
	o.StackName, o.Region = stackName, region
	return view(v.parsed, o, v.shapes, v.series)
}

// of lists the resources of a type, by logical id.
func (v *View) of(types ...string) []cfn.Resource {
	var out []cfn.Resource
	for _, r := range v.sorted {
		if slices.Contains(types, r.Type) {
			out = append(out, r)
		}
	}
	return out
}

// all lists every resource, by logical id.
func (v *View) all() []cfn.Resource { return v.sorted }

// find is the resource of a type that a value stands for: its physical id or
// one of its attributes.
func (v *View) find(value any, types ...string) (cfn.Resource, bool) {
	if v.owners == nil {
		v.owners = map[string][]string{}
		for _, r := range v.sorted {
			v.own(r)
		}
	}
	for _, id := range v.owners[text(value)] {
		if r := v.Resources[id]; len(types) == 0 || slices.Contains(types, r.Type) {
			return r, true
		}
	}
	return cfn.Resource{}, false
}

// whose says in a message what a value is.
func (v *View) whose(value any) string {
	if r, ok := v.find(value); ok {
		return r.ID + ", which is of type " + r.Type
	}
	return fmt.Sprintf("%q", text(value))
}

// physicalID is what Ref gives.
func (v *View) physicalID(r cfn.Resource) string { return text(v.value(r, "")) }

// before says that a resource exists before another is made, by references and
// DependsOn, however long the chain.
func (v *View) before(id, first string) bool {
	seen := map[string]bool{}
	var walk func(string) bool
	walk = func(at string) bool {
		for _, next := range v.Before[at] {
			if next == first {
				return true
			}
			if !seen[next] {
				seen[next] = true
				if walk(next) {
					return true
				}
			}
		}
		return false
	}
	return walk(id)
}

// function is the function that a name, an ARN, a version or an alias stands
// for.
func (v *View) function(value any) (cfn.Resource, bool) {
	r, ok := v.find(value, "AWS::Lambda::Function", "AWS::Lambda::Alias", "AWS::Lambda::Version")
	if ok && r.Type != "AWS::Lambda::Function" {
		return v.function(r.Properties["FunctionName"])
	}
	return r, ok
}
