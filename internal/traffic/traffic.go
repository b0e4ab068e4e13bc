// Package traffic makes believable events: sessions of a shop's or an app's
// users, the same for the same seed.
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

// Options describe the traffic.
type Options struct {
	// Profile is one of Profiles.
	Profile string
	// Users is how many there are, at least 1; a few do most of what is done.
	Users int
	// Seed decides users, sessions and what happens in them.
	Seed uint64
	// Events is how many there are in all; 0 has no end.
	Events int
	// Start makes the times too the same for the same seed: the events happen
	// from then on, Every apart. Zero takes the time when each is asked for.
	Start time.Time
	Every time.Duration
}

// Profiles are the kinds of traffic.
func Profiles() []string { return []string{"shop", "app"} }

// visitors is how many sessions go on at a time.
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

// New makes a generator.
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

// Next gives the next event, or io.EOF after the last.
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

// visit begins a session. A user has always the same country and device.
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

// States of every session.
const (
	begun = ""
	ended = "ended"
)

// share is a value and how often it comes, in any unit.
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
