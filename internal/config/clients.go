package config

import (
	"fmt"
	"slices"

	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/event"
	"github.com/streamctl/streamctl/internal/metric"
	"github.com/streamctl/streamctl/internal/pattern"
)

// Limits of write keys.
const (
	MaxWriteKeys = 20
	// MaxRate is API Gateway's default quota of an account and region, in requests
	// per second.
	MaxRate = 10000
	// maxEnvironment is Lambda's limit for the environment of a function, in bytes;
	// fixedEnvironment bounds the variables of ingest that are known only on AWS.
	maxEnvironment   = 4096
	fixedEnvironment = 600
)

var (
	ipAddresses = []string{"drop", "truncate", "keep"}

	keyName = pattern.New(`^[A-Za-z][A-Za-z0-9_-]{0,39}$`)
	keyHash = pattern.New(`^[A-Za-z0-9_-]{43}$`)
)

// CheckKeyName checks the name of a write key.
func CheckKeyName(name string) error {
	if keyName.MatchString(name) {
		return nil
	}
	return fmt.Errorf("want a letter, then letters, digits, hyphens and underscores, at most 40 characters")
}

// CheckOrigin checks a web origin, or "*" for every origin.
func CheckOrigin(o string) error {
	if o == "*" || origin.MatchString(o) {
		return nil
	}
	return fmt.Errorf("want an origin such as https://www.example.com, without a path, or *")
}

// originPattern matches what CheckOrigin accepts.
func originPattern() string { return `^\*$|` + origin.String() }

// clients checks the write keys and what happens to their events.
func (v Variables) clients(r *rules) {
	r.limits("WriteKeys", limit{items: MaxWriteKeys})
	r.limits("WriteKeys[].Name", limit{pattern: keyName.String()})
	r.limits("WriteKeys[].Hash", limit{pattern: keyHash.String()})
	r.limits("WriteKeys[].Origins[]", limit{pattern: originPattern()})
	r.limits("WriteKeys[].Rate", limit{high: MaxRate})
	r.limits("Privacy.IpAddresses", limit{allowed: ipAddresses, zero: true})
	if len(v.WriteKeys) > MaxWriteKeys {
		r.add("WriteKeys", "%d keys: want at most %d", len(v.WriteKeys), MaxWriteKeys)
	}
	for i, k := range v.WriteKeys {
		v.writeKey(r, fmt.Sprintf("WriteKeys[%d]", i), k, v.WriteKeys[:i])
	}
	if len(v.WriteKeys) == 0 && (v.WriteKeysRate != 0 || v.WriteKeysBurst != 0) {
		r.add("WriteKeysRate", "%d: has no effect without WriteKeys; `streamctl keys new` creates one", v.WriteKeysRate)
	}
	r.between("WriteKeysRate", v.WriteKeysRate, 0, MaxRate, " requests per second")
	r.between("WriteKeysBurst", v.WriteKeysBurst, 0, 5000, " requests")
	if p := v.Privacy.IpAddresses; p != "" {
		r.oneOf("Privacy.IpAddresses", p, ipAddresses)
	}
	for _, path := range v.Privacy.DropProperties {
		if _, err := metric.Names(path); err != nil {
			r.add("Privacy.DropProperties", "%q: %v", path, err)
		}
	}
	r.limits("StreamFormats[]", limit{allowed: event.Formats()})
	for i, format := range v.StreamFormats {
		r.oneOf(fmt.Sprintf("StreamFormats[%d]", i), format, event.Formats())
	}
	if len(v.StreamFormats) > 0 && !v.Privacy.IsZero() {
		r.add("StreamFormats", "Privacy is set too: records of direct producers are archived as they are, before any rule of Privacy; want one of both")
	}
	if n := environmentBytes(v); n > maxEnvironment {
		r.add("WriteKeys", "the environment of ingest has about %d bytes: Lambda allows %d; want fewer keys, origins (CorsAllowedOrigins too) or DropProperties", n, maxEnvironment)
	}
}

func (v Variables) writeKey(r *rules, at string, k contract.WriteKey, before []contract.WriteKey) {
	if err := CheckKeyName(k.Name); err != nil {
		r.add(at+".Name", "%q: %v", k.Name, err)
	}
	if !keyHash.MatchString(k.Hash) {
		r.add(at+".Hash", "the value (not shown): want the 43 characters that `streamctl keys new` prints, not the key itself")
	}
	for _, o := range k.Origins {
		if err := CheckOrigin(o); err != nil {
			r.add(at+".Origins", "%q: %v", o, err)
		}
	}
	r.between(at+".Rate", k.Rate, 0, MaxRate, " requests per second")
	if slices.ContainsFunc(before, func(o contract.WriteKey) bool { return o.Name == k.Name }) {
		r.add(at+".Name", "%q: given twice; choose another name", k.Name)
	}
	if k.Hash != "" && slices.ContainsFunc(before, func(o contract.WriteKey) bool { return o.Hash == k.Hash }) {
		r.add(at+".Hash", "two names have the same key; want one key for each name")
	}
}

// environmentBytes estimates the size of ingest's environment.
func environmentBytes(v Variables) int {
	n := fixedEnvironment
	e := contract.Ingest{CorsOrigins: v.CorsAllowedOrigins, WriteKeys: v.WriteKeys, Privacy: v.Privacy}
	for name, value := range e.Vars() {
		n += len(name) + len(value)
	}
	return n
}

// ClientLimits returns the limits of requests with write keys: the rate per second and
// the burst.
func (v Variables) ClientLimits() (rate, burst int) {
	rate, burst = v.WriteKeysRate, v.WriteKeysBurst
	if rate == 0 {
		rate = max(1, v.ThrottleRate/4)
	}
	if burst == 0 {
		burst = max(1, v.ThrottleBurst/4)
	}
	return rate, burst
}
