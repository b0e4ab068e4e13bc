// Package workload generates events for benchmarks and fault tests: those of a
// shop with many users. Equal seeds give equal events.
package workload

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/streamctl/streamctl/internal/event"
)

const (
	// Users is the number of users; a few generate most events, by Zipf's law
	// with exponent 1.1.
	Users = 10_000
	// RecordEvents is the maximum number of events per record.
	RecordEvents = 5
)

// Types are the events' types, all equally frequent.
var Types = []string{
	"page_view", "click", "scroll", "search", "signup", "login", "logout",
	"add_to_cart", "remove_from_cart", "checkout", "purchase", "error",
}

// Countries are the values of properties.country, all equally frequent.
var Countries = []string{
	"AR", "AT", "AU", "BE", "BG", "BR", "CA", "CH", "CL", "CN", "CO", "CZ", "DE", "DK", "EE", "EG", "ES",
	"FI", "FR", "GB", "GR", "HR", "HU", "ID", "IE", "IL", "IN", "IT", "JP", "KE", "KR", "LT", "LU", "LV",
	"MA", "MX", "MY", "NG", "NL", "NO", "NZ", "PE", "PH", "PL", "PT", "RO", "SE", "SG", "TR", "US",
}

// Generator generates events. It is not safe for concurrent use; give each
// goroutine its own, with its own seed.
type Generator struct {
	random *rand.Rand
	zipf   *rand.Zipf
	from   time.Time
	span   time.Duration
}

// New returns a generator whose events start at a time and lie within span,
// which must be longer than a microsecond.
func New(seed uint64, from time.Time, span time.Duration) *Generator {
	random := rand.New(rand.NewPCG(seed, 0))
	return &Generator{random: random, zipf: rand.NewZipf(random, 1.1, 1, Users-1), from: from.UTC().Truncate(time.Microsecond), span: span}
}

func (g *Generator) eventOf(user string) event.Event {
	at := g.from.Add(time.Duration(g.random.Int64N(int64(g.span)))).Truncate(time.Microsecond)
	return event.Event{ID: g.id(at), UserID: user, Type: pick(g, Types), Timestamp: at, Properties: g.properties()}
}

func (g *Generator) user() string { return fmt.Sprintf("user-%05d", g.zipf.Uint64()) }

func (g *Generator) id(at time.Time) (id uuid.UUID) {
	for i := range id {
		id[i] = byte(g.random.Uint32())
	}
	version := byte(4)
	if g.random.Uint32()&1 == 0 {
		version = 7
		for i, ms := 5, at.UnixMilli(); i >= 0; i, ms = i-1, ms>>8 {
			id[i] = byte(ms)
		}
	}
	id[6] = id[6]&0x0f | version<<4
	id[8] = id[8]&0x3f | 0x80
	return id
}

// properties returns about 200 bytes, without insignificant white space.
func (g *Generator) properties() []byte {
	n := g.random.Uint32()
	return fmt.Appendf(nil, `{"amount":%d.%02d,"country":"%s","page":"/products/%d","referrer":"https://www.example.com/search?q=%d",`+
		`"session":"%016x","device":"%s","member":%t,"experiment":{"name":"checkout-%d","variant":"%c"}}`,
		n%500, n>>9%100, pick(g, Countries), n>>4%1000, n>>8%100_000,
		g.random.Uint64(), pick(g, []string{"phone", "tablet", "desktop"}), n&1 == 0, n%20, 'a'+n%2)
}

func pick(g *Generator, from []string) string { return from[g.random.IntN(len(from))] }

// Record is a record as ingest puts it on the stream.
type Record struct {
	PartitionKey string
	Data         []byte
	// Events are the events in Data, in order.
	Events []event.Event
}

// Record returns a record of one to RecordEvents events of one user, received
// at the end of the span.
func (g *Generator) Record() Record {
	r := Record{PartitionKey: g.user()}
	n := 1 + g.random.IntN(RecordEvents)
	lines := make([][]byte, n)
	request := strconv.FormatUint(g.random.Uint64(), 16)
	for i := range n {
		e := g.eventOf(r.PartitionKey)
		r.Events = append(r.Events, e)
		lines[i] = event.Envelope{Event: e, ReceivedAt: g.from.Add(g.span), RequestID: request, Index: i}.AppendJSON(nil)
	}
	r.Data = bytes.Join(lines, []byte{'\n'})
	return r
}

// Body returns the body of a request with n events, for which ingest sets
// identity and time.
func (g *Generator) Body(n int) []byte {
	body := []byte{'['}
	for i := range n {
		if i > 0 {
			body = append(body, ',')
		}
		body = fmt.Appendf(body, `{"userId":"%s","eventType":"%s","properties":%s}`, g.user(), pick(g, Types), g.properties())
	}
	return append(body, ']')
}
