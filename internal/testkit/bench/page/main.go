// Command page writes docs/performance.md and its charts from the figures of
// benchmarks. `make bench` runs it.
package main

import (
	"bytes"
	"cmp"
	"context"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"time"

	"github.com/streamctl/streamctl/internal/testkit/bench"
)

//go:embed page.md.tmpl
var text string

func main() {
	results := flag.String("results", ".streamctl/bench.jsonl", "file with the figures")
	out := flag.String("out", "docs", "folder of the page")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := write(ctx, *results, *out); err != nil {
		fmt.Fprintln(os.Stderr, "page:", err)
		os.Exit(1)
	}
}

// page collects what the template shows.
type page struct {
	sections map[string][]bench.Figure
	shown    map[string]bool
	dir      string
	errs     []error
}

func write(ctx context.Context, results, out string) error {
	records, err := bench.Read(results)
	if err != nil {
		return err
	}
	p := &page{sections: map[string][]bench.Figure{}, shown: map[string]bool{}, dir: out}
	for _, r := range records {
		p.sections[r.Section] = append(p.sections[r.Section], r.Figures...)
	}
	parsed, err := template.New("page").Funcs(template.FuncMap{
		"table": p.table, "chart": p.chart, "exponent": p.exponent, "machine": machine, "versions": func() string { return versions(ctx) },
		"date": func() string { return time.Now().UTC().Format(time.DateOnly) }, "scaling": scaling, "median": p.median,
	}).Parse(text)
	if err != nil {
		return fmt.Errorf("read page.md.tmpl: %w", err)
	}
	if err := os.MkdirAll(filepath.Join(out, "performance"), 0o755); err != nil {
		return fmt.Errorf("write page: %w", err)
	}
	var body bytes.Buffer
	if err := parsed.Execute(&body, nil); err != nil {
		return fmt.Errorf("write page: %w", err)
	}
	for section := range p.sections {
		if !p.shown[section] {
			p.errs = append(p.errs, fmt.Errorf("section %s is not on the page", section))
		}
	}
	return errors.Join(append(p.errs, os.WriteFile(filepath.Join(out, "performance.md"), body.Bytes(), 0o644))...)
}

// table returns a section's figures as a table.
func (p *page) table(section string) (string, error) {
	figures := p.sections[section]
	if len(figures) == 0 {
		return "", fmt.Errorf("no figures of section %s: run `make bench`", section)
	}
	p.shown[section] = true
	var out strings.Builder
	out.WriteString("| figure | median | spread | goal |\n| --- | ---: | --- | --- |\n")
	for _, f := range figures {
		fmt.Fprintf(&out, "| %s | %s | %s | %s |\n", name(f), value(f.Median(), f.Unit), spread(f), goal(f))
	}
	return strings.TrimSuffix(out.String(), "\n"), nil
}

func name(f bench.Figure) string {
	if f.At == 0 {
		return f.Name
	}
	return f.Name + ", " + grouped(f.At)
}

func spread(f bench.Figure) string {
	if len(f.Samples) < 2 {
		return "one run"
	}
	return fmt.Sprintf("%s to %s in %d runs", value(slices.Min(f.Samples), ""), value(slices.Max(f.Samples), ""), len(f.Samples))
}

func goal(f bench.Figure) string {
	if f.Goal == 0 {
		return ""
	}
	word, end := "at most ", ", reached"
	if f.AtLeast {
		word = "at least "
	}
	if !f.Reached() {
		end = ", **missed**"
	}
	return word + value(f.Goal, "") + end
}

// value prints three significant digits.
func value(v float64, unit string) string {
	digits := 0
	if v != 0 {
		digits = max(0, 2-int(math.Floor(math.Log10(math.Abs(v)))))
	}
	text := strconv.FormatFloat(v, 'f', digits, 64)
	if math.Abs(v) >= 1000 {
		text = grouped(v)
	}
	return strings.TrimSpace(text + " " + unit)
}

func grouped(v float64) string {
	digits := strconv.FormatFloat(math.Round(v), 'f', 0, 64)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// series returns a section's figures of a name with their sizes, in order.
func (p *page) series(section, name string) ([]bench.Figure, error) {
	var out []bench.Figure
	for _, f := range p.sections[section] {
		if f.Name == name && f.At > 0 {
			out = append(out, f)
		}
	}
	if len(out) < 2 {
		return nil, fmt.Errorf("section %s has %d figures %q with a size", section, len(out), name)
	}
	slices.SortFunc(out, func(a, b bench.Figure) int { return cmp.Compare(a.At, b.At) })
	return out, nil
}

// exponent returns k of the power law value = c · size^k that fits a series best.
func (p *page) exponent(section, name string) (string, error) {
	figures, err := p.series(section, name)
	if err != nil {
		return "", err
	}
	var sx, sy, sxx, sxy float64
	for _, f := range figures {
		x, y := math.Log(f.At), math.Log(f.Median())
		sx, sy, sxx, sxy = sx+x, sy+y, sxx+x*x, sxy+x*y
	}
	n := float64(len(figures))
	return fmt.Sprintf("%.2f", (n*sxy-sx*sy)/(n*sxx-sx*sx)), nil
}

// median returns the median of a figure.
func (p *page) median(section, name string) (string, error) {
	for _, f := range p.sections[section] {
		if f.Name == name {
			return value(f.Median(), f.Unit), nil
		}
	}
	return "", fmt.Errorf("section %s has no figure %q", section, name)
}

// machine describes the processor, the memory and the system.
func machine() string {
	model := runtime.GOARCH
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(info)) {
			if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	memory := ""
	if info, err := os.ReadFile("/proc/meminfo"); err == nil {
		var kib float64
		if _, err := fmt.Sscanf(string(info), "MemTotal: %f kB", &kib); err == nil {
			memory = fmt.Sprintf(", %.0f GiB of memory", kib/(1<<20))
		}
	}
	return fmt.Sprintf("%s with %d CPUs%s, %s/%s", model, runtime.NumCPU(), memory, runtime.GOOS, runtime.GOARCH)
}

// versions lists the programs that take part, of those that are installed.
func versions(ctx context.Context) string {
	number := regexp.MustCompile(`[0-9]+(\.[0-9]+)+`)
	out := []string{"Go " + strings.TrimPrefix(runtime.Version(), "go")}
	for _, program := range [][]string{{"postgres", "--version"}, {"redis-server", "--version"}, {"aws", "--version"}, {"node", "--version"}} {
		text, err := exec.CommandContext(ctx, program[0], program[1:]...).Output()
		if found := number.FindString(string(text)); err == nil && found != "" {
			out = append(out, program[0]+" "+found)
		}
	}
	return strings.Join(out, "; ")
}
