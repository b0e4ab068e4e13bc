package awshttp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// Call is a POST request to a service whose SDK client would be large for a few calls.
type Call struct {
	// ServiceID and Operation identify the call in errors, SigningName the service in the
	// signature.
	ServiceID, Operation, SigningName string
	// Endpoint is the URL, with a path.
	Endpoint string
	Header   map[string]string
	Body     []byte
	// Decode reads a response, whatever its status. It does not close the body.
	Decode func(*smithyhttp.Response) error
}

// Do sends the request through the middleware of the SDK's clients: retries, and what the
// configuration adds, such as bounds of time. An error is a smithy.OperationError.
func (c Call) Do(ctx context.Context, cfg aws.Config) error {
	stack, err := c.stack(cfg)
	if err == nil {
		_, _, err = middleware.DecorateHandler(smithyhttp.NewClientHandlerWithOptions(cfg.HTTPClient), stack).Handle(ctx, c)
	}
	if err != nil {
		return &smithy.OperationError{ServiceID: c.ServiceID, OperationName: c.Operation, Err: err}
	}
	return nil
}

// stack returns the middleware of the call, in the order of the SDK's clients.
func (c Call) stack(cfg aws.Config) (*middleware.Stack, error) {
	retryer := aws.Retryer(retry.NewStandard())
	if cfg.Retryer != nil {
		retryer = cfg.Retryer()
	}
	stack := middleware.NewStack(c.Operation, smithyhttp.NewStackRequest)
	err := errors.Join(
		stack.Initialize.Add(&awsmiddleware.RegisterServiceMetadata{Region: cfg.Region, ServiceID: c.ServiceID, SigningName: c.SigningName, OperationName: c.Operation}, middleware.Before),
		stack.Serialize.Add(middleware.SerializeMiddlewareFunc("serialize", c.serialize), middleware.After),
		stack.Finalize.Add(retry.NewAttemptMiddleware(retryer, smithyhttp.RequestCloner), middleware.Before),
		stack.Finalize.Add(c.sign(Signer{Service: c.SigningName, Region: cfg.Region, Credentials: cfg.Credentials}), middleware.After),
		stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("deserialize", c.deserialize), middleware.After))
	for _, option := range cfg.APIOptions {
		err = errors.Join(err, option(stack))
	}
	return stack, err
}

func (c Call) serialize(ctx context.Context, in middleware.SerializeInput, next middleware.SerializeHandler) (out middleware.SerializeOutput, metadata middleware.Metadata, err error) {
	r, ok := in.Request.(*smithyhttp.Request)
	if !ok {
		return out, metadata, fmt.Errorf("unexpected request of type %T", in.Request)
	}
	if r.URL, err = url.Parse(c.Endpoint); err != nil {
		return out, metadata, fmt.Errorf("read the endpoint of %s: %w", c.ServiceID, err)
	}
	r.Method = http.MethodPost
	r.ContentLength = int64(len(c.Body))
	for name, value := range c.Header {
		r.Header.Set(name, value)
	}
	if in.Request, err = r.SetStream(bytes.NewReader(c.Body)); err != nil {
		return out, metadata, fmt.Errorf("create request: %w", err)
	}
	return next.HandleSerialize(ctx, in)
}

func (c Call) sign(s Signer) middleware.FinalizeMiddleware {
	return middleware.FinalizeMiddlewareFunc("sign", func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (out middleware.FinalizeOutput, metadata middleware.Metadata, err error) {
		r, ok := in.Request.(*smithyhttp.Request)
		if !ok {
			return out, metadata, fmt.Errorf("unexpected request of type %T", in.Request)
		}
		if err := s.Sign(ctx, r.Request, c.Body); err != nil {
			return out, metadata, err
		}
		return next.HandleFinalize(ctx, in)
	})
}

func (c Call) deserialize(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (out middleware.DeserializeOutput, metadata middleware.Metadata, err error) {
	if out, metadata, err = next.HandleDeserialize(ctx, in); err != nil {
		return out, metadata, err
	}
	response, ok := out.RawResponse.(*smithyhttp.Response)
	if !ok {
		return out, metadata, fmt.Errorf("unexpected response of type %T", out.RawResponse)
	}
	defer func() { _ = response.Body.Close() }() // it was only read
	return out, metadata, c.Decode(response)
}

// Domain returns the domain of AWS's endpoints in a region.
func Domain(region string) string {
	if strings.HasPrefix(region, "cn-") {
		return "amazonaws.com.cn"
	}
	return "amazonaws.com"
}
