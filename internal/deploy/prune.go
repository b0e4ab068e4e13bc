package deploy

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cfn "github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/streamctl/streamctl/internal/artifact"
)

const (
	// pruneAge is how old code must be to go: a deploy that runs elsewhere has
	// uploaded its own a moment ago.
	pruneAge = 24 * time.Hour
	// pruneKeep is how many of a function's newest zips stay in any case: what
	// the stack has, and what it had before.
	pruneKeep = 2
	// templateFolder is where templates are that are too large for a request.
	templateFolder = "templates/"
)

// templateKey is what they are named: in a bucket that others use too, theirs are
// theirs.
var templateKey = regexp.MustCompile(`^` + templateFolder + `[0-9a-f]{64}\.yaml$`)

// Pruned is what a prune found.
type Pruned struct {
	// Used are in a stack's parameters; Kept are new enough to stay.
	Used int `json:"used"`
	Kept int `json:"kept"`
	// Deleted are the keys that went, or would go.
	Deleted []string `json:"deleted"`
	Bytes   int64    `json:"bytes"`
}

// Prune deletes the functions' code and the large templates in an artifact
// bucket that no stack of the account and region uses, but for the newest. With
// dryRun it only says which.
func (o *Operator) Prune(ctx context.Context, bucket string, now time.Time, dryRun bool) (Pruned, error) {
	var p Pruned
	used, err := o.usedKeys(ctx)
	if err != nil {
		return p, err
	}
	byFolder, err := o.artifacts(ctx, bucket)
	if err != nil {
		return p, err
	}
	var goes []types.ObjectIdentifier
	for folder, versions := range byFolder {
		slices.SortFunc(versions, func(a, b types.ObjectVersion) int { // the newest first
			return cmp.Or(aws.ToTime(b.LastModified).Compare(aws.ToTime(a.LastModified)), strings.Compare(aws.ToString(b.Key), aws.ToString(a.Key)))
		})
		for i, v := range versions {
			switch key := aws.ToString(v.Key); {
			case used[key]:
				p.Used++
			case i < pruneKeep && folder != templateFolder, now.Sub(aws.ToTime(v.LastModified)) < pruneAge:
				p.Kept++
			default:
				p.Deleted, p.Bytes = append(p.Deleted, key), p.Bytes+aws.ToInt64(v.Size)
				goes = append(goes, types.ObjectIdentifier{Key: v.Key, VersionId: v.VersionId})
			}
		}
	}
	slices.Sort(p.Deleted)
	if dryRun {
		return p, nil
	}
	return p, o.deleteVersions(ctx, bucket, goes)
}

// artifacts lists the functions' code and the large templates in an artifact
// bucket, by folder: one for each function.
func (o *Operator) artifacts(ctx context.Context, bucket string) (map[string][]types.ObjectVersion, error) {
	byFolder := map[string][]types.ObjectVersion{}
	pages := s3.NewListObjectVersionsPaginator(o.Buckets, &s3.ListObjectVersionsInput{Bucket: &bucket, ExpectedBucketOwner: &o.Caller.Account})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list bucket %s: %w", bucket, err)
		}
		for _, v := range page.Versions {
			if key := aws.ToString(v.Key); artifact.IsKey(key) || templateKey.MatchString(key) {
				folder := key[:strings.LastIndex(key, "/")+1]
				byFolder[folder] = append(byFolder[folder], v)
			}
		}
	}
	return byFolder, nil
}

func (o *Operator) deleteVersions(ctx context.Context, bucket string, goes []types.ObjectIdentifier) error {
	for part := range slices.Chunk(goes, deletes) {
		out, err := o.Buckets.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: &bucket, ExpectedBucketOwner: &o.Caller.Account, Delete: &types.Delete{Objects: part, Quiet: aws.Bool(true)}})
		if err != nil {
			return fmt.Errorf("delete from bucket %s: %w", bucket, err)
		}
		if len(out.Errors) > 0 {
			e := out.Errors[0]
			return fmt.Errorf("delete %s from bucket %s: %s: %s", aws.ToString(e.Key), bucket, aws.ToString(e.Code), aws.ToString(e.Message))
		}
	}
	return nil
}

// usedKeys are the values of every stack's parameters that look like keys of
// code: whoever's stack it is, its code stays.
func (o *Operator) usedKeys(ctx context.Context) (map[string]bool, error) {
	used := map[string]bool{}
	pages := cfn.NewDescribeStacksPaginator(o.Stacks, &cfn.DescribeStacksInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list stacks: %w", err)
		}
		for _, s := range page.Stacks {
			for _, p := range s.Parameters {
				used[aws.ToString(p.ParameterValue)] = true
			}
		}
	}
	return used, nil
}
