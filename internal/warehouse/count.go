package warehouse

import (
	"hash/fnv"
	"strconv"
	"time"

	"github.com/streamctl/streamctl/internal/decimal"
	"github.com/streamctl/streamctl/internal/event"
	"github.com/streamctl/streamctl/internal/metric"
)

// LineHash returns the hash that identifies the line at index i of a record of
// the stream; events.line of its row has this value.
func LineHash(shard, sequence string, i int) int64 {
	h := fnv.New64a()
	var buf [96]byte
	b := append(buf[:0], shard...)
	b = append(b, '/')
	b = append(b, sequence...)
	b = append(b, '/')
	b = strconv.AppendInt(b, int64(i), 10)
	h.Write(b)
	return int64(h.Sum64())
}

// counter computes the changes of rollup rows from events.
type counter struct {
	declared []definition
	sums     map[rowKey]*sum
}

// definition is a declared metric with its key, which takes a hash to compute.
type definition struct {
	metric.Definition
	key string
}

// rowKey is a rollup row without its slot.
type rowKey struct {
	metric, dimension string
	minute            int64 // since 1970
}

// sum is the running total of a row.
type sum struct {
	n        int64
	total    decimal.Decimal
	min, max string
}

func newCounter(declared []metric.Definition) *counter {
	c := &counter{sums: map[rowKey]*sum{}}
	for _, d := range declared {
		c.declared = append(c.declared, definition{d, d.Key()})
	}
	return c
}

// rows adds events that are being inserted or were inserted.
func (c *counter) rows(rows []Row) error {
	for i := range rows {
		if err := c.event(&rows[i].Event, rows[i].Measures); err != nil {
			return err
		}
	}
	return nil
}

// event adds an event, with the measures computed by Analyze.
func (c *counter) event(e *event.Event, coded []metric.Contribution) error {
	minute := e.Timestamp.Unix() / 60
	c.row(rowKey{MetricEvents, e.Type, minute}).n++
	for i := range c.declared {
		if m, ok := c.declared[i].Of(c.declared[i].key, e); ok {
			if err := c.add(m, minute); err != nil {
				return err
			}
		}
	}
	for _, m := range coded {
		if err := c.add(m, minute); err != nil {
			return err
		}
	}
	return nil
}

func (c *counter) row(k rowKey) *sum {
	s := c.sums[k]
	if s == nil {
		s = &sum{}
		c.sums[k] = s
	}
	return s
}

func (c *counter) add(m metric.Contribution, minute int64) (err error) {
	dimension := m.Dimension
	if len(dimension) > maxDimensionBytes {
		dimension = OtherDimension
	}
	s := c.row(rowKey{m.Key, dimension, minute})
	s.n++
	if m.Value == "" {
		return nil
	}
	value, err := decimal.ParseJSON(m.Value)
	if err != nil {
		return err
	}
	s.total = s.total.Add(value)
	if s.min, err = extreme(s.min, m.Value, -1); err != nil {
		return err
	}
	s.max, err = extreme(s.max, m.Value, 1)
	return err
}

// measures returns the sums, in no particular order.
func (c *counter) measures() []RollupDelta {
	measures := make([]RollupDelta, 0, len(c.sums))
	for k, s := range c.sums {
		measures = append(measures, RollupDelta{
			Metric: k.metric, Minute: time.Unix(k.minute*60, 0).UTC(), Dimension: k.dimension,
			N: s.n, Sum: s.total.String(), Min: s.min, Max: s.max,
		})
	}
	return measures
}
