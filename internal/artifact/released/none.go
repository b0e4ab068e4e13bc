//go:build !release

// Package released gives the functions' code that a released binary carries. A
// binary that was built in a checkout carries none and builds it instead.
package released

import "github.com/streamctl/streamctl/internal/artifact"

// Artifacts are the functions' code in this binary; empty outside a release.
func Artifacts() ([]artifact.Artifact, error) { return nil, nil }
