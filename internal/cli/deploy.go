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
	"github.com/streamctl/streamctl/internal/deploy"
	"github.com/streamctl/streamctl/internal/deploy/stack"
	"github.com/streamctl/streamctl/internal/stacktemplate"
	"github.com/streamctl/streamctl/internal/template"
)

type deployOptions struct {
	source         string
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
		Short: "Create or update the stack and wait until it is done",
		Long: `Build and upload the functions, then create the stack, or update it through a
change set, and follow the operation to its end. A stack that already matches the
variables is not changed. After an interruption, the same command resumes.

On a terminal, deploy lists the changes of an update and asks before it begins.
--yes and runs without a terminal update without a question.

A new stack needs a database password. It is taken from STREAMCTL_DATABASE_PASSWORD,
--database-password-file, the variables file, or a prompt, in that order. Later
deploys keep it.

  streamctl deploy --env production
  streamctl deploy --env production --dry-run`,
		RunE: func(cmd *cobra.Command, _ []string) error { return runDeploy(cmd.Context(), a, o) },
	}
	f := cmd.Flags()
	sourceFlag(f, &o.source)
	f.StringVar(&o.passwordFile, "database-password-file", "", "file with the database password")
	f.BoolVar(&o.changePassword, "change-password", false, "set a new database password in an existing stack")
	f.StringArrayVar(&o.allowReplace, "allow-replace", nil, "logical id of a stateful resource that may be replaced or deleted; repeatable")
	f.BoolVar(&o.code, "code", false, "update only the functions' code: the stack's template, parameters and tags stay")
	f.BoolVar(&o.dryRun, "dry-run", false, "list the changes; nothing is uploaded or changed")
	f.BoolVar(&o.wait, "wait", false, "wait for the end of another operation on the stack instead of refusing")
	f.BoolVar(&o.resume, "continue-rollback", false, "finish a failed rollback (UPDATE_ROLLBACK_FAILED), then deploy")
	f.StringArrayVar(&o.skip, "skip", nil, "with --continue-rollback: logical id of a resource that can't be restored; repeatable")
	return cmd
}

// deployed is the result of deploy.
type deployed struct {
	Stack   string            `json:"stack"`
	Status  string            `json:"status"`
	Changed bool              `json:"changed"`
	Outputs map[string]string `json:"outputs"`
	// Leftover lists resources that CloudFormation could not delete.
	Leftover []stack.Leftover `json:"leftover,omitempty"`
}

func runDeploy(ctx context.Context, a *App, o deployOptions) error {
	if o.code && (o.dryRun || o.changePassword || len(o.allowReplace) > 0) {
		return &usageError{err: errors.New("--code changes only code: it excludes --dry-run, --change-password and --allow-replace")}
	}
	if !o.dryRun {
		a.show("deploy")
	}
	v, op, err := a.login(ctx)
	if err != nil {
		return err
	}
	v.Region = op.Caller.Region
	if err := checkRegion(a, v); err != nil {
		return err
	}
	if !o.code {
		if err := checkReferences(ctx, a, v, op); err != nil {
			return err
		}
	}
	a.notef("%s: stack %s in account %s, %s", v.Environment, v.StackName, op.Caller.Account, op.Caller.Region)
	d := &deployRun{app: a, op: op, o: o, v: v}
	if o.dryRun {
		return runPreview(ctx, a, op, d)
	}
	spec := d.spec(op.Caller)
	spec.Build = func(ctx context.Context, current stack.Current) (deploy.Build, error) {
		if err := op.CheckBucket(ctx, spec.ArtifactBucket); err != nil {
			return deploy.Build{}, err
		}
		return d.build(ctx, current)
	}
	outcome, err := op.Run(ctx, spec, d.decisions())
	if err != nil {
		return err
	}
	if outcome.Created || outcome.Changed {
		if err := op.VerifyCode(ctx, outcome.Stack, d.artifacts, template.FunctionID); err != nil {
			return err
		}
	}
	d.remember()
	warning, _ := alarmWarning(ctx, op, v, outcome.Stack)
	return d.print(outcome, warning)
}

// deployRun is one run of deploy, or of a verb that compares with what deploy
// would do.
type deployRun struct {
	app       *App
	op        *deploy.Operator
	o         deployOptions
	v         config.Variables
	artifacts []artifact.Artifact
	// passwordUsed reports whether the stack gets a new password.
	passwordUsed bool
}

func (d *deployRun) spec(caller stack.Caller) deploy.Spec {
	return deploy.Spec{
		Stack: d.v.StackName, ArtifactBucket: artifactBucket(d.v, caller), Build: d.build,
		CodeOnly: d.o.code, Wait: d.o.wait, ContinueRollback: d.o.resume, Skip: d.o.skip,
	}
}

// build builds the functions and renders the template. It asks for a new password
// first, so that a person does not wait for a build before the question.
func (d *deployRun) build(ctx context.Context, current stack.Current) (b deploy.Build, err error) {
	b.Parameters = map[string]string{}
	if !d.o.code {
		b.Parameters = template.Values(d.v)
		b.Previous = []string{template.PasswordParameter}
	}
	if d.o.changePassword {
		secrets, err := d.secrets(ctx)
		if err != nil {
			return b, err
		}
		maps.Copy(b.Parameters, secrets)
		b.Previous = nil
	}
	if b.Artifacts, err = buildArtifacts(ctx, d.app, d.o.source); err != nil {
		return b, err
	}
	d.artifacts = b.Artifacts
	keys := artifact.NewManifest(b.Artifacts).Keys()
	for function, key := range keys {
		b.Parameters[template.CodeKeyParameter(function)] = key
	}
	if d.o.code {
		return b, nil
	}
	if err := d.keepAccountRole(ctx, current); err != nil {
		return b, err
	}
	b.Tags, b.Protected, b.AllowReplace = stackTags(d.v), d.v.TerminationProtection, d.o.allowReplace
	t, err := template.Build(d.v, template.Options{CodeKeys: keys})
	if err != nil {
		return b, &invalidError{err: err}
	}
	if b.Template, err = t.YAML(); err != nil {
		return b, &invalidError{err: err}
	}
	b.Policy, err = stack.ProtectivePolicy(t.IDsOfTypes(template.StatefulTypes()))
	return b, err
}

// keepAccountRole uses a live role for API Gateway's logs that is not the stack's own,
// instead of replacing it: it may be another team's.
func (d *deployRun) keepAccountRole(ctx context.Context, current stack.Current) error {
	if d.v.ApiGatewayAccountRole != config.AccountRoleCreate {
		return nil
	}
	role, err := d.op.AccountRole(ctx, current, template.AccountRoleID)
	if err != nil || role == "" {
		return err
	}
	d.app.notef("API Gateway already logs with a role of this account, which the stack will use:\n  %s", role)
	d.v.ApiGatewayAccountRole = config.AccountRoleExisting
	return nil
}

// projectTag is the key of the tag with the project's name.
const projectTag = "Project"

// stackTags are the tags of the stack and of its resources.
func stackTags(v config.Variables) map[string]string {
	tags := map[string]string{"Environment": v.Environment, projectTag: v.ProjectName}
	maps.Copy(tags, v.Tags)
	return tags
}

func (d *deployRun) decisions() deploy.Decisions {
	return deploy.Decisions{
		CheckOwner: d.checkOwner, CheckUpdate: d.checkUpdate, Approve: d.approve, Secrets: d.secrets,
		ConfirmUndo: d.app.confirmUndo,
		ConfirmRecreate: func(ctx context.Context, remains, question string) error {
			return d.app.confirmed(ctx, remains, question)
		},
	}
}

// secrets returns the secret parameters of a new stack, and asks for missing ones.
func (d *deployRun) secrets(ctx context.Context) (map[string]string, error) {
	d.passwordUsed = true
	password, err := newPassword(ctx, d.app, d.v, d.o.passwordFile)
	return map[string]string{template.PasswordParameter: password}, err
}

// checkOwner asks before a deploy takes over a stack of another project.
func (d *deployRun) checkOwner(ctx context.Context, s stack.Stack) error {
	want := stackTags(d.v)[projectTag]
	owner := s.Tags[projectTag]
	if owner == "" {
		owner, want = s.Parameters[template.ProjectParameter], d.v.ProjectName
	}
	if owner == "" || owner == want {
		return nil
	}
	return d.app.confirmed(ctx, fmt.Sprintf("Stack %s belongs to project %s, but ProjectName in %s is %s.", s.Name, owner, d.app.flags.variables, want), "Take it over?")
}

// checkUpdate rejects an update that is not possible, before anything is uploaded, and
// allows the replacement of read replicas, which have no data of their own.
func (d *deployRun) checkUpdate(current stack.Current, spec stack.Spec) ([]string, error) {
	if spec.ParametersOnly {
		resources, err := stacktemplate.Parse(current.Template)
		if err != nil {
			return nil, err
		}
		for id, r := range resources {
			if r.Type == "AWS::Lambda::Version" { // its id follows the code
				return nil, &usageError{err: fmt.Errorf("--code: %s keeps provisioned executions for one version of the code", id), hint: "`streamctl deploy` updates the version too"}
			}
		}
		return nil, nil
	}
	refusals, err := template.CheckUpdate(
		template.Deployed{Body: current.Template, Parameters: current.Stack.Parameters},
		template.Deployed{Body: spec.Template, Parameters: spec.Parameters})
	if err != nil {
		return nil, err
	}
	var problems []config.Problem
	for _, x := range refusals {
		problems = append(problems, config.Problem{Key: x.Variable, What: x.What})
	}
	if len(problems) > 0 {
		return nil, &config.InvalidError{File: d.app.flags.variables, Problems: problems}
	}
	return template.ReadReplicas(current.Template)
}

// approve lists the changes of an update, and asks on a terminal.
func (d *deployRun) approve(ctx context.Context, changes []stack.Change) error {
	a := d.app
	for _, line := range indented(changes, columns(a.Stderr)) {
		a.notef("%s", line)
	}
	_, input := terminal(a.Stdin)
	_, screen := terminal(a.Stderr)
	if !input || !screen || a.flags.output != "text" || a.Getenv("CI") != "" {
		return nil
	}
	return a.confirmed(ctx, fmt.Sprintf("This updates stack %s: %s.", d.v.StackName, plural(len(changes), "change", "changes")), "Update it?")
}

// remember saves the keys of the uploaded code, for render.
func (d *deployRun) remember() {
	if err := artifact.NewManifest(d.artifacts).Write(manifestPath(d.app)); err != nil {
		d.app.notef("`streamctl render` will not know the uploaded code: %v", err)
	}
}

func (d *deployRun) print(outcome deploy.Outcome, warning string) error {
	a, s := d.app, outcome.Stack
	a.view.end()
	switch {
	case outcome.Created:
		a.notef("Created stack %s.", s.Name)
	case outcome.Changed:
		a.notef("Updated stack %s.", s.Name)
	default:
		a.notef("No change: stack %s already matches the variables.", s.Name)
	}
	if source := passwordSource(a, d.v, d.o.passwordFile); source != "" && !d.passwordUsed {
		a.notef("The password in %s is not used: the stack keeps its own (--change-password sets it).", source)
	}
	if warning != "" {
		a.notef("%s", warning)
	}
	result := deployed{Stack: s.Name, Status: string(s.Status), Changed: outcome.Changed, Outputs: s.Outputs}
	for _, e := range outcome.Orphans {
		a.notef("left: %s %s: CloudFormation could not delete it: %s", e.Type, e.PhysicalID, e.Reason)
		result.Leftover = append(result.Leftover, stack.Leftover{LogicalID: e.LogicalID, Type: e.Type, PhysicalID: e.PhysicalID, Why: e.Reason, Costs: true})
	}
	err := a.printResult(result, func() { printOutputs(a, s.Outputs) })
	if err == nil && len(outcome.Orphans) > 0 {
		return errLeftBehind
	}
	return err
}

func printOutputs(a *App, outputs map[string]string) {
	width := 0
	for name := range outputs {
		width = max(width, ui.Width(ui.Line(name)))
	}
	for _, name := range slices.Sorted(maps.Keys(outputs)) {
		a.printf("%s  %s\n", ui.Pad(name, width), ui.Line(outputs[name]))
	}
}
