package code

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/streamctl/streamctl/internal/artifact"
	"github.com/streamctl/streamctl/internal/pattern"
	"github.com/streamctl/streamctl/internal/s3key"
)

const (
	// pruneAge is the age from which unused code is deleted: a deploy that runs
	// elsewhere may have uploaded newer code.
	pruneAge = 24 * time.Hour
	// pruneKeep is the number of a function's newest zips that stay in any case:
	// the current and the previous one.
	pruneKeep = 2
	// templateFolder has the templates that are too large for a request.
	templateFolder = "templates/"
	// maxDeleteKeys is S3's limit of keys per DeleteObjects call.
	maxDeleteKeys = 1000
)

// templateKey matches their keys. Other users of the bucket keep their objects.
var templateKey = pattern.New(`^` + templateFolder + `[0-9a-f]{64}\.yaml$`)

// Pruned counts the objects that a prune found.
type Pruned struct {
	// Used are in a stack's parameters, Kept are too new to be deleted.
	Used int `json:"used"`
	Kept int `json:"kept"`
	// Deleted are the keys that were deleted, or would be.
	Deleted []string `json:"deleted"`
	Bytes   int64    `json:"bytes"`
}

// Used returns the parameter values of all stacks of the account and region: code whose
// key is among them is in use by some stack.
type Used func(context.Context) (map[string]bool, error)

// Prune deletes the functions' code and the large templates that no stack of the
// account and region uses, except for the newest. A dry run only lists them.
func (s *Store) Prune(ctx context.Context, stacks Used, now time.Time, dryRun bool) (Pruned, error) {
	var p Pruned
	used, err := stacks(ctx)
	if err != nil {
		return p, err
	}
	byFolder, err := s.artifacts(ctx)
	if err != nil {
		return p, err
	}
	var unused []types.ObjectIdentifier
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
				unused = append(unused, types.ObjectIdentifier{Key: v.Key, VersionId: v.VersionId})
			}
		}
	}
	slices.Sort(p.Deleted)
	if dryRun {
		return p, nil
	}
	return p, s.deleteVersions(ctx, unused)
}

// artifacts lists the functions' code and the large templates, by folder: one per
// function.
func (s *Store) artifacts(ctx context.Context) (map[string][]types.ObjectVersion, error) {
	byFolder := map[string][]types.ObjectVersion{}
	in := &s3.ListObjectVersionsInput{Bucket: &s.Bucket, ExpectedBucketOwner: &s.Caller.Account, EncodingType: types.EncodingTypeUrl}
	for {
		page, err := s.API.ListObjectVersions(ctx, in)
		if err != nil {
			return nil, fmt.Errorf("list bucket %s: %w", s.Bucket, err)
		}
		for _, v := range page.Versions {
			key, err := s3key.Decode(string(page.EncodingType), aws.ToString(v.Key))
			if err != nil {
				return nil, fmt.Errorf("list bucket %s: %w", s.Bucket, err)
			}
			if v.Key = &key; artifact.IsKey(key) || templateKey.MatchString(key) {
				folder := key[:strings.LastIndex(key, "/")+1]
				byFolder[folder] = append(byFolder[folder], v)
			}
		}
		if !aws.ToBool(page.IsTruncated) || page.NextKeyMarker == nil {
			return byFolder, nil
		}
		marker, err := s3key.Decode(string(page.EncodingType), *page.NextKeyMarker)
		if err != nil {
			return nil, fmt.Errorf("list bucket %s: %w", s.Bucket, err)
		}
		if aws.ToString(in.KeyMarker) == marker && aws.ToString(in.VersionIdMarker) == aws.ToString(page.NextVersionIdMarker) {
			return nil, fmt.Errorf("list bucket %s: the listing does not advance after key %q", s.Bucket, marker)
		}
		in.KeyMarker, in.VersionIdMarker = &marker, page.NextVersionIdMarker
	}
}

func (s *Store) deleteVersions(ctx context.Context, objects []types.ObjectIdentifier) error {
	for part := range slices.Chunk(objects, maxDeleteKeys) {
		out, err := s.API.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: &s.Bucket, ExpectedBucketOwner: &s.Caller.Account, Delete: &types.Delete{Objects: part, Quiet: aws.Bool(true)}})
		if err != nil {
			return fmt.Errorf("delete from bucket %s: %w", s.Bucket, err)
		}
		if len(out.Errors) > 0 {
			e := out.Errors[0]
			return fmt.Errorf("delete %s from bucket %s: %s: %s", aws.ToString(e.Key), s.Bucket, aws.ToString(e.Code), aws.ToString(e.Message))
		}
	}
	return nil
}
