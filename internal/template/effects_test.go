package template

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestEffectsAreOfRenderedProperties finds each property in the golden templates: a
// typo would never show its effect.
func TestEffectsAreOfRenderedProperties(t *testing.T) {
	var all strings.Builder
	for _, pattern := range []string{"../../testdata/golden/*.yaml", "../../testdata/golden/options/*"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			all.Write(text)
		}
	}
	for key := range effects {
		if !strings.Contains(all.String(), "Type: "+key[0]+"\n") || !regexp.MustCompile(`[ {,]`+key[1]+":").MatchString(all.String()) {
			t.Errorf("no template has %s.%s", key[0], key[1])
		}
	}
}
