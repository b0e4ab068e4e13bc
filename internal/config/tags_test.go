package config_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/streamctl/streamctl/internal/config"
)

// TestTags accepts tags up to AWS's limits, which count characters.
func TestTags(t *testing.T) {
	want := map[string]string{
		"Cost Center": "a_b.c:d/e=f+g-h@i", "équipe": "日本語 ٣", strings.Repeat("é", 128): strings.Repeat("é", 256),
		"Project": "another", // our own spelling
	}
	text := "Tags:\n"
	for k, v := range want {
		text += "  \"" + k + "\": \"" + v + "\"\n"
	}
	if got := load(t, text, config.Production).Tags; !maps.Equal(got, want) {
		t.Errorf("tags %v", got)
	}
}
