package local

import "testing"

func TestSystem(t *testing.T) {
	for system, want := range map[string]bool{"linux": true, "darwin": true, "freebsd": true, "windows": false} {
		if err := checkSystem(system); (err == nil) != want {
			t.Errorf("%s: %v", system, err)
		}
	}
}
