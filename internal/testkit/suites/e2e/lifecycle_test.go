package e2e_test

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"

	awsfake "github.com/streamctl/streamctl/internal/testkit/aws/fake"
)

// fill adds versions and delete markers to a bucket.
func fill(t testing.TB, f *awsfake.Fake, bucket string, versions, markers int) {
	t.Helper()
	for i := range versions {
		if err := f.Objects().Put(bucket, fmt.Sprintf("raw/v1/old/%d.gz", i/2), []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	deleteObjects(t, f, bucket, markers)
}

// TestDevelopment runs a stack's whole lifecycle with the program.
func TestDevelopment(t *testing.T) {
	w := newWorkplace(t, "StackName: life\nEventTypes: [signup, Order Completed]")
	w.streamctl("deploy", "--env", "development").want(0).says("Created stack life.").says("ApiEndpoint")
	w.streamctl("status", "--env", "development").want(0).says("life  CREATE_COMPLETE")
	s := w.deployed("life", "--env", "development")
	w.streamctl("outputs", "ApiGatewayUrl", "--env", "development").want(0).says(s.outputs["ApiGatewayId"] + ".execute-api.us-east-1.amazonaws.com/prod\n")
	w.streamctl("outputs", "-o", "env", "--env", "development").want(0).says("API_ENDPOINT='https://")
	s.exercise()
	w.streamctl("metrics", "values", "--env", "development", "--forget", "never").want(2).says("no such value with a place")
	w.streamctl("metrics", "values", "--env", "development", "--forget", "page_view").want(0).says("page_view has lost its place in events")
	w.streamctl("metrics", "values", "--env", "development", "--forget", "page_view").want(2).says("no such value with a place")
	w.streamctl("deploy", "--env", "development").want(0).says("No change: stack life")
	w.refusesReplacement()
	w.stopHalfWay()
	w.streamctl("deploy", "--env", "development").want(0).says("Enabling ProcessorMapping, which was disabled")
	s.exercise()
	fill(t, w.platform.Fake, s.outputs["ArchiveBucket"], 2500, 500)
	w.streamctl("destroy", "--env", "development").want(6).says("standard input is not a terminal")
	w.streamctl("destroy", "--env", "development", "--dry-run").want(0).says("bucket " + s.outputs["ArchiveBucket"] + " with ").says("500 delete markers")
	w.streamctl("destroy", "--env", "development", "--yes").want(0).says("500 delete markers").says("Deleted stack life.")
	if left := existing(w.platform.Fake, "life"); left != "" {
		t.Errorf("left:\n%s", left)
	}
	w.streamctl("destroy", "--env", "development", "--yes").want(0).says("Stack life does not exist in account 123456789012, us-east-1.")
	w.streamctl("status", "--env", "development").want(1).says("stack does not exist")

	// Immediately again.
	w.streamctl("deploy", "--env", "development").want(0).says("Created stack life.")
	w.deployed("life", "--env", "development").exercise()
	w.streamctl("destroy", "--env", "development", "--yes").want(0)
}

// TestUnsigned sends the documented curl as it is: without a signature.
func TestUnsigned(t *testing.T) {
	have(t, "curl")
	w := newWorkplace(t, "StackName: curl\nCorsAllowedOrigins: [https://a.example]")
	w.streamctl("deploy", "--env", "development").want(0)
	s := w.deployed("curl", "--env", "development")
	host, _, _ := strings.Cut(s.outputs["ApiGatewayUrl"], "/")
	_, port, err := net.SplitHostPort(w.platform.Fake.APIAddress)
	if err != nil {
		t.Fatal(err)
	}
	reach := []string{"--silent", "--show-error", "--cacert", w.platform.Fake.CAFile, "--connect-to", host + ":443:127.0.0.1:" + port, "--write-out", "\n%{http_code} %{content_type}"}
	post := append(reach, "-X", "POST", "https://"+s.outputs["ApiGatewayUrl"]+"/events", "-H", "Content-Type: application/json", "-d", briefEvent)
	w.run("curl", post...).want(0).says("403 application/problem+json").says("Missing Authentication Token")
	key := w.platform.Fake.Credentials
	signed := append(post, "--aws-sigv4", "aws:amz:us-east-1:execute-api", "--user", key.AccessKeyID+":"+key.SecretAccessKey)
	w.run("curl", signed...).want(0).says("202 ").says("eventId")
	s.findInSQL()

	// Only ingest validates bodies.
	for _, tt := range []struct {
		body string
		want int
	}{{`"text"`, http.StatusBadRequest}, {`{"events": 3}`, http.StatusBadRequest}, {`{}`, http.StatusBadRequest}, {`[` + briefEvent + `, {"userId": 3}]`, http.StatusMultiStatus}} {
		if status, answer := s.send(tt.body); status != tt.want {
			t.Errorf("%s: %d %s, want %d", tt.body, status, answer, tt.want)
		}
	}
	s.answersAsLocal(t)
	// Create the documented indexes, as the master user, in addition to the
	// existing ones.
	conn := s.master()
	for _, statement := range []string{"CREATE INDEX idx_events_user_id ON events(user_id)", "CREATE INDEX idx_events_timestamp ON events(timestamp)"} {
		if _, err := conn.Exec(t.Context(), statement); err != nil {
			t.Errorf("%s: %v", statement, err)
		}
	}
	w.streamctl("destroy", "--env", "development", "--yes").want(0)
}

// stopHalfWay leaves a mapping in the state of an interrupted destroy.
func (w *workplace) stopHalfWay() { w.stopReading("life") }

func (w *workplace) stopReading(stack string) {
	w.t.Helper()
	id, _ := w.platform.Fake.PhysicalID(stack, "ProcessorMapping")
	w.aws("lambda", "update-event-source-mapping", "--uuid", id, "--no-enabled").want(0)
}

// refusesReplacement changes a property that would replace the database; no
// call is made.
func (w *workplace) refusesReplacement() {
	w.t.Helper()
	path := w.dir + "/variables.yaml"
	text, err := os.ReadFile(path)
	if err != nil {
		w.t.Fatal(err)
	}
	other := strings.ReplaceAll(string(text), "DatabaseUsername: analytics_admin", "DatabaseUsername: somebody_else")
	if err := os.WriteFile(w.dir+"/other.yaml", []byte(other), 0o644); err != nil {
		w.t.Fatal(err)
	}
	w.streamctl("deploy", "--env", "development", "--variables", "other.yaml").want(3).says("a new master user replaces the database")
	w.streamctl("status", "--env", "development").want(0).says("life  CREATE_COMPLETE")
}
