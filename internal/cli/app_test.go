package cli

import (
	"errors"
	"testing"

	"github.com/streamctl/streamctl/internal/artifact"
)

// TestCodeKeys has a released binary use its embedded functions, except in a checkout.
func TestCodeKeys(t *testing.T) {
	own, other := artifact.New("ingest", []byte("own")), artifact.New("ingest", []byte("other"))
	packaged := func(a ...artifact.Artifact) func() (artifact.Manifest, error) {
		return func() (artifact.Manifest, error) { return artifact.NewManifest(a), nil }
	}
	broken := func() (artifact.Manifest, error) { return artifact.Manifest{}, errors.New("broken") }
	for name, tt := range map[string]struct {
		carried  []artifact.Artifact
		checkout bool
		packaged func() (artifact.Manifest, error)
		want     string
		fails    bool
	}{
		"released":                         {[]artifact.Artifact{own}, false, packaged(other), own.Key(), false},
		"released, with a broken file":     {[]artifact.Artifact{own}, false, broken, own.Key(), false},
		"released, in a checkout":          {[]artifact.Artifact{own}, true, packaged(other), other.Key(), false},
		"released, in a fresh checkout":    {[]artifact.Artifact{own}, true, packaged(), own.Key(), false},
		"built in a checkout":              {nil, true, packaged(other), other.Key(), false},
		"built in a checkout, run outside": {nil, false, packaged(other), other.Key(), false},
		"nothing packaged":                 {nil, true, packaged(), "", false},
		"built in a checkout, broken":      {nil, true, broken, "", true},
	} {
		keys, err := chooseKeys(tt.carried, tt.checkout, tt.packaged)
		if keys["ingest"] != tt.want || (err != nil) != tt.fails {
			t.Errorf("%s: %q, %v", name, keys["ingest"], err)
		}
	}
}
