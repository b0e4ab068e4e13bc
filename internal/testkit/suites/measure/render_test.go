package measure_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/streamctl/streamctl/internal/artifact"
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
	var peak int64
	for b.Loop() {
		hellos = append(hellos, run(b, dir, helloPath).Wall)
		starts = append(starts, run(b, dir, streamctl, "version").Wall)
		u := run(b, dir, streamctl, "render", "--env", "production")
		renders = append(renders, u.Wall)
		peak = max(peak, u.PeakBytes)
	}
	report(b,
		figure{name: "hello", unit: "ms", value: milliseconds(median(hellos))},
		figure{name: "version", unit: "ms", value: milliseconds(median(starts))},
		figure{name: "version/hello", unit: "x", value: float64(median(starts)) / float64(median(hellos)), aim: 5},
		figure{name: "render", unit: "ms", value: milliseconds(median(renders))},
		figure{name: "render/hello", unit: "x", value: float64(median(renders)) / float64(median(hellos)), aim: 8},
		figure{name: "render-peak", unit: "MiB", value: float64(peak) / (1 << 20), aim: 20},
	)
}
