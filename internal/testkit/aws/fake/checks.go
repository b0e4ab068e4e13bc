package fake

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/streamctl/streamctl/internal/testkit/aws/fake/cfn"
)

// unusedBy rejects the deletion of a resource that a resource of another type
// refers to.
func unusedBy(resourceType, property string) func(context.Context, *account, cfn.Request) error {
	return func(_ context.Context, f *account, r cfn.Request) error {
		for _, p := range f.registry.list(resourceType) {
			if str(p.props, property) == r.PhysicalID {
				return fmt.Errorf("%s is in use by %s", r.PhysicalID, p.id)
			}
		}
		return nil
	}
}

// validJSON reports whether a property is JSON, as text or as a value.
func validJSON(v any) bool {
	if s, ok := v.(string); ok {
		return json.Valid([]byte(s))
	}
	_, err := json.Marshal(v)
	return err == nil
}
