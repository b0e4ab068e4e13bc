// Package client calls a platform's API, deployed or on this machine.
package client

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/streamctl/streamctl/internal/failure"
)

// HTTP sends a request; the SDK's clients and *http.Client do.
type HTTP interface {
	Do(*http.Request) (*http.Response, error)
}

// Client calls one API. It may be used concurrently.
type Client struct {
	// Endpoint is where the API is, without a trailing slash.
	Endpoint string
	HTTP     HTTP
	// Signer signs each request; nil sends them unsigned.
	Signer *Signer
}

// Signer signs for API Gateway with AWS credentials.
type Signer struct {
	Region      string
	Credentials aws.CredentialsProvider
	Now         func() time.Time
}

// CredentialsError is a request that couldn't be signed.
type CredentialsError struct{ Err error }

func (e *CredentialsError) Error() string { return "use AWS credentials: " + e.Err.Error() }

// Unwrap is why.
func (e *CredentialsError) Unwrap() error { return e.Err }

// Class implements failure.Classified. A network that fails while credentials are
// fetched is no fault of the credentials.
func (e *CredentialsError) Class() failure.Class {
	if network := (*NetworkError)(nil); errors.As(e.Err, &network) {
		return failure.Network
	}
	return failure.Credentials
}

// Do sends a request. The caller closes the answer's body. A redirect is an
// answer too: a signature is good for one host only.
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
	if s := c.Signer; s != nil {
		who, err := s.Credentials.Retrieve(ctx)
		if err != nil {
			return nil, &CredentialsError{err}
		}
		sum := sha256.Sum256(body)
		if err := v4.NewSigner().SignHTTP(ctx, who, req, hex.EncodeToString(sum[:]), "execute-api", s.Region, s.Now()); err != nil {
			return nil, fmt.Errorf("sign request: %w", err)
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

// Get asks for a path with its query.
func (c *Client) Get(ctx context.Context, pathAndQuery string, header http.Header) (*http.Response, error) {
	return c.Do(ctx, http.MethodGet, pathAndQuery, header, nil)
}

// NewHTTP is a client for many calls to one host, as many at a time as that.
func NewHTTP(concurrency int) *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost, t.MaxConnsPerHost = concurrency, concurrency
	return &http.Client{
		Transport: t, Timeout: 60 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
