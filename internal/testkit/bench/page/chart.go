package main

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"

	"github.com/streamctl/streamctl/internal/testkit/bench"
)

// The size of a chart, and of its plot.
const (
	width, height = 640, 320
	left, right   = 70, 20
	top, bottom   = 20, 50
)

// chart writes a series as an SVG file with two logarithmic axes, and returns the
// Markdown that shows it.
func (p *page) chart(file, section, name, axis string) (string, error) {
	figures, err := p.series(section, name)
	if err != nil {
		return "", err
	}
	path := filepath.Join("performance", file+".svg")
	if err := os.WriteFile(filepath.Join(p.dir, path), []byte(draw(figures, axis)), 0o644); err != nil {
		return "", fmt.Errorf("write chart: %w", err)
	}
	return fmt.Sprintf("![%s by %s](%s)", name, axis, path), nil
}

func draw(figures []bench.Figure, axis string) string {
	low, high := math.Inf(1), math.Inf(-1)
	for _, f := range figures {
		low, high = min(low, f.Median()), max(high, f.Median())
	}
	bottomDecade, topDecade := math.Floor(math.Log10(low)), math.Ceil(math.Log10(high))
	if topDecade == bottomDecade {
		topDecade++
	}
	first, last := math.Log10(figures[0].At), math.Log10(figures[len(figures)-1].At)
	x := func(at float64) float64 { return left + (math.Log10(at)-first)/(last-first)*(width-left-right) }
	y := func(v float64) float64 {
		return top + (topDecade-math.Log10(v))/(topDecade-bottomDecade)*(height-top-bottom)
	}
	var out strings.Builder
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12"><rect width="100%%" height="100%%" fill="white"/>`+"\n", width, height)
	for d := bottomDecade; d <= topDecade; d++ {
		at := y(math.Pow(10, d))
		fmt.Fprintf(&out, `<line x1="%d" y1="%.1f" x2="%d" y2="%.1f" stroke="#ddd"/><text x="%d" y="%.1f" text-anchor="end">%s</text>`+"\n",
			left, at, width-right, at, left-6, at+4, value(math.Pow(10, d), figures[0].Unit))
	}
	var points []string
	for _, f := range figures {
		px, py := x(f.At), y(f.Median())
		points = append(points, fmt.Sprintf("%.1f,%.1f", px, py))
		fmt.Fprintf(&out, `<circle cx="%.1f" cy="%.1f" r="4" fill="#1f6feb"/><text x="%.1f" y="%.1f" text-anchor="middle">%s</text><text x="%.1f" y="%d" text-anchor="middle">%s</text>`+"\n",
			px, py, px, py-8, value(f.Median(), ""), px, height-bottom+18, grouped(f.At))
	}
	fmt.Fprintf(&out, `<polyline points="%s" fill="none" stroke="#1f6feb" stroke-width="2"/>`+"\n", strings.Join(points, " "))
	fmt.Fprintf(&out, `<text x="%d" y="%d" text-anchor="middle">%s</text></svg>`+"\n", (left+width-right)/2, height-10, axis)
	return out.String()
}
