package code

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/streamctl/streamctl/internal/artifact"
	"github.com/streamctl/streamctl/internal/deploy/stack"
)

// leftover names the artifact bucket, which a destroy never deletes.
const (
	leftoverID   = "Artifacts"
	leftoverType = "AWS::S3::Bucket"
)

// Sweep deletes the functions' code when the last stack that uses any is gone:
// the code of that stack, by its parameters, and code that is too old to belong to
// a running deploy. If another stack exists, all code stays, because an update
// that is rolled back needs code that is in no parameter. It returns the bucket as
// a leftover; none if it does not exist.
func (s *Store) Sweep(ctx context.Context, gone stack.Stack, stacks Used) []stack.Leftover {
	left, err := s.sweep(ctx, gone, stacks)
	switch {
	case stack.Code(err) == "NoSuchBucket":
		return nil
	case err != nil:
		left = stack.Unknown(leftoverID, leftoverType, s.Bucket, err)
	}
	return []stack.Leftover{left}
}

func (s *Store) sweep(ctx context.Context, gone stack.Stack, stacks Used) (left stack.Leftover, err error) {
	used, err := stacks(ctx)
	if err != nil {
		return left, err
	}
	left = stack.Leftover{LogicalID: leftoverID, Type: leftoverType, PhysicalID: s.Bucket, Why: "the account's bucket for the functions' code, now empty; the next deploy uses it"}
	for key := range used {
		if strings.HasPrefix(key, artifact.Folder) {
			left.Why = "the account's bucket for the functions' code, which other stacks use; `streamctl package --prune` deletes unused code"
			return left, nil
		}
	}
	byFolder, err := s.artifacts(ctx)
	if err != nil {
		return left, err
	}
	own := map[string]bool{}
	for _, value := range gone.Parameters {
		own[value] = true
	}
	var unused []types.ObjectIdentifier
	kept := 0
	for _, versions := range byFolder {
		for _, v := range versions {
			if own[aws.ToString(v.Key)] || s.Clock.Now().Sub(aws.ToTime(v.LastModified)) >= pruneAge {
				unused = append(unused, types.ObjectIdentifier{Key: v.Key, VersionId: v.VersionId})
			} else {
				kept++
			}
		}
	}
	if len(unused) > 0 {
		s.Step("Deleting %d objects with the functions' code from bucket %s: no stack uses them", len(unused), s.Bucket)
	}
	if kept > 0 {
		left.Why = fmt.Sprintf("the account's bucket for the functions' code, with %d objects of the last 24 hours, which a deploy may be about to use; `streamctl package --prune` deletes them later", kept)
	}
	return left, s.deleteVersions(ctx, unused)
}
