package e2e_test

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/streamctl/streamctl/internal/testkit/aws/everyoption"
)

// options returns every option except some, for a stack with its own domain. It
// creates the buckets that they need.
func (w *workplace) options(domain string, but ...string) string {
	w.t.Helper()
	objects := w.platform.Fake.Objects()
	if !slices.Contains(objects.Buckets(), everyoption.Replica) {
		if err := errors.Join(objects.CreateBucket(everyoption.Replica), objects.SetVersioning(everyoption.Replica, "Enabled"), objects.CreateBucket(everyoption.Replayed)); err != nil {
			w.t.Fatal(err)
		}
	}
	return strings.ReplaceAll(everyoption.All(but...), everyoption.Domain, domain)
}

// soon makes the archiver write after a second, for tests that wait for it.
const soon = "ArchiverMapping: {WindowSeconds: 1}\n"

// set writes the variables: those of `streamctl init` and more lines.
func (w *workplace) set(lines string) {
	w.t.Helper()
	path := w.dir + "/variables.yaml"
	if err := os.Remove(path); err != nil {
		w.t.Fatal(err)
	}
	w.streamctl("init").want(0)
	text, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, append([]byte(lines+"\n"), text...), 0o644)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// TestEveryOptionFromTheStart creates production with every option on.
func TestEveryOptionFromTheStart(t *testing.T) {
	w := newWorkplace(t, "")
	w.set("StackName: full\n" + soon + w.options("full.example.com"))
	w.streamctl("deploy").want(0).says("Created stack full.").says("DomainTarget").says("ReplicaEndpoint2")
	s := w.deployed("full")
	s.exercise()
	w.streamctl("deploy").want(0).says("No change: stack full")
	w.streamctl("destroy", "--yes", "--lift-protection", "--no-drain").want(6).says("are locked (ObjectLockDays)")
	w.streamctl("destroy", "--yes", "--lift-protection", "--no-drain", "--retain-archive").want(8).says("AWS::RDS::DBSnapshot").says("AWS::KMS::Key").says("--retain-archive keeps it")
	if left := existing(w.platform.Fake, "full"); strings.Count(left, "\n") != 2 {
		t.Errorf("left:\n%s", left)
	}
}

// TestEveryOptionLater turns on every option in a stack with defaults, and off
// again: stateful resources are not changed, and each function's role allows
// exactly the calls that it makes.
func TestEveryOptionLater(t *testing.T) {
	w := newWorkplace(t, "StackName: grown")
	w.platform.Fake.ResetCalls() // the calls of other stacks' functions
	w.streamctl("deploy", "--env", "development").want(0)
	s := w.deployed("grown", "--env", "development")
	s.exercise()
	holders := []string{"EventStream", "Database", "Cache", "ArchiveBucket", "Key"}
	before := s.physical(holders)
	w.set("StackName: grown\n" + w.options("grown.example.com", everyoption.ObjectLock))
	w.streamctl("deploy", "--env", "development").want(0).says("Updated stack grown.")
	if after := s.physical(holders); !slices.Equal(before, after) {
		t.Errorf("%v became %v", before, after)
	}
	w.deployed("grown", "--env", "development").permissions()
	w.set("StackName: grown")
	w.streamctl("deploy", "--env", "development").want(0).says("Updated stack grown.")
	s.exercise()
	w.streamctl("destroy", "--env", "development", "--yes").want(0)
	if left := existing(w.platform.Fake, "grown"); left != "" {
		t.Errorf("left:\n%s", left)
	}
}

func (s stack) physical(ids []string) (out []string) {
	s.t.Helper()
	for _, id := range ids {
		physical, ok := s.platform.Fake.PhysicalID(s.name, id)
		if !ok {
			s.t.Fatalf("no %s", id)
		}
		out = append(out, physical)
	}
	return out
}

// TestSideBySide has two environments in one account and region. One is
// deleted, the other continues to work.
func TestSideBySide(t *testing.T) {
	w := newWorkplace(t, soon)
	w.streamctl("deploy", "--env", "staging").want(0)
	w.streamctl("deploy", "--env", "development").want(0)
	staging := w.deployed("event-streaming-platform-staging", "--env", "staging")
	development := w.deployed("event-streaming-platform-development", "--env", "development")
	for name, value := range staging.outputs {
		// The ports, the database's name and the hosts of this machine's
		// servers are equal.
		if !strings.HasPrefix(name, "Database") && !strings.HasPrefix(name, "Cache") && value == development.outputs[name] {
			t.Errorf("%s is %s in both", name, value)
		}
	}
	staging.exercise()
	development.exercise()
	w.streamctl("destroy", "--env", "development", "--yes").want(0)
	staging.exercise()
	w.streamctl("destroy", "--env", "staging", "--yes", "--lift-protection", "--no-drain").want(8)
}
