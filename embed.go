// Package streamctl embeds the variables file that `streamctl init` writes.
package streamctl

import _ "embed"

// Variables is the content of variables.yaml.
//
//go:embed variables.yaml
var Variables string
