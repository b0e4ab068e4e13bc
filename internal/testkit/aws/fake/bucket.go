package fake

import (
	"context"
	"fmt"
	"strings"

	"github.com/streamctl/streamctl/internal/testkit/aws/fake/cfn"
	"github.com/streamctl/streamctl/internal/testkit/aws/fake/wire"
)

// checkBucket requires versioning for Object Lock and replication, and for
// replication an existing destination with versioning. Buckets of other
// accounts and regions are looked up among the fake's own.
func checkBucket(f *account, r cfn.Request) error {
	p := r.Properties
	refuse := func(message string) error { return handlerError("S3", 400, message, "InvalidRequest") }
	versioning := str(child(p, "VersioningConfiguration"), "Status")
	locked := flag(p, "ObjectLockEnabled")
	if locked && versioning == "Suspended" {
		return handlerError("S3", 409, "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.", "ResourceConflict")
	}
	if lock := child(p, "ObjectLockConfiguration"); len(lock) > 0 {
		if !locked && versioning != "Enabled" {
			return handlerError("S3", 409, "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration", "ResourceConflict")
		}
		if retention := child(child(lock, "Rule"), "DefaultRetention"); len(retention) > 0 {
			days, years := number(retention, "Days", 0), number(retention, "Years", 0)
			if mode := str(retention, "Mode"); mode != "GOVERNANCE" && mode != "COMPLIANCE" || (days > 0) == (years > 0) {
				return refuse("The XML you provided was not well-formed or did not validate against our published schema")
			}
		}
	}
	replication := child(p, "ReplicationConfiguration")
	if len(replication) == 0 {
		return nil
	}
	if !locked && versioning != "Enabled" {
		return refuse("Versioning must be 'Enabled' on the bucket to apply a replication configuration")
	}
	for _, rule := range children(replication, "Rules") {
		destination := strings.TrimPrefix(str(child(rule, "Destination"), "Bucket"), "arn:aws:s3:::")
		status, ok := f.objects.Versioning(destination)
		if !ok {
			return refuse("Destination bucket must exist.")
		}
		if status != "Enabled" {
			return refuse("Destination bucket must have versioning enabled.")
		}
	}
	return nil
}

func createBucket(ctx context.Context, f *account, r cfn.Request) (map[string]any, error) {
	if err := f.objects.CreateBucket(r.PhysicalID); err != nil {
		return nil, fmt.Errorf("%s already exists", r.PhysicalID)
	}
	return updateBucket(ctx, f, r)
}

func updateBucket(_ context.Context, f *account, r cfn.Request) (map[string]any, error) {
	status := str(child(r.Properties, "VersioningConfiguration"), "Status")
	if flag(r.Properties, "ObjectLockEnabled") {
		status = "Enabled"
	}
	if status != "" {
		return nil, f.objects.SetVersioning(r.PhysicalID, status)
	}
	return nil, nil
}

func removeBucket(_ context.Context, f *account, r cfn.Request) error {
	err := f.objects.DeleteBucket(r.PhysicalID)
	if err == nil {
		return nil
	}
	e := wire.AsError(err)
	if e.Code == "NoSuchBucket" {
		return nil
	}
	return handlerError("S3", e.Status, e.Message, "GeneralServiceException")
}
