package template

import (
	"encoding/json"
	"strings"
)

// mark starts a string that represents an intrinsic function: the function follows as
// JSON. It is a private-use character, so no valid variable contains it. goformation's
// typed fields are strings; the renderer turns marked strings back into trees.
const mark = "\uE000"

func intrinsic(name string, argument any) string {
	text, err := json.Marshal(map[string]any{name: argument})
	if err != nil {
		return mark + err.Error() // not JSON, so render reports it
	}
	return mark + string(text)
}

// Ref is a parameter's value or a resource's physical id.
func Ref(id string) string { return intrinsic("Ref", id) }

// GetAtt is an attribute of a resource, such as Arn.
func GetAtt(id, attribute string) string {
	return intrinsic("Fn::GetAtt", []string{id, attribute})
}

// Sub replaces ${Name} and ${Resource.Attribute} in text.
func Sub(text string) string { return intrinsic("Fn::Sub", text) }

// SubWith is Sub with names of its own, whose values may be intrinsics.
func SubWith(text string, values map[string]string) string {
	return intrinsic("Fn::Sub", []any{text, values})
}

// Join puts parts together with a separator between them.
func Join(separator string, parts ...string) string {
	return intrinsic("Fn::Join", []any{separator, parts})
}

// JoinList is Join for a list that another intrinsic returns.
func JoinList(separator, list string) string {
	return intrinsic("Fn::Join", []any{separator, list})
}

// Select is item i, from 0, of a list that another intrinsic returns.
func Select(i int, list string) string { return intrinsic("Fn::Select", []any{i, list}) }

// Split cuts text at a separator into a list.
func Split(separator, text string) string {
	return intrinsic("Fn::Split", []any{separator, text})
}

// Cidr gives count blocks of 2^bits addresses inside block.
func Cidr(block string, count, bits int) string {
	return intrinsic("Fn::Cidr", []any{block, count, bits})
}

// Zones lists the region's availability zones.
func Zones() string { return intrinsic("Fn::GetAZs", "") }

// FindInMap looks a value up in Mappings.
func FindInMap(mapping, first, second string) string {
	return intrinsic("Fn::FindInMap", []string{mapping, first, second})
}

// Pseudo parameters.
const (
	accountID = "AWS::AccountId"
	region    = "AWS::Region"
	stackID   = "AWS::StackId"
)

// arn is an ARN in the stack's own partition, region and account.
func arn(service, resource string) string {
	return Sub("arn:${AWS::Partition}:" + service + ":${AWS::Region}:${AWS::AccountId}:" + resource)
}

// stackGUID is eight hexadecimal characters of the stack's id, for the few
// names that must be given and be unique in the account.
func stackGUID() string {
	return Select(0, Split("-", Select(2, Split("/", Ref(stackID)))))
}

// isMarked reports whether a string represents an intrinsic.
func isMarked(s string) bool { return strings.HasPrefix(s, mark) }
