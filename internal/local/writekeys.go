package local

import (
	"slices"

	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/local/gateway"
)

// localOrigins are the pages that this machine's key allows.
var localOrigins = []string{"http://localhost:*", "http://127.0.0.1:*", "http://[::1]:*"}

// writeKeys returns the keys of variables.yaml and this machine's own, whose pages may
// come from any port of this machine.
func writeKeys(p *Platform) []contract.WriteKey {
	own := contract.WriteKey{Name: "local", Hash: contract.HashWriteKey(p.state.WriteKey), Origins: slices.Clone(localOrigins)}
	return append(slices.Clone(p.o.Variables.WriteKeys), own)
}

// clientRoute is a route for clients with a write key, which ingest checks.
func clientRoute(p *Platform, path string) gateway.Route {
	perSecond, burst := p.o.Variables.ClientLimits()
	return gateway.Route{
		Method: gateway.AnyMethod, Path: path, Invoke: p.functions.ingest.Invoke, Unsigned: true,
		Origins: contract.UnionOrigins(p.o.Variables.CorsAllowedOrigins, writeKeys(p)),
		Limit:   gateway.NewLimit(perSecond, burst),
	}
}
