// Package ec2 makes the three calls to Amazon EC2 that this program needs. The SDK's
// client for EC2 has 700 operations: it takes half a minute to compile, and its
// deserializers are a tenth of the program.
package ec2

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	sdkhttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/streamctl/streamctl/internal/awshttp"
	"github.com/streamctl/streamctl/internal/pause"
)

const (
	service = "EC2"
	version = "2016-11-15"
	// maxPages bounds a list: a hundred thousand interfaces or VPCs.
	maxPages = 100
	// maxError is the most bytes of an error response that are read.
	maxError = 1 << 20
)

// Client calls EC2 in one region. Its errors have the types of the SDK's.
type Client struct {
	cfg   aws.Config
	clock pause.Clock
}

// NewFromConfig returns a client with the region, credentials, endpoint, transport and
// retries of the SDK's configuration.
func NewFromConfig(cfg aws.Config) *Client {
	if cfg.HTTPClient == nil {
		cfg.HTTPClient = sdkhttp.NewBuildableClient()
	}
	return &Client{cfg: cfg}
}

// call sends one request, and repeats it as the configuration's retryer decides. The
// response is decoded into out.
func (c *Client) call(ctx context.Context, action string, parameters url.Values, out any) error {
	parameters.Set("Action", action)
	parameters.Set("Version", version)
	retryer := aws.Retryer(retry.NewStandard())
	if c.cfg.Retryer != nil {
		retryer = c.cfg.Retryer()
	}
	for attempt := 1; ; attempt++ {
		err := c.attempt(ctx, parameters, out)
		if err == nil {
			return nil
		}
		last := retryer.MaxAttempts() > 0 && attempt >= retryer.MaxAttempts()
		if last || ctx.Err() != nil || !retryer.IsErrorRetryable(err) {
			return &smithy.OperationError{ServiceID: service, OperationName: action, Err: err}
		}
		delay, delayErr := retryer.RetryDelay(attempt, err)
		if delayErr != nil {
			return &smithy.OperationError{ServiceID: service, OperationName: action, Err: err}
		}
		if err := pause.For(ctx, delay); err != nil {
			return &smithy.OperationError{ServiceID: service, OperationName: action, Err: err}
		}
	}
}

// attempt sends the request once.
func (c *Client) attempt(ctx context.Context, parameters url.Values, out any) (err error) {
	endpoint, err := c.endpoint(ctx)
	if err != nil {
		return err
	}
	body := []byte(parameters.Encode())
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("create request: %w", err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	signer := awshttp.Signer{Service: "ec2", Region: c.cfg.Region, Credentials: c.cfg.Credentials, Clock: c.clock}
	if err := signer.Sign(ctx, r, body); err != nil {
		return err
	}
	response, err := c.cfg.HTTPClient.Do(r)
	if err != nil {
		return &smithyhttp.RequestSendError{Err: err}
	}
	defer func() { _ = response.Body.Close() }() // it was only read
	if response.StatusCode != http.StatusOK {
		return rejection(response)
	}
	if err := xml.NewDecoder(response.Body).Decode(out); err != nil {
		return &smithy.DeserializationError{Err: fmt.Errorf("decode response: %w", err)}
	}
	return nil
}

// rejection returns the error in a response.
func rejection(response *http.Response) error {
	var body struct {
		Errors []struct {
			Code    string
			Message string
		} `xml:"Errors>Error"`
		RequestID string
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, maxError))
	if err != nil {
		return &smithyhttp.RequestSendError{Err: fmt.Errorf("read response: %w", err)}
	}
	out := &smithy.GenericAPIError{Code: "UnknownError", Message: http.StatusText(response.StatusCode)}
	if xml.Unmarshal(text, &body) == nil && len(body.Errors) > 0 && body.Errors[0].Code != "" {
		out.Code, out.Message = body.Errors[0].Code, body.Errors[0].Message
	}
	if response.StatusCode >= http.StatusInternalServerError {
		out.Fault = smithy.FaultServer
	}
	return &sdkhttp.ResponseError{
		ResponseError: &smithyhttp.ResponseError{Response: &smithyhttp.Response{Response: response}, Err: out},
		RequestID:     body.RequestID,
	}
}
