package query

import (
	"time"

	"github.com/streamctl/streamctl/internal/api"
)

// origin makes one of what the parts say; asOf is the least recent part's,
// zero when it isn't known.
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

// fresh is the origin of what was read from the warehouse alone. It is of the
// minute that has begun, so that an answer that doesn't change stays the same
// for as long.
func fresh(now time.Time) api.Origin {
	return origin(false, true, now.Truncate(time.Minute), now)
}

// merge is the origin of an answer of two parts.
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

// dropAsOf leaves out the time of an answer about a range that hardly changes: the
// answer would differ each time.
func dropAsOf(o api.Origin, ended, now time.Time) api.Origin {
	if settled(ended, now) && !o.Stale {
		o.AsOf = nil
	}
	return o
}
