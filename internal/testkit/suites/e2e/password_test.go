package e2e_test

import (
	"bytes"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/streamctl/streamctl/internal/pause"
)

// traffic records the traffic with AWS, through a proxy.
type traffic struct {
	mu     sync.Mutex
	bodies []string
}

func (w *workplace) listen() *traffic {
	w.t.Helper()
	target, err := url.Parse(w.platform.Fake.Endpoint)
	if err != nil {
		w.t.Fatal(err)
	}
	said := &traffic{}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host // the signed host
		body, err := io.ReadAll(r.In.Body)
		if err != nil {
			w.t.Error(err)
		}
		r.Out.Body = io.NopCloser(bytes.NewReader(body))
		said.mu.Lock()
		defer said.mu.Unlock()
		said.bodies = append(said.bodies, r.In.Method+" "+r.In.URL.String()+"\n"+string(body))
	}}
	server := httptest.NewServer(http.HandlerFunc(proxy.ServeHTTP))
	w.t.Cleanup(server.Close)
	w.environ = append(w.environ, "AWS_ENDPOINT_URL="+server.URL)
	return said
}

// arguments collects the arguments of every process while the test runs.
func arguments(t *testing.T) func() string {
	var seen strings.Builder
	done := make(chan struct{})
	stop := make(chan struct{})
	go func() {
		defer close(done)
		for pause.For(t.Context(), 20*time.Millisecond) == nil {
			select {
			case <-stop:
				return
			default:
			}
			paths, _ := filepath.Glob("/proc/[0-9]*/cmdline") // empty on systems without /proc
			for _, path := range paths {
				text, err := os.ReadFile(path)
				if err == nil && bytes.Contains(text, []byte("streamctl")) {
					seen.Write(text)
				}
			}
		}
	}()
	return func() string { close(stop); <-done; return seen.String() }
}

// TestPasswordIsNowhere deploys, changes the password and destroys, and
// searches all output, files and logs for both passwords. Only CloudFormation
// may receive them, in the calls that set them.
func TestPasswordIsNowhere(t *testing.T) {
	w := newWorkplace(t, "StackName: secret")
	said := w.listen()
	stop := arguments(t)
	const first, second = password, "Second-Secret-4712"
	with := func(password string) []string {
		return append(w.environ[:len(w.environ):len(w.environ)], "STREAMCTL_DATABASE_PASSWORD="+password)
	}
	var printed strings.Builder
	run := func(args ...string) {
		t.Helper()
		args = append(args, "--env", "development")
		if slices.Contains([]string{"deploy", "destroy", "status"}, args[0]) {
			args = append(args, "--verbose")
		}
		r := w.streamctl(args...).want(0)
		printed.WriteString(r.stdout + r.stderr)
	}
	w.environ = with(first)
	run("deploy")
	w.deployed("secret", "--env", "development").exercise()
	run("deploy")
	run("deploy", "--dry-run")
	run("diff")
	w.environ = with(second)
	run("deploy", "--change-password")
	run("status", "-o", "json")
	run("outputs")
	checkout := *w // doctor searches for the functions in its working directory and above
	checkout.dir = w.platform.Root
	r := checkout.streamctl("doctor", "--env", "development", "--variables", filepath.Join(w.dir, "variables.yaml")).want(0)
	printed.WriteString(r.stdout + r.stderr)
	w.platform.Fake.FailDelete("AlarmTopic", "not now")
	w.streamctl("destroy", "--env", "development", "--yes").want(5)
	run("destroy", "--yes")

	processes := stop()
	for _, password := range []string{first, second} {
		quoted := url.QueryEscape(password)
		found := func(where, text string) {
			t.Helper()
			if strings.Contains(text, password) || strings.Contains(text, quoted) {
				t.Errorf("%s has the password", where)
			}
		}
		found("the output", printed.String())
		found("a process's arguments", processes)
		calls := 0
		for _, body := range said.bodies {
			if strings.Contains(body, "Action=CreateStack") || strings.Contains(body, "Action=CreateChangeSet") || strings.Contains(body, "Action=UpdateStack") {
				if strings.Contains(body, quoted) {
					calls++
				}
				continue
			}
			found("a call: "+body[:min(len(body), 80)], body)
		}
		if calls != 1 {
			t.Errorf("%d calls set the password, want one", calls)
		}
		for _, group := range []string{"ingest", "archiver", "processor", "query", "schema", "maintenance"} {
			found("the log of "+group, strings.Join(w.platform.Fake.Logs("/aws/lambda/secret-"+group), "\n"))
		}
		objects := w.platform.Fake.Objects()
		for _, bucket := range objects.Buckets() {
			for _, key := range objects.Keys(bucket) {
				object, err := objects.Get(bucket, key)
				if err != nil {
					t.Fatal(err)
				}
				found("s3://"+bucket+"/"+key, string(object))
			}
		}
		err := filepath.WalkDir(w.dir, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			text, err := os.ReadFile(path)
			found(path, string(text))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, body := range said.bodies {
		if strings.Contains(body, "=%2A%2A%2A%2A") || strings.Contains(body, "=****") {
			t.Errorf("asterisks were sent back: %s", body[:min(len(body), 80)])
		}
	}
}
