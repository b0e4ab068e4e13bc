package config_test

import (
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/streamctl/streamctl/internal/config"
)

// integers lists the keys of all integers in a struct, with the YAML path in
// which keys are joined by dots.
func integers(of reflect.Type, above string) (keys []string) {
	for field := range of.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("yaml"), ",")
		if name == "-" {
			continue
		}
		switch kind := field.Type; kind.Kind() {
		case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Uint, reflect.Uint32, reflect.Uint64, reflect.Float32, reflect.Float64:
			keys = append(keys, above+name)
		case reflect.Struct:
			keys = append(keys, integers(kind, above+name+".")...)
		}
	}
	return keys
}

// TestEveryIntegerHasBounds sets each integer of variables.yaml to values far outside
// the valid range, and to some that overflow when they are multiplied: each is rejected
// by its own key.
func TestEveryIntegerHasBounds(t *testing.T) {
	keys := integers(reflect.TypeFor[config.Variables](), "")
	if len(keys) < 30 {
		t.Fatalf("only %d integers: %v", len(keys), keys)
	}
	for _, key := range keys {
		for _, value := range []int64{1_000_000, math.MaxInt32 + 1, 1 << 40, math.MaxInt64, math.MaxInt64 - 1, math.MaxInt64/10 + 1, math.MaxInt64/11 + 1, math.MaxInt64/3600 + 1, 1<<62 + 1, math.MinInt64, -1_000_000} {
			parts := strings.Split(key, ".")
			text := fmt.Sprint(parts[len(parts)-1], ": ", value)
			for i := len(parts) - 2; i >= 0; i-- {
				text = parts[i] + ": {" + text + "}"
			}
			_, err := config.Load(strings.NewReader(text), "variables.yaml", "production")
			if err == nil || !strings.Contains(err.Error(), key+": "+fmt.Sprint(value)) {
				t.Errorf("%s: %v", text, err)
			}
		}
	}
}
