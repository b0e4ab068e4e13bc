package measure_test

import (
	"bufio"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/streamctl/streamctl/internal/artifact"
	"github.com/streamctl/streamctl/internal/funcenv"
)

// BenchmarkZips sizes the zips that are deployed.
func BenchmarkZips(b *testing.B) {
	builder := newBuilder(b, "linux", "arm64")
	var names []string
	for _, f := range funcenv.Functions() {
		names = append(names, f.Name)
	}
	built, _, err := builder.Build(b.Context(), names)
	if err != nil {
		b.Fatal(err)
	}
	var figures []figure
	for b.Loop() { // otherwise all of this ran twice
		figures = figures[:0]
		for _, a := range built {
			figures = append(figures, figure{name: a.Function, unit: "MB", value: float64(len(a.Zip)) / 1e6, aim: 5.5})
		}
	}
	report(b, figures...)
}

// bare polls as the bootstraps do, and has nothing else to start.
const bare = `package main

import (
	"net/http"
	"os"
)

func main() { http.Get("http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/invocation/next") }
`

// BenchmarkInit takes the time from a bootstrap's start to its first poll for
// an event: what a cold start adds to a request, beside Lambda's own part.
func BenchmarkInit(b *testing.B) {
	builder := newBuilder(b, runtime.GOOS, runtime.GOARCH)
	dir := b.TempDir()
	names := []string{"bare"}
	if err := os.WriteFile(filepath.Join(dir, "bare.go"), []byte(bare), 0o644); err != nil {
		b.Fatal(err)
	}
	build(b, filepath.Join(dir, "bare"), dir, "bare.go")
	for _, f := range funcenv.Functions() {
		names = append(names, f.Name)
		if err := builder.Compile(b.Context(), f.Name, filepath.Join(dir, f.Name)); err != nil {
			b.Fatal(err)
		}
	}
	took := map[string][]time.Duration{}
	for b.Loop() {
		for _, name := range names {
			took[name] = append(took[name], firstPoll(b, filepath.Join(dir, name), environment(name)))
		}
	}
	figures := []figure{{name: "bare", unit: "ms", value: milliseconds(median(took["bare"]))}}
	for _, name := range names[1:] {
		figures = append(figures, figure{name: name, unit: "ms", value: milliseconds(median(took[name])), aim: 6})
	}
	report(b, figures...)
}

func newBuilder(b *testing.B, system, arch string) artifact.Builder {
	b.Helper()
	root, err := artifact.FindSource(".")
	if err != nil {
		b.Fatal(err)
	}
	return artifact.Builder{Root: root, OS: system, Arch: arch, Environ: os.Environ()}
}

// firstPoll starts a bootstrap in front of a Runtime API that has no event. It
// is a listener alone: a whole server would take longer than some bootstraps.
func firstPoll(b *testing.B, path string, variables map[string]string) time.Duration {
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
		if err := cmd.Process.Kill(); err != nil {
			b.Fatal(err)
		}
		<-exited // killed
		return at.Sub(start)
	case err := <-exited:
		b.Fatalf("%s ended before it polled: %v", path, err)
	}
	return 0
}

// environment is what the template gives a function.
func environment(function string) map[string]string {
	const stack, bucket, days = "measured", "measured-archive", 30
	database := funcenv.Database{Address: "database.example:5432"}
	cache := funcenv.Cache{URL: "rediss://measured@cache.example:6379/measured"}
	switch function {
	case funcenv.FuncIngest:
		return funcenv.Ingest{Stack: stack, Stream: "measured", EventMaxAgeDays: days}.Vars()
	case funcenv.FuncArchiver:
		return funcenv.Archiver{Stack: stack, Bucket: bucket}.Vars()
	case funcenv.FuncProcessor:
		return funcenv.Processor{Stack: stack, Bucket: bucket, Database: database, Cache: cache}.Vars()
	case funcenv.FuncQuery:
		return funcenv.Query{Stack: stack, Database: database, Cache: cache}.Vars()
	case funcenv.FuncSchema:
		return funcenv.Schema{Stack: stack, Database: database, EventMaxAgeDays: days}.Vars()
	default:
		return funcenv.Maintenance{Stack: stack, Database: database, Cache: cache, EventMaxAgeDays: days}.Vars()
	}
}
