package e2e_test

import (
	"context"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/streamctl/streamctl/internal/contract"
)

// jobs runs the jobs of operators in the stack's function. The archive has the
// line of poison, which a replay rejects again.
func (s stack) jobs() {
	w, t := s.workplace, s.t
	t.Helper()
	eventually(t, "find the poison in the archive", func(context.Context) error {
		lines, err := s.archived()
		if err == nil && !strings.Contains(strings.Join(lines, "\n"), base64.StdEncoding.EncodeToString([]byte("no envelope at all"))) {
			err = errors.New("not there yet")
		}
		return err
	})
	run := func(verb string, args ...string) result {
		t.Helper()
		return w.streamctl(append(append(strings.Fields(verb), args...), "--env", "development")...)
	}
	yesterday := time.Now().UTC().AddDate(0, 0, -1).Format(time.DateOnly)
	run("replay", "--from", yesterday, "--dry-run").want(0).says("To read: ")
	run("replay", "--from", yesterday, "--yes").want(8).says("already loaded").says("1 rejected")
	run("replay", "--source", "given-up", "--yes").want(0)
	run("rebuild rollups").want(0).says("rebuild rollups: ")
	run("rebuild cache").want(0).says("rebuild cache: ")
	run("reconcile", "--again").want(0).says("compared")
	run("quarantine list").want(0).says("envelope")
	run("quarantine show", "1").want(0).says("no envelope at all")
	run("quarantine retry").want(8).says("1 rejected")
	run("jobs", "-o", "json").want(0).says(`"kind": "quarantine retry"`)
	s.otherArchive(yesterday)
}

// otherArchive replays the archive of another stack if the role of maintenance
// may read it.
func (s stack) otherArchive(from string) {
	w, t := s.workplace, s.t
	t.Helper()
	objects := w.platform.Fake.Objects()
	if err := objects.CreateBucket("old-archive"); err != nil && !slices.Contains(objects.Buckets(), "old-archive") {
		t.Fatal(err)
	}
	for _, key := range objects.Keys(s.outputs["ArchiveBucket"]) {
		if !strings.HasPrefix(key, "raw/v1/dt=") {
			continue
		}
		body, err := objects.Get(s.outputs["ArchiveBucket"], key)
		if err == nil {
			err = objects.Put("old-archive", key, body)
		}
		if err != nil {
			t.Fatal(err)
		}
		break
	}
	for _, p := range role(w.platform.Fake, s.name, contract.FuncMaintenance) {
		if p.action == "s3:GetObject" && strings.Contains(p.resource, "old-archive") {
			w.streamctl("replay", "--source", "s3://old-archive", "--from", from, "--yes", "--env", "development").want(0).says("already loaded")
		}
	}
}
