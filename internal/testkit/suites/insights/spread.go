// Package insights measures questions about the events of users beside plain SQL.
package insights

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"
)

// Spread generates events of many users over many days.
type Spread struct {
	Events, Users, Days int
	// Sessions makes sessions of several events a few minutes apart; otherwise user and
	// time of each event are independent.
	Sessions bool
	// Visits adds properties that are different for each event.
	Visits bool
	Start  time.Time
	Seed   uint64

	r    *rand.Rand
	made int
	row  []any
	// user and at are those of the current session, with the given number of events left.
	user, left int
	at         time.Time
}

// Columns are the columns of the table events that Values fills.
var Columns = []string{"event_id", "user_id", "event_type", "timestamp", "properties", "received_at", "arrived_at"}

var (
	types     = []string{"page_view", "click", "add_to_cart", "checkout", "purchase"}
	weights   = []int{55, 80, 92, 97, 100}
	countries = []string{"US", "DE", "FR", "GB", "IN", "BR", "NL", "ES"}
	devices   = []string{"phone", "desktop", "tablet"}
)

// Next generates the next event. With Values and Err it implements pgx.CopyFromSource.
func (s *Spread) Next() bool {
	if s.made == s.Events {
		return false
	}
	if s.r == nil {
		s.r = rand.New(rand.NewPCG(s.Seed, 11))
	}
	span := time.Duration(s.Days) * 24 * time.Hour
	base := s.Start.Add(time.Duration(float64(span) * float64(s.made) / float64(s.Events)))
	switch {
	case !s.Sessions:
		s.user, s.at = s.r.IntN(s.Users), base
	case s.left == 0:
		s.user, s.at, s.left = s.r.IntN(s.Users), base, 1+s.r.IntN(15)
		fallthrough
	default:
		s.at = s.at.Add(time.Duration(s.r.Int64N(int64(3 * time.Minute))))
		s.left--
	}
	s.made++
	if end := s.Start.Add(span); !s.at.Before(end) {
		s.at = end.Add(-time.Second)
	}
	n, kind := s.r.IntN(100), ""
	for i, w := range weights {
		if n < w {
			kind = types[i]
			break
		}
	}
	amount := ""
	if kind == "purchase" {
		amount = fmt.Sprintf(`"amount":%d.%02d,`, s.r.IntN(300), s.r.IntN(100))
	}
	if s.Visits {
		amount += fmt.Sprintf(`"visit":"%016x-%016x","number":%d,`, s.r.Uint64(), s.r.Uint64(), s.made)
	}
	var id uuid.UUID
	for i := range id {
		id[i] = byte(s.r.Uint32())
	}
	at := s.at.Truncate(time.Microsecond)
	s.row = []any{
		[16]byte(id), fmt.Sprintf("user-%06d", s.user), kind, at,
		fmt.Appendf(nil, `{%s"country":%q,"device":%q,"page":"/p/%d"}`, amount, countries[s.user%len(countries)], devices[s.r.IntN(len(devices))], s.r.IntN(200)), at, at,
	}
	return true
}

// Values returns the event, in the order of Columns.
func (s *Spread) Values() ([]any, error) { return s.row, nil }

// Err returns nil.
func (*Spread) Err() error { return nil }
