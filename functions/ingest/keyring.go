package ingest

import (
	"golang.org/x/time/rate"

	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/metric"
	"github.com/streamctl/streamctl/internal/segment"
)

// key is a write key with the limit of this execution environment.
type key struct {
	contract.WriteKey
	limit *rate.Limiter // nil: no limit
}

// allows reports whether a page of an origin may use the key.
func (k *key) allows(origin string) bool {
	return contract.AllowsOrigin(k.Origins, origin)
}

// keyring holds the keys by their hash. A lookup by hash reveals nothing about the keys
// by its duration.
type keyring map[string]*key

func newKeyring(keys []contract.WriteKey) keyring {
	ring := make(keyring, len(keys))
	for _, k := range keys {
		one := &key{WriteKey: k}
		if k.Rate > 0 {
			one.limit = rate.NewLimiter(rate.Limit(k.Rate), max(k.Rate, 1))
		}
		ring[k.Hash] = one
	}
	return ring
}

// find returns the key of a text, or nil.
func (r keyring) find(text string) *key {
	if text == "" {
		return nil
	}
	return r[contract.HashWriteKey(text)]
}

// privacyOf returns the rules for messages and properties, whose paths were checked with
// variables.yaml.
func privacyOf(p contract.Privacy, userID func(string) string) *segment.Privacy {
	out := &segment.Privacy{Addresses: segment.Addresses(p.IpAddresses)}
	if p.HashUserIds {
		out.UserID = userID
	}
	for _, path := range p.DropProperties {
		if names, err := metric.Names(path); err == nil {
			out.Drop = append(out.Drop, names)
		}
	}
	return out
}
