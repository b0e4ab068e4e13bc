// Package streamctl embeds the variables file that `streamctl init` writes, and the page
// whose snippets the dashboard shows.
package streamctl

import _ "embed"

// Variables is the content of variables.yaml.
//
//go:embed variables.yaml
var Variables string

// Clients is the content of docs/clients.md.
//
//go:embed docs/clients.md
var Clients string
