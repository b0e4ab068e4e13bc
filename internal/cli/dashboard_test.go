package cli_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/streamctl/streamctl/internal/cli"
)

// fakeAWS serves STS and CloudFormation for one stack whose API is this server too.
func fakeAWS(t *testing.T, outputs func(url string) string, metrics http.HandlerFunc) {
	var url string
	mux := http.NewServeMux()
	mux.HandleFunc("POST /", func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".FilterLogEvents") {
			w.Header().Set("Content-Type", "application/x-amz-json-1.1")
			w.WriteHeader(http.StatusBadRequest)
			io.WriteString(w, `{"__type":"AccessDeniedException","message":"not authorized"}`)
			return
		}
		w.Header().Set("Content-Type", "text/xml")
		switch r.PostFormValue("Action") {
		case "GetCallerIdentity":
			io.WriteString(w, `<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::123456789012:user/a</Arn><Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>`)
		case "DescribeStacks":
			if outputs == nil {
				w.WriteHeader(http.StatusBadRequest)
				fmt.Fprintf(w, `<ErrorResponse><Error><Code>ValidationError</Code><Message>Stack with id %s does not exist</Message></Error></ErrorResponse>`, r.PostFormValue("StackName"))
				return
			}
			fmt.Fprintf(w, `<DescribeStacksResponse><DescribeStacksResult><Stacks><member><StackName>shop</StackName><StackId>id</StackId><StackStatus>CREATE_COMPLETE</StackStatus><Outputs>%s</Outputs></member></Stacks></DescribeStacksResult></DescribeStacksResponse>`, outputs(url))
		default:
			http.Error(w, "not known", http.StatusBadRequest)
		}
	})
	mux.HandleFunc("GET /prod/metrics/{metric}", metrics)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	url = server.URL
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": url, "AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret",
		"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_PROFILE": "",
	} {
		t.Setenv(name, value)
	}
}

func output(name, value string) string {
	return "<member><OutputKey>" + name + "</OutputKey><OutputValue>" + value + "</OutputValue></member>"
}

func withAPI(url string) string {
	return output("ApiEndpoint", url+"/prod") + output("ReadMetricsPolicyArn", "arn:read")
}

func signedAnswer(w http.ResponseWriter, r *http.Request) {
	if !strings.Contains(r.Header.Get("Authorization"), "/eu-west-1/execute-api/aws4_request") {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	io.WriteString(w, `{"metric":"`+r.PathValue("metric")+`"}`)
}

func dashboardArgs(t *testing.T, more ...string) []string {
	variables := filepath.Join(t.TempDir(), "variables.yaml")
	if err := os.WriteFile(variables, []byte("Metrics: [{Name: revenue, Sum: properties.amount}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return append([]string{"dashboard", "--variables", variables}, more...)
}

func TestDashboardRefuses(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := fmt.Sprint(taken.Addr().(*net.TCPAddr).Port)
	forbidden := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }
	for name, c := range map[string]struct {
		outputs func(string) string
		metrics http.HandlerFunc
		code    int
		says    []string
	}{
		"no stack":      {nil, signedAnswer, 1, []string{"does not exist: event-streaming-platform in account 123456789012, eu-west-1", "streamctl deploy"}},
		"no endpoint":   {func(string) string { return "" }, signedAnswer, 1, []string{"no output ApiEndpoint", "streamctl deploy"}},
		"no permission": {withAPI, forbidden, 4, []string{"403", "attach the policy arn:read"}},
		"port taken":    {withAPI, signedAnswer, 2, []string{"port " + port + " is taken", "--port"}},
	} {
		t.Run(name, func(t *testing.T) {
			fakeAWS(t, c.outputs, c.metrics)
			var stdout, stderr bytes.Buffer
			app := cli.App{Stdout: &stdout, Stderr: &stderr, Getenv: os.Getenv, Environ: os.Environ}
			code := app.Run(t.Context(), dashboardArgs(t, "--port", port))
			for _, text := range c.says {
				if !strings.Contains(stderr.String(), text) {
					t.Errorf("not said: %s", text)
				}
			}
			if code != c.code || stdout.Len() > 0 {
				t.Errorf("exit code %d, want %d; %s%s", code, c.code, &stdout, &stderr)
			}
		})
	}
}

func TestDashboardServesUntilCancelled(t *testing.T) {
	fakeAWS(t, withAPI, signedAnswer)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	lines, stdout := io.Pipe()
	var stderr bytes.Buffer
	app := cli.App{Stdout: stdout, Stderr: &stderr, Getenv: os.Getenv, Environ: os.Environ}
	code := make(chan int, 1)
	go func() {
		code <- app.Run(ctx, dashboardArgs(t, "--port", "0"))
		stdout.Close()
	}()
	url, err := bufio.NewReader(lines).ReadString('\n')
	if err != nil {
		t.Fatalf("%v: %s", err, &stderr)
	}
	// The stack is older than SQL, and the credentials must not read the log: both lists
	// report it, and the rest works.
	for path, want := range map[string]string{
		"/metrics/summary": `{"metric":"summary"}`, "/about": `"name":"revenue"`, "/": "<!doctype html>",
		"/events":   "read the newest events: run SQL: stack shop has no output SqlPolicyArn.*\"hint\":\"`streamctl deploy` finishes or updates the stack\"",
		"/rejected": `read rejected events: .*AccessDeniedException: not authorized","hint":"these credentials need logs:FilterLogEvents on the log groups /aws/lambda/shop-\*"`,
	} {
		resp, err := http.Get(strings.TrimSpace(url) + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		status := http.StatusOK
		if path == "/events" || path == "/rejected" {
			status = http.StatusServiceUnavailable
		} else {
			want = regexp.QuoteMeta(want)
		}
		if found, matchErr := regexp.Match(want, body); err != nil || matchErr != nil || resp.StatusCode != status || !found {
			t.Errorf("%s: %s %s %v", path, resp.Status, body, err)
		}
	}
	cancel()
	if got := <-code; got != 0 {
		t.Errorf("exit code %d: %s", got, &stderr)
	}
}
