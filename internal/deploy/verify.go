package deploy

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/streamctl/streamctl/internal/artifact"
	"github.com/streamctl/streamctl/internal/deploy/stack"
)

// CheckBucket rejects an artifact bucket of another account or region, before anything is
// built. It changes nothing; a missing bucket is no error.
func (o *Operator) CheckBucket(ctx context.Context, bucket string) error {
	_, err := o.parts().store(bucket).Check(ctx)
	return err
}

// VerifyCode compares the code of each function of the stack with its artifact, by the
// SHA-256 that Lambda computed. Lambda reads the bucket after the upload, so another
// program may have replaced an object in between. functionID returns the logical id of a
// function.
func (o *Operator) VerifyCode(ctx context.Context, s stack.Stack, artifacts []artifact.Artifact, functionID func(string) string) error {
	resources, err := o.parts().stacks.Resources(ctx, s.ID)
	if err != nil {
		return err
	}
	names := map[string]string{}
	for _, r := range resources {
		names[r.LogicalID] = r.PhysicalID
	}
	for _, a := range artifacts {
		name := names[functionID(a.Function)]
		if name == "" {
			return fmt.Errorf("verify the code of %s: stack %s has no function %s", a.Function, s.Name, functionID(a.Function))
		}
		out, err := o.Lambda.GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: &name})
		if err != nil {
			return fmt.Errorf("verify the code of function %s: %w", name, err)
		}
		digest, err := hex.DecodeString(a.SHA256)
		if err != nil {
			return fmt.Errorf("verify the code of function %s: read digest: %w", name, err)
		}
		if want, got := base64.StdEncoding.EncodeToString(digest), aws.ToString(out.CodeSha256); got != want {
			return fmt.Errorf("verify the code of function %s: Lambda has the SHA-256 %s instead of %s, so another program replaced %s in the artifact bucket; check who writes there, delete the object, and run the same command again", name, got, want, a.Key())
		}
	}
	return nil
}
