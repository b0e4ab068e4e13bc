package fake

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/streamctl/streamctl/internal/testkit/aws/fake/cfn"
)

// tags returns the tags of a resource whose type takes tags: the stack's, and its own,
// which win. The resource's service may reject them.
func (f provider) tags(r cfn.Request) (map[string]string, error) {
	if !f.schemas[r.Type].Tagging.Taggable {
		return nil, nil
	}
	out := map[string]string{}
	for _, t := range r.Tags {
		out[t.Key] = t.Value
	}
	for _, t := range children(r.Properties, "Tags") {
		out[str(t, "Key")] = str(t, "Value")
	}
	if r.Type == "AWS::IAM::Role" {
		return out, checkIAMTags(out)
	}
	return out, nil
}

// iamTag is the pattern of keys and values of IAM's tags.
var iamTag = regexp.MustCompile(`^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$`)

// checkIAMTags rejects tags with IAM's texts: keys that differ only in case, characters
// outside its set, and lengths in characters.
func checkIAMTags(tags map[string]string) error {
	refuse := func(message string) error { return handlerError("Iam", 400, message, "InvalidRequest") }
	seen := map[string]bool{}
	for i, key := range slices.Sorted(maps.Keys(tags)) {
		for _, part := range []struct {
			name, text string
			most       int
		}{{"key", key, 128}, {"value", tags[key], 256}} {
			constraint := ""
			switch {
			case utf8.RuneCountInString(part.text) > part.most:
				constraint = "Member must have length less than or equal to " + strconv.Itoa(part.most)
			case !iamTag.MatchString(part.text):
				constraint = `Member must satisfy regular expression pattern: [\p{L}\p{Z}\p{N}_.:/=+\-@]*`
			}
			if constraint != "" {
				return refuse("1 validation error detected: Value '" + part.text + "' at 'tags." + strconv.Itoa(i+1) + ".member." + part.name + "' failed to satisfy constraint: " + constraint)
			}
		}
		if seen[strings.ToLower(key)] {
			return refuse("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
		}
		seen[strings.ToLower(key)] = true
	}
	return nil
}

// Tags returns the tags of a stack's resource; nil if it doesn't exist or its type takes
// none.
func (f Inventory) Tags(stackName, logicalID string) map[string]string {
	for _, p := range f.registry.list("") {
		if p.stackName == stackName && p.logicalID == logicalID {
			return maps.Clone(p.tags)
		}
	}
	return nil
}
