package deploy_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/streamctl/streamctl/internal/deploy"
	awsfake "github.com/streamctl/streamctl/internal/testkit/aws/fake"
)

// TestNothingIsTakenForNothing changes one thing after the other of a request.
func TestNothingIsTakenForNothing(t *testing.T) {
	op, fake, _ := operator(t, awsfake.Options{})
	apply(t, op, request(t, "one", false))
	same := later(request(t, "one", false))
	fake.ResetCalls()
	current, ok, err := op.Current(t.Context(), "events")
	if err != nil || !ok {
		t.Fatalf("%v, %v", ok, err)
	}
	if what := current.Differs(same); len(what) > 0 {
		t.Errorf("the same: %v", what)
	}
	var calls []string
	for _, c := range fake.Calls() {
		calls = append(calls, c.Operation)
	}
	if want := []string{"DescribeStacks", "GetTemplate"}; !slices.Equal(calls, want) {
		t.Errorf("calls %v, want %v", calls, want)
	}
	for _, tt := range []struct {
		name   string
		change func(*deploy.Request)
	}{
		{"the template", func(r *deploy.Request) { r.Template = append(bytes.Clone(r.Template), '\n') }},
		{"parameter Text", func(r *deploy.Request) { r.Parameters["Text"] = "two" }},
		{"parameter New", func(r *deploy.Request) { r.Parameters["New"] = "x" }},
		{"parameter Text", func(r *deploy.Request) { delete(r.Parameters, "Text") }},
		{"parameter DatabasePassword", func(r *deploy.Request) { r.Parameters["DatabasePassword"] = password }},
		{"the tags", func(r *deploy.Request) { r.Tags = map[string]string{"Project": "another"} }},
		{"the tags", func(r *deploy.Request) { r.Tags = map[string]string{"Project": "events", "More": ""} }},
		{"the termination protection", func(r *deploy.Request) { r.Protected = true }},
	} {
		r := later(request(t, "one", false))
		tt.change(&r)
		if what := current.Differs(r); !slices.Equal(what, []string{tt.name}) {
			t.Errorf("%s: %v", tt.name, what)
		}
	}
}
