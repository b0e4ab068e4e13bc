package localrun_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/streamctl/streamctl/internal/api"
	"github.com/streamctl/streamctl/internal/awshttp"
	"github.com/streamctl/streamctl/internal/pause"
	"github.com/streamctl/streamctl/internal/testkit/must"
	"github.com/streamctl/streamctl/internal/testkit/suites/localrun"
)

const event = `{"userId": "user123", "eventType": "page_view", "properties": {"page": "/dashboard"}}`

// startIAM starts local with --auth iam.
func startIAM(t *testing.T) *localrun.Local {
	t.Helper()
	l := program.Start(t, localrun.Spec{Dir: workDir(t), Args: []string{"--auth", "iam"}})
	if l.AccessKeyID == "" || l.SecretAccessKey == "" || l.Region == "" {
		t.Fatalf("no keys in the output: %+v", l.Where)
	}
	return l
}

// TestOtherProgramsSign signs requests with other programs.
func TestOtherProgramsSign(t *testing.T) {
	l := startIAM(t)
	t.Run("curl", func(t *testing.T) {
		curl := must.Have(t, "curl", "scripts/setup installs it")
		cmd := exec.CommandContext(t.Context(), curl, "-sS", "-w", "%{http_code}", "-o", os.DevNull, "-X", "POST", l.API+"/events",
			"--aws-sigv4", "aws:amz:"+l.Region+":execute-api", "--user", l.AccessKeyID+":"+l.SecretAccessKey, "-H", "Content-Type: application/json", "-d", event)
		if out, err := cmd.Output(); err != nil || string(out) != "202" {
			t.Errorf("answer %s, %v", out, err)
		}
	})
	t.Run("the library of the AWS CLI", func(t *testing.T) {
		cmd := exec.CommandContext(t.Context(), python(t), "-c", `
import sys, urllib.error, urllib.request
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
endpoint, region, key, secret, body = sys.argv[1:]
for method, path, data in ("POST", "/events", body.encode()), ("GET", "/metrics/events?step=5m&by=none", None):
    signed = AWSRequest(method=method, url=endpoint + path, data=data, headers={"Content-Type": "application/json"} if data else {})
    SigV4Auth(Credentials(key, secret), "execute-api", region).add_auth(signed)
    with urllib.request.urlopen(urllib.request.Request(signed.url, data=data, headers=dict(signed.headers), method=method)) as answer:
        print(answer.status)
`, l.API, l.Region, l.AccessKeyID, l.SecretAccessKey, event)
		out, err := cmd.CombinedOutput()
		if err != nil || string(out) != "202\n200\n" {
			t.Errorf("answers %s, %v", out, err)
		}
	})
	t.Run("streamctl", func(t *testing.T) {
		keys := []string{"AWS_ACCESS_KEY_ID=" + l.AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + l.SecretAccessKey, "AWS_REGION=" + l.Region}
		for _, args := range [][]string{{"send", "--user", "u", "--type", "signed"}, {"query", "summary"}} {
			cmd := program.Command(t.Context(), localrun.Spec{Dir: t.TempDir(), Env: keys, Args: append(args, "--url", l.API, "--sign")})
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v: %v\n%s", args, err, out)
			}
		}
	})
	l.Settle(t, 3, patience)
}

// python returns an interpreter with botocore: the system's, or the one that
// runs the AWS CLI.
func python(t *testing.T) string {
	t.Helper()
	program := must.Have(t, "aws", "scripts/setup installs it")
	candidates := []string{"python3", filepath.Join(filepath.Dir(program), "python3")}
	if text, err := os.ReadFile(program); err == nil {
		first, _, _ := strings.Cut(string(text), "\n")
		candidates = append(candidates, strings.TrimPrefix(first, "#!"))
	}
	for _, candidate := range candidates {
		if exec.CommandContext(t.Context(), candidate, "-c", "import botocore").Run() == nil {
			return candidate
		}
	}
	t.Fatalf("none of %v has botocore, which comes with the AWS CLI", candidates)
	return ""
}

// TestBadSignatures: invalid signatures are rejected with AWS's status and
// message.
func TestBadSignatures(t *testing.T) {
	l := startIAM(t)
	signed := func(secret, region string, at time.Time, change func(*http.Request)) (int, string, string) {
		t.Helper()
		c := &api.Client{Endpoint: l.API, HTTP: changed{change}, Signer: &awshttp.Signer{
			Region: region, Credentials: credentials.NewStaticCredentialsProvider(l.AccessKeyID, secret, ""), Clock: pause.Clock{Time: func() time.Time { return at }},
		}}
		resp, err := c.Do(t.Context(), http.MethodPost, "/events", http.Header{"Content-Type": {"application/json"}}, []byte(event))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var p struct{ Detail string }
		if err := json.NewDecoder(resp.Body).Decode(&p); err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, resp.Header.Get("X-Amzn-Errortype"), p.Detail
	}
	now := time.Now()
	for _, tt := range []struct {
		name, secret, region string
		at                   time.Time
		change               func(*http.Request)
		kind, words          string
	}{
		{"no signature", "", "", now, func(r *http.Request) { r.Header.Del("Authorization") }, "MissingAuthenticationTokenException", "Missing Authentication Token"},
		{"another secret", "wrong", l.Region, now, nil, "InvalidSignatureException", "The request signature we calculated does not match the signature you provided."},
		{"an old date", "", "", now.Add(-6 * time.Minute), nil, "InvalidSignatureException", "Signature expired: "},
		{"a date to come", "", "", now.Add(6 * time.Minute), nil, "InvalidSignatureException", "Signature not yet current: "},
		{"another body", "", "", now, func(r *http.Request) { setBody(r, strings.Replace(event, "user123", "user124", 1)) }, "InvalidSignatureException", "The request signature we calculated does not match"},
		{"another path", "", "", now, func(r *http.Request) { r.URL.RawQuery = "x=1" }, "InvalidSignatureException", "The request signature we calculated does not match"},
		{"another region", "", "ap-south-1", now, nil, "InvalidSignatureException", "Credential should be scoped to a valid region, not 'ap-south-1'."},
		{"an unknown key", "", "", now, func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), l.AccessKeyID, "AKIANOBODY", 1))
		}, "UnrecognizedClientException", "The security token included in the request is invalid."},
		{"no signature at all", "", "", now, func(r *http.Request) { r.Header.Set("Authorization", "Bearer abc") }, "IncompleteSignatureException", "Invalid key=value pair (missing equal-sign) in Authorization header"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.secret == "" {
				tt.secret = l.SecretAccessKey
			}
			if tt.region == "" {
				tt.region = l.Region
			}
			status, kind, words := signed(tt.secret, tt.region, tt.at, tt.change)
			if status != http.StatusForbidden || kind != tt.kind || !strings.Contains(words, tt.words) {
				t.Errorf("%d %s: %s", status, kind, words)
			}
		})
	}
	if c := l.Settle(t, 0, patience); c.Rows != 0 {
		t.Errorf("an event was stored: %+v", c)
	}
}

// changed sends a request that was changed after signing.
type changed struct{ change func(*http.Request) }

func (c changed) Do(r *http.Request) (*http.Response, error) {
	if c.change != nil {
		c.change(r)
	}
	return http.DefaultClient.Do(r)
}

func setBody(r *http.Request, body string) {
	r.Body, r.ContentLength, r.GetBody = io.NopCloser(bytes.NewReader([]byte(body))), int64(len(body)), nil
}
