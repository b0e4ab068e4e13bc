package deploy_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	awsfake "github.com/streamctl/streamctl/internal/testkit/aws/fake"
)

// TestPlan lists the effects of a destroy before anything happens: by the template's
// policies, and with each flag.
func TestPlan(t *testing.T) {
	op, _, _ := operator(t, awsfake.Options{})
	apply(t, op, request(t, "one", true))
	p := plan(t, op)
	if len(p.Databases) != 1 || !p.Databases[0].Snapshot || p.Drains {
		t.Errorf("databases %+v, drains %t without a stream", p.Databases, p.Drains)
	}
	if len(p.Retained) != 1 || p.Retained[0].LogicalID != "Key" || p.Retained[0].Why != "DeletionPolicy RetainExceptOnCreate" {
		t.Errorf("retained %+v", p.Retained)
	}
	if len(p.Protections) != 2 {
		t.Errorf("protections %v", p.Protections)
	}
	text, err := json.Marshal(p)
	if err != nil || !strings.Contains(string(text), `"snapshot":true`) || !strings.Contains(string(text), `"uploads":0`) {
		t.Errorf("as JSON: %s, %v", text, err)
	}
}

// TestPlanDrains drains if there is a consumed stream and something outlives it, in
// every status in which the API may be open.
func TestPlanDrains(t *testing.T) {
	op, fake, _ := operator(t, awsfake.Options{})
	apply(t, op, live(t, "one", "Snapshot", "RetainExceptOnCreate"))
	for _, status := range []string{"UPDATE_COMPLETE", "UPDATE_ROLLBACK_FAILED", "UPDATE_FAILED", "IMPORT_ROLLBACK_FAILED"} {
		if err := fake.SetStackStatus("events", status); err != nil {
			t.Fatal(err)
		}
		p := plan(t, op)
		if !p.Drains {
			t.Errorf("%s: it doesn't drain", status)
		}
		if p := plan(t, op, noDrain); p.Drains {
			t.Errorf("%s: it drains although it shouldn't", status)
		}
	}
}

// TestPlanOfDevelopment plans for a template that keeps nothing.
func TestPlanOfDevelopment(t *testing.T) {
	op, _, _ := operator(t, awsfake.Options{})
	r := request(t, "one", false)
	r.Template = bytes.ReplaceAll(r.Template, []byte("DeletionPolicy: Snapshot"), []byte("DeletionPolicy: Delete"))
	r.Template = bytes.ReplaceAll(r.Template, []byte("DeletionPolicy: RetainExceptOnCreate"), []byte("DeletionPolicy: Delete"))
	r.Template = bytes.ReplaceAll(r.Template, []byte("Engine: postgres,"), []byte("Engine: postgres, StorageEncrypted: true, KmsKeyId: !GetAtt Key.Arn,"))
	apply(t, op, r)
	p := plan(t, op)
	if d := p.Databases[0]; d.Snapshot || d.Key == "" || d.KeyStays || len(p.Retained) != 0 || p.Drains {
		t.Errorf("%+v, retained %v, drains %t", d, p.Retained, p.Drains)
	}
	p = plan(t, op, finalSnapshot)
	if d := p.Databases[0]; !d.Snapshot || d.KeyStays {
		t.Errorf("with a snapshot: %+v", d)
	}
	p = plan(t, op, finalSnapshot, retainArchive)
	if d := p.Databases[0]; !d.KeyStays || len(p.Retained) != 2 {
		t.Errorf("with the archive: %+v, %v", d, p.Retained)
	}
}
