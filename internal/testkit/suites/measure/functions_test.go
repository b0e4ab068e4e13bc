package measure_test

import (
	"bufio"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/streamctl/streamctl/internal/artifact"
	"github.com/streamctl/streamctl/internal/config"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/template"
	"github.com/streamctl/streamctl/internal/testkit/bench"
)

// BenchmarkBuild compares building and packing the functions with `go build` of the same
// programs, one call each, with compiled packages in Go's cache. It also measures the zips.
func BenchmarkBuild(b *testing.B) {
	builder := newBuilder(b, "linux", "arm64")
	var names []string
	for _, f := range contract.Functions() {
		names = append(names, f.Name)
	}
	dir := b.TempDir()
	plain := func() time.Duration {
		for _, name := range names { // Go does not link a program again that is up to date
			if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
				b.Fatal(err)
			}
		}
		began := time.Now()
		for _, name := range names {
			cmd := exec.CommandContext(b.Context(), "go", "build", "-trimpath", "-tags", "lambda.norpc", "-ldflags", "-s -w", "-o", filepath.Join(dir, name), "./functions/"+name+"/bootstrap")
			cmd.Dir, cmd.Env = builder.Root, append(os.Environ(), "GOOS=linux", "GOARCH=arm64", "CGO_ENABLED=0")
			if said, err := cmd.CombinedOutput(); err != nil {
				b.Fatalf("%v\n%s", err, said)
			}
		}
		return time.Since(began)
	}
	var zips []artifact.Artifact
	ours := func() time.Duration {
		began := time.Now()
		var err error
		if zips, _, err = builder.Build(b.Context(), names); err != nil {
			b.Fatal(err)
		}
		return time.Since(began)
	}
	var built, compiled []time.Duration
	for b.Loop() {
		built, compiled = append(built, ours()), append(compiled, plain())
	}
	figures := []bench.Figure{
		{Name: "six functions built and zipped", Unit: "ms", Samples: bench.Milliseconds(built)},
		{Name: "six times `go build`", Unit: "ms", Samples: bench.Milliseconds(compiled)},
		{Name: "built and zipped beside `go build`", Samples: bench.Ratios(built, compiled)},
	}
	for _, a := range zips {
		figures = append(figures, bench.Figure{Name: "zip of " + a.Function, Unit: "MB", Samples: bench.One(float64(a.Size) / 1e6), Goal: 5.5})
	}
	bench.Report(b, "functions", figures...)
}

// bare polls like the bootstraps and starts nothing else.
const bare = `package main

import (
	"net/http"
	"os"
)

func main() { http.Get("http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/invocation/next") }
`

// BenchmarkInit measures the time from a bootstrap's start to its first poll
// for an event: its part of a cold start, in addition to Lambda's.
func BenchmarkInit(b *testing.B) {
	builder := newBuilder(b, runtime.GOOS, runtime.GOARCH)
	dir := b.TempDir()
	names := []string{"bare"}
	if err := os.WriteFile(filepath.Join(dir, "bare.go"), []byte(bare), 0o644); err != nil {
		b.Fatal(err)
	}
	build(b, filepath.Join(dir, "bare"), dir, "bare.go")
	for _, f := range contract.Functions() {
		names = append(names, f.Name)
		if err := builder.Compile(b.Context(), f.Name, filepath.Join(dir, f.Name)); err != nil {
			b.Fatal(err)
		}
	}
	variables := environments(b)
	took, memory := map[string][]time.Duration{}, map[string][]float64{}
	for b.Loop() {
		for _, name := range names {
			polled, mib := firstPoll(b, filepath.Join(dir, name), variables[name])
			took[name], memory[name] = append(took[name], polled), append(memory[name], mib)
		}
	}
	figures := []bench.Figure{{Name: "a program that only polls", Unit: "ms", Samples: bench.Milliseconds(took["bare"])}}
	for _, name := range names[1:] {
		figures = append(figures,
			bench.Figure{Name: "start of " + name, Unit: "ms", Samples: bench.Milliseconds(took[name]), Goal: 6},
			bench.Figure{Name: "memory of " + name, Unit: "MiB", Samples: memory[name]})
	}
	bench.Report(b, "functions", figures...)
}

func newBuilder(b *testing.B, system, arch string) artifact.Builder {
	b.Helper()
	root, err := artifact.FindSource(".")
	if err != nil {
		b.Fatal(err)
	}
	return artifact.Builder{Root: root, OS: system, Arch: arch, Environ: os.Environ()}
}

// firstPoll starts a bootstrap with a Runtime API that has no event, and returns the time
// until it asks for one, and its memory then. It is only
// a listener: a complete server would take longer than some bootstraps.
func firstPoll(b *testing.B, path string, variables map[string]string) (polledAfter time.Duration, memoryMiB float64) {
	b.Helper()
	api, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer api.Close()
	polled, exited := make(chan time.Time, 1), make(chan error, 1)
	go func() {
		conn, err := api.Accept()
		if err != nil {
			return // the listener was closed
		}
		r, err := http.ReadRequest(bufio.NewReader(conn))
		at := time.Now()
		if err == nil && r.Method == http.MethodGet && r.URL.Path == "/2018-06-01/runtime/invocation/next" {
			polled <- at
		}
	}()
	cmd := exec.CommandContext(b.Context(), path)
	cmd.Env = []string{
		"AWS_LAMBDA_RUNTIME_API=" + api.Addr().String(), "AWS_REGION=us-east-1",
		"AWS_LAMBDA_FUNCTION_NAME=measured", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=512", "AWS_LAMBDA_FUNCTION_VERSION=$LATEST",
		"AWS_ACCESS_KEY_ID=key", "AWS_SECRET_ACCESS_KEY=secret", "AWS_SESSION_TOKEN=token",
	}
	for name, value := range variables {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	start := time.Now()
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	go func() { exited <- cmd.Wait() }()
	select {
	case at := <-polled:
		memoryMiB = peakMiB(b, cmd.Process.Pid)
		if err := cmd.Process.Kill(); err != nil {
			b.Fatal(err)
		}
		<-exited // killed
		return at.Sub(start), memoryMiB
	case err := <-exited:
		b.Fatalf("%s ended before it polled: %v", path, err)
	}
	return 0, 0
}

// intrinsic is a Ref, GetAtt or Sub of the template in JSON form.
type intrinsic map[string]json.RawMessage

// reference matches a part of an Fn::Sub that CloudFormation replaces.
var reference = regexp.MustCompile(`\$\{[^}]*\}`)

// environments returns the variables of each function by name, from the
// template of a default development stack, with made-up values for references.
func environments(b *testing.B) map[string]map[string]string {
	b.Helper()
	v := config.Default(config.Development)
	built, err := template.Build(v, template.Options{})
	if err != nil {
		b.Fatal(err)
	}
	text, err := built.JSON()
	if err != nil {
		b.Fatal(err)
	}
	var body struct {
		Resources map[string]struct {
			Type       string
			Properties struct {
				Environment struct{ Variables map[string]json.RawMessage }
			}
		}
	}
	if err := json.Unmarshal(text, &body); err != nil {
		b.Fatal(err)
	}
	all := map[string]map[string]string{}
	for _, f := range contract.Functions() {
		id := strings.ToUpper(f.Name[:1]) + f.Name[1:] + "Function"
		declared := body.Resources[id].Properties.Environment.Variables
		if len(declared) == 0 {
			b.Fatalf("the template declares no environment for %s", id)
		}
		all[f.Name] = map[string]string{}
		for name, raw := range declared {
			all[f.Name][name] = resolved(b, raw)
		}
	}
	return all
}

// resolved returns a variable's text with made-up values for references.
func resolved(b *testing.B, raw json.RawMessage) string {
	b.Helper()
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	var call intrinsic
	if err := json.Unmarshal(raw, &call); err != nil {
		b.Fatal(err)
	}
	if json.Unmarshal(call["Fn::Sub"], &text) != nil {
		return "measured"
	}
	return reference.ReplaceAllStringFunc(text, func(r string) string {
		if strings.HasSuffix(r, "Port}") {
			return "5432"
		}
		return "measured"
	})
}
