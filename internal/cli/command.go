package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/streamctl/streamctl/internal/api"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/deploy/code"
	"github.com/streamctl/streamctl/internal/nearest"
	"github.com/streamctl/streamctl/internal/tail"
)

// verb is a command with the common flags that it accepts.
type verb struct {
	build func(*App) *cobra.Command
	// flags are the common flags that apply; --no-color applies to every verb.
	flags []string
	// formats are the values of --output, the default first.
	formats []string
	// results has a value of each type that --output json writes, with the call that
	// writes it; docs/cli.md is generated from it.
	results []result
}

// result describes the output of one call with --output json. Of is a value of its
// type, or a text for a result without a type in this package.
type result struct {
	Call string
	Of   any
}

// verbs lists the commands in the order of the help.
func verbs() []verb {
	var (
		local = []string{"env", "variables", "stack-name", "region", "output"}
		stack = append(slices.Clone(local), "profile")
		all   = append(slices.Clone(stack), "yes", "verbose")
		usual = []string{"text", "json", "yaml"}
	)
	return []verb{
		{newInitCmd, []string{"variables", "output"}, usual, []result{{"init", initialized{}}}},
		{newValidateCmd, local, usual, []result{{"validate", []validated{}}}},
		{newRenderCmd, local, usual, []result{{"render", "the CloudFormation template"}}},
		{newPackageCmd, stack, usual, []result{{"package", []packaged{}}, {"package --prune", code.Pruned{}}}},
		{newDeployCmd, all, usual, []result{{"deploy", deployed{}}, {"deploy --dry-run", preview{}}}},
		{newDiffCmd, stack, usual, []result{{"diff", diffed{}}}},
		{newStatusCmd, append(slices.Clone(stack), "verbose"), usual, []result{{"status", status{}}, {"status --url", localStatus{}}}},
		{newOutputsCmd, stack, append(slices.Clone(usual), "env"), []result{{"outputs", "an object with a key for each output, or with the given KEY only"}}},
		{newDashboardCmd, stack, usual, []result{{"dashboard", served{}}}},
		{newDestroyCmd, all, usual, []result{{"destroy", destroyed{}}}},
		{newLocalCmd, local, usual, []result{{"local", localInfo{}}}},
		{newSendCmd, stack, usual, []result{{"send", sent{}}}},
		{newQueryCmd, stack, append(slices.Clone(usual), "csv"), []result{{"query", queryAnswer{}}, {"query funnel, query retention, query sessions, query breakdown, query paths, query live", api.InsightResponse{}}}},
		{newSQLCmd, stack, []string{"text", "json", "csv"}, []result{{"sql", sqlResult{}}, {"sql --listen", sqlListening{}}}},
		{newReplayCmd, append(slices.Clone(stack), "yes"), usual, []result{{"replay", replayed{}}}},
		{newRebuildCmd, stack, usual, []result{{"rebuild rollups, rebuild cache, rebuild sequences", contract.Job{}}}},
		{newReconcileCmd, stack, usual, []result{{"reconcile", reconciled{}}}},
		{newQuarantineCmd, stack, usual, []result{{"quarantine list, quarantine show", []contract.QuarantinedLine{}}, {"quarantine retry", contract.Job{}}}},
		{newAlertsCmd, stack, usual, []result{{"alerts", api.AlertsResponse{}}}},
		{newMetricsCmd, stack, usual, []result{{"metrics values", valuesResult{}}, {"metrics values --forget", forgetResult{}}}},
		{newKeysCmd, stack, usual, []result{{"keys new", newKey{}}, {"keys list", []listedKey{}}, {"keys revoke", revokedKey{}}, {"keys secret", idSecret{}}}},
		{newTailCmd, stack, []string{"text", "json"}, []result{{"tail", "one object per line: eventId, timestamp, arrivedAt, userId, eventType, properties"}, {"tail --rejected", tail.Rejection{}}}},
		{newLogsCmd, stack, []string{"text", "json"}, []result{{"logs", "one object per line: time, level, function, requestId, message, fields"}}},
		{newCostCmd, stack, usual, []result{{"cost", costResult{}}}},
		{newJobsCmd, stack, usual, []result{{"jobs", []contract.Job{}}}},
		{newDoctorCmd, stack, usual, []result{{"doctor", []finding{}}, {"doctor --print-policy", policies{}}}},
		{newVersionCmd, []string{"output"}, usual, []result{{"version", version{}}}},
	}
}

// Command returns the commands, for the man pages of a release.
func (a *App) Command() *cobra.Command { return a.command() }

func (a *App) command() *cobra.Command {
	root := &cobra.Command{
		Use:   "streamctl",
		Short: "Run your own real-time event analytics platform on AWS.",
		Long: `streamctl gives a team its own real-time event analytics platform on AWS:
API Gateway, Kinesis, Lambda, PostgreSQL, Redis and S3, described by one file,
variables.yaml.

Exit codes: 0 done, 1 failed, 2 usage, 3 invalid variables or template,
4 credentials or permission, 5 stack operation failed, 6 canceled or declined,
7 another operation is running, 8 finished, but something was left behind.
An interrupt exits with 6, except for local, dashboard and sql --listen once they are
ready, for status while it refreshes, and for logs and tail while they follow. A failed
write to standard output and a failing network exit with 1.`,
		Version:       programVersion(),
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          subcommands,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(flagError)
	commonFlags(a, root.PersistentFlags())
	for _, v := range verbs() {
		cmd := v.build(a)
		restrict(a, cmd, v.flags, v.formats)
		root.AddCommand(cmd)
	}
	if a.out != nil { // cobra's completion command uses the stream that is set when the command is made
		root.SetOut(a.out)
	}
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		if cmd.Name() == "completion" {
			restrict(a, cmd, nil, []string{"text"})
		}
	}
	addCompletions(a, root)
	return root
}

func commonFlags(a *App, f *pflag.FlagSet) {
	f.StringVar(&a.flags.environment, "env", "", "environment: production, staging or development (default: Environment in the variables file)")
	f.StringVar(&a.flags.variables, "variables", defaultVariables, "variables file")
	f.StringVar(&a.flags.stack, "stack-name", "", "stack name (default: StackName in the variables file)")
	f.StringVar(&a.flags.region, "region", "", "AWS region (default: Region in the variables file, else the AWS configuration)")
	f.StringVar(&a.flags.profile, "profile", "", "profile of the AWS configuration (default: AWS_PROFILE)")
	f.StringVarP(&a.flags.output, "output", "o", "text", "format of the result: text, json or yaml; outputs also env, query also csv; deploy, destroy and status --follow write one event per line with json, the result last")
	f.BoolVarP(&a.flags.yes, "yes", "y", false, "do not ask for confirmation")
	f.BoolVarP(&a.flags.verbose, "verbose", "v", false, "show every event of the stack")
	f.BoolVar(&a.flags.noColor, "no-color", false, "plain text without colors (also: NO_COLOR)")
}

// subcommands rejects arguments: each would be an unknown command.
func subcommands(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var names []string
	for _, sub := range cmd.Commands() {
		names = append(names, sub.Name())
	}
	err := &usageError{err: fmt.Errorf("unknown command %q for %q", args[0], cmd.CommandPath()), hint: "`" + cmd.CommandPath() + " --help` lists the commands"}
	if name := nearest.Name(args[0], names); name != "" {
		err.hint = "did you mean `" + cmd.CommandPath() + " " + name + "`?"
	}
	return err
}

// restrict makes a command and its subcommands reject the common flags and formats that
// do not apply to them, before they run, and removes the flags from their help.
func restrict(a *App, cmd *cobra.Command, flags, formats []string) {
	for _, sub := range cmd.Commands() {
		restrict(a, sub, flags, formats)
	}
	check := cmd.Args
	switch {
	case cmd.HasSubCommands() && cmd.RunE == nil:
		check = subcommands
		cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	case check == nil:
		check = cobra.NoArgs
	}
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if err := checkFlags(a, cmd, flags, formats); err != nil {
			return err
		}
		err := check(cmd, args)
		if usage := (*usageError)(nil); err == nil || errors.As(err, &usage) {
			return err
		}
		return &usageError{err: err, hint: "`" + cmd.CommandPath() + " --help` shows how it is used"}
	}
	help := cmd.HelpFunc()
	cmd.SetHelpFunc(func(cmd *cobra.Command, args []string) {
		cmd.InheritedFlags().VisitAll(func(f *pflag.Flag) {
			f.Hidden = f.Name != "no-color" && !slices.Contains(flags, f.Name)
			if f.Name == "output" {
				f.Usage = "format of the result: " + alternatives(formats)
			}
		})
		help(cmd, args)
	})
}

func checkFlags(a *App, cmd *cobra.Command, flags, formats []string) (err error) {
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if err == nil && cmd.InheritedFlags().Lookup(f.Name) == f && f.Name != "no-color" && !slices.Contains(flags, f.Name) {
			err = &usageError{err: fmt.Errorf("--%s: %s has no such flag", f.Name, cmd.CommandPath()), hint: "`" + cmd.CommandPath() + " --help` lists the flags"}
		}
	})
	if err == nil && !slices.Contains(formats, a.flags.output) {
		err = &usageError{err: fmt.Errorf("--output %q: want %s", a.flags.output, alternatives(formats))}
	}
	return err
}

// alternatives lists names in prose: "text, json or yaml".
func alternatives(names []string) string {
	last := len(names) - 1
	if last < 1 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:last], ", ") + " or " + names[last]
}

// flagError suggests the flag that is nearest to an unknown one.
func flagError(cmd *cobra.Command, err error) error {
	usage := &usageError{err: err, hint: "`" + cmd.CommandPath() + " --help` lists the flags"}
	if unknown := (*pflag.NotExistError)(nil); errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() == "" {
		var names []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
		if name := nearest.Name(unknown.GetSpecifiedName(), names); name != "" {
			usage.hint = "did you mean --" + name + "?"
		}
	}
	return usage
}
