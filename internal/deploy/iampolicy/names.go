package iampolicy

import (
	"maps"
	"slices"
	"strings"

	"github.com/streamctl/streamctl/internal/pattern"
)

// Types whose generated names are in resource patterns.
const (
	typeRole          = "AWS::IAM::Role"
	typeManagedPolicy = "AWS::IAM::ManagedPolicy"
	typeBucket        = "AWS::S3::Bucket"
)

// nameLimits are the services' limits of a name.
var nameLimits = map[string]int{typeRole: 64, typeManagedPolicy: 128, typeBucket: 63}

// names returns the patterns of the generated names of a type's resources: of the whole
// stack, and of each resource whose name CloudFormation shortens.
func (s Scope) names(prefix, resourceType string, resources map[string]string) []string {
	out := []string{s.arn("iam", "", s.Account, prefix+s.Stack+"-*")}
	for _, name := range shortened(s.Stack, resourceType, resources) {
		out = append(out, s.arn("iam", "", s.Account, prefix+name+"-*"))
	}
	return out
}

// buckets returns the patterns of the names of the stack's buckets.
func (s Scope) buckets(resources map[string]string) []string {
	var out []string
	for _, name := range append([]string{s.Stack}, shortened(s.Stack, typeBucket, resources)...) {
		name = strings.ToLower(name)
		out = append(out, s.arn("s3", "", "", name+"-*"))
	}
	return out
}

// shortened returns the beginnings of the names that don't fit the limit of their type.
func shortened(stack, resourceType string, resources map[string]string) []string {
	var out []string
	for _, id := range slices.Sorted(maps.Keys(resources)) {
		if resources[id] != resourceType {
			continue
		}
		if name := generatedPrefix(stack, id, nameLimits[resourceType]); name != stack+"-"+id {
			out = append(out, name)
		}
	}
	return out
}

// repeatedHyphens matches the hyphens that CloudFormation reduces to one.
var repeatedHyphens = pattern.New(`-{2,}`)

// suffixLength is the length of the random text at the end of a generated name, with its
// hyphen.
const suffixLength = 13

// generatedPrefix is the beginning of a name that CloudFormation generates: the stack's
// name and the logical id, which share the room under the limit. A part that needs less
// than its share leaves the rest to the other, and the stack gets the odd character.
// Repeated hyphens become one. AWS does not document the rule; its library for resource
// handlers has it (generateResourceIdentifier), and names of real resources agree.
func generatedPrefix(stack, logicalID string, limit int) string {
	stack = repeatedHyphens.Regexp().ReplaceAllString(stack, "-")
	room := limit - suffixLength - 1
	if len(stack)+len(logicalID) > room {
		half := room / 2
		forID := min(len(logicalID), max(half, room-len(stack)))
		stack, logicalID = stack[:room-forID], logicalID[:forID]
	}
	return stack + "-" + logicalID
}
