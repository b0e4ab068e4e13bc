package cli

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/streamctl/streamctl/internal/awshttp"
	"github.com/streamctl/streamctl/internal/config"
	"github.com/streamctl/streamctl/internal/ec2"
)

type hostRecorder struct{ asked *string }

func (h hostRecorder) Do(r *http.Request) (*http.Response, error) {
	*h.asked = r.URL.Scheme + "://" + r.URL.Host
	return nil, errors.New("not sent")
}

// TestEndpointsOfOwnClients compares the endpoints of the clients for EC2 and Systems
// Manager with those of an SDK client with the same settings.
func TestEndpointsOfOwnClients(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config")
	text := `[default]
endpoint_url = https://all-file.test
services = here
[profile services]
services = here
[profile plain]
[services here]
ec2 =
  endpoint_url = https://own-file.test
ssm =
  endpoint_url = https://own-file.test
kms =
  endpoint_url = https://own-file.test
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	const own, all = "https://own-env.test", "https://all-env.test"
	for name, test := range map[string]struct {
		profile, own, all, ignore string
		want                      string // empty is the region's
	}{
		"nothing":                      {profile: "plain"},
		"services section":             {profile: "services", want: "https://own-file.test"},
		"both in the file":             {profile: "default", want: "https://own-file.test"},
		"environment":                  {profile: "plain", all: all, want: all},
		"environment before the file":  {profile: "default", all: all, want: all},
		"one service":                  {profile: "default", own: own, want: own},
		"one service before all":       {profile: "default", own: own, all: all, want: own},
		"ignored":                      {profile: "default", own: own, all: all, ignore: "true"},
		"ignored, of the file's alone": {profile: "default", ignore: "true"},
	} {
		t.Run(name, func(t *testing.T) {
			for variable, value := range map[string]string{
				"AWS_CONFIG_FILE": file, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_PROFILE": test.profile, "AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "secret",
				"AWS_ENDPOINT_URL": test.all, "AWS_ENDPOINT_URL_KMS": test.own, "AWS_ENDPOINT_URL_SSM": test.own, "AWS_ENDPOINT_URL_EC2": test.own,
				"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": test.ignore,
			} {
				t.Setenv(variable, value)
				if value == "" {
					os.Unsetenv(variable) // Setenv restores it; the SDK distinguishes an empty one
				}
			}
			a := &App{Getenv: os.Getenv, Stderr: os.Stderr}
			defer func() {
				for _, c := range a.contacts { // their timers
					c.close()
				}
			}()
			cfg, err := a.awsConfig(t.Context(), config.Variables{Region: "eu-west-1"})
			if err != nil {
				t.Fatal(err)
			}
			asked := ""
			cfg.HTTPClient = hostRecorder{&asked}
			cfg.Retryer = func() aws.Retryer { return aws.NopRetryer{} }
			for service, call := range map[string]func() error{
				"kms": func() error {
					_, err := kms.NewFromConfig(cfg).DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: aws.String("alias/x")})
					return err
				},
				"ec2": func() error { _, err := ec2.NewFromConfig(cfg).VPCs(t.Context()); return err },
				"ssm": func() error { _, err := awshttp.Parameters{AWS: cfg}.Exists(t.Context(), "/x"); return err },
			} {
				want := test.want
				if want == "" {
					want = "https://" + service + ".eu-west-1.amazonaws.com"
				}
				if err := call(); err == nil || asked != want {
					t.Errorf("%s: asked %q, want %q (%v)", service, asked, want, err)
				}
			}
		})
	}
}
