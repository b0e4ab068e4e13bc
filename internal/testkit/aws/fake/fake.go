// Package fake is a behavioral fake of AWS: an HTTP server for the AWS CLI and
// aws-sdk-go-v2, through AWS_ENDPOINT_URL. It creates stacks from templates,
// runs their functions as real processes, reads the stream for them and serves
// their REST API. docs/awsfake.md describes what it supports.
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
	"sync/atomic"
	"time"

	"github.com/streamctl/streamctl/internal/local/sigv4"
	"github.com/streamctl/streamctl/internal/testkit/aws/cfnregistry"
	"github.com/streamctl/streamctl/internal/testkit/aws/fake/cfn"
	"github.com/streamctl/streamctl/internal/testkit/aws/fake/s3fake"
	"github.com/streamctl/streamctl/internal/testkit/servers/testca"
)

// Options configure the fake.
type Options struct {
	// Account is the account number, 123456789012 if empty.
	Account string
	// Region is us-east-1 if empty.
	Region string
	// Dir is an existing scratch folder for certificates, functions and data;
	// the caller removes it.
	Dir string
	// KinesisEndpoint is the URL of a Kinesis server; without it streams exist
	// only as names.
	KinesisEndpoint string
	// Databases starts the server of an AWS::RDS::DBInstance; nil gives an
	// endpoint that refuses connections.
	Databases DatabaseBackend
	// Caches starts the server of an AWS::ElastiCache::ReplicationGroup; nil
	// gives an endpoint that refuses connections.
	Caches CacheBackend
	// Bootstrap returns this machine's build of a function by the S3 key of its
	// code; nil makes every invocation fail.
	Bootstrap func(ctx context.Context, codeKey string) (path string, err error)
	// Answer handles custom resources in place of their functions, for tests
	// without bootstraps: it receives RequestType and the event, and returns
	// the attributes. Its error is the reason of a failure.
	Answer func(ctx context.Context, requestType string, event map[string]any) (data map[string]any, err error)
	// Credentials are the user's key; the zero value is the key in AWS's
	// examples.
	Credentials sigv4.Credential
	// Delay returns how long each lifecycle step of a resource type takes; nil
	// means no delay.
	Delay func(resourceType string) time.Duration
	// APIUpdate is how long a REST API is UPDATING after a change of its TLS settings,
	// about 15 minutes on AWS; 0 skips that status.
	APIUpdate time.Duration
	// DatabaseStep is how long an instance is creating, then backing-up, and later
	// modifying or deleting; 5 ms if zero.
	DatabaseStep time.Duration
	// Before receives each call that is signed by a known key before it is
	// served; an error rejects the call. It may be called concurrently.
	Before func(Call) error
	// StreamRate is the rate of a streamed response after its first 6 MB, in bytes per
	// second; 0 means Lambda's 2 MB/s. With a negative rate, Lambda does not stream.
	StreamRate int
	// Concurrency is the maximum number of execution environments of a
	// function, 2 if zero.
	Concurrency int
	// Skew is how far this account's clock is ahead of the machine's, in the dates
	// of responses and for verifying signatures.

	Skew time.Duration
	// InterfacesLinger is how long the network interfaces of a deleted function
	// remain, and with them its security groups and subnets; zero means not at all.
	InterfacesLinger time.Duration
	// Timer runs the rules' schedules by the clock, starting at a rule's
	// creation; without it only Fire runs rules.
	Timer bool
	// Log receives the fake's actions; nil drops them.
	Log *slog.Logger
}

// Fake is a running fake of one account in one region. Its embedded parts have
// the methods for tests, grouped by purpose.
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
	// APIAddress is host:port of the REST APIs' HTTPS listener.
	APIAddress string
	// CAFile contains the certificate of the CA that issued all certificates.
	CAFile string
	// Credentials are the user's key.
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
	outside    outside
	interfaces interfaces
	// confirmed is true once subscriptions are confirmed.
	confirmed atomic.Bool
	kinesis   *httputil.ReverseProxy

	registry registry
	schemas  schemas
	spawn    func(func(context.Context)) // background work that ends with Stop
}

// Start starts the fake; Stop, or the end of ctx, ends everything it runs.
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
	types, err := cfnregistry.Types()
	if err != nil {
		return nil, err
	}
	a := &account{
		schemas: types, Credentials: o.Credentials, CAFile: filepath.Join(o.Dir, "ca.pem"), options: o, ca: ca,
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
	f.spawn(func(context.Context) { _ = endpoint.Serve(plain) }) // returns ErrServerClosed at Stop
	f.spawn(func(context.Context) {
		_ = api.Serve(tls.NewListener(secure, &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}))
	})
	return []io.Closer{endpoint, api}, nil
}

// Stop ends everything the fake runs. It may be called twice.
func (f *Fake) Stop() error { return f.stop() }

// Environment returns the environment variables with which a program talks to
// the fake as the user.
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

// Objects returns the fake's S3, for tests that fill or inspect buckets.
func (f *Fake) Objects() *s3fake.Store { return f.objects }

// FailResource makes the next creation or update of a logical id fail. Here and
// elsewhere, stack/logical id selects a resource of one of several stacks.
func (f Faults) FailResource(logicalID, reason string) { f.stacks.FailResource(logicalID, reason) }

// AwaitSettled waits until no operation runs on a stack.
func (f Faults) AwaitSettled(ctx context.Context, name string) error {
	return f.stacks.AwaitSettled(ctx, name)
}

// FailValidation makes early validation of the next change set, create or update find these.
func (f Faults) FailValidation(findings ...cfn.Finding) { f.stacks.FailValidation(findings...) }

// FailDelete makes the next deletion of a logical id fail.
func (f Faults) FailDelete(logicalID, reason string) { f.stacks.FailDelete(logicalID, reason) }

// SetStackStatus sets a stack's status; no operation is running then.
func (f Faults) SetStackStatus(name, status string) error { return f.stacks.SetStatus(name, status) }

func (f *account) zones() []string {
	return []string{f.options.Region + "a", f.options.Region + "b", f.options.Region + "c"}
}
