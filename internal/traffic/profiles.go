package traffic

import (
	"encoding/json"
	"fmt"
)

// profile describes a kind of traffic.
type profile struct {
	devices []share
	// step generates the session's next event.
	step func(*Generator, *session) (kind string, properties []byte)
}

var profiles = map[string]profile{
	"shop": {devices: []share{{"phone", 58}, {"desktop", 34}, {"tablet", 8}}, step: (*Generator).shop},
	"app":  {devices: []share{{"ios", 45}, {"android", 55}}, step: (*Generator).app},
}

// fields returns the properties of an event: those common to a session, and
// more.
func (s *session) fields(more map[string]any) []byte {
	more["session"], more["country"], more["device"] = s.id, s.country, s.device
	text, err := json.Marshal(more) // keys are sorted, so equal fields give equal text
	if err != nil {
		return []byte("{}") // strings and numbers always marshal
	}
	return text
}

// amount returns cents as a decimal number.
func amount(cents int) json.Number { return json.Number(fmt.Sprintf("%d.%02d", cents/100, cents%100)) }

// chance is true with a probability of percent.
func (g *Generator) chance(percent int) bool { return g.random.IntN(100) < percent }

// shop generates a shop visit: users browse, some search, some fill a cart, few
// buy.
func (g *Generator) shop(s *session) (string, []byte) {
	s.step++
	if s.state == begun {
		s.state, s.page = "looking", "/"
		referrer := weighted(g.random, []share{{"google", 45}, {"direct", 30}, {"newsletter", 15}, {"instagram", 10}})
		return "page_view", s.fields(map[string]any{"page": s.page, "referrer": referrer})
	}
	if s.state == "checkout" {
		s.state = ended
		if g.chance(35) {
			return "checkout_abandoned", s.fields(map[string]any{"amount": amount(s.cart), "items": s.items})
		}
		order := fmt.Sprintf("%010d", g.random.IntN(1e10))
		return "purchase", s.fields(map[string]any{"amount": amount(s.cart), "items": s.items, "currency": "EUR", "order": order})
	}
	switch n := g.random.IntN(100); {
	case s.items > 0 && n < 18:
		s.state = "checkout"
		return "checkout", s.fields(map[string]any{"amount": amount(s.cart), "items": s.items})
	case n < 30:
		price := 495 + g.random.IntN(60)*100 + g.random.IntN(4)*25
		s.cart, s.items = s.cart+price, s.items+1
		return "add_to_cart", s.fields(map[string]any{"product": fmt.Sprintf("P-%04d", g.random.IntN(400)), "price": amount(price), "page": s.page})
	case n < 36:
		return "search", s.fields(map[string]any{"query": weighted(g.random, []share{{"shoes", 5}, {"jacket", 4}, {"bag", 3}, {"lamp", 1}}), "results": g.random.IntN(120)})
	case n < 55:
		return "click", s.fields(map[string]any{"page": s.page, "element": weighted(g.random, []share{{"image", 4}, {"reviews", 3}, {"size", 3}, {"share", 1}})})
	case n > 92 || s.step > 40:
		s.state = ended
		return "page_leave", s.fields(map[string]any{"page": s.page, "seconds": 5 + g.random.IntN(300)})
	}
	s.page = weighted(g.random, []share{{"/products", 4}, {fmt.Sprintf("/products/%d", g.random.IntN(400)), 5}, {"/sale", 2}, {"/about", 1}})
	return "page_view", s.fields(map[string]any{"page": s.page})
}

// app generates an app session: users move between screens, some subscribe, and
// sometimes the app crashes.
func (g *Generator) app(s *session) (string, []byte) {
	s.step++
	if s.state == begun {
		s.state, s.page = "open", "home"
		return "app_open", s.fields(map[string]any{"version": weighted(g.random, []share{{"4.2.0", 6}, {"4.1.3", 3}, {"3.9.8", 1}}), "cold": g.chance(40)})
	}
	switch n := g.random.IntN(1000); {
	case n < 6:
		s.state = ended
		return "crash", s.fields(map[string]any{"screen": s.page, "signal": "SIGSEGV"})
	case n < 20:
		price := []int{499, 999, 4999}[g.random.IntN(3)]
		return "purchase", s.fields(map[string]any{"amount": amount(price), "currency": "EUR", "plan": map[int]string{499: "week", 999: "month", 4999: "year"}[price]})
	case n < 300:
		return "tap", s.fields(map[string]any{"screen": s.page, "element": weighted(g.random, []share{{"card", 5}, {"menu", 3}, {"like", 3}, {"share", 1}})})
	case n < 360:
		return "notification_opened", s.fields(map[string]any{"campaign": weighted(g.random, []share{{"weekly", 3}, {"streak", 2}, {"offer", 1}})})
	case n > 930 || s.step > 60:
		s.state = ended
		return "app_close", s.fields(map[string]any{"screen": s.page, "seconds": 3 + g.random.IntN(900)})
	}
	s.page = weighted(g.random, []share{{"home", 4}, {"feed", 5}, {"detail", 5}, {"profile", 2}, {"settings", 1}})
	return "screen_view", s.fields(map[string]any{"screen": s.page})
}
