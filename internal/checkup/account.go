package checkup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/streamctl/streamctl/internal/deploy/stack"
)

var errNoAnswer = errors.New("the response has no value")

// CallerAPI reads the identity of the credentials; *sts.Client satisfies it.
type CallerAPI interface {
	GetCallerIdentity(context.Context, *sts.GetCallerIdentityInput, ...func(*sts.Options)) (*sts.GetCallerIdentityOutput, error)
}

var _ CallerAPI = (*sts.Client)(nil)

const (
	// skewWarning and skewFailure are the differences of the clocks; AWS rejects signatures
	// that differ by more than five minutes.
	skewWarning = time.Minute
	skewFailure = 5 * time.Minute
)

// Clock compares this machine's clock with the Date header of AWS.
func Clock(api CallerAPI) Check {
	const check, remedy = "clock", "set this machine's clock, for example with NTP"
	return Check{check, "sts:GetCallerIdentity", func(ctx context.Context) ([]Result, error) {
		out, err := api.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
		if err != nil {
			return nil, fmt.Errorf("read AWS's time: %w", err)
		}
		theirs, known := awsmiddleware.GetServerTime(out.ResultMetadata)
		ours, alsoKnown := awsmiddleware.GetResponseAt(out.ResultMetadata)
		if !known || !alsoKnown {
			return nil, fmt.Errorf("read AWS's time: %w", errNoAnswer)
		}
		skew := ours.Sub(theirs).Round(time.Second)
		text := fmt.Sprintf("%s from AWS's clock", skew)
		switch {
		case skew.Abs() > skewFailure:
			return problem(check, Fail, remedy, "%s: AWS rejects signatures beyond %s", text, skewFailure), nil
		case skew.Abs() > skewWarning:
			return problem(check, Warn, remedy, "%s", text), nil
		}
		return ok(check, "%s", text), nil
	}}
}

// statement is a statement of a policy document.
type statement struct {
	Sid       string
	Action    []string
	Resource  []string
	Condition map[string]map[string]any
}

// maxSimulated is the number of actions per simulation.
const maxSimulated = 100

// Permissions simulates the caller's permissions: every action of policy documents, on an
// example of each statement's first resource.
func Permissions(api RoleAPI, t Target, documents [][]byte) Check {
	const check = "permissions"
	return Check{check, "iam:SimulatePrincipalPolicy", func(ctx context.Context) ([]Result, error) {
		source, why := principal(ctx, api, t)
		if source == "" {
			return problem(check, Warn, "run it as a user or with a role", "skipped: %s", why), nil
		}
		denied, asked := map[string]bool{}, 0
		for _, d := range documents {
			var policy struct{ Statement []statement }
			if err := json.Unmarshal(d, &policy); err != nil {
				return nil, fmt.Errorf("read policy: %w", err)
			}
			for _, s := range policy.Statement {
				asked += len(s.Action)
				for part := range slices.Chunk(s.Action, maxSimulated) {
					if err := simulate(ctx, api, source, s, part, denied); err != nil {
						return nil, err
					}
				}
			}
		}
		if len(denied) > 0 {
			return problem(check, Fail, "attach the documents of `streamctl doctor --print-policy` to "+source, "%s may not: %s", source, listed(denied)), nil
		}
		return ok(check, "%s has all %d permissions", source, asked), nil
	}}
}

// shown is the number of denied actions in a message.
const shown = 12

func listed(denied map[string]bool) string {
	var all []string
	for action := range denied {
		all = append(all, action)
	}
	slices.Sort(all)
	if len(all) > shown {
		return fmt.Sprintf("%s and %d more", strings.Join(all[:shown], ", "), len(all)-shown)
	}
	return strings.Join(all, ", ")
}

func simulate(ctx context.Context, api RoleAPI, source string, s statement, actions []string, denied map[string]bool) error {
	in := &iam.SimulatePrincipalPolicyInput{PolicySourceArn: aws.String(source), ActionNames: actions}
	if len(s.Resource) > 0 && s.Resource[0] != "*" {
		in.ResourceArns = []string{strings.ReplaceAll(s.Resource[0], "*", "example")}
	}
	for _, values := range s.Condition {
		for key, value := range values {
			in.ContextEntries = append(in.ContextEntries, types.ContextEntry{ContextKeyName: aws.String(key), ContextKeyType: types.ContextKeyTypeEnumString, ContextKeyValues: []string{first(value)}})
		}
	}
	pages := iam.NewSimulatePrincipalPolicyPaginator(api, in)
	for n := 0; pages.HasMorePages() && n < maxPages; n++ {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return fmt.Errorf("simulate the permissions of %s: %w", source, err)
		}
		for _, r := range page.EvaluationResults {
			if r.EvalDecision != types.PolicyEvaluationDecisionTypeAllowed {
				denied[aws.ToString(r.EvalActionName)] = true
			}
		}
	}
	return nil
}

// first returns the first value of a condition.
func first(value any) string {
	if list, ok := value.([]any); ok && len(list) > 0 {
		value = list[0]
	}
	return fmt.Sprint(value)
}

// principal returns the ARN whose policies the caller has: a session's is its role's.
func principal(ctx context.Context, api RoleAPI, t Target) (arn, why string) {
	_, rest, ok := strings.Cut(t.Caller, ":"+t.Account+":")
	kind, name, _ := strings.Cut(rest, "/")
	switch {
	case ok && kind == "user":
		return t.Caller, ""
	case ok && kind == "assumed-role":
		name, _, _ = strings.Cut(name, "/")
		out, err := api.GetRole(ctx, &iam.GetRoleInput{RoleName: aws.String(name)})
		if err == nil && out.Role != nil {
			return aws.ToString(out.Role.Arn), "" // with its path, which a session's ARN lacks
		}
		if stack.IsDenied(err) {
			return "arn:" + t.Partition + ":iam::" + t.Account + ":role/" + name, ""
		}
		return "", fmt.Sprintf("the role %s can't be read: %v", name, err)
	}
	return "", "IAM can't simulate the permissions of " + t.Caller
}
