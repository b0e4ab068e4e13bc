package fake_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	ktypes "github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	awsfake "github.com/streamctl/streamctl/internal/testkit/aws/fake"
	"github.com/streamctl/streamctl/internal/testkit/aws/fake/faketest"
	"github.com/streamctl/streamctl/internal/testkit/must"
)

// working creates testdata/functions.yaml as stack "work".
func working(t *testing.T, o awsfake.Options) (*awsfake.Fake, *cloudformation.Client, types.Stack) {
	t.Helper()
	o.Bootstrap = newBootstraps(t).test
	if _, err := o.Bootstrap(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	f := faketest.Start(t, o)
	if err := f.Objects().CreateBucket("code"); err != nil {
		t.Fatal(err)
	}
	if err := f.Objects().Put("code", "functions/worker/1.zip", []byte("zip")); err != nil {
		t.Fatal(err)
	}
	c := cloudformation.NewFromConfig(config(f))
	_, err := c.CreateStack(t.Context(), &cloudformation.CreateStackInput{
		StackName: aws.String("work"), TemplateBody: read(t, "functions.yaml"), Capabilities: []types.Capability{types.CapabilityCapabilityIam},
	})
	if err != nil {
		t.Fatal(err)
	}
	s := settle(t, c, "work")
	wantStatus(t, f, c, s, types.StackStatusCreateComplete)
	return f, c, s
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-ctx.Done():
			t.Fatalf("%s: timed out", what)
		case <-tick.C:
		}
	}
}

func TestFunctions(t *testing.T) {
	f, _, s := working(t, awsfake.Options{})
	ctx := t.Context()
	c := lambda.NewFromConfig(config(f))
	invoke := func(payload string) (string, string) {
		out, err := c.Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String(mustPhysical(t, f, "Worker")), Payload: []byte(payload)})
		if err != nil {
			t.Fatal(err)
		}
		return string(out.Payload), aws.ToString(out.FunctionError)
	}
	if got, failed := invoke(`{"do":"echo"}`); got != `"echo"` || failed != "" {
		t.Errorf("echo is %s, %s", got, failed)
	}
	if got, failed := invoke(`{"do":"error"}`); failed != "Unhandled" || !strings.Contains(got, "as asked") {
		t.Errorf("error is %s, %s", got, failed)
	}
	if got, failed := invoke(`{"do":"exit"}`); failed != "Unhandled" || !strings.Contains(got, "Runtime.ExitError") || !strings.Contains(got, "exit status 4") {
		t.Errorf("exit is %s, %s", got, failed)
	}
	if got, failed := invoke(`{"do":"sleep"}`); failed != "Unhandled" || !strings.Contains(got, "Task timed out after 1.00 seconds") {
		t.Errorf("sleep is %s, %s", got, failed)
	}
	got, _ := invoke(`{"do":"environment"}`)
	var env []string
	if err := json.Unmarshal([]byte(got), &env); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, v := range env {
		name, _, _ := strings.Cut(v, "=")
		names = append(names, name)
	}
	slices.Sort(names)
	want := []string{
		"AWS_ACCESS_KEY_ID", "AWS_CA_BUNDLE", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_NAME",
		"AWS_LAMBDA_FUNCTION_VERSION", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME", "AWS_LAMBDA_RUNTIME_API", "AWS_REGION",
		"AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "BUCKET", "GREETING", "LAMBDA_TASK_ROOT", "_HANDLER",
	}
	// The Lambda library sets the trace id for its handler.
	names = slices.DeleteFunc(names, func(n string) bool { return n == "_X_AMZN_TRACE_ID" || n == "PWD" })
	if !slices.Equal(names, want) {
		t.Errorf("environment is %v, want %v", names, want)
	}
	if got, failed := invoke(`{"do":"put","bucket":"` + output(s, "Archive") + `","key":"raw/a b"}`); failed != "" {
		t.Errorf("put is %s", got)
	}
	calls := f.Calls()
	i := slices.IndexFunc(calls, func(c awsfake.Call) bool { return c.Principal == "Worker" })
	if i < 0 || calls[i].Service != "s3" || calls[i].Action != "PutObject" || calls[i].Resource != "arn:aws:s3:::"+output(s, "Archive")+"/raw/a b" {
		t.Errorf("calls are %+v", calls)
	}
	if err := f.Fire(ctx, "Rule"); err != nil {
		t.Error(err)
	}
	if n := f.Invocations("Worker"); n < 7 {
		t.Errorf("%d invocations", n)
	}
	logs, err := cloudwatchlogs.NewFromConfig(config(f)).FilterLogEvents(ctx, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: aws.String("/aws/lambda/work-worker"), FilterPattern: aws.String("doing")})
	if err != nil || len(logs.Events) < 5 {
		t.Errorf("%d log events, %v", len(logs.Events), err)
	}
}

func mustPhysical(t *testing.T, f *awsfake.Fake, logicalID string) string {
	t.Helper()
	id, ok := f.PhysicalID("work", logicalID)
	if !ok {
		t.Fatalf("no %s", logicalID)
	}
	return id
}

func TestCustomResource(t *testing.T) {
	f, c, s := working(t, awsfake.Options{})
	if output(s, "Seen") != "Create" || output(s, "Count") != "7" {
		t.Errorf("outputs are %q and %q", output(s, "Seen"), output(s, "Count"))
	}
	update := func(mode string) types.Stack {
		_, err := c.UpdateStack(t.Context(), &cloudformation.UpdateStackInput{
			StackName: aws.String("work"), UsePreviousTemplate: aws.Bool(true), Parameters: []types.Parameter{param("Mode", mode)},
			Capabilities: []types.Capability{types.CapabilityCapabilityIam},
		})
		if err != nil {
			t.Fatal(err)
		}
		return settle(t, c, "work")
	}
	reason := func() string {
		for _, e := range slices.Backward(events(t, c, "work")) {
			if e.ResourceStatus == types.ResourceStatusUpdateFailed && aws.ToString(e.LogicalResourceId) == "Custom" {
				return aws.ToString(e.ResourceStatusReason)
			}
		}
		return ""
	}
	wantStatus(t, f, c, update("fail"), types.StackStatusUpdateRollbackComplete)
	if got := reason(); !strings.Contains(got, "Received response status [FAILED] from custom resource. Message returned: the function says no (RequestId: ") {
		t.Errorf("reason is %q", got)
	}
	before := f.Invocations("Worker")
	wantStatus(t, f, c, update("crash"), types.StackStatusUpdateRollbackComplete)
	if got := reason(); !strings.Contains(got, "CloudFormation did not receive a response from your Custom Resource.") {
		t.Errorf("reason is %q", got)
	}
	if n := f.Invocations("Worker") - before; n != 4 { // three attempts, and the update that rolls back
		t.Errorf("%d invocations", n)
	}
	wantStatus(t, f, c, update("replace"), types.StackStatusUpdateComplete)
	var cleaned bool
	for _, e := range events(t, c, "work") {
		cleaned = cleaned || e.ResourceStatus == types.ResourceStatusDeleteComplete && aws.ToString(e.PhysicalResourceId) == "custom-1"
	}
	if !cleaned {
		t.Error("the old custom resource was not deleted")
	}
}

func TestStream(t *testing.T) {
	f, _, s := working(t, awsfake.Options{KinesisEndpoint: startMoto(t)})
	ctx := t.Context()
	c := kinesis.NewFromConfig(config(f))
	put := func(data ...string) {
		var records []ktypes.PutRecordsRequestEntry
		for _, d := range data {
			records = append(records, ktypes.PutRecordsRequestEntry{Data: []byte(d), PartitionKey: aws.String("k")})
		}
		if _, err := c.PutRecords(ctx, &kinesis.PutRecordsInput{StreamName: aws.String(output(s, "Stream")), Records: records}); err != nil {
			t.Fatal(err)
		}
	}
	put("one", "two", "poison", "three")
	eventually(t, "the poison is given up", func() bool { return len(f.Objects().Keys(output(s, "Archive"))) > 0 })
	put("four")
	eventually(t, "the stream is read to its end", func() bool { return slices.Contains(f.FunctionLogs("Worker"), "record four") })
	key := f.Objects().Keys(output(s, "Archive"))[0]
	if want := "aws/lambda/" + mustPhysical(t, f, "Mapping") + "/shardId-000000000000/"; !strings.HasPrefix(key, want) {
		t.Errorf("key is %s, want %s…", key, want)
	}
	lc := lambda.NewFromConfig(config(f))
	id := aws.String(mustPhysical(t, f, "Mapping"))
	off, err := lc.UpdateEventSourceMapping(ctx, &lambda.UpdateEventSourceMappingInput{UUID: id, Enabled: aws.Bool(false)})
	if err != nil || aws.ToString(off.State) != "Disabling" {
		t.Fatalf("state is %v, %v", off, err)
	}
	eventually(t, "the mapping is disabled", func() bool {
		m, err := lc.GetEventSourceMapping(ctx, &lambda.GetEventSourceMappingInput{UUID: id})
		return err == nil && aws.ToString(m.State) == "Disabled"
	})
}

// send sends a request to the deployed API; sign may be nil.
func send(t *testing.T, f *awsfake.Fake, method, url, contentType, body string, sign func(*http.Request, string)) (int, http.Header, string) {
	t.Helper()
	pem, err := os.ReadFile(f.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: pool},
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", f.APIAddress)
		},
	}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", contentType)
	if sign != nil {
		sum := sha256.Sum256([]byte(body))
		sign(req, hex.EncodeToString(sum[:]))
	}
	res, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, res.Header, string(text)
}

func TestAPI(t *testing.T) {
	f, _, s := working(t, awsfake.Options{})
	url := output(s, "Url")
	signer := func(secret string, at time.Time) func(*http.Request, string) {
		return func(r *http.Request, hash string) {
			creds := aws.Credentials{AccessKeyID: f.Credentials.AccessKeyID, SecretAccessKey: secret}
			if err := v4.NewSigner().SignHTTP(t.Context(), creds, r, hash, "execute-api", "us-east-1", at); err != nil {
				t.Fatal(err)
			}
		}
	}
	good := signer(f.Credentials.SecretAccessKey, time.Now())
	const jsonType = "application/json"
	for _, tt := range []struct {
		name, method, path, contentType, body string
		sign                                  func(*http.Request, string)
		status                                int
		errorType, want                       string
	}{
		{"signed", "POST", "", jsonType, `{"id":"1"}`, good, 202, "", `"HTTPMethod":"POST"`},
		{"unsigned", "POST", "", jsonType, `{"id":"1"}`, nil, 403, "MissingAuthenticationTokenException", `{"message":"Missing Authentication Token"}`},
		{"no route", "PUT", "", jsonType, ``, good, 403, "MissingAuthenticationTokenException", `{"message":"Missing Authentication Token"}`},
		{"wrong secret", "POST", "", jsonType, `{"id":"1"}`, signer("wrong", time.Now()), 403, "InvalidSignatureException", "The request signature we calculated does not match"},
		{"old", "POST", "", jsonType, `{"id":"1"}`, signer(f.Credentials.SecretAccessKey, time.Now().Add(-10*time.Minute)), 403, "InvalidSignatureException", "Signature expired: "},
		{"bad body", "POST", "", jsonType, `{"no":"1"}`, good, 422, "BadRequestException", `"title":"BAD_REQUEST_BODY"`},
		{"other type", "POST", "", "text/plain", `not json`, good, 202, "", `"Body":"not json"`},
		{"parameter", "GET", "/a%20b?x=1&x=2", jsonType, ``, good, 202, "", `"PathParameters":{"name":"a b"}`},
		{"bad shape", "GET", "/broken", jsonType, ``, good, 502, "InternalServerErrorException", `{"message":"Internal server error"}`},
		{"crash", "GET", "/crash", jsonType, ``, good, 502, "InternalServerErrorException", `{"message":"Internal server error"}`},
		{"too long", "POST", "", "text/plain", strings.Repeat("x", 10<<20+1), good, 413, "RequestTooLargeException", "Request Too Long"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, header, body := send(t, f, tt.method, url+tt.path, tt.contentType, tt.body, tt.sign)
			if status != tt.status || header.Get("X-Amzn-Errortype") != tt.errorType || !strings.Contains(body, tt.want) {
				t.Errorf("answer is %d %s %.300s, want %d %s with %s", status, header.Get("X-Amzn-Errortype"), body, tt.status, tt.errorType, tt.want)
			}
			if status == 202 && header.Get("Retry-After") != "7" {
				t.Error("a header of the function is missing")
			}
			if status == 422 && (header.Get("Content-Type") != "application/problem+json" || !json.Valid([]byte(body))) {
				t.Errorf("gateway response is %s: %s", header.Get("Content-Type"), body)
			}
		})
	}
	if !slices.ContainsFunc(f.Calls(), func(c awsfake.Call) bool {
		return c.Service == "execute-api" && c.Resource == fmt.Sprintf("arn:aws:execute-api:us-east-1:123456789012:%s/prod/POST/things", mustPhysical(t, f, "Api"))
	}) {
		t.Error("execute-api:Invoke was not recorded")
	}
}

// TestCurl runs the command in docs/awsfake.md.
func TestCurl(t *testing.T) {
	path := must.Have(t, "curl", "apt-get install curl")
	f, _, s := working(t, awsfake.Options{})
	args := []string{"--silent", "--show-error", "--cacert", f.CAFile, "--connect-to", "::" + f.APIAddress, "-H", "content-type: application/json", "-d", `{"id":"1"}`, output(s, "Url")}
	out, err := exec.CommandContext(t.Context(), path, args...).CombinedOutput()
	if err != nil || string(out) != `{"message":"Missing Authentication Token"}` {
		t.Errorf("unsigned: %v: %s", err, out)
	}
	args = append([]string{"--aws-sigv4", "aws:amz:us-east-1:execute-api", "--user", f.Credentials.AccessKeyID + ":" + f.Credentials.SecretAccessKey}, args...)
	out, err = exec.CommandContext(t.Context(), path, args...).CombinedOutput()
	if err != nil || !strings.Contains(string(out), `"HTTPMethod":"POST"`) {
		t.Errorf("signed: %v: %s", err, out)
	}
}
