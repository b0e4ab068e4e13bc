package cli

import (
	"os"
	"strings"
	"testing"
)

// TestReleasedVersion checks that .goreleaser.yaml sets the linker's values by names
// that exist: the linker ignores an unknown one.
func TestReleasedVersion(t *testing.T) {
	text, err := os.ReadFile("../../.goreleaser.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"releaseVersion", "releaseCommit", "releaseDate"} {
		if !strings.Contains(string(text), "-X github.com/streamctl/streamctl/internal/cli."+name+"=") {
			t.Errorf(".goreleaser.yaml does not set %s", name)
		}
	}
	releaseVersion, releaseCommit, releaseDate = "1.2.3", "0123abc", "2026-01-02T03:04:05Z"
	t.Cleanup(func() { releaseVersion, releaseCommit, releaseDate = "", "", "" })
	var out strings.Builder
	app := App{Stdout: &out, Stderr: &out, Getenv: func(string) string { return "" }}
	if code := app.Run(t.Context(), []string{"version"}); code != 0 || !strings.HasPrefix(out.String(), "streamctl 1.2.3 (commit 0123abc of 2026-01-02T03:04:05Z, go1.") {
		t.Errorf("exit code %d: %s", code, out.String())
	}
	out.Reset()
	if code := app.Run(t.Context(), []string{"version", "-o", "json"}); code != 0 || !strings.Contains(out.String(), `"commit": "0123abc",
  "date": "2026-01-02T03:04:05Z",`) {
		t.Errorf("exit code %d: %s", code, out.String())
	}
}
