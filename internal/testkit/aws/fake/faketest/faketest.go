// Package faketest starts the stand-in for AWS for one test.
package faketest

import (
	"testing"

	awsfake "github.com/streamctl/streamctl/internal/testkit/aws/fake"
)

// Start starts a fake that ends with the test. Without Options.Dir it uses a temporary
// folder.
func Start(t testing.TB, o awsfake.Options) *awsfake.Fake {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	f, err := awsfake.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Stop(); err != nil {
			t.Error(err)
		}
	})
	return f
}
