package fake_test

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/jackc/pgx/v5"

	streamctl "github.com/streamctl/streamctl/internal/config"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/template"
	awsfake "github.com/streamctl/streamctl/internal/testkit/aws/fake"
	"github.com/streamctl/streamctl/internal/testkit/aws/fake/backends"
	"github.com/streamctl/streamctl/internal/testkit/aws/fake/faketest"
	"github.com/streamctl/streamctl/internal/testkit/aws/moto"
)

// bootstraps builds functions for this machine, each once.
type bootstraps struct {
	dir string

	mu    sync.Mutex
	built map[string]string
}

func (b *bootstraps) build(ctx context.Context, source string) (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if path, ok := b.built[source]; ok {
		return path, nil
	}
	dir := filepath.Join(b.dir, strings.ReplaceAll(source, "/", "_"))
	path := filepath.Join(dir, "bootstrap")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-tags", "lambda.norpc", "-o", path, source)
	if out, err := cmd.CombinedOutput(); err != nil {
		os.Stderr.Write(out)
		return "", err
	}
	b.built[source] = path
	return path, nil
}

// platform builds the function of a code key, or the tests' own function without
// a source for it.
func (b *bootstraps) platform(ctx context.Context, key string) (string, error) {
	name := strings.Split(key, "/")[1]
	source := filepath.Join("..", "..", "..", "..", "functions", name, "bootstrap", "main.go")
	if _, err := os.Stat(source); err != nil {
		return b.test(ctx, key)
	}
	return b.build(ctx, "github.com/streamctl/streamctl/functions/"+name+"/bootstrap")
}

// test builds the tests' own function.
func (b *bootstraps) test(ctx context.Context, _ string) (string, error) {
	return b.build(ctx, "./testdata/bootstrap")
}

func newBootstraps(t *testing.T) *bootstraps {
	return &bootstraps{dir: t.TempDir(), built: map[string]string{}}
}

func startMoto(t *testing.T) string {
	t.Helper()
	server, err := moto.Start(t.Context(), moto.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := server.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	return server.URL
}

// TestPlatform creates and deletes the product's own development stack.
func TestPlatform(t *testing.T) {
	if testing.Short() {
		t.Skip("starts every server")
	}
	began := time.Now()
	b := newBootstraps(t)
	f := faketest.Start(t, awsfake.Options{
		KinesisEndpoint: startMoto(t), Databases: backends.Postgres(""), Caches: backends.Redis(), Bootstrap: b.platform,
	})
	t.Logf("servers: %v", time.Since(began))
	ctx := t.Context()
	keys := map[string]string{}
	bucket := template.ArtifactBucketName("123456789012", "us-east-1")
	objects := s3.NewFromConfig(config(f), func(o *s3.Options) { o.UsePathStyle = true })
	if _, err := objects.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String(bucket)}); err != nil {
		t.Fatal(err)
	}
	for _, fn := range contract.Functions() {
		keys[fn.Name] = "functions/" + fn.Name + "/0123.zip"
		if _, err := b.platform(ctx, keys[fn.Name]); err != nil {
			t.Fatal(err)
		}
		if _, err := objects.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String(keys[fn.Name]), Body: strings.NewReader("zip")}); err != nil {
			t.Fatal(err)
		}
	}
	built, err := template.Build(streamctl.Default("development"), template.Options{CodeKeys: keys})
	if err != nil {
		t.Fatal(err)
	}
	body, err := built.YAML()
	if err != nil {
		t.Fatal(err)
	}
	c := cloudformation.NewFromConfig(config(f))
	create := time.Now()
	const name = "event-streaming-platform-development"
	out, err := c.CreateStack(ctx, &cloudformation.CreateStackInput{
		StackName: aws.String(name), TemplateBody: aws.String(string(body)), Parameters: []types.Parameter{param("DatabasePassword", "YourSecurePassword123!")},
		Capabilities: []types.Capability{types.CapabilityCapabilityNamedIam},
	})
	if err != nil {
		t.Fatal(err)
	}
	s := settle(t, c, name)
	if s.StackStatus != types.StackStatusCreateComplete {
		for _, line := range f.FunctionLogs("SchemaFunction") {
			t.Log(line)
		}
	}
	wantStatus(t, f, c, s, types.StackStatusCreateComplete)
	t.Logf("created in %v, %d events", time.Since(create), len(events(t, c, name)))
	mainJob(t, f, s)
	for _, l := range f.Logins() {
		t.Logf("login %s %s %s %v %s", l.Kind, l.User, l.Principal, l.OK, l.Reason)
	}
	remove := time.Now()
	for _, want := range []types.StackStatus{types.StackStatusDeleteFailed, types.StackStatusDeleteComplete} {
		if _, err := c.DeleteStack(ctx, &cloudformation.DeleteStackInput{StackName: aws.String(name)}); err != nil {
			t.Fatal(err)
		}
		wantStatus(t, f, c, settle(t, c, aws.ToString(out.StackId)), want)
		if err := f.Objects().Empty(output(s, "ArchiveBucket")); err != nil && want == types.StackStatusDeleteFailed {
			t.Fatal(err) // the cause of the failed first deletion is removed
		}
	}
	t.Logf("deleted in %v", time.Since(remove))
	for _, left := range f.Existing() {
		if left.LogicalID != "ApiAccount" && left.LogicalID != "ApiAccountRole" {
			t.Errorf("left behind: %+v", left)
		}
	}
}

// mainJob sends an event and finds it in every store.
func mainJob(t *testing.T, f *awsfake.Fake, s types.Stack) {
	t.Helper()
	ctx := t.Context()
	began := time.Now()
	sign := func(r *http.Request, hash string) {
		creds := aws.Credentials{AccessKeyID: f.Credentials.AccessKeyID, SecretAccessKey: f.Credentials.SecretAccessKey}
		if err := v4.NewSigner().SignHTTP(ctx, creds, r, hash, "execute-api", "us-east-1", time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	url := output(s, "ApiEndpoint")
	status, _, body := send(t, f, http.MethodPost, url+"/events", "application/json", `{"userId":"u1","eventType":"page_view","properties":{"page":"/"}}`, sign)
	if status != http.StatusAccepted {
		t.Fatalf("answer is %d %s\n%s", status, body, strings.Join(f.FunctionLogs("IngestFunction"), "\n"))
	}
	t.Logf("accepted after %v: %s", time.Since(began), body)
	id, _ := f.PhysicalID(aws.ToString(s.StackName), "Database")
	db, _ := f.Database(id)
	conn, err := pgx.Connect(ctx, db.(interface{ SuperuserURL(string) string }).SuperuserURL("analytics"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	eventually(t, "the row", func() bool {
		var n int
		return conn.QueryRow(ctx, "SELECT count(*) FROM events").Scan(&n) == nil && n == 1
	})
	t.Logf("row after %v", time.Since(began))
	eventually(t, "the archived object", func() bool { return len(f.Objects().Keys(output(s, "ArchiveBucket"))) == 1 })
	t.Logf("object after %v: %v", time.Since(began), f.Objects().Keys(output(s, "ArchiveBucket")))
	for _, rule := range []string{"RefreshSchedule", "UpkeepSchedule"} {
		if err := f.Fire(ctx, rule); err != nil {
			t.Errorf("%v\n%s", err, strings.Join(f.FunctionLogs("MaintenanceFunction"), "\n"))
		}
	}
	status, _, body = send(t, f, http.MethodGet, url+"/metrics/events", "", "", sign)
	t.Logf("metric: %d %.300s", status, body)
	if status != http.StatusOK {
		t.Errorf("metric answer is %d\n%s", status, strings.Join(f.FunctionLogs("QueryFunction"), "\n"))
	}
	calls := map[string]int{}
	for _, c := range f.Calls() {
		calls[c.Principal+" "+c.Service+":"+c.Action]++
	}
	t.Logf("calls: %v", calls)
}
