package query

import (
	"fmt"
	"testing"
	"time"

	"github.com/streamctl/streamctl/internal/warehouse"
)

// BenchmarkAddUp sums an hour of a declared metric with 20 dimension values by
// steps of 10 minutes.
func BenchmarkAddUp(b *testing.B) {
	from := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	var rows []warehouse.MinuteRow
	for m := range 60 {
		for d := range 20 {
			rows = append(rows, warehouse.MinuteRow{
				Minute: from.Add(time.Duration(m) * time.Minute), Dimension: fmt.Sprintf("value %d", d), N: 7,
				Sum: fmt.Sprintf("%d.%02d", 1000+m*d, m), Min: fmt.Sprintf("%d.5", d), Max: fmt.Sprintf("%d.25", 100+d),
			})
		}
	}
	s := span{from: from, to: from.Add(time.Hour), step: 10 * time.Minute}
	b.ReportAllocs()
	for b.Loop() {
		if points, err := addUp(rows, s); err != nil || len(points) != 6*20 {
			b.Fatal(len(points), err)
		}
	}
}
