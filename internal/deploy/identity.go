package deploy

import (
	"context"
	"errors"
	"fmt"
	"strings"

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

// CredentialsError is a set of credentials that AWS does not accept.
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

// Hint is the next step for a user.
func (e *CredentialsError) Hint() string {
	switch text := e.Err.Error(); {
	case strings.Contains(text, "SSO") || strings.Contains(text, "sso"):
		return "log in again with `aws sso login`"
	case stack.Code(e.Err) == "ExpiredToken" || stack.Code(e.Err) == "ExpiredTokenException":
		return "the credentials have expired; get new ones"
	case stack.Code(e.Err) != "":
		return "check the key, the secret and this machine's clock; `aws sts get-caller-identity` must work"
	default:
		return "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run `aws configure`"
	}
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
