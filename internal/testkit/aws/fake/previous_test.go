package fake_test

import (
	"os"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"

	"github.com/streamctl/streamctl/internal/template"
	awsfake "github.com/streamctl/streamctl/internal/testkit/aws/fake"
	"github.com/streamctl/streamctl/internal/testkit/aws/fake/faketest"
)

// TestPreviousRelease updates a stack of the previous release, whose API has a request
// model and accepts TLS 1.0, to the current template, and rolls the same update back
// after a failure at the end.
func TestPreviousRelease(t *testing.T) {
	previous, err := os.ReadFile("testdata/previous.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, fails string
		want        types.StackStatus
	}{
		{"updated", "", types.StackStatusUpdateComplete},
		{"rolled back", "ApiStage", types.StackStatusUpdateRollbackComplete},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := faketest.Start(t, awsfake.Options{Answer: migrated})
			prepare(t, f)
			c, ctx := cloudformation.NewFromConfig(config(f)), t.Context()
			_, body, parameters := change{}.rendered(t, "")
			for function, key := range codeKeys() {
				parameters = append(parameters, param(template.CodeKeyParameter(function), key))
			}
			_, err := c.CreateStack(ctx, &cloudformation.CreateStackInput{
				StackName: aws.String("events"), TemplateURL: aws.String(putTemplate(t, f, "before.yaml", string(previous))), Parameters: parameters,
				Capabilities: []types.Capability{types.CapabilityCapabilityNamedIam},
			})
			if err != nil {
				t.Fatal(err)
			}
			wantStatus(t, f, c, settle(t, c, "events"), types.StackStatusCreateComplete)
			before := physicalIDs(t, c)
			if tt.fails != "" {
				f.FailResource(tt.fails, "the stage says no")
			}
			_, err = c.UpdateStack(ctx, &cloudformation.UpdateStackInput{
				StackName: aws.String("events"), TemplateURL: aws.String(putTemplate(t, f, "after.yaml", body)), Parameters: parameters,
				Capabilities: []types.Capability{types.CapabilityCapabilityNamedIam},
			})
			if err != nil {
				t.Fatal(err)
			}
			wantStatus(t, f, c, settle(t, c, "events"), tt.want)
			after := physicalIDs(t, c)
			for _, id := range []string{"Api", "EventStream", "Database", "Cache", "ArchiveBucket", "Key"} {
				if before[id] == "" || before[id] != after[id] {
					t.Errorf("%s was %s and is %s", id, before[id], after[id])
				}
			}
			if _, kept := after["ApiEventsModel"]; kept != (tt.fails != "") {
				t.Errorf("the model exists: %t", kept)
			}
			modelGoesLast(t, c)
		})
	}
}

// physicalIDs returns the physical ids of a stack's resources, by logical id.
func physicalIDs(t *testing.T, c *cloudformation.Client) map[string]string {
	t.Helper()
	out := map[string]string{}
	pages := cloudformation.NewListStackResourcesPaginator(c, &cloudformation.ListStackResourcesInput{StackName: aws.String("events")})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page.StackResourceSummaries {
			out[aws.ToString(r.LogicalResourceId)] = aws.ToString(r.PhysicalResourceId)
		}
	}
	return out
}

// modelGoesLast fails the test if a model was deleted before the method that used it
// had changed, or if a deletion failed.
func modelGoesLast(t *testing.T, c *cloudformation.Client) {
	t.Helper()
	out, err := c.DescribeStackEvents(t.Context(), &cloudformation.DescribeStackEventsInput{StackName: aws.String("events")})
	if err != nil {
		t.Fatal(err)
	}
	slices.SortStableFunc(out.StackEvents, func(a, b types.StackEvent) int { return a.Timestamp.Compare(*b.Timestamp) })
	var method, model time.Time
	for _, e := range out.StackEvents {
		switch {
		case e.ResourceStatus == types.ResourceStatusDeleteFailed:
			t.Errorf("%s was left behind: %s", aws.ToString(e.LogicalResourceId), aws.ToString(e.ResourceStatusReason))
		case aws.ToString(e.LogicalResourceId) == "ApiPostEvents" && e.ResourceStatus == types.ResourceStatusUpdateComplete && method.IsZero():
			method = *e.Timestamp
		case aws.ToString(e.LogicalResourceId) == "ApiEventsModel" && e.ResourceStatus == types.ResourceStatusDeleteInProgress:
			model = *e.Timestamp
		}
	}
	if !model.IsZero() && (method.IsZero() || model.Before(method)) {
		t.Errorf("the model was deleted at %s, before the method changed at %s", model, method)
	}
}
