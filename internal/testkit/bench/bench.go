// Package bench reports what benchmarks measure: as lines of a log, as metrics for
// tools, and as records for docs/performance.md, which `make bench` writes.
package bench

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// resultsVariable is the path of a file to which each benchmark appends its figures.
const resultsVariable = "STREAMCTL_BENCH_RESULTS"

// Figure is a measured value and its goal.
type Figure struct {
	// Name is unique in a section of the page.
	Name string
	// Unit is empty for a ratio.
	Unit string
	// Samples has one value per run, at least one.
	Samples []float64
	// Goal is a maximum, or with AtLeast a minimum, for the median; 0 means no goal.
	Goal    float64
	AtLeast bool
	// At is the size of the input if the figure is one of a series; 0 otherwise.
	At float64
}

// Median returns the middle sample, the upper one of two.
func (f Figure) Median() float64 { return Median(f.Samples) }

// Reached reports whether the median reaches the goal; true without a goal.
func (f Figure) Reached() bool {
	switch {
	case f.Goal == 0:
		return true
	case f.AtLeast:
		return f.Median() >= f.Goal
	}
	return f.Median() <= f.Goal
}

func (f Figure) verdict() string {
	if f.Goal == 0 {
		return ""
	}
	word, end := "at most", "ok"
	if f.AtLeast {
		word = "at least"
	}
	if !f.Reached() {
		end = "missed"
	}
	return fmt.Sprintf("goal: %s %g  %s", word, f.Goal, end)
}

// Record has the figures of one benchmark.
type Record struct {
	// Section is the section of the page.
	Section string
	// Benchmark is the name of the benchmark.
	Benchmark string
	Figures   []Figure
}

// Report logs the figures of a benchmark, and saves them for a section of the page.
func Report(b *testing.B, section string, figures ...Figure) {
	b.Helper()
	b.ReportMetric(0, "ns/op") // hidden: no operation is timed
	for _, f := range figures {
		if len(f.Samples) == 0 {
			b.Fatalf("%s has no samples", f.Name)
		}
		unit := f.Unit
		if unit == "" {
			unit = "x"
		}
		b.ReportMetric(f.Median(), strings.ReplaceAll(f.Name, " ", "-")+"-"+unit)
		b.Logf("%-45s %9.2f %-10s %s", f.Name, f.Median(), unit, f.verdict())
	}
	path := os.Getenv(resultsVariable)
	if path == "" {
		return
	}
	if err := save(path, Record{section, strings.SplitN(b.Name(), "/", 2)[0], figures}); err != nil {
		b.Fatal(err)
	}
}

func save(path string, r Record) error {
	text, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("save figures: %w", err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("save figures: %w", err)
	}
	if _, err := f.Write(append(text, '\n')); err != nil {
		return errors.Join(fmt.Errorf("save figures: %w", err), f.Close())
	}
	return f.Close()
}

// Read returns the records in a file, in their order.
func Read(path string) ([]Record, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read figures: %w", err)
	}
	var out []Record
	for line := range bytes.Lines(text) {
		var r Record
		if err := json.Unmarshal(line, &r); err != nil {
			return nil, fmt.Errorf("read figures: %w", err)
		}
		out = append(out, r)
	}
	return out, nil
}

// Median returns the middle value, the upper one of two.
func Median[T time.Duration | float64](values []T) T {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// Milliseconds converts durations to samples in ms.
func Milliseconds(times []time.Duration) []float64 {
	out := make([]float64, len(times))
	for i, d := range times {
		out[i] = float64(d.Nanoseconds()) / 1e6
	}
	return out
}

// Ratios divides the times of each round: above divided by below. Measured one after the
// other, both have the same disturbances, so that a ratio varies less than a time.
func Ratios(above, below []time.Duration) []float64 {
	out := make([]float64, min(len(above), len(below)))
	for i := range out {
		out[i] = float64(above[i]) / float64(below[i])
	}
	return out
}

// Rates converts durations to samples of n per second.
func Rates(n int, times []time.Duration) []float64 {
	out := make([]float64, len(times))
	for i, d := range times {
		out[i] = float64(n) / d.Seconds()
	}
	return out
}

// One is a single sample.
func One(value float64) []float64 { return []float64{value} }

// Size returns a benchmark's size: a number from the environment, which the Makefile
// sets so that the figures are reliable, or one that takes seconds.
func Size(b *testing.B, variable string, small int) int {
	b.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return small
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		b.Fatalf("%s=%q: want a whole number of at least 1", variable, text)
	}
	return n
}
