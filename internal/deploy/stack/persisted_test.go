package stack

import (
	"strings"
	"testing"
)

// TestPersistedNames lists the prefixes of request tokens and change sets, which AWS
// keeps: a later version recognizes its own operations by them, and the deployer's
// policy contains the last. A version that changes one must read both for one release.
func TestPersistedNames(t *testing.T) {
	for want, got := range map[string]string{
		"deploy-": Spec{}.token(), "delete-": string(Remove), "delete-keep-": string(RemoveAndRetain), "delete-undo-": string(Undo), "streamctl-": changeSetPrefix,
	} {
		if !strings.HasPrefix(got, want) || want != "deploy-" && got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestTokenLeavesThePasswordOut recognizes an operation without its password, and
// distinguishes two templates.
func TestTokenLeavesThePasswordOut(t *testing.T) {
	with := func(template, password string) string {
		return Spec{Template: []byte(template), Parameters: map[string]string{"DatabasePassword": password}}.token()
	}
	if with("a", "one") != with("a", "two") || with("a", "one") == with("b", "one") {
		t.Errorf("tokens %s, %s, %s", with("a", "one"), with("a", "two"), with("b", "one"))
	}
}
