package cli_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/streamctl/streamctl/internal/cli"
)

// standIn serves STS, and rejects all other calls with an error that a test chooses. It
// records the actions and the access keys that signed them.
type standIn struct {
	*httptest.Server
	status        int
	code          string // of every call but those of STS
	identityCode  string // of GetCallerIdentity, if it fails
	wantMFA, role string

	mu    sync.Mutex
	calls []string // "Action of key"
}

func newStandIn(t *testing.T) *standIn {
	s := &standIn{status: http.StatusBadRequest, code: "ValidationError"}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *standIn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	form, parseErr := url.ParseQuery(string(body))
	if err != nil || parseErr != nil {
		w.WriteHeader(http.StatusTeapot)
		return
	}
	_, key, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
	key, _, _ = strings.Cut(key, "/")
	action := form.Get("Action")
	s.mu.Lock()
	s.calls = append(s.calls, action+" of "+key)
	s.mu.Unlock()
	fail := func(code string) {
		w.WriteHeader(s.status)
		fmt.Fprintf(w, "<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>not this one</Message></Error></ErrorResponse>", code)
	}
	switch {
	case action == "GetCallerIdentity" && s.identityCode != "":
		fail(s.identityCode)
	case action == "GetCallerIdentity":
		io.WriteString(w, `<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::123456789012:user/x</Arn><Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>`)
	case action == "AssumeRole" && form.Get("TokenCode") != s.wantMFA:
		fail("AccessDenied")
	case action == "AssumeRole":
		s.role = form.Get("RoleArn")
		fmt.Fprintf(w, `<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIAROLE</AccessKeyId><SecretAccessKey>secret</SecretAccessKey><SessionToken>t</SessionToken><Expiration>%s</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`,
			time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
	default:
		fail(s.code)
	}
}

func (s *standIn) made(call string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Contains(s.calls, call)
}

// configuration writes AWS configuration files and has this test use only them.
func configuration(t *testing.T, config string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "config"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "variables.yaml"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	t.Setenv("HOME", dir)
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(dir, "config"))
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", os.DevNull)
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_REGION", "us-east-1")
	for _, name := range []string{"AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_CA_BUNDLE"} {
		t.Setenv(name, "")
		if err := os.Unsetenv(name); err != nil {
			t.Fatal(err)
		}
	}
}

func keys(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
}

// closedPort returns an address without a listener.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// TestNetworkErrors calls hosts that can't be reached. Each call ends within seconds
// with exit code 1, the host and the cause, and no hint about credentials.
func TestNetworkErrors(t *testing.T) {
	configuration(t, "")
	keys(t)
	closed := closedPort(t)
	untrusted := httptest.NewTLSServer(http.NotFoundHandler())
	untrusted.Config.ErrorLog = log.New(io.Discard, "", 0) // each failed handshake
	defer untrusted.Close()
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	for _, tt := range []struct{ name, endpoint, cause, hint string }{
		{"refused", "http://" + closed, closed + ": dial tcp " + closed + ": connect: connection refused", "nothing listens there: check the endpoint"},
		{"unknown host", "http://nowhere.invalid", "nowhere.invalid: dial tcp: lookup nowhere.invalid", "DNS"},
		{"unknown authority", untrusted.URL, untrusted.Listener.Addr().String() + ": tls: failed to verify certificate", "AWS_CA_BUNDLE"},
		{"no TLS", "https://" + plain.Listener.Addr().String(), "server gave HTTP response to HTTPS client", "check"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("AWS_ENDPOINT_URL", tt.endpoint)
			for _, args := range [][]string{{"outputs"}, {"query", "summary"}, {"dashboard"}, {"metrics", "values"}, {"send", "--count", "1"}} {
				began := time.Now()
				code, _, said := runIn(t.Context(), nil, args...)
				if code != 1 || !strings.Contains(said, "reach ") || !strings.Contains(said, tt.cause) {
					t.Errorf("%v: code %d: %s", args, code, said)
				}
				if !strings.Contains(said, "hint: ") || !strings.Contains(said, tt.hint) || strings.Contains(said, "AWS_PROFILE") {
					t.Errorf("%v: hint of %s", args, said)
				}
				if took := time.Since(began); took > 15*time.Second {
					t.Errorf("%v: it took %s", args, took)
				}
			}
		})
	}
}

// TestSilentHost calls a host that never responds: a line reports it, and an interrupt
// ends the wait.
func TestSilentHost(t *testing.T) {
	configuration(t, "")
	keys(t)
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	}))
	defer silent.Close()
	t.Setenv("AWS_ENDPOINT_URL", silent.URL)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	story := &until{want: "Still waiting for " + silent.Listener.Addr().String() + ": no response yet\n", found: cancel}
	app := cli.App{Stdin: strings.NewReader(""), Stdout: io.Discard, Stderr: story, Getenv: os.Getenv, Environ: os.Environ}
	if code := app.Run(ctx, []string{"outputs"}); code != 6 {
		t.Errorf("code %d: %s", code, story.text)
	}
}

// until calls found when a text has been written.
type until struct {
	want, text string
	found      func()
	mu         sync.Mutex
}

func (u *until) Write(text []byte) (int, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.text += string(text)
	if strings.Contains(u.text, u.want) {
		u.found()
	}
	return len(text), nil
}

// TestRejectedCredentials has AWS reject the credentials of the first call and of a
// later one.
func TestRejectedCredentials(t *testing.T) {
	for _, code := range []string{"ExpiredToken", "InvalidClientTokenId", "SignatureDoesNotMatch", "IncompleteSignature", "AccessDenied"} {
		for _, first := range []bool{true, false} {
			configuration(t, "")
			keys(t)
			aws := newStandIn(t)
			aws.code = code
			if first {
				aws.identityCode = code
			}
			t.Setenv("AWS_ENDPOINT_URL", aws.URL)
			got, _, said := runIn(t.Context(), nil, "outputs")
			if got != 4 || !strings.Contains(said, code) || !strings.Contains(said, "hint: ") {
				t.Errorf("%s, first call %t: code %d: %s", code, first, got, said)
			}
		}
	}
}

// TestEndpointOfTheConfiguration uses endpoint_url and services of the AWS
// configuration, also for a role.
func TestEndpointOfTheConfiguration(t *testing.T) {
	aws := newStandIn(t)
	nowhere := "http://" + closedPort(t)
	const base = "[profile base]\naws_access_key_id = AKIDBASE\naws_secret_access_key = secret\n"
	const role = "role_arn = arn:aws:iam::123456789012:role/x\nsource_profile = base\n"
	for _, tt := range []struct{ name, config, env, key string }{
		{"endpoint_url", base + "endpoint_url = " + aws.URL, "", "AKIDBASE"},
		{"services", base + "services = here\n[services here]\nsts =\n  endpoint_url = " + aws.URL + "\ncloudformation =\n  endpoint_url = " + aws.URL, "", "AKIDBASE"},
		{"services before endpoint_url", base + "endpoint_url = " + nowhere + "\nservices = here\n[services here]\nsts =\n  endpoint_url = " + aws.URL + "\ncloudformation =\n  endpoint_url = " + aws.URL, "", "AKIDBASE"},
		{"role with endpoint_url", base + "[profile role]\n" + role + "endpoint_url = " + aws.URL, "", "ASIAROLE"},
		{"role with services", base + "[profile role]\n" + role + "services = here\n[services here]\nsts =\n  endpoint_url = " + aws.URL + "\ncloudformation =\n  endpoint_url = " + aws.URL, "", "ASIAROLE"},
		{"role with AWS_ENDPOINT_URL", base + "[profile role]\n" + role, aws.URL, "ASIAROLE"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			configuration(t, tt.config)
			if tt.env != "" {
				t.Setenv("AWS_ENDPOINT_URL", tt.env)
			}
			profile := "base"
			if tt.key == "ASIAROLE" {
				profile = "role"
			}
			aws.mu.Lock()
			aws.calls = nil
			aws.mu.Unlock()
			code, _, said := runIn(t.Context(), nil, "outputs", "--profile", profile)
			if code != 1 || !strings.Contains(said, "ValidationError") || !aws.made("DescribeStacks of "+tt.key) {
				t.Errorf("code %d: %s%v", code, said, aws.calls)
			}
		})
	}
}

// TestProfiles uses profiles without credentials. The hint follows the type of the
// error, not the profile's name.
func TestProfiles(t *testing.T) {
	for _, tt := range []struct{ name, config, profile, want, hint string }{
		{"missing", "", "processor", "processor", "aws configure list-profiles"},
		{"no keys", "[profile processor]\nregion = us-east-1\n", "processor", "use AWS credentials", "set AWS_PROFILE"},
		{"single sign-on", "[profile x]\nsso_session = s\nsso_account_id = 123456789012\nsso_role_name = r\n[sso-session s]\nsso_region = us-east-1\nsso_start_url = https://example.awsapps.com/start\n", "x", "use AWS credentials", "aws sso login"},
		{"single sign-on, old form", "[profile x]\nsso_account_id = 123456789012\nsso_role_name = r\nsso_region = us-east-1\nsso_start_url = https://example.awsapps.com/start\n", "x", "use AWS credentials", "aws sso login"},
		{"program", "[profile x]\ncredential_process = false\n", "x", "use AWS credentials", "credential_process"},
		{"role without its source", "[profile x]\nrole_arn = arn:aws:iam::123456789012:role/x\nsource_profile = none\n", "x", "none", "aws configure list"},
		{"MFA without a terminal", "[profile base]\naws_access_key_id = A\naws_secret_access_key = s\n[profile x]\nrole_arn = arn:aws:iam::123456789012:role/x\nsource_profile = base\nmfa_serial = arn:aws:iam::123456789012:mfa/me\n", "x",
			"needs an MFA code of arn:aws:iam::123456789012:mfa/me, and standard input is not a terminal", "aws configure export-credentials"},
		{"no file of keys and values", "profile x\n[[\n", "x", "use AWS credentials", "aws configure list"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			configuration(t, tt.config)
			began := time.Now()
			code, _, said := runIn(t.Context(), strings.NewReader("123456\n"), "outputs", "--profile", tt.profile)
			_, do, _ := strings.Cut(said, "hint: ")
			if code != 4 || !strings.Contains(said, tt.want) || !strings.Contains(do, tt.hint) {
				t.Errorf("code %d: %s", code, said)
			}
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
}

// TestRegionFlag checks --region like Region of the variables file.
func TestRegionFlag(t *testing.T) {
	configuration(t, "")
	keys(t)
	for _, region := range []string{"us_east_1", "US-EAST-1", "nowhere", "us-east-1.example.com"} {
		for _, args := range [][]string{{"outputs"}, {"validate"}, {"render"}, {"query", "summary"}} {
			if code, _, said := runIn(t.Context(), nil, append(args, "--region", region)...); code != 2 || !strings.Contains(said, "want a region such as us-east-1") {
				t.Errorf("%v --region %s: code %d: %s", args, region, code, said)
			}
		}
	}
	t.Setenv("AWS_REGION", "nowhere")
	if code, _, said := runIn(t.Context(), nil, "outputs"); code != 2 || !strings.Contains(said, `region "nowhere" of the AWS configuration: want a region`) {
		t.Errorf("AWS_REGION: code %d: %s", code, said)
	}
}

// TestInterruptedConfiguration uses an AWS configuration that is a pipe without a
// writer, and a slow credential program.
func TestInterruptedConfiguration(t *testing.T) {
	configuration(t, "[profile slow]\ncredential_process = sh -c 'exec sleep 8 2>/dev/null'\n")
	if err := syscall.Mkfifo("pipe", 0o600); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"pipe", os.Getenv("AWS_CONFIG_FILE")} {
		t.Setenv("AWS_CONFIG_FILE", file)
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		began := time.Now()
		code, _, said := runIn(ctx, nil, "outputs", "--profile", "slow")
		cancel()
		if took := time.Since(began); code != 6 || !strings.Contains(said, "interrupted") || took > 5*time.Second {
			t.Errorf("%s: code %d after %s: %s", file, code, took, said)
		}
	}
}
