package fake

import (
	"crypto/rand"
	"regexp"
	"strings"

	"github.com/streamctl/streamctl/internal/testkit/aws/fake/cfn"
)

// generated generates a name of at most limit characters, as CloudFormation does: stack,
// logical id and random capitals.
func generated(r cfn.Request, limit int) string {
	return namePrefix(r.StackName, r.LogicalID, limit) + rand.Text()[:12]
}

// repeated matches the hyphens that CloudFormation reduces to one in a stack's name.
var repeated = regexp.MustCompile(`-{2,}`)

// namePrefix shortens a stack's name and a logical id to fit before 12 characters. Both
// get an equal share of the room; a part that needs less leaves the rest to the other,
// and of an odd rest the stack's name gets one character more. This is fairSplit of
// CloudFormation's library for resource handlers.
func namePrefix(stack, logicalID string, limit int) string {
	parts := []string{repeated.ReplaceAllString(strings.TrimLeft(stack, "-"), "-"), logicalID}
	room, kept := limit-13-1, []int{0, 0}
	for room > 0 {
		share, full := max(1, room/len(parts)), 0
		for i, part := range parts {
			more := min(share, len(part)-kept[i], room)
			kept[i], room = kept[i]+more, room-more
			if kept[i] == len(part) {
				full++
			}
		}
		if full == len(parts) {
			break
		}
	}
	return parts[0][:kept[0]] + "-" + parts[1][:kept[1]] + "-"
}
