package checkup

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/streamctl/streamctl/internal/deploy/stack"
	"github.com/streamctl/streamctl/internal/pattern"
)

// Names are the names that a template gives to resources itself. All other names are
// generated and can't be taken.
type Names struct{ LogGroups, Aliases []string }

// fixedName matches a name in a property's text: a literal, or a !Sub of the stack's name.
var fixedName = pattern.New(`^(?:!Sub |'?Fn::Sub'?: )?["']?([^"'\n{}]*(?:\$\{AWS::StackName\})?[^"'\n{}]*)["']?\s*$`)

// NamesOf finds the names in the properties of a template (stacktemplate.Texts).
func NamesOf(properties map[string]map[string]string, stackName string) (n Names) {
	read := func(text string) (string, bool) {
		m := fixedName.FindStringSubmatch(strings.TrimSpace(text))
		if m == nil {
			return "", false
		}
		name := strings.ReplaceAll(m[1], "${AWS::StackName}", stackName)
		return name, name != "" && !strings.HasPrefix(name, "!")
	}
	for _, p := range properties {
		if name, ok := read(p["LogGroupName"]); ok && strings.HasPrefix(name, "/") || ok && strings.HasPrefix(name, "aws-waf-logs-") {
			n.LogGroups = append(n.LogGroups, name)
		}
		if name, ok := read(p["AliasName"]); ok && strings.HasPrefix(name, "alias/") {
			n.Aliases = append(n.Aliases, name)
		}
	}
	slices.Sort(n.LogGroups)
	n.LogGroups = slices.Compact(n.LogGroups)
	slices.Sort(n.Aliases)
	return n
}

// LogAPI lists log groups; *cloudwatchlogs.Client satisfies it.
type LogAPI interface {
	DescribeLogGroups(context.Context, *cloudwatchlogs.DescribeLogGroupsInput, ...func(*cloudwatchlogs.Options)) (*cloudwatchlogs.DescribeLogGroupsOutput, error)
}

var _ LogAPI = (*cloudwatchlogs.Client)(nil)

// FreeLogGroups checks that no log group of the template exists: the create would fail.
func FreeLogGroups(api LogAPI, n Names) Check {
	const check = "log groups"
	return Check{check, "logs:DescribeLogGroups", func(ctx context.Context) ([]Result, error) {
		var taken []string
		for _, name := range n.LogGroups {
			out, err := api.DescribeLogGroups(ctx, &cloudwatchlogs.DescribeLogGroupsInput{LogGroupNamePrefix: aws.String(name)})
			if err != nil {
				return nil, fmt.Errorf("list log groups: %w", err)
			}
			for _, g := range out.LogGroups {
				if aws.ToString(g.LogGroupName) == name {
					taken = append(taken, name)
				}
			}
		}
		if len(taken) > 0 {
			return problem(check, Fail, "`aws logs delete-log-group --log-group-name …` deletes one with its log, or choose another StackName", "these exist already: %s", strings.Join(taken, ", ")), nil
		}
		return ok(check, "%d names are free", len(n.LogGroups)), nil
	}}
}

// FreeAliases checks that no key has an alias of the template.
func FreeAliases(api KeyAPI, n Names) Check {
	const check = "key alias"
	return Check{check, "kms:DescribeKey", func(ctx context.Context) ([]Result, error) {
		for _, name := range n.Aliases {
			_, err := api.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: aws.String(name)})
			switch {
			case err == nil:
				return problem(check, Fail, "`aws kms delete-alias --alias-name "+name+"`, or choose another StackName", "%s exists already", name), nil
			case stack.Code(err) != "NotFoundException":
				return nil, fmt.Errorf("read key alias %s: %w", name, err)
			}
		}
		return ok(check, "%s is free", strings.Join(n.Aliases, ", ")), nil
	}}
}

// HeadAPI looks for buckets; *s3.Client satisfies it.
type HeadAPI interface {
	HeadBucket(context.Context, *s3.HeadBucketInput, ...func(*s3.Options)) (*s3.HeadBucketOutput, error)
}

var _ HeadAPI = (*s3.Client)(nil)

// ArtifactBucket checks that the name of the artifact bucket is free, or its owner is this
// account.
func ArtifactBucket(api HeadAPI, t Target, bucket string) Check {
	const check = "artifact bucket"
	return Check{check, "s3:ListBucket", func(ctx context.Context) ([]Result, error) {
		_, err := api.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: aws.String(bucket), ExpectedBucketOwner: aws.String(t.Account)})
		var response *smithyhttp.ResponseError
		switch {
		case err == nil:
			return ok(check, "%s belongs to this account", bucket), nil
		case errors.As(err, &response) && response.HTTPStatusCode() == http.StatusNotFound:
			return ok(check, "%s is free; a deploy creates it", bucket), nil
		case errors.As(err, &response) && response.HTTPStatusCode() == http.StatusForbidden:
			return problem(check, Fail, "set ArtifactBucket to another name, or allow s3:ListBucket on this one", "%s belongs to another account, or these credentials may not read it", bucket), nil
		}
		return nil, fmt.Errorf("look for bucket %s: %w", bucket, err)
	}}
}
