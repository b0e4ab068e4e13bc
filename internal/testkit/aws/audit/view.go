// Package audit evaluates a rendered template like AWS and finds faults that
// neither CloudFormation's own checks nor a linter notice: a function that
// can't reach its database, an alarm on a metric that is never published, a
// policy that grants only half of the needed bucket actions.
//
// It works on the rendered template, by resource types and references, so that
// a resource added later is checked without a change here.
package audit

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/streamctl/streamctl/internal/testkit/aws/fake/cfn"
)

// Problem is something that would fail, never fire, or allow too much.
type Problem struct {
	// Resource is a logical id, or the name of an output.
	Resource, What string
}

func (p Problem) String() string { return p.Resource + ": " + p.What }

// Options describe the stack for which to evaluate a template.
type Options struct {
	// StackName has at most 40 characters; empty means "events".
	StackName string
	// Region is empty for us-east-1.
	Region string
	// Values are parameter values; others have the template's defaults.
	Values map[string]string
	// Defaults reports whether the variables are an environment's defaults:
	// options that cost money or fail in a new account must then be off.
	Defaults bool
	// OwnMetrics lists the metrics that the functions publish.
	OwnMetrics []string
}

// View is a template with parameters filled in and functions evaluated. A value
// that only AWS would know, such as a VPC's id, is replaced by a stand-in that
// is unique to its resource and the same in every run.
type View struct {
	Options
	*cfn.Evaluated

	stack  cfn.Stack
	parsed *cfn.Template
	owners map[string][]string // physical id or attribute to logical ids; created on first use
	shapes map[string]shape
	series map[string][]series
	sorted []cfn.Resource    // by logical id
	values map[string]any    // stand-ins used so far
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

// FromTree is New for a parsed template.
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

// partition returns a region's partition and its DNS suffix.
func partition(region string) (name, suffix string) {
	switch {
	case strings.HasPrefix(region, "cn-"):
		return "aws-cn", "amazonaws.com.cn"
	case strings.HasPrefix(region, "us-gov-"):
		return "aws-us-gov", "amazonaws.com"
	}
	return "aws", "amazonaws.com"
}

// other returns the same template in another stack or region.
func (v *View) other(stackName, region string) (*View, error) {
	o := v.Options
	o.StackName, o.Region = stackName, region
	return view(v.parsed, o, v.shapes, v.series)
}

// of returns the resources of some types, by logical id.
func (v *View) of(types ...string) []cfn.Resource {
	var out []cfn.Resource
	for _, r := range v.sorted {
		if slices.Contains(types, r.Type) {
			out = append(out, r)
		}
	}
	return out
}

// all returns every resource, by logical id.
func (v *View) all() []cfn.Resource { return v.sorted }

// find returns the resource of a type that a value identifies: by physical id
// or by one of its attributes.
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

// whose describes a value in a message.
func (v *View) whose(value any) string {
	if r, ok := v.find(value); ok {
		return r.ID + ", which is of type " + r.Type
	}
	return fmt.Sprintf("%q", text(value))
}

// physicalID returns the value of Ref.
func (v *View) physicalID(r cfn.Resource) string { return text(v.value(r, "")) }

// before reports whether a resource exists before another is created, through
// any chain of references and DependsOn.
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

// function returns the function that a name, an ARN, a version or an alias
// refers to.
func (v *View) function(value any) (cfn.Resource, bool) {
	r, ok := v.find(value, "AWS::Lambda::Function", "AWS::Lambda::Alias", "AWS::Lambda::Version")
	if ok && r.Type != "AWS::Lambda::Function" {
		return v.function(r.Properties["FunctionName"])
	}
	return r, ok
}
