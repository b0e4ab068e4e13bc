// Package fake is a behavioural fake of AWS: an HTTP server that the AWS CLI
// and aws-sdk-go-v2 talk to through AWS_ENDPOINT_URL. It creates stacks from
// templates, runs their functions as real processes, reads the stream for them
// and serves their REST API. docs/awsfake.md says what it does and what it
// doesn't.
package fake

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/streamctl/streamctl/internal/local/sigv4"
	"github.com/streamctl/streamctl/internal/testkit/aws/fake/cfn"
	"github.com/streamctl/streamctl/internal/testkit/aws/fake/s3fake"
	"github.com/streamctl/streamctl/internal/testkit/servers/testca"
)

// Options say what stands behind the fake.
type Options struct {
	// Account is the account's number, 123456789012 when empty.
	Account string
	// Region is us-east-1 when empty.
	Region string
	// Dir is a scratch folder for certificates, functions and data; it must
	// exist and is the caller's to remove.
	Dir string
	// KinesisEndpoint is the URL of a server that keeps the streams; without
	// it a stream is a name only.
	KinesisEndpoint string
	// Databases starts what an AWS::RDS::DBInstance is; nil gives an endpoint
	// that refuses connections.
	Databases DatabaseBackend
	// Caches starts what an AWS::ElastiCache::ReplicationGroup is; nil gives
	// an endpoint that refuses connections.
	Caches CacheBackend
	// Bootstrap gives this machine's build of a function by its code's S3 key;
	// nil makes every invocation fail.
	Bootstrap func(ctx context.Context, codeKey string) (path string, err error)
	// Answer answers custom resources in place of their functions, for a test
	// without bootstraps: it gets RequestType and the event, and gives the
	// attributes. Its error is the reason of a failure.
	Answer func(ctx context.Context, requestType string, event map[string]any) (data map[string]any, err error)
	// Credentials are the person's key; the zero value is the AWS examples'.
	Credentials sigv4.Credential
	// Delay is how long a resource of a type takes for each step of its life;
	// nil is no time.
	Delay func(resourceType string) time.Duration
	// Before is told of each call, signed by a known key, before it is answered;
	// an error refuses it. It may be called concurrently.
	Before func(Call) error
	// Concurrency is how many execution environments a function has at most, 2
	// when zero.
	Concurrency int
	// Skew is how far this account's clock is ahead of the machine's, in the dates
	// of answers and where signatures are judged.
	Skew time.Duration
	// InterfacesLinger is how long the network interfaces of a deleted function
	// stay, and with them its security groups and subnets; zero leaves none.
	InterfacesLinger time.Duration
	// Timer runs the rules' schedules by the clock, counted from a rule's
	// creation; without it only Fire does.
	Timer bool
	// Log takes what the fake does; nil drops it.
	Log *slog.Logger
}

// Fake is a running fake of one account in one region. What tests do with it is in
// the parts that it embeds, one for each purpose.
type Fake struct {
	*account
	Recording
	Faults
	Inventory
	Functions
	Surroundings

	stop func() error
}

// account is the state that the services share.
type account struct {
	services

	// Endpoint is the URL for AWS_ENDPOINT_URL.
	Endpoint string
	// APIAddress is host:port of the HTTPS listener of the REST APIs.
	APIAddress string
	// CAFile holds the certificate of the CA that issued all certificates.
	CAFile string
	// Credentials are the person's key.
	Credentials sigv4.Credential

	options    Options
	ca         *testca.CA
	keys       *sigv4.Keys
	recorder   recorder
	objects    *s3fake.Store
	stacks     *cfn.Service
	functions  *functions
	mappings   *mappings
	apis       *apis
	stores     *stores
	logs       *logGroups
	answers    *answers
	metrics    metrics
	interfaces interfaces
	kinesis    *httputil.ReverseProxy

	registry registry
	spawn    func(func(context.Context)) // background work that Stop ends
}

// Start starts the fake; Stop, or the end of ctx, ends all that it runs.
func Start(ctx context.Context, o Options) (*Fake, error) {
	f, err := newFake(o)
	if err != nil {
		return nil, err
	}
	work, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	f.spawn = func(do func(context.Context)) { running.Go(func() { do(work) }) }
	var waitStacks func()
	f.stacks, waitStacks = cfn.New(work, cfn.Options{
		Account: f.options.Account, Region: f.options.Region, Zones: f.zones(), Fetch: f.fetchTemplate, Delay: o.Delay,
	}, f.provider)
	servers, err := f.front.listen(ctx)
	if err != nil {
		cancel()
		return nil, err
	}
	f.stop = sync.OnceValue(func() error {
		cancel()
		waitStacks()
		errs := []error{f.stores.stopAll(context.WithoutCancel(ctx))}
		for _, s := range servers {
			errs = append(errs, s.Close())
		}
		running.Wait()
		return errors.Join(errs...)
	})
	return f, nil
}

func newFake(o Options) (*Fake, error) {
	if o.Account == "" {
		o.Account = "123456789012"
	}
	if o.Region == "" {
		o.Region = "us-east-1"
	}
	if o.Concurrency == 0 {
		o.Concurrency = 2
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Credentials.AccessKeyID == "" {
		o.Credentials.AccessKeyID, o.Credentials.SecretAccessKey = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	}
	o.Credentials.Principal = PrincipalUser
	if o.Credentials.ARN == "" {
		o.Credentials.ARN = "arn:aws:iam::" + o.Account + ":user/tester"
	}
	ca, err := testca.New()
	if err != nil {
		return nil, err
	}
	a := &account{
		Credentials: o.Credentials, CAFile: filepath.Join(o.Dir, "ca.pem"), options: o, ca: ca,
		keys: sigv4.NewKeys(o.Credentials), objects: s3fake.New(o.Account, o.Region),
		logs: newLogGroups(), stores: newStores(), answers: newAnswers(), registry: newRegistry(),
	}
	if err := os.WriteFile(a.CAFile, ca.PEM(), 0o644); err != nil {
		return nil, fmt.Errorf("write CA certificate: %w", err)
	}
	a.services = servicesOf(a)
	a.functions = newFunctions(a)
	a.mappings = newMappings(a)
	a.apis = newAPIs(a)
	if o.KinesisEndpoint != "" {
		u, err := url.Parse(o.KinesisEndpoint)
		if err != nil {
			return nil, fmt.Errorf("parse Kinesis endpoint: %w", err)
		}
		a.kinesis = &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(u) }, ErrorLog: slog.NewLogLogger(o.Log.Handler(), slog.LevelWarn)}
	}
	return &Fake{
		account: a, Recording: Recording{a}, Faults: Faults{a}, Inventory: Inventory{a}, Functions: Functions{a}, Surroundings: Surroundings{a},
	}, nil
}

// listen opens the two listeners and serves them.
func (f endpoint) listen(ctx context.Context) ([]io.Closer, error) {
	var lc net.ListenConfig
	plain, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("open endpoint: %w", err)
	}
	secure, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open API listener: %w", err), plain.Close())
	}
	certificate, err := f.ca.Issue("127.0.0.1", "localhost", "*.execute-api."+f.options.Region+".amazonaws.com")
	if err != nil {
		return nil, errors.Join(err, plain.Close(), secure.Close())
	}
	f.Endpoint = "http://" + plain.Addr().String()
	f.APIAddress = secure.Addr().String()
	base := func(net.Listener) context.Context { return context.WithoutCancel(ctx) }
	quiet := slog.NewLogLogger(f.options.Log.Handler(), slog.LevelDebug)
	endpoint := &http.Server{Handler: http.HandlerFunc(f.serve), ReadHeaderTimeout: 30 * time.Second, BaseContext: base, ErrorLog: quiet}
	api := &http.Server{Handler: http.HandlerFunc(f.apis.serve), ReadHeaderTimeout: 30 * time.Second, BaseContext: base, ErrorLog: quiet}
	f.spawn(func(context.Context) { _ = endpoint.Serve(plain) }) // ErrServerClosed at Stop
	f.spawn(func(context.Context) {
		_ = api.Serve(tls.NewListener(secure, &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}))
	})
	return []io.Closer{endpoint, api}, nil
}

// Stop ends everything that the fake runs. It may be called twice.
func (f *Fake) Stop() error { return f.stop() }

// Environment is what a program needs to talk to the fake as the person.
func (f *Fake) Environment() []string {
	return []string{
		"AWS_ENDPOINT_URL=" + f.Endpoint,
		"AWS_ACCESS_KEY_ID=" + f.Credentials.AccessKeyID,
		"AWS_SECRET_ACCESS_KEY=" + f.Credentials.SecretAccessKey,
		"AWS_REGION=" + f.options.Region,
		"AWS_DEFAULT_REGION=" + f.options.Region,
		"AWS_EC2_METADATA_DISABLED=true",
		"AWS_CONFIG_FILE=/dev/null",
		"AWS_SHARED_CREDENTIALS_FILE=/dev/null",
	}
}

// Objects is the fake's S3, for tests that fill or look into buckets.
func (f *Fake) Objects() *s3fake.Store { return f.objects }

// FailResource makes the next creation or update of a logical id fail. Here as
// elsewhere stack/logical id names one of several stacks' resources.
func (f Faults) FailResource(logicalID, reason string) { f.stacks.FailResource(logicalID, reason) }

// FailDelete makes the next deletion of a logical id fail.
func (f Faults) FailDelete(logicalID, reason string) { f.stacks.FailDelete(logicalID, reason) }

// SetStackStatus gives a stack a status, as if it had got there by itself;
// nothing runs on it.
func (f Faults) SetStackStatus(name, status string) error { return f.stacks.SetStatus(name, status) }

func (f *account) zones() []string {
	return []string{f.options.Region + "a", f.options.Region + "b", f.options.Region + "c"}
}
