// Package ec2 makes the three calls to Amazon EC2 that this program needs. The SDK's
// client for EC2 has 700 operations: it takes half a minute to compile, and its
// deserializers are a tenth of the program.
package ec2

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	sdkhttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/streamctl/streamctl/internal/awshttp"
)

const (
	service     = "EC2"
	signingName = "ec2"
	version     = "2016-11-15"
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

// call sends a request through the middleware of the SDK's clients: retries, and what the
// configuration adds, such as bounds of time. The response is decoded into out.
func (c *Client) call(ctx context.Context, action string, parameters url.Values, out any) error {
	parameters.Set("Action", action)
	parameters.Set("Version", version)
	endpoint, err := c.endpoint(ctx)
	if err != nil {
		return &smithy.OperationError{ServiceID: service, OperationName: action, Err: err}
	}
	stack, err := c.stack(action, endpoint, []byte(parameters.Encode()), out)
	if err != nil {
		return &smithy.OperationError{ServiceID: service, OperationName: action, Err: err}
	}
	handler := middleware.DecorateHandler(smithyhttp.NewClientHandler(c.cfg.HTTPClient), stack)
	if _, _, err := handler.Handle(ctx, parameters); err != nil {
		return &smithy.OperationError{ServiceID: service, OperationName: action, Err: err}
	}
	return nil
}

// stack returns the middleware of a call, in the order of the SDK's clients.
func (c *Client) stack(action, endpoint string, body []byte, out any) (*middleware.Stack, error) {
	retryer := aws.Retryer(retry.NewStandard())
	if c.cfg.Retryer != nil {
		retryer = c.cfg.Retryer()
	}
	stack := middleware.NewStack(action, smithyhttp.NewStackRequest)
	err := errors.Join(
		stack.Initialize.Add(&awsmiddleware.RegisterServiceMetadata{Region: c.cfg.Region, ServiceID: service, SigningName: signingName, OperationName: action}, middleware.Before),
		stack.Serialize.Add(c.serialize(endpoint, body), middleware.After),
		stack.Finalize.Add(retry.NewAttemptMiddleware(retryer, smithyhttp.RequestCloner), middleware.Before),
		stack.Finalize.Add(c.sign(body), middleware.After),
		stack.Deserialize.Add(deserialize(out), middleware.After))
	for _, option := range c.cfg.APIOptions {
		err = errors.Join(err, option(stack))
	}
	return stack, err
}

func (c *Client) serialize(endpoint string, body []byte) middleware.SerializeMiddleware {
	return middleware.SerializeMiddlewareFunc("serialize", func(ctx context.Context, in middleware.SerializeInput, next middleware.SerializeHandler) (out middleware.SerializeOutput, metadata middleware.Metadata, err error) {
		r, ok := in.Request.(*smithyhttp.Request)
		if !ok {
			return out, metadata, fmt.Errorf("unexpected request of type %T", in.Request)
		}
		if r.URL, err = url.Parse(endpoint); err != nil {
			return out, metadata, fmt.Errorf("read the endpoint of EC2: %w", err)
		}
		r.Method = http.MethodPost
		r.ContentLength = int64(len(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if in.Request, err = r.SetStream(bytes.NewReader(body)); err != nil {
			return out, metadata, fmt.Errorf("create request: %w", err)
		}
		return next.HandleSerialize(ctx, in)
	})
}

func (c *Client) sign(body []byte) middleware.FinalizeMiddleware {
	return middleware.FinalizeMiddlewareFunc("sign", func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (out middleware.FinalizeOutput, metadata middleware.Metadata, err error) {
		r, ok := in.Request.(*smithyhttp.Request)
		if !ok {
			return out, metadata, fmt.Errorf("unexpected request of type %T", in.Request)
		}
		signer := awshttp.Signer{Service: signingName, Region: c.cfg.Region, Credentials: c.cfg.Credentials}
		if err := signer.Sign(ctx, r.Request, body); err != nil {
			return out, metadata, err
		}
		return next.HandleFinalize(ctx, in)
	})
}

func deserialize(into any) middleware.DeserializeMiddleware {
	return middleware.DeserializeMiddlewareFunc("deserialize", func(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (out middleware.DeserializeOutput, metadata middleware.Metadata, err error) {
		if out, metadata, err = next.HandleDeserialize(ctx, in); err != nil {
			return out, metadata, err
		}
		response, ok := out.RawResponse.(*smithyhttp.Response)
		if !ok {
			return out, metadata, fmt.Errorf("unexpected response of type %T", out.RawResponse)
		}
		defer func() { _ = response.Body.Close() }() // it was only read
		if response.StatusCode != http.StatusOK {
			return out, metadata, rejection(response)
		}
		if err := xml.NewDecoder(response.Body).Decode(into); err != nil {
			return out, metadata, &smithy.DeserializationError{Err: fmt.Errorf("decode response: %w", err)}
		}
		return out, metadata, nil
	})
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
