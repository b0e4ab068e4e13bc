package deploy_test

import (
	"bytes"
	"context"
	"github.com/streamctl/streamctl/internal/deploy/stack"
	"slices"
	"testing"

	"github.com/streamctl/streamctl/internal/deploy"
	awsfake "github.com/streamctl/streamctl/internal/testkit/aws/fake"
)

// TestNothingIsTakenForNothing changes one part of the desired state after the other:
// each is a difference.
func TestNothingIsTakenForNothing(t *testing.T) {
	op, fake, _ := operator(t, awsfake.Options{})
	apply(t, op, request(t, "one", false))
	same := later(request(t, "one", false))
	fake.ResetCalls()
	compared, err := op.Compare(t.Context(), deploy.Spec{Stack: "events", Build: func(context.Context, stack.Current) (deploy.Build, error) { return deploy.Build{Spec: same.Spec}, nil }}, "diff")
	if err != nil || compared.Action != stack.Update || len(compared.Diff) > 0 {
		t.Fatalf("the same: %+v, %v", compared, err)
	}
	current := compared.Current
	var calls []string
	for _, c := range fake.Calls() {
		calls = append(calls, c.Operation)
	}
	if want := []string{"DescribeStacks", "GetTemplate"}; !slices.Equal(calls, want) {
		t.Errorf("calls %v, want %v", calls, want)
	}
	for _, tt := range []struct {
		name   string
		change func(*change)
	}{
		{"the template", func(r *change) { r.Template = append(bytes.Clone(r.Template), '\n') }},
		{"parameter Text", func(r *change) { r.Parameters["Text"] = "two" }},
		{"parameter New", func(r *change) { r.Parameters["New"] = "x" }},
		{"parameter Text", func(r *change) { delete(r.Parameters, "Text") }},
		{"parameter DatabasePassword", func(r *change) { r.Parameters["DatabasePassword"] = password }},
		{"the tags", func(r *change) { r.Tags = map[string]string{"Project": "another"} }},
		{"the tags", func(r *change) { r.Tags = map[string]string{"Project": "events", "More": ""} }},
		{"the termination protection", func(r *change) { r.Protected = true }},
	} {
		r := later(request(t, "one", false))
		tt.change(&r)
		if what := current.Diff(r.Spec); !slices.Equal(what, []string{tt.name}) {
			t.Errorf("%s: %v", tt.name, what)
		}
	}
}
