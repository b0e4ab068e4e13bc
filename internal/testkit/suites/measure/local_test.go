package measure_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/streamctl/streamctl/internal/testkit/bench"
	"github.com/streamctl/streamctl/internal/testkit/suites/localrun"
)

// BenchmarkLocal sends events to `streamctl local` with `streamctl send`: it
// measures the time until they are queryable, the events per second through the
// whole pipeline, and the memory of the platform without its servers.
// STREAMCTL_BENCH_EVENTS events are sent at full speed, after some seconds at each of
// several rates.
func BenchmarkLocal(b *testing.B) {
	program, err := localrun.Build(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := program.Close(); err != nil {
			b.Error(err)
		}
	})
	dir, err := os.MkdirTemp("", "streamctl-measure-")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			b.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		b.Fatal(err)
	}
	const variables = "ShardCount: 2\nMetrics: [{Name: revenue, EventType: purchase, Sum: properties.amount, By: [properties.country]}]\nThrottleRate: 10000\n"
	if err := os.WriteFile(filepath.Join(dir, "variables.yaml"), []byte(variables), 0o644); err != nil {
		b.Fatal(err)
	}
	events := bench.Size(b, "STREAMCTL_BENCH_EVENTS", 20_000)
	seconds := min(10, max(1, events/20_000)) // at each rate
	rates := []int{100, 1000, 3000, 10_000, 20_000, 30_000}
	p50, p95 := make([][]float64, len(rates)), make([][]float64, len(rates))
	var accepted, loaded, memory []float64
	for b.Loop() {
		l := program.Start(b, localrun.Spec{Dir: dir, Args: []string{"--reset"}})
		for i, rate := range rates {
			at := sendTo(b, program, dir, l, "--rate", fmt.Sprint(rate), "--count", fmt.Sprint(rate*seconds)).Verified.AcceptedToQueryable
			p50[i], p95[i] = append(p50[i], at.P50Milliseconds), append(p95[i], at.P95Milliseconds)
		}
		began := time.Now()
		full := sendTo(b, program, dir, l, "--count", fmt.Sprint(events), "--concurrency", "8")
		accepted, loaded = append(accepted, full.EventsPerSecond), append(loaded, float64(events)/time.Since(began).Seconds())
		memory = append(memory, peakMiB(b, l.PID()))
		if err := l.Stop(); err != nil {
			b.Fatal(err)
		}
	}
	var figures []bench.Figure
	for i, rate := range rates {
		slow := bench.Figure{Name: "queryable after, p95", Unit: "ms", Samples: p95[i], At: float64(rate)}
		if rate <= 1000 {
			slow.Goal = 1000
		}
		figures = append(figures, bench.Figure{Name: "queryable after, p50", Unit: "ms", Samples: p50[i], At: float64(rate)}, slow)
	}
	bench.Report(b, "local", append(figures,
		bench.Figure{Name: "accepted, without a pause", Unit: "events/s", Samples: accepted, Goal: 20_000, AtLeast: true},
		bench.Figure{Name: "accepted, loaded and queryable", Unit: "events/s", Samples: loaded, Goal: 20_000, AtLeast: true},
		bench.Figure{Name: "peak memory without the servers", Unit: "MiB", Samples: memory, Goal: 300})...)
}

type sent struct {
	EventsPerSecond float64
	Verified        struct {
		AcceptedToQueryable struct{ P50Milliseconds, P95Milliseconds float64 }
	}
}

func sendTo(b *testing.B, program *localrun.Program, dir string, l *localrun.Local, args ...string) (s sent) {
	b.Helper()
	cmd := program.Command(b.Context(), localrun.Spec{Dir: dir, Args: append([]string{"send", "-o", "json", "--verify", "--seed", "1", "--url", l.API}, args...)})
	out, err := cmd.Output()
	if err != nil {
		b.Fatalf("send: %v\n%s", err, out)
	}
	if err := json.Unmarshal(out, &s); err != nil {
		b.Fatal(err)
	}
	return s
}

// peakMiB returns a process's peak memory on Linux; 0 on other systems.
func peakMiB(b *testing.B, pid int) float64 {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Logf("peak memory is unknown: %v", err)
		return 0
	}
	_, after, _ := strings.Cut(string(text), "VmHWM:")
	var kib float64
	if _, err := fmt.Sscan(after, &kib); err != nil {
		b.Fatal(err)
	}
	return kib / 1024
}
