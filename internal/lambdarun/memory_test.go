package lambdarun_test

import (
	"testing"

	"github.com/streamctl/streamctl/internal/lambdarun"
)

func TestMemoryLimit(t *testing.T) {
	for megabytes, want := range map[string]int64{"": 0, "x": 0, "-1": 0, "512": 429_496_728} {
		if got := lambdarun.MemoryLimit(func(name string) string {
			if name != "AWS_LAMBDA_FUNCTION_MEMORY_SIZE" {
				t.Errorf("asked for %s", name)
			}
			return megabytes
		}); got != want {
			t.Errorf("%q: %d, want %d", megabytes, got, want)
		}
	}
}
