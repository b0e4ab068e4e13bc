package cfnregistry_test

import (
	"bytes"
	"os"
	"slices"
	"testing"

	program "github.com/streamctl/streamctl/internal/cfnregistry"
	"github.com/streamctl/streamctl/internal/testkit/aws/cfnregistry"
)

// TestTableIsCurrent compares the program's table with the registry file.
func TestTableIsCurrent(t *testing.T) {
	want, err := cfnregistry.Table()
	if err != nil {
		t.Fatal(err)
	}
	again, err := cfnregistry.Table()
	if err != nil || !bytes.Equal(want, again) {
		t.Errorf("the table differs from run to run (%v)", err)
	}
	got, err := os.ReadFile("../../../cfnregistry/table.go")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, got) {
		t.Error("internal/cfnregistry/table.go differs from the registry file: run `go generate ./internal/cfnregistry`")
	}
}

func TestPermissions(t *testing.T) {
	types, err := cfnregistry.Types()
	if err != nil {
		t.Fatal(err)
	}
	for name, schema := range types {
		list, ok := program.Permissions(name)
		if want := schema.Permissions(); !slices.Equal(list, want) || ok != (len(want) > 0) {
			t.Errorf("%s: %v, %v; want %v", name, list, ok, want)
		}
	}
	if _, ok := program.Permissions("AWS::Unknown::Thing"); ok {
		t.Error("an unknown type has permissions")
	}
	if names := cfnregistry.Names([]string{"/properties/A", "/properties/B/C", "/other"}); !slices.Equal(names, []string{"A"}) {
		t.Errorf("names at the top level: %v", names)
	}
}
