package deploy_test

import (
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/streamctl/streamctl/internal/deploy/stack"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	awsfake "github.com/streamctl/streamctl/internal/testkit/aws/fake"
	"github.com/streamctl/streamctl/internal/testkit/suites/bucketload"
)

// scaleVersions is the number of versions in the largest bucket; `make scale` raises
// it.
func scaleVersions(t *testing.T) int {
	t.Helper()
	text := os.Getenv("STREAMCTL_SCALE_VERSIONS")
	if text == "" {
		return 10_000
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func atRate(w bucketload.Wrote) bool { return w.Written >= 10 }

// TestDestroyWhileWritten destroys a stack whose bucket is on moto, while 50 objects
// per second are written to it: before, during and after.
func TestDestroyWhileWritten(t *testing.T) {
	t.Run("gofakes3", func(t *testing.T) {
		memory, versions := bucketload.NewMemory(), scaleVersions(t)
		destroyWhileWritten(t, memory, versions, versions/50, func(_ *s3.Client, name string) error {
			return memory.Fill(t.Context(), name, versions, versions/50)
		})
	})
	t.Run("moto", func(t *testing.T) {
		_, server := bucketload.StartMoto(t)
		versions := max(1100, scaleVersions(t)/20) // moto deletes 200 per second
		destroyWhileWritten(t, &oneAtATime{Handler: server}, versions, versions/50, func(client *s3.Client, name string) error {
			return bucketload.Fill(t.Context(), client, name, versions, versions/50)
		})
	})
}

// oneAtATime passes requests to a server one after the other. On a busy machine moto
// has lost an object during deletes that it had answered with 200.
type oneAtATime struct {
	http.Handler
	mu sync.Mutex
}

func (o *oneAtATime) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.Handler.ServeHTTP(w, r)
}

func destroyWhileWritten(t *testing.T, server http.Handler, versions, markers int, fill func(*s3.Client, string) error) {
	op, _, lines := operator(t, awsfake.Options{})
	name := apply(t, op, request(t, "one", false)).Stack.Outputs["BucketName"]
	front, client := bucketload.Behind(t, server)
	op.S3 = client
	if err := fill(client, name); err != nil {
		t.Fatal(err)
	}
	writer := bucketload.Write(t.Context(), client, name, 50)
	if err := writer.Until(t.Context(), atRate); err != nil {
		t.Fatal(err)
	}
	if _, err := op.Destroy(t.Context(), plan(t, op)); err != nil {
		t.Fatalf("%v\n%s", err, lines)
	}
	before := front.Seen()
	if err := writer.Until(t.Context(), func(w bucketload.Wrote) bool { return w.Denied > before.Denied+10 }); err != nil {
		t.Fatal(err)
	}
	wrote := writer.Stop()
	if wrote.Err != nil || wrote.Written < 10 {
		t.Errorf("the writer: %+v", wrote)
	}
	if n := bucketload.Left(t, client, name); n != 0 {
		t.Errorf("%d are left", n)
	}
	if _, err := client.DeleteBucket(t.Context(), &s3.DeleteBucketInput{Bucket: &name}); err != nil {
		t.Errorf("as CloudFormation does next: %v", err)
	}
	want := fmt.Sprintf("Emptied bucket %s: %d versions, %d delete markers", name, versions+wrote.Written, markers)
	if !strings.Contains(lines.String(), want) {
		t.Errorf("want %q in\n%s", want, lines)
	}
	if seen := front.Seen(); seen.MostKeys > 1000 || seen.Keys < versions+markers+wrote.Written {
		t.Errorf("%+v", seen)
	}
	t.Logf("%d were there, %d came, %d were denied: %+v", versions+markers, wrote.Written, wrote.Denied, front.Seen())
}

// TestEmptyProgress reports progress now and then, relative to the plan's count.
func TestEmptyProgress(t *testing.T) {
	op, fake, _ := operator(t, awsfake.Options{})
	name := apply(t, op, request(t, "one", false)).Stack.Outputs["BucketName"]
	fill(t, op, fake, name, 2500, 500)
	own, now := *op, time.Unix(0, 0)
	own.Now = func() time.Time { now = now.Add(6 * time.Second); return now }
	var waits []string
	own.Report = func(e stack.Event) {
		if e.Kind == stack.KindWaiting {
			waits = append(waits, e.Text)
		}
	}
	if _, err := own.Destroy(t.Context(), plan(t, op, lift)); err != nil {
		t.Fatal(err)
	}
	if len(waits) != 1 || waits[0] != "bucket "+name+" to be empty: deleted 2000 of about 3000 versions and delete markers" {
		t.Errorf("told %q", waits)
	}
}
