package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/streamctl/streamctl/internal/artifact"
	"github.com/streamctl/streamctl/internal/artifact/released"
	"github.com/streamctl/streamctl/internal/config"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/deploy"
	"github.com/streamctl/streamctl/internal/template"
)

type packageOptions struct {
	source   string
	noUpload bool
	prune    bool
	dryRun   bool
}

func newPackageCmd(a *App) *cobra.Command {
	var o packageOptions
	cmd := &cobra.Command{
		Use:   "package",
		Short: "Build the functions and upload their code",
		Long: `Build the functions, zip them reproducibly, and upload the missing ones to
the artifact bucket, which is created once per account and region. The digests are
saved in .streamctl/artifacts.json beside the variables file, where render reads them.
A template that is too large for create-stack --template-body is uploaded too, and the
command with --template-url is printed.

  streamctl package --env production`,
		RunE: func(cmd *cobra.Command, _ []string) error { return runPackage(cmd.Context(), a, o) },
	}
	sourceFlag(cmd.Flags(), &o.source)
	cmd.Flags().BoolVar(&o.prune, "prune", false, "delete code from the artifact bucket that is older than a day and that no stack of the account and region uses, instead of packaging; the two newest versions of each function stay")
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "with --prune: only list what would be deleted")
	cmd.Flags().BoolVar(&o.noUpload, "no-upload", false, "only build, and save the digests")
	return cmd
}

func sourceFlag(f *pflag.FlagSet, source *string) {
	f.StringVar(source, "source", ".", "checkout with functions/, or a folder in it; without one the released functions are used")
}

// packaged is the result of package for one function.
type packaged struct {
	Function string `json:"function"`
	Key      string `json:"key"`
	Bytes    int    `json:"bytes"`
	Uploaded bool   `json:"uploaded"`
}

func runPackage(ctx context.Context, a *App, o packageOptions) error {
	v, err := a.load(ctx)
	if err != nil {
		return err
	}
	if o.prune {
		return runPrune(ctx, a, v, o.dryRun)
	}
	if o.dryRun {
		return &usageError{err: errors.New("--dry-run needs --prune"), hint: "--no-upload builds and uploads nothing"}
	}
	var op *deploy.Operator
	if !o.noUpload {
		if op, err = a.operator(ctx, v); err != nil {
			return err
		}
	}
	artifacts, err := buildArtifacts(ctx, a, o.source)
	if err != nil {
		return err
	}
	results, err := uploadArtifacts(ctx, a, v, artifacts, op)
	if err != nil {
		return err
	}
	if err := uploadLargeTemplate(ctx, a, v, artifacts, op); err != nil {
		return err
	}
	return a.printResult(results, func() {
		for _, r := range results {
			a.printf("%-12s %8d bytes  %s\n", r.Function, r.Bytes, r.Key)
		}
	})
}

// uploadLargeTemplate uploads the template with the packaged code if it is too large
// for a request, unless op is nil, and prints the command that creates the stack from
// it.
func uploadLargeTemplate(ctx context.Context, a *App, v config.Variables, artifacts []artifact.Artifact, op *deploy.Operator) error {
	if op == nil {
		return nil
	}
	t, err := template.Build(v, template.Options{CodeKeys: artifact.NewManifest(artifacts).Keys()})
	if err != nil {
		return &invalidError{err: err}
	}
	body, err := t.YAML()
	if err != nil {
		return &invalidError{err: err}
	}
	if len(body) <= template.MaxBodyBytes {
		return nil
	}
	a.view.busy("the template to be uploaded")
	url, err := op.UploadTemplate(ctx, artifactBucket(v, op.Caller), body)
	if err != nil {
		return err
	}
	a.notef(`The template has %s bytes; create-stack accepts %s with --template-body. It is uploaded, so use --template-url:

aws cloudformation create-stack \
  --stack-name %s \
  --template-url %s \
  --parameters ParameterKey=Environment,ParameterValue=%s \
               ParameterKey=DatabasePassword,ParameterValue='<password>' \
  --capabilities CAPABILITY_NAMED_IAM \
  --region %s
`, thousands(int64(len(body))), thousands(template.MaxBodyBytes), v.StackName, url, v.Environment, op.Caller.Region)
	return nil
}

// runPrune deletes unused code.
func runPrune(ctx context.Context, a *App, v config.Variables, dryRun bool) error {
	op, err := a.operator(ctx, v)
	if err != nil {
		return err
	}
	bucket := artifactBucket(v, op.Caller)
	p, err := op.Prune(ctx, bucket, dryRun)
	if err != nil {
		return err
	}
	return a.printResult(p, func() {
		for _, key := range p.Deleted {
			a.printf("%s\n", key)
		}
		word := "deleted"
		if dryRun {
			word = "to delete"
		}
		a.printf("%d objects %s (%d MB), %d used by stacks, %d new enough to stay\n", len(p.Deleted), word, p.Bytes/1_000_000, p.Used, p.Kept)
	})
}

// uploadArtifacts uploads missing artifacts, unless op is nil, and saves the digests
// once the bucket has every artifact.
func uploadArtifacts(ctx context.Context, a *App, v config.Variables, artifacts []artifact.Artifact, op *deploy.Operator) ([]packaged, error) {
	uploaded := map[string]bool{}
	if op != nil {
		bucket := artifactBucket(v, op.Caller)
		a.view.busy("the functions' code to be uploaded")
		sent, err := op.Upload(ctx, bucket, artifacts)
		if err != nil {
			return nil, err
		}
		for _, name := range sent {
			uploaded[name] = true
		}
		a.notef("Uploaded %d of %d functions to %s", len(sent), len(artifacts), bucket)
	}
	if err := artifact.NewManifest(artifacts).Write(manifestPath(a)); err != nil {
		a.notef("`streamctl render` will not know this code: %v", err)
	}
	var results []packaged
	for _, x := range artifacts {
		results = append(results, packaged{Function: x.Function, Key: x.Key(), Bytes: x.Size, Uploaded: uploaded[x.Function]})
	}
	return results, nil
}

// buildArtifacts builds the functions from a checkout, or returns those that a released
// binary embeds.
func buildArtifacts(ctx context.Context, a *App, source string) ([]artifact.Artifact, error) {
	var names []string
	for _, f := range contract.Functions() {
		names = append(names, f.Name)
	}
	root, err := artifact.FindSource(source)
	if errors.Is(err, artifact.ErrNoSource) {
		carried, cerr := released.Artifacts()
		if cerr != nil {
			return nil, cerr
		}
		if len(carried) > 0 {
			a.notef("using the %d functions of this release", len(carried))
			return carried, nil
		}
		return nil, &usageError{err: fmt.Errorf("find the functions' source: %w at or above %s", err, source),
			hint: "run it in a checkout, name one with --source, or use a released streamctl"}
	}
	if err != nil {
		return nil, err
	}
	builder := artifact.Builder{Root: root, OS: "linux", Arch: "arm64", Environ: a.Environ(), Cache: filepath.Join(root, ".streamctl", "build"),
		Warn: func(err error) { a.notef("%v", err) }}
	a.view.busy("the functions to be built")
	began := time.Now()
	artifacts, built, err := builder.Build(ctx, names)
	if err == nil && built {
		a.notef("built %d functions for Lambda (linux/arm64) in %.1f s", len(names), time.Since(began).Seconds())
	}
	return artifacts, err
}
