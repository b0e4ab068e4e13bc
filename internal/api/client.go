package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/streamctl/streamctl/internal/failure"
)

// HTTP sends a request. *http.Client and the AWS SDK's clients satisfy it.
type HTTP interface {
	Do(*http.Request) (*http.Response, error)
}

// Signer adds a signature to a request; awshttp.Signer satisfies it.
type Signer interface {
	Sign(ctx context.Context, r *http.Request, body []byte) error
}

// Client calls the API of one platform, in AWS or on this machine. It may be
// used concurrently.
type Client struct {
	// Endpoint is the API's URL, stage included, without a trailing slash.
	Endpoint string
	HTTP     HTTP
	// Signer signs each request; nil sends requests unsigned.
	Signer Signer
}

// CredentialsError reports that a request could not be signed.
type CredentialsError struct{ Err error }

func (e *CredentialsError) Error() string { return "use AWS credentials: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *CredentialsError) Unwrap() error { return e.Err }

// Class implements failure.Classified. If the network fails while credentials are
// fetched, the credentials are not at fault.
func (e *CredentialsError) Class() failure.Class {
	if network := (*NetworkError)(nil); errors.As(e.Err, &network) {
		return failure.Network
	}
	return failure.Credentials
}

// Do sends a request. The caller closes the response's body. Redirects are not
// followed: a signature is valid for one host only.
func (c *Client) Do(ctx context.Context, method, pathAndQuery string, header http.Header, body []byte) (*http.Response, error) {
	var content io.Reader = http.NoBody
	if len(body) > 0 {
		content = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.Endpoint+pathAndQuery, content)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	if header != nil {
		req.Header = header.Clone()
	}
	if c.Signer != nil {
		if err := c.Signer.Sign(ctx, req, body); err != nil {
			return nil, &CredentialsError{err}
		}
	}
	resp, err := c.HTTP.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return nil, fmt.Errorf("call %s: %w", req.URL.Host, err)
		}
		return nil, &NetworkError{Host: req.URL.Host, Err: err}
	}
	return resp, nil
}

// Get sends a GET request for a path with its query.
func (c *Client) Get(ctx context.Context, pathAndQuery string, header http.Header) (*http.Response, error) {
	return c.Do(ctx, http.MethodGet, pathAndQuery, header, nil)
}

// NewHTTP returns a client that keeps up to concurrency connections to one host.
func NewHTTP(concurrency int) *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost, t.MaxConnsPerHost = concurrency, concurrency
	return &http.Client{
		Transport: t, Timeout: 60 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
