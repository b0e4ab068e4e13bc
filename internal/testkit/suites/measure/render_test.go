package measure_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/streamctl/streamctl/internal/artifact"
	"github.com/streamctl/streamctl/internal/testkit/bench"
)

const hello = `package main

import "fmt"

func main() { fmt.Println("hello, world") }
`

// BenchmarkRender alternates `streamctl render` and a hello world, so that both
// run under the same conditions: the ratio is more meaningful than the time.
func BenchmarkRender(b *testing.B) {
	root, err := artifact.FindSource(".")
	if err != nil {
		b.Fatal(err)
	}
	dir := b.TempDir()
	helloPath, streamctl := filepath.Join(dir, "hello"), filepath.Join(dir, "streamctl")
	if err := os.WriteFile(helloPath+".go", []byte(hello), 0o644); err != nil {
		b.Fatal(err)
	}
	build(b, helloPath, dir, "hello.go")
	build(b, streamctl, root, "./cmd/streamctl")
	run(b, dir, streamctl, "init")
	var hellos, starts, renders []time.Duration
	var peaks []float64
	for b.Loop() {
		hellos = append(hellos, run(b, dir, helloPath).Wall)
		starts = append(starts, run(b, dir, streamctl, "version").Wall)
		u := run(b, dir, streamctl, "render", "--env", "production")
		renders = append(renders, u.Wall)
		peaks = append(peaks, float64(u.PeakBytes)/(1<<20))
	}
	bench.Report(b, "start",
		bench.Figure{Name: "hello world", Unit: "ms", Samples: bench.Milliseconds(hellos)},
		bench.Figure{Name: "`streamctl version`", Unit: "ms", Samples: bench.Milliseconds(starts)},
		bench.Figure{Name: "`streamctl render`", Unit: "ms", Samples: bench.Milliseconds(renders)},
		bench.Figure{Name: "`version` beside hello world", Samples: bench.Ratios(starts, hellos), Goal: 5},
		bench.Figure{Name: "`render` beside hello world", Samples: bench.Ratios(renders, hellos), Goal: 8},
		bench.Figure{Name: "peak memory of `render`", Unit: "MiB", Samples: peaks, Goal: 20},
		bench.Figure{Name: "program without functions", Unit: "MB", Samples: bench.One(megabytes(b, streamctl)), Goal: 25},
	)
}

func megabytes(b *testing.B, path string) float64 {
	b.Helper()
	info, err := os.Stat(path)
	if err != nil {
		b.Fatal(err)
	}
	return float64(info.Size()) / 1e6
}
