package gateway

import "testing"

// TestLimit uses up a method's limit: others have their own, and invented ones share one.
func TestLimit(t *testing.T) {
	l := NewLimit(1, 2)
	allowed := func(method string) (n int) {
		for range 5 {
			if l.of(method).Allow() {
				n++
			}
		}
		return n
	}
	for _, c := range []struct {
		method string
		want   int
	}{{"POST", 2}, {"POST", 0}, {"OPTIONS", 2}, {"GET", 2}, {"PUT", 2}, {"INVENTED", 0}} {
		if got := allowed(c.method); got != c.want {
			t.Errorf("%s: %d requests, want %d", c.method, got, c.want)
		}
	}
}
