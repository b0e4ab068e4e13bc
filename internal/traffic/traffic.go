// Package traffic generates realistic events: sessions of a shop's or an app's
// users. Equal seeds give equal events.
package traffic

import (
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/streamctl/streamctl/internal/event"
	"github.com/streamctl/streamctl/internal/send"
)

// Options configure the traffic.
type Options struct {
	// Profile is one of Profiles.
	Profile string
	// Users is the number of users, at least 1; a few users generate most
	// events.
	Users int
	// Seed determines users, sessions and their events.
	Seed uint64
	// Events is the total number of events; 0 means no limit.
	Events int
	// Start is the time of the first event; later events follow at intervals of
	// Every. Zero uses the current time, so that only the times differ between
	// equal seeds.
	Start time.Time
	Every time.Duration
}

// Profiles lists the kinds of traffic.
func Profiles() []string { return []string{"shop", "app"} }

// visitors is the maximum number of concurrent sessions.
const visitors = 200

// Generator is a source of events.
type Generator struct {
	o        Options
	random   *rand.Rand
	zipf     *rand.Zipf
	sessions []*session
	profile  profile
	made     int
}

// session is one user's visit.
type session struct {
	user, id, country, device string
	state                     string
	step                      int
	page                      string
	cart                      int // cents
	items                     int
}

// New returns a generator.
func New(o Options) (*Generator, error) {
	p, ok := profiles[o.Profile]
	if !ok {
		return nil, fmt.Errorf("profile %q: want one of %s", o.Profile, strings.Join(Profiles(), ", "))
	}
	if o.Users < 1 {
		return nil, fmt.Errorf("%d users: want at least 1", o.Users)
	}
	random := rand.New(rand.NewPCG(o.Seed, 0x73747265616d))
	g := &Generator{o: o, random: random, profile: p}
	if o.Users > 1 {
		g.zipf = rand.NewZipf(random, 1.1, 8, uint64(o.Users-1))
	}
	return g, nil
}

// Next returns the next event, or io.EOF after the last one.
func (g *Generator) Next() (send.Item, error) {
	if g.o.Events > 0 && g.made == g.o.Events {
		return send.Item{}, io.EOF
	}
	at := g.o.Start.Add(time.Duration(g.made) * g.o.Every)
	if g.o.Start.IsZero() {
		at = time.Now()
	}
	g.made++
	if len(g.sessions) < visitors && (len(g.sessions) == 0 || g.random.IntN(4) == 0) {
		g.sessions = append(g.sessions, g.visit())
	}
	i := g.random.IntN(len(g.sessions))
	s := g.sessions[i]
	kind, properties := g.profile.step(g, s)
	if s.state == ended {
		g.sessions = slices.Delete(g.sessions, i, i+1)
	}
	e := event.Event{UserID: s.user, Type: kind, Properties: properties, Timestamp: at.UTC().Truncate(time.Millisecond)}
	return send.Item{Event: e}, e.Identify(at, bytesOf{g.random}) //nolint:wrapcheck // never fails
}

// bytesOf reads random bytes.
type bytesOf struct{ r *rand.Rand }

func (b bytesOf) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(b.r.Uint32())
	}
	return len(p), nil
}

// visit starts a session. A user always has the same country and device.
func (g *Generator) visit() *session {
	n := uint64(0)
	if g.zipf != nil {
		n = g.zipf.Uint64()
	}
	own := rand.New(rand.NewPCG(g.o.Seed, n))
	return &session{
		user: fmt.Sprintf("user-%06d", n), id: fmt.Sprintf("%08x", g.random.Uint32()), state: begun,
		country: weighted(own, countries), device: weighted(own, g.profile.devices),
	}
}

// States that every session has.
const (
	begun = ""
	ended = "ended"
)

// share is a value and its relative frequency.
type share struct {
	value  string
	weight int
}

func weighted(r *rand.Rand, list []share) string {
	total := 0
	for _, s := range list {
		total += s.weight
	}
	n := r.IntN(total)
	for _, s := range list {
		if n -= s.weight; n < 0 {
			return s.value
		}
	}
	return list[0].value
}

var countries = []share{
	{"US", 30}, {"DE", 14}, {"GB", 12}, {"FR", 9}, {"IN", 9}, {"BR", 6}, {"NL", 4}, {"ES", 4}, {"CA", 4}, {"JP", 3}, {"AU", 2}, {"SE", 2}, {"PL", 1},
}
