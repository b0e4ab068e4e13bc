package e2e_test

import (
	"testing"
)

func TestLifecycleTmp(t *testing.T) {
	w := newWorkplace(t, "")
	r := w.streamctl("deploy", "--env", "development")
	t.Log(r.stdout, r.stderr)
	r.want(0)
	r = w.streamctl("status", "--env", "development")
	t.Log(r.stdout, r.stderr)
	r = w.streamctl("deploy", "--env", "development")
	t.Log(r.stdout, r.stderr)
	r = w.streamctl("destroy", "--env", "development", "--yes")
	t.Log(r.stdout, r.stderr)
}
