package warehouse_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// BenchmarkLinks loads chunks without links, with links that are known, and with new
// links only, in turn, and reports how much longer the second and the third take.
func BenchmarkLinks(b *testing.B) {
	d := shared.Warehouse(b, noon, noon)
	db := d.As(b, contract.RoleLoader)
	n := 0
	took := map[string]time.Duration{}
	one := func(kind string, link func(i int) []string) {
		n++
		c := chunk(rows(warehouse.MaxChunk, func(i int, r *warehouse.Row) {
			r.Event.ID, r.Event.UserID, r.Links = uuid.New(), fmt.Sprint("user", i%1000), link(i)
			r.Event.Timestamp = noon.Add(time.Duration(n)*time.Second + time.Duration(i)*time.Millisecond)
		}))
		began := time.Now()
		if done, err := db.Load(b.Context(), c); err != nil || done.Inserted != warehouse.MaxChunk {
			b.Fatal(done.Inserted, err)
		}
		took[kind] += time.Since(began)
	}
	known := func(i int) []string { return []string{fmt.Sprint("anon:", i%1000)} }
	one("first", known)
	for b.Loop() {
		one("without", func(int) []string { return nil })
		one("known", known)
		one("new", func(i int) []string { return []string{fmt.Sprint("anon:", n, "-", i)} })
	}
	b.ReportMetric(float64(took["without"].Milliseconds())/float64(b.N), "ms/chunk")
	b.ReportMetric(took["known"].Seconds()/took["without"].Seconds(), "known/without")
	b.ReportMetric(took["new"].Seconds()/took["without"].Seconds(), "new/without")
}
