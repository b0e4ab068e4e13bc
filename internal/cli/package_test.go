package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestManifestNeverFailsACommand packages although the manifest can't be written.
func TestManifestNeverFailsACommand(t *testing.T) {
	dir := t.TempDir()
	variables := filepath.Join(dir, "variables.yaml")
	for _, path := range []string{variables, filepath.Join(dir, ".streamctl")} { // a file instead of a folder
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	code, out, said := runIn(t.Context(), nil, "package", "--no-upload", "--source", "../..", "--variables", variables)
	if code != 0 || strings.Count(out, "functions/") != 6 || !strings.Contains(said, "`streamctl render` will not know this code: write manifest: ") {
		t.Errorf("code %d: %s%s", code, out, said)
	}
}
