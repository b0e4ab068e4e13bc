package cfn

import (
	"strings"
	"unicode/utf8"
)

// checkTags rejects tags that CloudFormation doesn't accept for a stack, whatever the
// services of its resources accept. Lengths are in characters. The texts for reserved and
// repeated keys are inferred.
func checkTags(tags []Tag) error {
	if len(tags) > 50 {
		return invalid("Stack tags: at most 50 tags")
	}
	seen := map[string]bool{}
	for i, t := range tags {
		for _, part := range []struct {
			name, text string
			most       int
		}{{"key", t.Key, 128}, {"value", t.Value, 256}} {
			n := utf8.RuneCountInString(part.text)
			at := "1 validation error detected: Value '%s' at 'tags.%d.member." + part.name + "' failed to satisfy constraint: Member must have length "
			switch {
			case n == 0:
				return invalid(at+"greater than or equal to 1", part.text, i+1)
			case n > part.most:
				return invalid(at+"less than or equal to %d", part.text, i+1, part.most)
			}
		}
		switch {
		case strings.HasPrefix(strings.ToLower(t.Key), "aws:"):
			return invalid("aws: prefixed tag key names are not allowed for external use.")
		case seen[t.Key]:
			return invalid("Duplicate tag key: %s", t.Key)
		}
		seen[t.Key] = true
	}
	return nil
}
