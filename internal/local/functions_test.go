package local

import (
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/streamctl/streamctl/internal/config"
	"github.com/streamctl/streamctl/internal/contract"
)

// TestFunctionTimeouts expects each invocation's deadline from variables.yaml,
// or else the function's default.
func TestFunctionTimeouts(t *testing.T) {
	var v config.Variables
	v.Functions.Processor.Timeout = 77
	f := newFunctions(builder{v: v})
	for name, got := range map[string]struct{ got, want time.Duration }{
		"processor": {f.processor.timeout, 77 * time.Second}, "query": {f.query.timeout, 20 * time.Second},
		"schema": {timeoutOf(v, contract.FuncSchema), 240 * time.Second},
	} {
		if got.got != got.want {
			t.Errorf("%s: %s, want %s", name, got.got, got.want)
		}
	}
}

// TestEveryFunctionSettingIsUsedOrDocumented checks each field of Functions.*.
func TestEveryFunctionSettingIsUsedOrDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/local.md")
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{"Timeout": true}
	_, ignored, _ := strings.Cut(string(text), "Settings without effect here")
	for field := range reflect.TypeFor[config.FunctionSetting]().Fields() {
		if !used[field.Name] && !strings.Contains(ignored, "`"+field.Name+"`") {
			t.Errorf("Functions.*.%s is neither used nor listed in docs/local.md", field.Name)
		}
	}
}
