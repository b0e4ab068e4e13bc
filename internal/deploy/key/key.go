// Package key schedules the deletion of KMS keys.
package key

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/streamctl/streamctl/internal/deploy/stack"
)

// API is the calls that this package makes; *kms.Client satisfies it.
type API interface {
	DescribeKey(context.Context, *kms.DescribeKeyInput, ...func(*kms.Options)) (*kms.DescribeKeyOutput, error)
	ScheduleKeyDeletion(context.Context, *kms.ScheduleKeyDeletionInput, ...func(*kms.Options)) (*kms.ScheduleKeyDeletionOutput, error)
}

var _ API = (*kms.Client)(nil)

// waitingDays is the time before KMS deletes a key, its maximum. Until then the deletion
// can be canceled.
const waitingDays = 30

// Keys are the KMS keys of an account and region.
type Keys struct {
	stack.Session
	API API
}

// ScheduleDeletion schedules the deletion of a key, unless it is scheduled, and returns
// its date; zero if the key does not exist.
func (k *Keys) ScheduleDeletion(ctx context.Context, id string) (time.Time, error) {
	key, err := k.API.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &id})
	var missing *types.NotFoundException
	if errors.As(err, &missing) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("read key %s: %w", id, err)
	}
	if date := key.KeyMetadata.DeletionDate; key.KeyMetadata.KeyState == types.KeyStatePendingDeletion && date != nil {
		return *date, nil
	}
	k.Step("Scheduling the deletion of key %s in %d days; until then `aws kms cancel-key-deletion --key-id %s` keeps it", id, waitingDays, id)
	out, err := k.API.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: &id, PendingWindowInDays: aws.Int32(waitingDays)})
	if err != nil {
		return time.Time{}, fmt.Errorf("schedule the deletion of key %s: %w", id, err)
	}
	return aws.ToTime(out.DeletionDate), nil
}
