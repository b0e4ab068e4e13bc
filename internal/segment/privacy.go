package segment

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/streamctl/streamctl/internal/event"
)

// Addresses is the treatment of the client's IP address, context.ip.
type Addresses string

// Values of Addresses.
const (
	// DropAddresses removes the address; it is the default.
	DropAddresses Addresses = "drop"
	// TruncateAddresses keeps the network: /24 of IPv4, /48 of IPv6.
	TruncateAddresses Addresses = "truncate"
	// KeepAddresses keeps the address.
	KeepAddresses Addresses = "keep"
)

// Privacy changes messages before they are stored.
type Privacy struct {
	Addresses Addresses
	// Drop are the paths of members to remove, in the message.
	Drop [][]string
	// UserID hashes user ids and anonymous ids; nil keeps them.
	UserID func(string) string
}

// ids are the members of a message that contain ids of users.
var ids = []string{"userId", "anonymousId", "previousId"}

// user returns an id as it is stored.
func (p *Privacy) user(id string) string {
	if p == nil || p.UserID == nil || id == "" {
		return id
	}
	return p.UserID(id)
}

// User returns the user id of an event as it is stored.
func (p *Privacy) User(id string) string {
	if anonymous, ok := strings.CutPrefix(id, event.AnonymousPrefix); ok {
		return event.AnonymousPrefix + p.user(anonymous)
	}
	return p.user(id)
}

// hashes reports whether the member at a path contains an id to hash.
func (p *Privacy) hashes(path []string) bool {
	return p != nil && p.UserID != nil && len(path) == 1 && slices.Contains(ids, path[0])
}

// address returns the address as it is stored; empty for one that is dropped.
func (p *Privacy) address(ip string) string {
	if p == nil || p.Addresses == DropAddresses || p.Addresses == "" {
		return ""
	}
	at, err := netip.ParseAddr(ip)
	if err != nil {
		return ""
	}
	at = at.Unmap()
	if p.Addresses == TruncateAddresses {
		bits := 48
		if at.Is4() {
			bits = 24
		}
		network, err := at.WithZone("").Prefix(bits)
		if err != nil {
			return ""
		}
		at = network.Addr()
	}
	return at.String()
}

// drops reports whether the member at a path is removed.
func (p *Privacy) drops(path []string) bool {
	if p == nil {
		return false
	}
	for _, d := range p.Drop {
		if len(d) == len(path) && equal(d, path) {
			return true
		}
	}
	return false
}

func equal(a, b []string) bool {
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// rewrites reports whether every message must be rewritten.
func (p *Privacy) rewrites() bool { return p != nil && (len(p.Drop) > 0 || p.UserID != nil) }
