package deploy_test

import (
	"slices"
	"testing"
	"time"

	awsfake "github.com/streamctl/streamctl/internal/testkit/aws/fake"
)

// TestPrune deletes only unused code: never code that a stack uses, new code, or other
// objects.
func TestPrune(t *testing.T) {
	op, fake, _ := operator(t, awsfake.Options{})
	const name = "streamctl-artifacts-123456789012-us-east-1"
	if err := ensure(t.Context(), op, name); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"functions/ingest/11111111111111111111111111111111.zip", "functions/ingest/22222222222222222222222222222222.zip", "functions/ingest/33333333333333333333333333333333.zip", "functions/ingest/44444444444444444444444444444444.zip", "functions/query/11111111111111111111111111111111.zip", "templates/1111111111111111111111111111111111111111111111111111111111111111.yaml", "mine/notes.txt", "functions/theirs/handler.zip", "templates/network.yaml"} {
		if err := fake.Objects().Put(name, key, []byte(key)); err != nil {
			t.Fatal(err)
		}
	}
	r := request(t, "functions/ingest/11111111111111111111111111111111.zip", false) // a stack with the oldest code
	apply(t, op, r)
	later := time.Now().Add(48 * time.Hour)
	for _, tt := range []struct {
		now    time.Time
		dryRun bool
		want   []string
		left   int
	}{
		{time.Now(), false, nil, 9},
		{later, true, []string{"functions/ingest/22222222222222222222222222222222.zip", "templates/1111111111111111111111111111111111111111111111111111111111111111.yaml"}, 9},
		{later, false, []string{"functions/ingest/22222222222222222222222222222222.zip", "templates/1111111111111111111111111111111111111111111111111111111111111111.yaml"}, 7},
		{later, false, nil, 7},
	} {
		op.Now = func() time.Time { return tt.now }
		p, err := op.Prune(t.Context(), name, tt.dryRun)
		if err != nil || !slices.Equal(p.Deleted, tt.want) {
			t.Errorf("%+v, %v, want %v", p, err, tt.want)
		}
		if keys := fake.Objects().Keys(name); len(keys) != tt.left {
			t.Errorf("%d objects are left, want %d: %v", len(keys), tt.left, keys)
		}
	}
}

// TestPruneBesideAHostileKey prunes a bucket in which another program has a key that XML
// can't carry.
func TestPruneBesideAHostileKey(t *testing.T) {
	op, fake, _ := operator(t, awsfake.Options{})
	if err := ensure(t.Context(), op, artifactBucket); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"functions/ingest/\x01\uFFFE.zip", "functions/ingest/11111111111111111111111111111111.zip", "functions/ingest/22222222222222222222222222222222.zip", "functions/ingest/33333333333333333333333333333333.zip"} {
		if err := fake.Objects().Put(artifactBucket, key, []byte(key)); err != nil {
			t.Fatal(err)
		}
	}
	op.Now = func() time.Time { return time.Now().Add(48 * time.Hour) }
	pruned, err := op.Prune(t.Context(), artifactBucket, false)
	if err != nil || len(pruned.Deleted) != 1 || pruned.Kept != 2 || len(fake.Objects().Keys(artifactBucket)) != 3 {
		t.Errorf("%+v, %v, %q", pruned, err, fake.Objects().Keys(artifactBucket))
	}
}
