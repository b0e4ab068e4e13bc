package measure_test

import (
	"net/http"
	"net/http/httptest"
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
	built, err := builder.Build(b.Context(), names)
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

// BenchmarkInit takes the time from a bootstrap's start to its first poll for
// an event: what a cold start adds to a request, beside Lambda's own part.
func BenchmarkInit(b *testing.B) {
	builder := newBuilder(b, runtime.GOOS, runtime.GOARCH)
	dir := b.TempDir()
	took := map[string][]time.Duration{}
	for _, f := range funcenv.Functions() {
		if err := builder.Compile(b.Context(), f.Name, filepath.Join(dir, f.Name)); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		for _, f := range funcenv.Functions() {
			took[f.Name] = append(took[f.Name], firstPoll(b, filepath.Join(dir, f.Name), environment(f.Name)))
		}
	}
	var figures []figure
	for _, f := range funcenv.Functions() {
		figures = append(figures, figure{name: f.Name, unit: "ms", value: milliseconds(median(took[f.Name])), aim: 6})
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

// firstPoll starts a bootstrap in front of a Runtime API that has no event.
func firstPoll(b *testing.B, path string, variables map[string]string) time.Duration {
	b.Helper()
	polled, exited := make(chan time.Time, 1), make(chan error, 1)
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && r.URL.Path == "/2018-06-01/runtime/invocation/next" {
			polled <- time.Now()
		}
		<-r.Context().Done()
	}))
	defer api.Close()
	cmd := exec.CommandContext(b.Context(), path)
	cmd.Env = []string{
		"AWS_LAMBDA_RUNTIME_API=" + api.Listener.Addr().String(), "AWS_REGION=us-east-1",
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
	database := funcenv.Database{Host: "database.example", Port: "5432"}
	cache := funcenv.Cache{Host: "cache.example", Port: "6379", User: "measured", ReplicationGroup: "measured"}
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
