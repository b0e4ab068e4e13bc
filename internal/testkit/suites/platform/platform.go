// Package platform starts everything a stack needs on this machine: moto for
// Kinesis, PostgreSQL, Redis, and the AWS stand-in that connects them. It
// builds streamctl, so that tests use the program that users run.
package platform

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/streamctl/streamctl/internal/artifact"
	awsfake "github.com/streamctl/streamctl/internal/testkit/aws/fake"
	"github.com/streamctl/streamctl/internal/testkit/aws/fake/backends"
	"github.com/streamctl/streamctl/internal/testkit/aws/moto"
)

// Options configure a platform.
type Options struct {
	// Dir is an existing scratch folder; the caller removes it.
	Dir string
	// Delay is passed to the stand-in: how long a resource takes.
	Delay func(resourceType string) time.Duration
	// Timer runs the schedules by the clock.
	Timer bool
	// Log receives the stand-in's log; nil drops it.
	Log *slog.Logger
}

// Platform is a running platform.
type Platform struct {
	// Fake is the AWS stand-in.
	Fake *awsfake.Fake
	// Streamctl is the program.
	Streamctl string
	// Root is the checkout.
	Root string

	dir      string
	moto     *moto.Server
	mu       sync.Mutex
	shipped  bool
	sources  map[string]string // checkouts of the code keys passed to BuildFrom
	programs map[string]func() (string, error)
}

// Start builds the program and starts everything; Stop ends it.
func Start(ctx context.Context, o Options) (*Platform, error) {
	root, err := artifact.FindSource(".")
	if err != nil {
		return nil, err
	}
	p := &Platform{Root: root, Streamctl: filepath.Join(o.Dir, "streamctl"), dir: o.Dir, sources: map[string]string{}, programs: map[string]func() (string, error){}}
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-tags", "lambda.norpc", "-o", p.Streamctl, "./cmd/streamctl")
	build.Dir = root
	if said, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build streamctl: %w\n%s", err, said)
	}
	if p.moto, err = moto.Start(ctx, moto.Options{Dir: o.Dir}); err != nil {
		return nil, err
	}
	p.Fake, err = awsfake.Start(ctx, awsfake.Options{
		StreamRate: 100 << 20, // 150 MB at 2 MB/s would take more than a minute
		Dir:        o.Dir, KinesisEndpoint: p.moto.URL, Delay: o.Delay, Timer: o.Timer, Log: o.Log,
		Databases: backends.Postgres(filepath.Join(o.Dir, "cluster")), Caches: backends.Redis(),
		Bootstrap: func(_ context.Context, codeKey string) (string, error) { return p.bootstrap(ctx, codeKey) },
	})
	if err != nil {
		return nil, errors.Join(err, p.moto.Stop(context.WithoutCancel(ctx)))
	}
	return p, nil
}

// Stop ends everything that Start started.
func (p *Platform) Stop(ctx context.Context) error {
	return errors.Join(p.Fake.Stop(), p.moto.Stop(ctx))
}

// bootstrap returns the program for a code key: this machine's build of the
// same source with the same tags, or the released one.
func (p *Platform) bootstrap(ctx context.Context, codeKey string) (string, error) {
	if p.runsShipped() {
		return p.once(codeKey, func() (string, error) { return p.shippedProgram(codeKey) })
	}
	function, err := functionOf(codeKey)
	if err != nil {
		return "", err
	}
	p.mu.Lock()
	root, other := p.sources[codeKey]
	p.mu.Unlock()
	if !other {
		return p.Bootstrap(ctx, function)
	}
	return p.once(codeKey, func() (string, error) {
		path := filepath.Join(p.dir, "bootstrap-"+strings.ReplaceAll(codeKey, "/", "-"))
		return path, compile(ctx, root, function, path)
	})
}

// BuildFrom declares that the code of some keys was built from another
// checkout, so that this machine's builds use it too, until the returned
// function is called: the same key may come from the platform's own checkout.
func (p *Platform) BuildFrom(root string, codeKeys ...string) (end func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, key := range codeKeys {
		p.sources[key] = root
	}
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, key := range codeKeys {
			delete(p.sources, key)
			delete(p.programs, key)
		}
	}
}

func compile(ctx context.Context, root, function, path string) error {
	b := artifact.Builder{Root: root, OS: runtime.GOOS, Arch: runtime.GOARCH, Environ: os.Environ()}
	return b.Compile(ctx, function, path)
}

// functionOf returns the function of a code key.
func functionOf(codeKey string) (string, error) {
	parts := strings.Split(codeKey, "/")
	if len(parts) != 3 {
		return "", fmt.Errorf("code key %s: unknown function", codeKey)
	}
	return parts[1], nil
}

// Bootstrap builds a function for this machine, once.
func (p *Platform) Bootstrap(ctx context.Context, function string) (string, error) {
	return p.once(function, func() (string, error) {
		path := filepath.Join(p.dir, "bootstrap-"+function)
		return path, compile(ctx, p.Root, function, path)
	})
}

// once creates a program on first use.
func (p *Platform) once(name string, program func() (string, error)) (string, error) {
	p.mu.Lock()
	known, ok := p.programs[name]
	if !ok {
		known = sync.OnceValues(program)
		p.programs[name] = known
	}
	p.mu.Unlock()
	return known()
}

// Environment returns the environment variables with which a program uses the
// platform, in addition to this process's own.
func (p *Platform) Environment() []string {
	return append(os.Environ(), append(p.Fake.Environment(), "AWS_PAGER=")...)
}

// Client returns an HTTP client that reaches the deployed APIs under their own
// names.
func (p *Platform) Client() (*http.Client, error) {
	pem, err := os.ReadFile(p.Fake.CAFile)
	if err != nil {
		return nil, fmt.Errorf("read CA certificate: %w", err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	var dialer net.Dialer
	return &http.Client{Timeout: 60 * time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, p.Fake.APIAddress)
		},
	}}, nil
}

// Call sends a signed request to a deployed API and returns its status and
// body.
func (p *Platform) Call(ctx context.Context, method, url string, body []byte, header http.Header) (status int, answer []byte, err error) {
	client, err := p.Client()
	if err != nil {
		return 0, nil, err
	}
	request, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return 0, nil, fmt.Errorf("call %s: %w", url, err)
	}
	request.Header.Set("Content-Type", "application/json")
	for name, values := range header {
		request.Header[name] = values
	}
	sum := sha256.Sum256(body)
	key := aws.Credentials{AccessKeyID: p.Fake.Credentials.AccessKeyID, SecretAccessKey: p.Fake.Credentials.SecretAccessKey}
	if err := v4.NewSigner().SignHTTP(ctx, key, request, hex.EncodeToString(sum[:]), "execute-api", "us-east-1", time.Now()); err != nil {
		return 0, nil, fmt.Errorf("sign call to %s: %w", url, err)
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, nil, fmt.Errorf("call %s: %w", url, err)
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	answer, err = io.ReadAll(response.Body)
	return response.StatusCode, answer, err
}
