// Package streamctl holds the variables file that `streamctl init` writes.
package streamctl

import _ "embed"

// Variables is the text of variables.yaml as it is shipped.
//
//go:embed variables.yaml
var Variables string
