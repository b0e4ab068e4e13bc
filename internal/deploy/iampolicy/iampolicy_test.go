package iampolicy_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/streamctl/streamctl/internal/deploy/iampolicy"
)

// TestPermissionsKnowEveryType requests the permissions for every golden template, with
// every option, and checks IAM's size limit for each document.
func TestPermissionsKnowEveryType(t *testing.T) {
	types := map[string]bool{}
	pattern := regexp.MustCompile(`(?m)Type: ((?:AWS|Custom)::[A-Za-z0-9:]+)`)
	for _, glob := range []string{"../../../testdata/golden/*.yaml", "../../../testdata/golden/options/*"} {
		paths, err := filepath.Glob(glob)
		if err != nil || len(paths) == 0 {
			t.Fatalf("%s: %v, %v", glob, paths, err)
		}
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range pattern.FindAllSubmatch(text, -1) {
				types[string(m[1])] = true
			}
		}
	}
	var all []string
	for name := range types {
		all = append(all, name)
	}
	scope := iampolicy.Scope{Partition: "aws", Account: "123456789012", Region: "us-east-1", Stack: "event-streaming-platform-development", ArtifactBucket: "streamctl-artifacts-123456789012-us-east-1"}
	documents, err := iampolicy.Documents(scope, all)
	if err != nil {
		t.Fatal(err)
	}
	for i, d := range documents {
		var compact bytes.Buffer
		if err := json.Compact(&compact, d); err != nil {
			t.Fatal(err)
		}
		t.Logf("document %d: %d characters", i+1, compact.Len())
		if compact.Len() > 6144 {
			t.Errorf("document %d has %d characters, IAM's limit is 6144", i+1, compact.Len())
		}
	}
	if _, err := iampolicy.Documents(scope, []string{"AWS::Unknown::Thing"}); err == nil {
		t.Error("an unknown type was accepted")
	}
}
