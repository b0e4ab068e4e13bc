//go:build release

// Package released gives the functions' code that a released binary carries.
package released

import (
	_ "embed"

	"github.com/streamctl/streamctl/internal/artifact"
)

var (
	//go:embed embedded/index.json
	index []byte
	//go:embed embedded/functions.zst
	bundle []byte
)

// Artifacts are the functions' code in this binary.
func Artifacts() ([]artifact.Artifact, error) { return artifact.ReadBundle(index, bundle) }
