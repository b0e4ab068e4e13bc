package database_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/rds/types"

	"github.com/streamctl/streamctl/internal/deploy/database"
	"github.com/streamctl/streamctl/internal/deploy/stack"
)

// snapshots is an RDS with only snapshots; any other call panics.
type snapshots struct {
	database.API
	status map[string]string
	calls  []string
}

func (*snapshots) DescribeDBInstances(context.Context, *rds.DescribeDBInstancesInput, ...func(*rds.Options)) (*rds.DescribeDBInstancesOutput, error) {
	return &rds.DescribeDBInstancesOutput{DBInstances: []types.DBInstance{{DBInstanceStatus: aws.String("available")}}}, nil
}

func (s *snapshots) CreateDBSnapshot(_ context.Context, in *rds.CreateDBSnapshotInput, _ ...func(*rds.Options)) (*rds.CreateDBSnapshotOutput, error) {
	s.calls = append(s.calls, "create "+*in.DBSnapshotIdentifier)
	if _, exists := s.status[*in.DBSnapshotIdentifier]; exists {
		return nil, &types.DBSnapshotAlreadyExistsFault{}
	}
	s.status[*in.DBSnapshotIdentifier] = "creating"
	return &rds.CreateDBSnapshotOutput{}, nil
}

func (s *snapshots) CopyDBSnapshot(_ context.Context, in *rds.CopyDBSnapshotInput, _ ...func(*rds.Options)) (*rds.CopyDBSnapshotOutput, error) {
	s.calls = append(s.calls, fmt.Sprintf("copy to %s with %s", *in.TargetDBSnapshotIdentifier, *in.KmsKeyId))
	s.status[*in.TargetDBSnapshotIdentifier] = "creating"
	return &rds.CopyDBSnapshotOutput{}, nil
}

func (s *snapshots) DeleteDBSnapshot(_ context.Context, in *rds.DeleteDBSnapshotInput, _ ...func(*rds.Options)) (*rds.DeleteDBSnapshotOutput, error) {
	s.calls = append(s.calls, "delete "+*in.DBSnapshotIdentifier)
	if _, exists := s.status[*in.DBSnapshotIdentifier]; !exists {
		return nil, &types.DBSnapshotNotFoundFault{}
	}
	delete(s.status, *in.DBSnapshotIdentifier)
	return &rds.DeleteDBSnapshotOutput{}, nil
}

func (s *snapshots) DescribeDBSnapshots(_ context.Context, in *rds.DescribeDBSnapshotsInput, _ ...func(*rds.Options)) (*rds.DescribeDBSnapshotsOutput, error) {
	out := &rds.DescribeDBSnapshotsOutput{}
	if in.DBSnapshotIdentifier == nil { // those of an instance
		for id := range s.status {
			out.DBSnapshots = append(out.DBSnapshots, types.DBSnapshot{DBSnapshotIdentifier: &id})
		}
		return out, nil
	}
	id := *in.DBSnapshotIdentifier
	status, exists := s.status[id]
	if !exists {
		return nil, &types.DBSnapshotNotFoundFault{}
	}
	if status == "creating" { // available in the next response
		s.status[id] = "available"
	}
	out.DBSnapshots = []types.DBSnapshot{{DBSnapshotIdentifier: &id, Status: aws.String(status)}}
	return out, nil
}

func databases(api database.API) *database.Databases {
	return &database.Databases{API: api, Session: stack.Session{Report: func(stack.Event) {}, Poll: time.Millisecond, Clock: &stack.Clock{}}}
}

// TestFinalSnapshot takes one snapshot, also if an earlier run was interrupted, and
// copies it under the account's key if the stack's key is deleted.
func TestFinalSnapshot(t *testing.T) {
	since := time.Date(2026, 11, 26, 12, 30, 0, 0, time.UTC)
	const id = "db-final-20261126-123000"
	for name, tt := range map[string]struct {
		before     map[string]string
		keyDeleted bool
		calls      []string
	}{
		"the key stays":                      {map[string]string{}, false, []string{"create " + id}},
		"the key stays, again":               {map[string]string{id: "available"}, false, []string{"create " + id}},
		"the key is deleted":                 {map[string]string{}, true, []string{"create " + id + "-source", "copy to " + id + " with alias/aws/rds", "delete " + id + "-source"}},
		"interrupted after the source":       {map[string]string{id + "-source": "available"}, true, []string{"create " + id + "-source", "copy to " + id + " with alias/aws/rds", "delete " + id + "-source"}},
		"interrupted while it was copied":    {map[string]string{id + "-source": "available", id: "creating"}, true, []string{"delete " + id + "-source"}},
		"interrupted after all but an error": {map[string]string{id: "available"}, true, []string{"delete " + id + "-source"}},
	} {
		api := &snapshots{status: tt.before}
		if err := databases(api).FinalSnapshot(t.Context(), "db", since, tt.keyDeleted); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if !slices.Equal(api.calls, tt.calls) {
			t.Errorf("%s: calls %q, want %q", name, api.calls, tt.calls)
		}
		if len(api.status) != 1 || api.status[id] != "available" {
			t.Errorf("%s: left %v", name, api.status)
		}
		if taken, err := databases(api).HasFinalSnapshot(t.Context(), "db"); err != nil || !taken {
			t.Errorf("%s: it is not recognized: %v", name, err)
		}
	}
	api := &snapshots{status: map[string]string{id: "failed"}}
	if err := databases(api).FinalSnapshot(t.Context(), "db", since, false); err == nil {
		t.Error("a failed snapshot was accepted")
	}
}
