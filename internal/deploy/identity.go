package deploy

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/streamctl/streamctl/internal/deploy/stack"
	"github.com/streamctl/streamctl/internal/failure"
)

// IdentityAPI returns the identity behind credentials; *sts.Client satisfies it.
type IdentityAPI interface {
	GetCallerIdentity(context.Context, *sts.GetCallerIdentityInput, ...func(*sts.Options)) (*sts.GetCallerIdentityOutput, error)
}

var _ IdentityAPI = (*sts.Client)(nil)

// CredentialsError reports credentials that AWS rejects. The command line, which loaded
// them, adds the hint.
type CredentialsError struct{ Err error }

func (e *CredentialsError) Error() string { return fmt.Sprintf("use AWS credentials: %v", e.Err) }

func (e *CredentialsError) Unwrap() error { return e.Err }

// Class is the class of the error: Network if the network failed while credentials
// were fetched.
func (e *CredentialsError) Class() failure.Class {
	if stack.IsUnreachable(e.Err) {
		return failure.Network
	}
	return failure.Credentials
}

// Identify returns the identity behind the credentials. The call needs no
// permission, so a failure is one of the credentials or of the network.
func Identify(ctx context.Context, api IdentityAPI, region string) (stack.Caller, error) {
	out, err := api.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		if ctx.Err() != nil {
			return stack.Caller{}, context.Cause(ctx)
		}
		return stack.Caller{}, &CredentialsError{Err: err}
	}
	if out.Account == nil {
		return stack.Caller{}, &CredentialsError{Err: errors.New("the response has no account")}
	}
	return stack.Caller{Account: *out.Account, Region: region, ARN: aws.ToString(out.Arn)}, nil
}
