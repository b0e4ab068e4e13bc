package leftovers_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/streamctl/streamctl/internal/deploy/leftovers"
	"github.com/streamctl/streamctl/internal/deploy/stack"
)

// groups is the log groups of an account.
type groups struct {
	names, deleted []string
	refuse         string // is not deleted
}

func (g *groups) DescribeLogGroups(_ context.Context, in *cloudwatchlogs.DescribeLogGroupsInput, _ ...func(*cloudwatchlogs.Options)) (*cloudwatchlogs.DescribeLogGroupsOutput, error) {
	out := &cloudwatchlogs.DescribeLogGroupsOutput{}
	for _, name := range g.names {
		if strings.HasPrefix(name, *in.LogGroupNamePrefix) {
			out.LogGroups = append(out.LogGroups, types.LogGroup{LogGroupName: &name})
		}
	}
	return out, nil
}

func (g *groups) DeleteLogGroup(_ context.Context, in *cloudwatchlogs.DeleteLogGroupInput, _ ...func(*cloudwatchlogs.Options)) (*cloudwatchlogs.DeleteLogGroupOutput, error) {
	if *in.LogGroupName == g.refuse {
		return nil, errors.New("not you")
	}
	g.deleted = append(g.deleted, *in.LogGroupName)
	return &cloudwatchlogs.DeleteLogGroupOutput{}, nil
}

// TestDeleteLogGroups deletes those of the stack's own resources, including one that an
// earlier attempt deleted, and none of a stack with a similar name.
func TestDeleteLogGroups(t *testing.T) {
	g := &groups{names: []string{
		"/aws/lambda/events-processor", "/aws/lambda/events-processor-2", "/aws/lambda/events-Ingest-ABC", "/aws/lambda/events-Ingest-ABCD",
		"API-Gateway-Execution-Logs_api1/prod", "API-Gateway-Execution-Logs_api12/prod", "/aws/rds/instance/db1/postgresql", "/aws/rds/instance/db12/postgresql", "/mine",
	}, refuse: "/aws/rds/instance/db1/postgresql"}
	l := leftovers.Leftovers{Logs: g, Session: stack.Session{Report: func(stack.Event) {}}}
	left := l.DeleteLogGroups(t.Context(), []stack.Resource{
		{Type: "AWS::Logs::LogGroup", PhysicalID: "/aws/lambda/events-processor", Status: "DELETE_COMPLETE"},
		{Type: "AWS::Lambda::Function", PhysicalID: "events-Ingest-ABC"},
		{Type: "AWS::ApiGateway::RestApi", PhysicalID: "api1"},
		{Type: "AWS::RDS::DBInstance", PhysicalID: "db1"},
		{Type: "AWS::Lambda::Function"}, // was never created
	})
	if want := []string{"/aws/lambda/events-processor", "/aws/lambda/events-Ingest-ABC", "API-Gateway-Execution-Logs_api1/prod"}; !slices.Equal(g.deleted, want) {
		t.Errorf("deleted %q, want %q", g.deleted, want)
	}
	if len(left) != 1 || left[0].PhysicalID != g.refuse || !left[0].Costs {
		t.Errorf("left %+v", left)
	}
}
