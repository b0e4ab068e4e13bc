package measure_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/streamctl/streamctl/internal/artifact"
	"github.com/streamctl/streamctl/internal/testkit/bench"
)

// cdkVariable is a folder with node_modules of the AWS CDK. `make bench` installs it;
// tests do without, because it has 200 MB.
const cdkVariable = "STREAMCTL_BENCH_CDK"

// included is a CDK app with the rendered template as its only content.
const included = `const { App, Stack } = require("aws-cdk-lib");
const { CfnInclude } = require("aws-cdk-lib/cloudformation-include");
new CfnInclude(new Stack(new App(), "measured"), "platform", { templateFile: process.argv[2] });
`

// BenchmarkSynth compares a render with `cdk synth` of the same template, which the CDK
// reads from a file.
func BenchmarkSynth(b *testing.B) {
	root, err := artifact.FindSource(".")
	if err != nil {
		b.Fatal(err)
	}
	dir := b.TempDir()
	program := filepath.Join(dir, "streamctl")
	build(b, program, root, "./cmd/streamctl")
	run(b, dir, program, "init")
	render := exec.CommandContext(b.Context(), program, "render", "--env", "production", "--format", "json")
	render.Dir = dir
	text, err := render.Output()
	if err != nil {
		b.Fatal(err)
	}
	template := filepath.Join(dir, "main.json")
	if err := os.WriteFile(template, text, 0o644); err != nil {
		b.Fatal(err)
	}
	modules := os.Getenv(cdkVariable)
	var renders, synths []time.Duration
	for b.Loop() {
		renders = append(renders, run(b, dir, program, "render", "--env", "production").Wall)
		if modules != "" {
			synths = append(synths, synth(b, modules, template))
		}
	}
	figures := []bench.Figure{{Name: "`streamctl render`", Unit: "ms", Samples: bench.Milliseconds(renders)}}
	if modules != "" {
		figures = append(figures,
			bench.Figure{Name: "`cdk synth` of the same template", Unit: "ms", Samples: bench.Milliseconds(synths)},
			bench.Figure{Name: "times faster", Samples: bench.Ratios(synths, renders)})
	}
	bench.Report(b, "synth", figures...)
}

func synth(b *testing.B, modules, template string) time.Duration {
	b.Helper()
	dir := b.TempDir()
	app := filepath.Join(dir, "app.js")
	if err := os.WriteFile(app, []byte(included), 0o644); err != nil {
		b.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(modules, "node_modules"), filepath.Join(dir, "node_modules")); err != nil {
		b.Fatal(err)
	}
	cmd := exec.CommandContext(b.Context(), filepath.Join(modules, "node_modules", ".bin", "cdk"), "synth", "--quiet", "--app", "node app.js "+template)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CDK_DISABLE_CLI_TELEMETRY=true")
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	began := time.Now()
	if err := cmd.Run(); err != nil {
		b.Fatalf("cdk synth: %v\n%s", err, said.String())
	}
	return time.Since(began)
}
