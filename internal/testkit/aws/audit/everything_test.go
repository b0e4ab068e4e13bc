package audit_test

import (
	"strings"
	"testing"

	"github.com/streamctl/streamctl/internal/config"
	"github.com/streamctl/streamctl/internal/testkit/aws/everyoption"
)

// everything returns an environment with every option on.
func everything(t testing.TB, environment string) config.Variables {
	t.Helper()
	v, err := config.Load(strings.NewReader(everyoption.All()), "everything.yaml", environment)
	if err != nil {
		t.Fatal(err)
	}
	return v
}
