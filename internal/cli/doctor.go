package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/streamctl/streamctl/internal/artifact"
	"github.com/streamctl/streamctl/internal/cli/ui"
	"github.com/streamctl/streamctl/internal/config"
	"github.com/streamctl/streamctl/internal/deploy/iampolicy"
	"github.com/streamctl/streamctl/internal/deploy/stack"
	"github.com/streamctl/streamctl/internal/stacktemplate"
	"github.com/streamctl/streamctl/internal/template"
)

func newDoctorCmd(a *App) *cobra.Command {
	policy := false
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check what a deploy needs, or print the permissions that it needs.",
		Long: `doctor looks at what a deploy needs, changes nothing, and says what isn't there: the
variables, the credentials, the account and the region, the functions' source, and the
stack as it is.

--print-policy prints the IAM policy documents that whoever deploys these variables
needs, for this program's own calls and for what CloudFormation does with the same
credentials; one document fits one managed policy. Account and region come from the
credentials, or stand as placeholders where there are none.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if policy {
				return runPrintPolicy(cmd.Context(), a)
			}
			return runDoctor(cmd.Context(), a)
		},
	}
	cmd.Flags().BoolVar(&policy, "print-policy", false, "print the IAM policy documents that a deploy of these variables needs")
	return cmd
}

func runPrintPolicy(ctx context.Context, a *App) error {
	v, err := a.load(ctx)
	if err != nil {
		return err
	}
	t, _, err := a.build(v)
	if err != nil {
		return err
	}
	text, err := t.YAML()
	if err != nil {
		return &invalidError{err: err}
	}
	byID, err := stacktemplate.Parse(text)
	if err != nil {
		return err
	}
	types := slices.Sorted(maps.Values(stacktemplate.Types(byID)))
	s := iampolicy.Scope{Partition: "aws", Account: "<account>", Region: "<region>", Stack: v.StackName, ArtifactBucket: v.ArtifactBucket}
	if op, err := a.operator(ctx, v); err == nil {
		s.Partition, s.Account, s.Region = op.Caller.Partition(), op.Caller.Account, op.Caller.Region
	} else {
		a.notef("no credentials (%v): put account and region in yourself", err)
	}
	if s.ArtifactBucket == "" {
		s.ArtifactBucket = template.ArtifactBucketName(s.Account, s.Region)
	}
	documents, err := iampolicy.Documents(s, slices.Compact(types))
	if err != nil {
		return err
	}
	for _, d := range documents {
		a.printf("%s\n", ui.JSON(d))
	}
	return nil
}

// finding is what doctor found out about one thing.
type finding struct {
	What string `json:"what"`
	OK   bool   `json:"ok"`
	Says string `json:"says"`
	Do   string `json:"do,omitempty"`
}

// errNotReady ends a doctor with a failed check.
var errNotReady = errors.New("deploy would fail: fix the checks marked FAIL")

func runDoctor(ctx context.Context, a *App) error {
	findings := a.examine(ctx)
	unwell := false
	for _, f := range findings {
		unwell = unwell || !f.OK
	}
	err := a.answer(findings, func() {
		for _, f := range findings {
			mark := "ok  "
			if !f.OK {
				mark = "FAIL"
			}
			a.printf("%s  %-12s %s\n", mark, f.What, ui.Text(f.Says))
			if f.Do != "" {
				a.printf("      %-12s → %s\n", "", f.Do)
			}
		}
	})
	if err == nil && unwell {
		return errNotReady
	}
	return err
}

// examine looks at one thing after the other; what can't be without another is
// left out.
func (a *App) examine(ctx context.Context) (out []finding) {
	note := func(what, says string, err error) bool {
		f := finding{What: what, OK: err == nil, Says: says}
		if err != nil {
			f.Says = err.Error()
			var hinted interface{ Hint() string }
			if f.Do = stack.HintFor(err.Error()); errors.As(err, &hinted) && hinted.Hint() != "" {
				f.Do = hinted.Hint()
			}
		}
		out = append(out, f)
		return err == nil
	}
	v, err := a.load(ctx)
	if !note("variables", fmt.Sprintf("%s, stack %s", v.Environment, v.StackName), err) {
		return out
	}
	root, err := artifact.FindSource(".")
	if err != nil {
		_, err = a.codeKeys()
		note("functions", "the released ones, or what was packaged last", err)
	} else {
		note("functions", "built from "+root, nil)
	}
	op, err := a.operator(ctx, v)
	if !note("credentials", "", err) {
		return out
	}
	out[len(out)-1].Says = fmt.Sprintf("%s in account %s, %s", op.Caller.ARN, op.Caller.Account, op.Caller.Region)
	v.Region = op.Caller.Region
	note("region", v.Region, a.checkRegion(v))
	found, err := op.Describe(ctx, v.StackName)
	switch {
	case errors.Is(err, stack.ErrNotFound):
		note("stack", "there is none yet: `streamctl deploy` makes it", nil)
	case err != nil:
		note("stack", "", err)
	default:
		note("stack", fmt.Sprintf("%s: %s", found.Status, found.Status.Meaning()), stateProblem(v, found))
	}
	return out
}

// stateProblem is a status in which a deploy would do nothing.
func stateProblem(v config.Variables, found stack.Stack) error {
	if next := found.Status.Next(); next != "" {
		return &stack.StateError{Op: "deploy", Stack: v.StackName, Status: found.Status, Advice: next}
	}
	return nil
}
