package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/streamctl/streamctl/internal/awshttp"
	"github.com/streamctl/streamctl/internal/config"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/deploy"
)

// checkReferences reports secrets and buckets outside the stack that the variables need
// and that do not exist. It changes nothing and reads no secret.
func checkReferences(ctx context.Context, a *App, v config.Variables, op *deploy.Operator) error {
	var problems []config.Problem
	if v.Privacy.HashUserIds {
		cfg, err := a.awsConfig(ctx, v)
		if err != nil {
			return err
		}
		name := contract.UserIDParameter(v.StackName)
		found, err := awshttp.Parameters{AWS: cfg}.Exists(ctx, name)
		if err != nil {
			return err
		}
		if !found {
			problems = append(problems, config.Problem{Key: "Privacy.HashUserIds", What: fmt.Sprintf("the secret for hashing user ids does not exist (parameter %s in %s): create it with `streamctl keys secret` and the same --env, --stack-name and --region", name, op.Caller.Region)})
		}
	}
	for _, b := range referencedBuckets(v) {
		_, err := op.S3.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: aws.String(b.name)})
		var response *smithyhttp.ResponseError
		switch {
		case errors.As(err, &response) && response.HTTPStatusCode() == http.StatusNotFound:
			problems = append(problems, config.Problem{Key: b.key, What: fmt.Sprintf("bucket %s does not exist: create it, or correct the name", b.name)})
		case err != nil && !errors.As(err, &response): // a response of another status is that of a bucket
			return fmt.Errorf("look for bucket %s: %w", b.name, err)
		}
	}
	if len(problems) > 0 {
		return &config.InvalidError{File: a.flags.variables, Problems: problems}
	}
	return nil
}

// reference is something outside the stack that a variable names.
type reference struct{ key, name string }

// referencedBuckets lists the buckets that must exist before a deploy. The artifact
// bucket is not among them: a deploy creates it.
func referencedBuckets(v config.Variables) (out []reference) {
	if arn := v.ArchiveReplicationBucketArn; arn != "" {
		out = append(out, reference{"ArchiveReplicationBucketArn", arn[strings.LastIndexByte(arn, ':')+1:]})
	}
	for i, name := range v.ReplayBuckets {
		out = append(out, reference{fmt.Sprintf("ReplayBuckets[%d]", i), name})
	}
	return out
}
