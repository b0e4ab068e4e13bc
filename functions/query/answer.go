package query

import (
	"time"

	"github.com/streamctl/streamctl/internal/api"
)

// origin combines the origin of a response's parts; asOf is the oldest part's
// time, zero if unknown.
func origin(cached, loaded bool, asOf, now time.Time) api.Origin {
	o := api.Origin{Source: api.SourceCache, Stale: asOf.IsZero() || now.Sub(asOf) > staleAfter}
	switch {
	case cached && loaded:
		o.Source = api.SourceBoth
	case loaded:
		o.Source = api.SourceWarehouse
	}
	if !asOf.IsZero() {
		o.AsOf = &asOf
	}
	return o
}

// fresh returns the origin of data that was read only from the warehouse. Its
// time is the current minute, so that an unchanged response stays identical for
// a minute.
func fresh(now time.Time) api.Origin {
	return origin(false, true, now.Truncate(time.Minute), now)
}

// merge returns the origin of a response with two parts.
func merge(a, b api.Origin) api.Origin {
	m := api.Origin{Source: a.Source, Stale: a.Stale || b.Stale, AsOf: a.AsOf}
	if a.Source != b.Source {
		m.Source = api.SourceBoth
	}
	if a.AsOf == nil || b.AsOf == nil {
		m.AsOf = nil
	} else if b.AsOf.Before(*a.AsOf) {
		m.AsOf = b.AsOf
	}
	return m
}

// dropAsOf omits the time in a response about a range that hardly changes any
// more, because otherwise the response would differ each time.
func dropAsOf(o api.Origin, ended, now time.Time) api.Origin {
	if settled(ended, now) && !o.Stale {
		o.AsOf = nil
	}
	return o
}
