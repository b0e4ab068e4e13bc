package ec2_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"

	"github.com/streamctl/streamctl/internal/ec2"
	"github.com/streamctl/streamctl/internal/testkit/aws/moto"
	"github.com/streamctl/streamctl/internal/testkit/must"
)

// configuration loads the SDK's configuration, as the program does.
func configuration(t *testing.T, options ...func(*awsconfig.LoadOptions) error) aws.Config {
	t.Helper()
	for name, value := range map[string]string{
		"AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "AWS_PROFILE": "",
	} {
		t.Setenv(name, value) // restores the variable
	}
	if err := os.Unsetenv("AWS_PROFILE"); err != nil {
		t.Fatal(err)
	}
	options = append([]func(*awsconfig.LoadOptions) error{
		awsconfig.WithRegion("us-east-1"),
		awsconfig.WithCredentialsProvider(credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "secret", "token")),
		awsconfig.WithRetryer(func() aws.Retryer {
			return retry.NewStandard(func(o *retry.StandardOptions) {
				o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return time.Millisecond, nil })
			})
		}),
	}, options...)
	cfg, err := awsconfig.LoadDefaultConfig(t.Context(), options...)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// TestMoto lists what another program created in another implementation of EC2.
func TestMoto(t *testing.T) {
	aws := must.Have(t, "aws", "scripts/setup installs it")
	server, err := moto.Start(t.Context(), moto.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	t.Setenv("AWS_ENDPOINT_URL_EC2", server.URL)
	cfg := configuration(t)
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	cli := func(args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), aws, append([]string{"--region", "us-east-1", "--endpoint-url", server.URL, "--output", "text", "ec2"}, args...)...)
		out, err := cmd.Output()
		if err != nil {
			var exit *exec.ExitError
			if errors.As(err, &exit) {
				t.Logf("%s", exit.Stderr)
			}
			t.Fatalf("aws ec2 %s: %v", strings.Join(args, " "), err)
		}
		return strings.TrimSpace(string(out))
	}
	client := ec2.NewFromConfig(cfg)
	before, err := client.VPCs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	vpc := cli("create-vpc", "--cidr-block", "10.1.0.0/16", "--query", "Vpc.VpcId")
	subnet := cli("create-subnet", "--vpc-id", vpc, "--cidr-block", "10.1.1.0/24", "--query", "Subnet.SubnetId")
	group := cli("create-security-group", "--group-name", "g", "--description", "d", "--vpc-id", vpc, "--query", "GroupId")
	eni := cli("create-network-interface", "--subnet-id", subnet, "--groups", group, "--description", "a <b> & c", "--query", "NetworkInterface.NetworkInterfaceId")
	if after, err := client.VPCs(t.Context()); err != nil || after != before+1 {
		t.Errorf("%d VPCs, %v, want %d", after, err, before+1)
	}
	zones, err := client.Zones(t.Context())
	if want := strings.Fields(cli("describe-availability-zones", "--query", "AvailabilityZones[].ZoneName")); err != nil || len(zones) != len(want) || zones[0].Name != want[0] || zones[0].State != "available" {
		t.Errorf("zones %v, %v, want %v", zones, err, want)
	}
	want := ec2.NetworkInterface{ID: eni, Subnet: subnet, Description: "a <b> & c", Type: "interface", Groups: []string{group}}
	for filter, values := range map[string][]string{"subnet-id": {"subnet-0", subnet}, "group-id": {group}} {
		found, err := client.NetworkInterfaces(t.Context(), filter, values)
		if err != nil || len(found) != 1 || found[0].ID != want.ID || found[0].Subnet != want.Subnet ||
			found[0].Description != want.Description || found[0].Type != want.Type || !slices.Equal(found[0].Groups, want.Groups) {
			t.Errorf("%s: %+v, %v, want %+v", filter, found, err, want)
		}
	}
	if found, err := client.NetworkInterfaces(t.Context(), "subnet-id", []string{"subnet-0"}); err != nil || len(found) != 0 {
		t.Errorf("%v, %v, want none", found, err)
	}
}

// answering serves the given handlers, one per request, and counts the requests.
func answering(t *testing.T, answers ...http.HandlerFunc) (aws.Config, *int) {
	t.Helper()
	n := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n++
		answers[min(n, len(answers))-1](w, r)
	}))
	t.Cleanup(server.Close)
	cfg := configuration(t)
	cfg.BaseEndpoint = aws.String(server.URL)
	return cfg, &n
}

func status(code int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		fmt.Fprint(w, body)
	}
}

const rejected = `<Response><Errors><Error><Code>%s</Code><Message>no &lt;way&gt;</Message></Error></Errors><RequestID>r-1</RequestID></Response>`

func TestErrors(t *testing.T) {
	for name, test := range map[string]struct {
		answers []http.HandlerFunc
		calls   int
		code    string
	}{
		"denied":             {[]http.HandlerFunc{status(403, fmt.Sprintf(rejected, "UnauthorizedOperation"))}, 1, "UnauthorizedOperation"},
		"throttled, then ok": {[]http.HandlerFunc{status(503, fmt.Sprintf(rejected, "RequestLimitExceeded")), status(200, "<DescribeVpcsResponse/>")}, 2, ""},
		"unavailable":        {[]http.HandlerFunc{status(500, "<html>")}, 3, "UnknownError"},
		"not EC2":            {[]http.HandlerFunc{status(404, "")}, 1, "UnknownError"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, calls := answering(t, test.answers...)
			_, err := ec2.NewFromConfig(cfg).VPCs(t.Context())
			if *calls != test.calls {
				t.Errorf("%d calls, want %d", *calls, test.calls)
			}
			var api smithy.APIError
			var operation *smithy.OperationError
			switch {
			case test.code == "" && err != nil:
				t.Error(err)
			case test.code != "" && (!errors.As(err, &api) || api.ErrorCode() != test.code):
				t.Errorf("%v, want %s", err, test.code)
			case test.code != "" && (!errors.As(err, &operation) || operation.Service() != "EC2" || operation.Operation() != "DescribeVpcs"):
				t.Errorf("%v has no operation", err)
			}
		})
	}
	cfg, _ := answering(t, status(200, "not XML"))
	if _, err := ec2.NewFromConfig(cfg).Zones(t.Context()); err == nil {
		t.Error("a response that is not XML was accepted")
	}
	cfg.BaseEndpoint = aws.String("http://127.0.0.1:1")
	if _, err := ec2.NewFromConfig(cfg).Zones(t.Context()); err == nil {
		t.Error("no error without a server")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := ec2.NewFromConfig(cfg).Zones(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want a canceled call", err)
	}
}

func TestPages(t *testing.T) {
	page := func(next string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, `<R><vpcSet><item><vpcId>vpc-%s</vpcId><tagSet><item><key>vpcId</key></item></tagSet></item></vpcSet><nextToken>%s</nextToken></R>`, r.FormValue("NextToken"), next)
		}
	}
	cfg, calls := answering(t, page("a"), page("b"), page(""))
	if n, err := ec2.NewFromConfig(cfg).VPCs(t.Context()); err != nil || n != 3 || *calls != 3 {
		t.Errorf("%d VPCs in %d calls, %v, want 3 in 3", n, *calls, err)
	}
	cfg, calls = answering(t, page("a"))
	if _, err := ec2.NewFromConfig(cfg).VPCs(t.Context()); err == nil || *calls != 2 {
		t.Errorf("%v after %d calls, want an error for a repeated page", err, *calls)
	}
}

// TestEndpoints resolves the same endpoints as the SDK's client for EC2.
func TestEndpoints(t *testing.T) {
	for want, test := range map[string]struct {
		region string
		env    map[string]string
	}{
		"ec2.us-east-1.amazonaws.com":                     {"us-east-1", nil},
		"ec2.cn-north-1.amazonaws.com.cn":                 {"cn-north-1", nil},
		"ec2-fips.us-east-2.amazonaws.com":                {"us-east-2", map[string]string{"AWS_USE_FIPS_ENDPOINT": "true"}},
		"ec2.us-gov-west-1.amazonaws.com":                 {"us-gov-west-1", map[string]string{"AWS_USE_FIPS_ENDPOINT": "true"}},
		"ec2.eu-west-1.api.aws":                           {"eu-west-1", map[string]string{"AWS_USE_DUALSTACK_ENDPOINT": "true"}},
		"ec2.cn-northwest-1.api.amazonwebservices.com.cn": {"cn-northwest-1", map[string]string{"AWS_USE_DUALSTACK_ENDPOINT": "true"}},
		"ec2-fips.us-gov-east-1.api.aws":                  {"us-gov-east-1", map[string]string{"AWS_USE_DUALSTACK_ENDPOINT": "true", "AWS_USE_FIPS_ENDPOINT": "true"}},
		"own.test":                                        {"us-west-1", map[string]string{"AWS_ENDPOINT_URL_EC2": "https://own.test", "AWS_ENDPOINT_URL": "https://all.test"}},
		"all.test":                                        {"us-west-2", map[string]string{"AWS_ENDPOINT_URL": "https://all.test/"}},
		"ec2.sa-east-1.amazonaws.com":                     {"sa-east-1", map[string]string{"AWS_ENDPOINT_URL_EC2": "https://own.test", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}},
	} {
		t.Run(want, func(t *testing.T) {
			for name, value := range test.env {
				t.Setenv(name, value)
			}
			asked := ""
			cfg := configuration(t, awsconfig.WithRegion(test.region))
			cfg.HTTPClient = transport(func(r *http.Request) (*http.Response, error) {
				asked = r.URL.String()
				if !strings.Contains(r.Header.Get("Authorization"), "/"+test.region+"/ec2/aws4_request") {
					t.Errorf("signature %q", r.Header.Get("Authorization"))
				}
				return nil, errors.New("not sent")
			})
			if _, err := ec2.NewFromConfig(cfg).Zones(t.Context()); err == nil || asked != "https://"+want+"/" {
				t.Errorf("asked %q, %v, want https://%s/", asked, err, want)
			}
		})
	}
}

// TestOptions passes the calls through the configuration's middleware, which bounds and
// reports calls that hang.
func TestOptions(t *testing.T) {
	cfg, _ := answering(t, func(_ http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil { // the server notices the end of a connection after the body only
			t.Error(err)
		}
		<-r.Context().Done()
	})
	operation := ""
	cfg.APIOptions = append(cfg.APIOptions, func(stack *middleware.Stack) error {
		return stack.Finalize.Insert(middleware.FinalizeMiddlewareFunc("bound", func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
			operation = awsmiddleware.GetOperationName(ctx)
			ctx, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
			defer cancel()
			return next.HandleFinalize(ctx, in)
		}), "Retry", middleware.After)
	})
	if _, err := ec2.NewFromConfig(cfg).VPCs(t.Context()); !errors.Is(err, context.DeadlineExceeded) || operation != "DescribeVpcs" {
		t.Errorf("%v of %q, want a timeout of DescribeVpcs", err, operation)
	}
}

type transport func(*http.Request) (*http.Response, error)

func (t transport) Do(r *http.Request) (*http.Response, error) { return t(r) }
