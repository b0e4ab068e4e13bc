// Package ec2 makes the three calls to Amazon EC2 that this program needs. The SDK's
// client for EC2 has 700 operations: it takes half a minute to compile, and its
// deserializers are a tenth of the program.
package ec2

import (
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdkhttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/streamctl/streamctl/internal/awshttp"
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
	cfg aws.Config
}

// NewFromConfig returns a client with the region, credentials, endpoint, transport and
// retries of the SDK's configuration.
func NewFromConfig(cfg aws.Config) *Client {
	if cfg.HTTPClient == nil {
		cfg.HTTPClient = sdkhttp.NewBuildableClient()
	}
	return &Client{cfg: cfg}
}

// call sends a request. The response is decoded into out.
func (c *Client) call(ctx context.Context, action string, parameters url.Values, out any) error {
	parameters.Set("Action", action)
	parameters.Set("Version", version)
	endpoint, err := awshttp.ServiceEndpoint(ctx, c.cfg, service, "ec2")
	if err != nil {
		return &smithy.OperationError{ServiceID: service, OperationName: action, Err: err}
	}
	return awshttp.Call{
		ServiceID: service, Operation: action, SigningName: "ec2", Endpoint: endpoint, Body: []byte(parameters.Encode()),
		Header: map[string]string{"Content-Type": "application/x-www-form-urlencoded"},
		Decode: func(r *smithyhttp.Response) error {
			if r.StatusCode != http.StatusOK {
				return rejection(r)
			}
			if err := xml.NewDecoder(r.Body).Decode(out); err != nil {
				return &smithy.DeserializationError{Err: fmt.Errorf("decode response: %w", err)}
			}
			return nil
		},
	}.Do(ctx, c.cfg)
}

// rejection returns the error in a response.
func rejection(response *smithyhttp.Response) error {
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
		ResponseError: &smithyhttp.ResponseError{Response: response, Err: out},
		RequestID:     body.RequestID,
	}
}
