package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/spf13/pflag"

	"github.com/streamctl/streamctl/internal/api"
	"github.com/streamctl/streamctl/internal/awshttp"
	"github.com/streamctl/streamctl/internal/deploy/stack"
	"github.com/streamctl/streamctl/internal/failure"
)

// apiOptions select an API: the stack's, or the one at a URL.
type apiOptions struct {
	url  string
	sign bool
}

func (o *apiOptions) flags(f *pflag.FlagSet) {
	f.StringVar(&o.url, "url", "", "API to use instead of the stack's, such as http://127.0.0.1:8080 (also: STREAMCTL_URL)")
	f.BoolVar(&o.sign, "sign", false, "with --url: sign with the AWS credentials, as for a stack")
}

// newAPI returns a client of the stack's API, which signs its calls, or of the API at a
// URL. The hint of a rejected call names the stack's policy.
func newAPI(ctx context.Context, a *App, o apiOptions, concurrency int) (*api.Client, error) {
	if o.url == "" {
		o.url = a.Getenv("STREAMCTL_URL")
	}
	if o.url == "" {
		return stackAPI(ctx, a)
	}
	u, err := url.Parse(o.url)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" {
		return nil, &usageError{err: fmt.Errorf("--url %q: want http://host:port or https://host/stage", o.url)}
	}
	c := &api.Client{Endpoint: strings.TrimSuffix(strings.TrimSuffix(o.url, "/"), api.PathEvents), HTTP: api.NewHTTP(concurrency)}
	if !o.sign {
		return c, nil
	}
	v, err := localVariables(ctx, a)
	if err != nil {
		return nil, err
	}
	cfg, err := a.awsConfig(ctx, v)
	if err != nil {
		return nil, err
	}
	c.Signer = &awshttp.Signer{Region: cfg.Region, Credentials: cfg.Credentials}
	return c, nil
}

func stackAPI(ctx context.Context, a *App) (*api.Client, error) {
	v, _, found, err := a.loginToStack(ctx)
	if err != nil {
		return nil, err
	}
	cfg, err := a.awsConfig(ctx, v)
	if err != nil {
		return nil, err
	}
	return stackClient(cfg, found)
}

// stackClient returns a client of a stack's API, which signs its calls.
func stackClient(cfg aws.Config, found stack.Stack) (*api.Client, error) {
	endpoint := strings.TrimSuffix(found.Outputs["ApiEndpoint"], "/")
	if endpoint == "" {
		return nil, &noEndpointError{found.Name, found.Status}
	}
	return &api.Client{
		Endpoint: endpoint, HTTP: cfg.HTTPClient,
		Signer: &awshttp.Signer{Region: cfg.Region, Credentials: cfg.Credentials},
	}, nil
}

// problemError is a non-2xx response.
type problemError struct {
	status int
	title  string
	detail string
	hint   string // instead of the status's
}

func (e *problemError) Error() string {
	if e.detail == "" {
		return fmt.Sprintf("the API returned %d %s", e.status, http.StatusText(e.status))
	}
	return fmt.Sprintf("the API returned %d: %s", e.status, e.detail)
}

// Class implements failure.Classified.
func (e *problemError) Class() failure.Class {
	switch e.status {
	case http.StatusForbidden, http.StatusUnauthorized:
		return failure.Credentials
	case http.StatusBadRequest:
		return failure.Usage
	}
	return failure.Other
}

// Hint implements the command line's hints.
func (e *problemError) Hint() string {
	if e.hint != "" {
		return e.hint
	}
	switch e.status {
	case http.StatusBadRequest:
		return "correct the value and run the command again; --help shows examples"
	case http.StatusForbidden:
		return "sign the request (--sign with --url) with credentials that have the stack's SendEventsPolicy or ReadMetricsPolicy (`streamctl outputs` shows both)"
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		return "try again in a moment"
	}
	return ""
}

// get requests target and decodes the response into body.
func get(ctx context.Context, c *api.Client, target string, body any) error {
	resp, err := c.Get(ctx, target, nil)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		return fmt.Errorf("read response: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		e := &problemError{status: resp.StatusCode}
		var p api.Problem
		if json.Unmarshal(text, &p) == nil {
			e.title, e.detail = p.Title, p.Detail
		}
		return e
	}
	if err := json.Unmarshal(text, body); err != nil {
		return fmt.Errorf("read response: %w", err)
	}
	return nil
}
