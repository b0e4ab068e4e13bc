package deploy

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// Caller is who operates, and where.
type Caller struct {
	Account string
	Region  string
	// ARN is the user or role.
	ARN string
}

// IdentityAPI is the part of STS that tells who calls.
type IdentityAPI interface {
	GetCallerIdentity(context.Context, *sts.GetCallerIdentityInput, ...func(*sts.Options)) (*sts.GetCallerIdentityOutput, error)
}

var _ IdentityAPI = (*sts.Client)(nil)

// CredentialsError says that AWS takes no call with these credentials.
type CredentialsError struct{ Err error }

func (e *CredentialsError) Error() string { return fmt.Sprintf("use AWS credentials: %v", e.Err) }

func (e *CredentialsError) Unwrap() error { return e.Err }

// Hint says what to do.
func (e *CredentialsError) Hint() string {
	switch text := e.Err.Error(); {
	case strings.Contains(text, "SSO") || strings.Contains(text, "sso"):
		return "log in again with `aws sso login`"
	case code(e.Err) == "ExpiredToken" || code(e.Err) == "ExpiredTokenException":
		return "the credentials have expired; get new ones"
	case code(e.Err) != "":
		return "check the key, the secret and this machine's clock; `aws sts get-caller-identity` must work"
	default:
		return "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run `aws configure`"
	}
}

// Identify tells who the credentials belong to. The call needs no permission,
// so every failure is one of the credentials or the network.
func Identify(ctx context.Context, api IdentityAPI, region string) (Caller, error) {
	out, err := api.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		if ctx.Err() != nil {
			return Caller{}, context.Cause(ctx)
		}
		return Caller{}, &CredentialsError{Err: err}
	}
	if out.Account == nil {
		return Caller{}, &CredentialsError{Err: errors.New("the answer names no account")}
	}
	return Caller{Account: *out.Account, Region: region, ARN: aws.ToString(out.Arn)}, nil
}

// Partition is aws, aws-cn or aws-us-gov.
func (c Caller) Partition() string {
	if parts := strings.Split(c.ARN, ":"); len(parts) > 1 && parts[1] != "" {
		return parts[1]
	}
	return "aws"
}

func (c Caller) urlSuffix() string {
	if c.Partition() == "aws-cn" {
		return "amazonaws.com.cn"
	}
	return "amazonaws.com"
}
