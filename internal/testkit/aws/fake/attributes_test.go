package fake

import (
	"maps"
	"slices"
	"testing"

	"github.com/streamctl/streamctl/internal/testkit/aws/cfnregistry"
)

// TestAttributes compares the attributes of Fn::GetAtt with the registry: each is a
// property of the schema that can be read.
func TestAttributes(t *testing.T) {
	schemas, err := cfnregistry.Types()
	if err != nil {
		t.Fatal(err)
	}
	for _, group := range kindGroups() {
		for _, resourceType := range slices.Sorted(maps.Keys(group)) {
			schema, ok := schemas[resourceType]
			if !ok {
				t.Logf("%s is not in the registry file", resourceType)
				continue
			}
			for _, name := range slices.Sorted(maps.Keys(group[resourceType].attributes)) {
				if !slices.Contains(paths(schema.ReadOnly), name) && !slices.Contains(schema.Properties, name) {
					t.Errorf("%s: the schema has no property %s", resourceType, name)
				}
				if slices.Contains(paths(schema.WriteOnly), name) {
					t.Errorf("%s: attribute %s can't be read", resourceType, name)
				}
			}
		}
	}
}
