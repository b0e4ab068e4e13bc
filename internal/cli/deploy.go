package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/streamctl/streamctl/internal/artifact"
	"github.com/streamctl/streamctl/internal/cli/ui"
	"github.com/streamctl/streamctl/internal/config"
	"github.com/streamctl/streamctl/internal/deploy"
	"github.com/streamctl/streamctl/internal/template"
)

type deployOptions struct {
	packageOptions
	passwordFile   string
	changePassword bool
	allowReplace   []string
	wait, dryRun   bool
	code           bool
	resume         bool
	skip           []string
}

func newDeployCmd(a *App) *cobra.Command {
	var o deployOptions
	cmd := &cobra.Command{
		Use:   "deploy",
		Short: "Create or update the stack and wait until it is done.",
		Long: `Build and upload the functions, then create the stack, or update it through a
change set, and follow it to the end. A stack that is already what the variables
say isn't touched.

The database password is asked for when a stack is created. It is taken from
STREAMCTL_DATABASE_PASSWORD, --database-password-file, the variables file, or a
prompt, in that order; a later deploy keeps it.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return runDeploy(cmd.Context(), a, o) },
	}
	o.flags(cmd)
	cmd.Flags().StringVar(&o.passwordFile, "database-password-file", "", "file with the database password")
	cmd.Flags().BoolVar(&o.changePassword, "change-password", false, "set a new database password in an existing stack")
	cmd.Flags().StringArrayVar(&o.allowReplace, "allow-replace", nil, "logical id of a resource that holds data and may be replaced or deleted; may be given more than once")
	cmd.Flags().BoolVar(&o.code, "code", false, "only update the functions' code: template, parameters and tags stay as the stack has them")
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "only say what would change; nothing is uploaded")
	cmd.Flags().BoolVar(&o.wait, "wait", false, "wait for the end of another operation on the stack instead of refusing")
	cmd.Flags().BoolVar(&o.resume, "continue-rollback", false, "finish a rollback that failed (UPDATE_ROLLBACK_FAILED), then deploy")
	cmd.Flags().StringArrayVar(&o.skip, "skip", nil, "with --continue-rollback: logical id of a resource that can't be put back; may be given more than once")
	return cmd
}

// deployed is the answer of deploy.
type deployed struct {
	Stack   string            `json:"stack"`
	Status  string            `json:"status"`
	Changed bool              `json:"changed"`
	Outputs map[string]string `json:"outputs"`
	// Leftover is what CloudFormation could not delete.
	Leftover []deploy.Leftover `json:"leftover,omitempty"`
}

func runDeploy(ctx context.Context, a *App, o deployOptions) error {
	if !o.dryRun {
		a.show("deploy")
	}
	v, op, err := a.login(ctx)
	if err != nil {
		return err
	}
	v.Region = op.Caller.Region
	if err := a.checkRegion(v); err != nil {
		return err
	}
	a.notef("%s: stack %s in account %s, %s", v.Environment, v.StackName, op.Caller.Account, op.Caller.Region)
	current, exists, err := op.Current(ctx, v.StackName)
	if err != nil {
		return err
	}
	if o.code {
		return a.deployCode(ctx, v, o, op, current, exists)
	}
	request, err := a.request(ctx, v, o, op, hasPassword(current.Stack))
	if err != nil {
		return err
	}
	artifacts, err := a.artifacts(ctx, o.source)
	if err != nil {
		return err
	}
	if err := a.addTemplate(v, &request, artifact.NewManifest(artifacts).Keys()); err != nil {
		return err
	}
	same := exists && len(current.Differs(request)) == 0
	if exists && !same {
		if err := a.checkUpdate(current, &request); err != nil {
			return err
		}
	}
	switch {
	case o.dryRun:
		return a.previewed(ctx, op, request, current, exists)
	case same: // nothing to upload
		outcome, err := op.Update(ctx, request, current)
		return errors.Join(err, a.deployed(outcome, err))
	}
	if _, err := a.upload(ctx, v, artifacts, op); err != nil {
		return err
	}
	var outcome deploy.Outcome
	if exists {
		outcome, err = op.Update(ctx, request, current)
	} else if err = a.expectTemplate(request.Template); err == nil {
		outcome, err = op.Apply(ctx, request)
	}
	return errors.Join(err, a.deployed(outcome, err))
}

// deployCode updates the functions' code alone.
func (a *App) deployCode(ctx context.Context, v config.Variables, o deployOptions, op *deploy.Operator, current deploy.Current, exists bool) error {
	switch {
	case !exists && current.Stack.Status == "":
		return &noStackError{fmt.Errorf("deploy --code: %w: %s", deploy.ErrNotFound, v.StackName)}
	case !exists:
		return &deploy.BusyError{Stack: v.StackName, Status: string(current.Stack.Status), Since: current.Stack.Since().Local().Format("15:04:05 MST"), Meaning: current.Stack.Status.Meaning()}
	case o.dryRun || o.changePassword || len(o.allowReplace) > 0:
		return &usageError{err: errors.New("--code changes nothing else: it goes without --dry-run, --change-password and --allow-replace")}
	}
	types, err := template.Resources(current.Template)
	if err != nil {
		return err
	}
	for id, kind := range types {
		if kind == "AWS::Lambda::Version" { // its id follows the code
			return &usageError{err: fmt.Errorf("--code: %s keeps executions ready for one version of the code", id), hint: "`streamctl deploy` updates the version too"}
		}
	}
	artifacts, err := a.artifacts(ctx, o.source)
	if err != nil {
		return err
	}
	if _, err := a.upload(ctx, v, artifacts, op); err != nil {
		return err
	}
	values := map[string]string{}
	for function, key := range artifact.NewManifest(artifacts).Keys() {
		values[template.CodeKeyParameter(function)] = key
	}
	outcome, err := op.UpdateParameters(ctx, current, values)
	return errors.Join(err, a.deployed(outcome, err))
}

// hasPassword says that there is a stack whose password is kept: one that is
// made anew needs it again.
func hasPassword(stack deploy.Stack) bool {
	return stack.Status != "" && stack.Status != deploy.StatusRollbackComplete && stack.Status != deploy.StatusReview && stack.Status != "DELETE_IN_PROGRESS"
}

// request is what the stack shall be, as far as it is known before the
// functions are built; the password is found first, so that nobody waits for a
// build to be asked for it.
func (a *App) request(ctx context.Context, v config.Variables, o deployOptions, op *deploy.Operator, keepsPassword bool) (deploy.Request, error) {
	r := deploy.Request{
		Stack:          v.StackName,
		TemplateBucket: artifactBucket(v, op.Caller),
		Parameters:     template.Values(v),
		Tags:           map[string]string{"Environment": v.Environment, "Project": v.ProjectName},
		Protected:      v.TerminationProtection,
		AllowReplace:   o.allowReplace,
		Wait:           o.wait, ContinueRollback: o.resume, Skip: o.skip, Agree: a.agree(ctx),
		Approve: func(changes []deploy.Change) error {
			for _, c := range changes {
				a.notef("  %s", c)
			}
			a.expectChanges(changes)
			return nil
		},
	}
	for k, value := range v.Tags {
		r.Tags[k] = value
	}
	if keepsPassword && !o.changePassword || o.dryRun {
		r.Previous = []string{template.PasswordParameter}
		return r, nil
	}
	password, err := a.password(ctx, v, o.passwordFile)
	if err != nil {
		return r, err
	}
	r.Parameters[template.PasswordParameter] = password
	return r, nil
}

// addTemplate renders with the code that was just built.
func (a *App) addTemplate(v config.Variables, r *deploy.Request, keys map[string]string) error {
	t, err := template.Build(v, template.Options{CodeKeys: keys})
	if err != nil {
		return &invalidError{err: err}
	}
	if r.Template, err = t.YAML(); err != nil {
		return &invalidError{err: err}
	}
	if r.Policy, err = deploy.KeepData(t.Holding(deploy.HoldsData())); err != nil {
		return err
	}
	for function, key := range keys {
		r.Parameters[template.CodeKeyParameter(function)] = key
	}
	return nil
}

// checkUpdate refuses what the stack that is there can't take, before anything
// is sent, and lets go of what holds nothing of its own.
func (a *App) checkUpdate(current deploy.Current, r *deploy.Request) error {
	refusals, err := template.CheckUpdate(
		template.Deployed{Body: current.Template, Parameters: current.Stack.Parameters},
		template.Deployed{Body: r.Template, Parameters: r.Parameters})
	if err != nil {
		return err
	}
	var problems []config.Problem
	for _, x := range refusals {
		problems = append(problems, config.Problem{Key: x.Variable, What: x.What})
	}
	if len(problems) > 0 {
		return &config.InvalidError{File: a.flags.variables, Problems: problems}
	}
	copies, err := template.Copies(current.Template)
	r.AllowReplace = append(r.AllowReplace, copies...)
	return err
}

// deployed tells what became of the stack, unless that failed.
func (a *App) deployed(outcome deploy.Outcome, failed error) error {
	if failed != nil {
		return nil
	}
	a.endShow()
	stack := outcome.Stack
	switch {
	case outcome.Created:
		a.notef("Created stack %s.", stack.Name)
	case outcome.Changed:
		a.notef("Updated stack %s.", stack.Name)
	default:
		a.notef("No change: stack %s is already what the variables say.", stack.Name)
	}
	for _, e := range outcome.Orphans {
		a.notef("left: %s %s: CloudFormation could not delete it: %s", e.Type, e.PhysicalID, e.Reason)
	}
	result := deployed{Stack: stack.Name, Status: string(stack.Status), Changed: outcome.Changed, Outputs: stack.Outputs}
	for _, e := range outcome.Orphans {
		result.Leftover = append(result.Leftover, deploy.Leftover{LogicalID: e.LogicalID, Type: e.Type, PhysicalID: e.PhysicalID, Why: e.Reason, Costs: true})
	}
	err := a.answer(result, func() { a.printOutputs(stack.Outputs) })
	if err == nil && len(outcome.Orphans) > 0 {
		return errLeftBehind
	}
	return err
}

func (a *App) printOutputs(outputs map[string]string) {
	width := 0
	for name := range outputs {
		width = max(width, ui.Width(ui.Line(name)))
	}
	for _, name := range sorted(outputs) {
		a.printf("%s  %s\n", ui.Pad(name, width), ui.Line(outputs[name]))
	}
}
