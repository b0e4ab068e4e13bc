// Package awsstack gives a dashboard what a stack on AWS answers: the metrics
// from its API, the pipeline's health from CloudWatch.
package awsstack

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/streamctl/streamctl/internal/dashboard"
)

// HTTP sends a request; the SDK's clients and *http.Client do.
type HTTP interface {
	Do(*http.Request) (*http.Response, error)
}

// API asks a stack's API, each request signed with a person's credentials.
type API struct {
	// Endpoint is the stack's output ApiEndpoint.
	Endpoint, Region string
	Credentials      aws.CredentialsProvider
	Client           HTTP
	Now              func() time.Time
}

var _ dashboard.API = (*API)(nil)

const (
	// emptyPayload is the SHA-256 of no bytes.
	emptyPayload = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	service      = "execute-api"
)

// Get asks for a path with its query. A redirect is an answer too: a signature
// is good for one host only.
func (a *API) Get(ctx context.Context, pathAndQuery string, header http.Header) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.Endpoint+pathAndQuery, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	if header != nil {
		req.Header = header.Clone()
	}
	who, err := a.Credentials.Retrieve(ctx)
	if err != nil {
		return nil, fmt.Errorf("use AWS credentials: %w", err)
	}
	if err := v4.NewSigner().SignHTTP(ctx, who, req, emptyPayload, service, a.Region, a.Now()); err != nil {
		return nil, fmt.Errorf("sign request: %w", err)
	}
	resp, err := a.Client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("call %s: %w", req.URL.Host, err)
	}
	return resp, nil
}
