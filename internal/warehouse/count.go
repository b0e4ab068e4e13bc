package warehouse

import (
	"hash/fnv"
	"math/big"
	"strconv"
	"time"

	"github.com/streamctl/streamctl/internal/event"
	"github.com/streamctl/streamctl/internal/metric"
)

// LineHash names the line at index i of a record of the stream: events.line of
// the row that was made of it.
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

// counter adds up what events give to rollup rows.
type counter struct {
	declared []definition
	sums     map[rowKey]*sum
}

// definition is a declared metric with its key, which takes a hash to make.
type definition struct {
	metric.Definition
	key string
}

// rowKey is a rollup row without its slot.
type rowKey struct {
	metric, dimension string
	minute            int64 // since 1970
}

// sum is what was added up for a row.
type sum struct {
	n        int64
	total    decimalSum
	min, max string
}

func newCounter(declared []metric.Definition) *counter {
	c := &counter{sums: map[rowKey]*sum{}}
	for _, d := range declared {
		c.declared = append(c.declared, definition{d, d.Key()})
	}
	return c
}

// rows adds events that are to be inserted, or were.
func (c *counter) rows(rows []Row) error {
	for i := range rows {
		if err := c.event(&rows[i].Event, rows[i].Measures); err != nil {
			return err
		}
	}
	return nil
}

// event adds an event, with what code made of it.
func (c *counter) event(e *event.Event, coded []metric.Measure) error {
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

func (c *counter) add(m metric.Measure, minute int64) (err error) {
	dimension := m.Dimension
	if len(dimension) > maxDimensionBytes {
		dimension = OtherDimension
	}
	s := c.row(rowKey{m.Key, dimension, minute})
	s.n++
	if m.Value == "" {
		return nil
	}
	if err := s.total.add(m.Value); err != nil {
		return err
	}
	if s.min, err = extreme(s.min, m.Value, -1); err != nil {
		return err
	}
	s.max, err = extreme(s.max, m.Value, 1)
	return err
}

// measures are the rows that were added up, in no order.
func (c *counter) measures() []Measure {
	measures := make([]Measure, 0, len(c.sums))
	for k, s := range c.sums {
		measures = append(measures, Measure{
			Metric: k.metric, Minute: time.Unix(k.minute*60, 0).UTC(), Dimension: k.dimension,
			N: s.n, Sum: s.total.String(), Min: s.min, Max: s.max,
		})
	}
	return measures
}

// decimalSum adds decimal numbers exactly: cents and the like as whole numbers
// of a power of ten, anything else as fractions.
type decimalSum struct {
	units int64 // of 10^-places
	exact *big.Rat
}

// places is how many digits behind the point add up as whole numbers.
const places = 6

var powers = [places + 1]int64{1, 10, 100, 1000, 10_000, 100_000, 1_000_000}

func (d *decimalSum) add(value string) error {
	if units, ok := smallDecimal(value); ok {
		if sum := d.units + units; (sum > d.units) == (units > 0) { // no overflow
			d.units = sum
			return nil
		}
	}
	r, err := decimal(value)
	if err != nil {
		return err
	}
	if d.exact == nil {
		d.exact = new(big.Rat)
	}
	d.exact.Add(d.exact, r)
	return nil
}

// String is the sum in plain digits.
func (d *decimalSum) String() string {
	sum := big.NewRat(d.units, powers[places])
	if d.exact != nil {
		sum.Add(sum, d.exact)
	}
	return plain(sum)
}

// smallDecimal reads a number of at most 12 digits before the point and places
// behind it, without an exponent, in units of 10^-places.
func smallDecimal(s string) (units int64, ok bool) {
	digits, behind, point := 0, 0, false
	negative := len(s) > 0 && s[0] == '-'
	if negative {
		s = s[1:]
	}
	for i := range len(s) {
		switch c := s[i]; {
		case c == '.' && !point:
			point = true
		case c >= '0' && c <= '9':
			units = units*10 + int64(c-'0')
			if point {
				behind++
			} else {
				digits++
			}
		default:
			return 0, false
		}
		if digits > 12 || behind > places {
			return 0, false
		}
	}
	if digits == 0 {
		return 0, false
	}
	units *= powers[places-behind]
	if negative {
		units = -units
	}
	return units, true
}
