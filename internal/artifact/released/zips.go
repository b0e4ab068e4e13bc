//go:build release

// Package released gives the functions' code that a released binary carries.
package released

import (
	"embed"
	"fmt"
	"path"
	"strings"

	"github.com/streamctl/streamctl/internal/artifact"
)

//go:embed zips/*.zip
var zips embed.FS

// Artifacts are the functions' code in this binary.
func Artifacts() ([]artifact.Artifact, error) {
	entries, err := zips.ReadDir("zips")
	if err != nil {
		return nil, fmt.Errorf("read released functions: %w", err)
	}
	var out []artifact.Artifact
	for _, e := range entries {
		archive, err := zips.ReadFile(path.Join("zips", e.Name()))
		if err != nil {
			return nil, fmt.Errorf("read released functions: %w", err)
		}
		out = append(out, artifact.New(strings.TrimSuffix(e.Name(), ".zip"), archive))
	}
	return out, nil
}
