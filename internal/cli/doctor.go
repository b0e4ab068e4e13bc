package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/streamctl/streamctl/internal/artifact"
	"github.com/streamctl/streamctl/internal/artifact/released"
	"github.com/streamctl/streamctl/internal/checkup"
	"github.com/streamctl/streamctl/internal/cli/ui"
	"github.com/streamctl/streamctl/internal/config"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/deploy"
	"github.com/streamctl/streamctl/internal/deploy/iampolicy"
	"github.com/streamctl/streamctl/internal/deploy/stack"
	"github.com/streamctl/streamctl/internal/stacktemplate"
	"github.com/streamctl/streamctl/internal/template"
)

func newDoctorCmd(a *App) *cobra.Command {
	o, policy := doctorOptions{}, false
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check what a deploy needs, or print the permissions that it needs.",
		Long: `doctor checks what a deploy needs and changes nothing: the variables, the functions'
source, the credentials, the region, and the state of the stack. A failed check is
printed with a remedy.

--live also examines the running stack: it sends a canary event and waits until the event
is queryable; it checks that alarms have data and subscribers, encryption, TLS, roles,
certificates, quotas, this machine's clock and your permissions; and it has CloudFormation
detect drift, which takes a few minutes. Before the first deploy it checks quotas,
availability zones and names instead. Each run stores one event of the type
` + checkup.CanaryType + ` and the user ` + checkup.CanaryUser + `; --no-canary does not. Nothing else
changes.

--print-policy prints the IAM policy documents that a deploy of these variables needs,
for this program's own calls and for those of CloudFormation with the same credentials,
and that removing the stack's current resources needs; one document fits one managed
policy. Account and region come from the credentials;
without credentials they are placeholders.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if policy {
				return runPrintPolicy(cmd.Context(), a)
			}
			return runDoctor(cmd.Context(), a, o)
		},
	}
	sourceFlag(cmd.Flags(), &o.source)
	cmd.Flags().BoolVar(&o.live, "live", false, "examine the running stack, or the account before the first deploy")
	cmd.Flags().BoolVar(&o.noCanary, "no-canary", false, "with --live: send no event")
	cmd.Flags().Var((*ui.Duration)(&o.canaryTimeout), "canary-timeout", "with --live: time until the canary must be queryable (default: 2m)")
	cmd.Flags().BoolVar(&policy, "print-policy", false, "print the IAM policy documents that a deploy of these variables needs")
	return cmd
}

func runPrintPolicy(ctx context.Context, a *App) error {
	v, err := a.load(ctx)
	if err != nil {
		return err
	}
	op, err := a.operator(ctx, v)
	if err != nil {
		a.notef("no credentials (%v): replace <account> and <region> yourself", err)
		op = nil
	}
	documents, err := policyDocuments(ctx, a, v, op)
	if err != nil {
		return err
	}
	var p policies
	for _, d := range documents {
		p.Documents = append(p.Documents, d)
	}
	format := a.flags.output
	if format == "text" { // IAM takes JSON
		format = "json"
	}
	return writeResult(a, format, p, nil)
}

// policyDocuments returns the documents of a deploy. Without an operator, account and
// region are placeholders.
func policyDocuments(ctx context.Context, a *App, v config.Variables, op *deploy.Operator) ([][]byte, error) {
	t, _, err := buildTemplate(a, v)
	if err != nil {
		return nil, err
	}
	text, err := t.YAML()
	if err != nil {
		return nil, &invalidError{err: err}
	}
	byID, err := stacktemplate.Parse(text)
	if err != nil {
		return nil, err
	}
	resources := stacktemplate.Types(byID)
	s := iampolicy.Scope{Partition: "aws", Account: "<account>", Region: "<region>", Stack: v.StackName, ArtifactBucket: v.ArtifactBucket}
	if v.Privacy.HashUserIds {
		s.Secret = contract.UserIDParameter(v.StackName)
	}
	if op != nil {
		s.Partition, s.Account, s.Region = op.Caller.Partition(), op.Caller.Account, op.Caller.Region
		addDeployed(ctx, a, op, v.StackName, resources)
	}
	if s.ArtifactBucket == "" {
		s.ArtifactBucket = template.ArtifactBucketName(s.Account, s.Region)
	}
	return iampolicy.Documents(s, resources)
}

// addDeployed adds the stack's current resources: an update that removes one needs the
// permissions of its type too.
func addDeployed(ctx context.Context, a *App, op *deploy.Operator, name string, resources map[string]string) {
	s, err := op.Inspect(ctx, name)
	if errors.Is(err, stack.ErrNotFound) {
		return
	}
	if err != nil {
		a.notef("stack %s can't be read (%v): the documents lack the permissions to remove resources that only the stack has", name, err)
	}
	for _, r := range s.Resources {
		if _, ok := resources[r.LogicalID]; !ok {
			resources[r.LogicalID] = r.Type
		}
	}
}

// policies is the result of doctor --print-policy.
type policies struct {
	// Documents are policy documents, each for one managed policy.
	Documents []json.RawMessage `json:"documents"`
}

// finding is the result of one check of doctor.
type finding struct {
	Check string `json:"check"`
	OK    bool   `json:"ok"`
	// Status is ok, warn or fail.
	Status checkup.Status `json:"status"`
	Detail string         `json:"detail"`
	Remedy string         `json:"remedy,omitempty"`
	// Warning reports a problem that does not make a deploy fail.
	Warning bool `json:"warning,omitempty"`
}

// checkAlarms is the check that a person receives the alarms.
const checkAlarms = "alarms"

// errNotReady ends a doctor with a failed check.
var errNotReady = errors.New("deploy would fail: fix the checks marked FAIL")

func runDoctor(ctx context.Context, a *App, o doctorOptions) error {
	if err := o.check(); err != nil {
		return err
	}
	findings := examine(ctx, a, o.source)
	if o.live {
		more, err := examineLive(ctx, a, o)
		if err != nil {
			return err
		}
		findings = slices.DeleteFunc(findings, func(f finding) bool { return f.Check == checkAlarms }) // --live has its own
		findings = append(findings, more...)
	}
	for i, f := range findings {
		findings[i].Status = f.status()
	}
	unwell := false
	for _, f := range findings {
		unwell = unwell || !f.OK
	}
	err := a.printResult(findings, func() {
		for _, f := range findings {
			mark := string(f.Status)
			if !f.OK {
				mark = "FAIL"
			}
			a.printf("%-4s  %-12s %s\n", mark, f.Check, ui.Text(f.Detail))
			if f.Remedy != "" {
				a.printf("      %-12s → %s\n", "", ui.Text(f.Remedy))
			}
		}
	})
	switch {
	case err != nil || !unwell:
		return err
	case o.live:
		return errNotWell
	}
	return errNotReady
}

// status returns the result of a check.
func (f finding) status() checkup.Status {
	switch {
	case !f.OK:
		return checkup.Fail
	case f.Warning:
		return checkup.Warn
	}
	return checkup.OK
}

// remedy is the fix for a failed check whose error has no hint.
func remedy(check string) string {
	switch check {
	case "variables":
		return "correct the variables file; `streamctl validate` checks it"
	case "region":
		return "choose another region, or set what is missing in the variables file"
	case "references":
		return "create the missing ones before a deploy"
	case "stack":
		return "`streamctl status` explains the state of the stack"
	}
	return "correct the cause, then run `streamctl doctor` again"
}

// examine runs the checks in order and skips those that depend on a failed one.
func examine(ctx context.Context, a *App, source string) (out []finding) {
	note := func(check, detail string, err error) bool {
		f := finding{Check: check, OK: err == nil, Detail: detail}
		if err != nil {
			f.Detail, f.Remedy = err.Error(), cmp.Or(hint(err), remedy(check))
		}
		out = append(out, f)
		return err == nil
	}
	v, err := a.load(ctx)
	if !note("variables", fmt.Sprintf("%s, stack %s", v.Environment, v.StackName), err) {
		return out
	}
	root, err := artifact.FindSource(source)
	if err != nil {
		carried, rerr := released.Artifacts()
		if rerr == nil && len(carried) == 0 {
			rerr = &usageError{err: fmt.Errorf("find the functions' source: %w at or above %s", err, source), hint: "run it in a checkout, name one with --source, or use a released streamctl"}
		}
		note("functions", fmt.Sprintf("the %d functions of this release", len(carried)), rerr)
	} else {
		note("functions", "built from "+root, nil)
	}
	op, err := a.operator(ctx, v)
	if !note("credentials", "", err) {
		return out
	}
	out[len(out)-1].Detail = fmt.Sprintf("%s in account %s, %s", op.Caller.ARN, op.Caller.Account, op.Caller.Region)
	v.Region = op.Caller.Region
	note("region", v.Region, checkRegion(a, v))
	if v.Privacy.HashUserIds || len(referencedBuckets(v)) > 0 {
		note("references", "the secret and the buckets that the variables need exist", checkReferences(ctx, a, v, op))
	}
	found, err := op.Describe(ctx, v.StackName)
	if v.ApiGatewayAccountRole == config.AccountRoleCreate && (err == nil || errors.Is(err, stack.ErrNotFound)) {
		role, err := op.AccountRole(ctx, stack.Current{Stack: found}, template.AccountRoleID)
		detail := "the stack sets API Gateway's logging role"
		if role != "" {
			detail = "API Gateway's logs use " + role + ", which a deploy keeps"
		}
		note("log role", detail, err)
	}
	switch {
	case errors.Is(err, stack.ErrNotFound):
		note("stack", "not created yet: `streamctl deploy` creates it", nil)
	case err != nil:
		note("stack", "", err)
	default:
		note("stack", fmt.Sprintf("%s: %s", found.Status, found.Status.Meaning()), stateProblem(v, found))
		if warning, _ := alarmWarning(ctx, op, v, found); warning != "" {
			out = append(out, finding{Check: checkAlarms, OK: true, Warning: true, Detail: warning})
		}
	}
	return out
}

// stateProblem returns an error for a status in which a deploy is impossible.
func stateProblem(v config.Variables, found stack.Stack) error {
	if next := found.Status.Next(); next != "" {
		return &stack.StateError{Op: "deploy", Stack: v.StackName, Status: found.Status, Advice: next}
	}
	return nil
}
