package awshttp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// Errors of Systems Manager.
var (
	ErrParameterNotFound = errors.New("the parameter does not exist")
	ErrParameterExists   = errors.New("the parameter exists")
)

// serviceID is the SDK's name of Systems Manager, as in AWS_ENDPOINT_URL_SSM.
const serviceID = "SSM"

// maxPages bounds the pages of a list. A page may be empty and have a successor.
const maxPages = 100

// Parameters reads and creates secrets in Systems Manager's Parameter Store, as
// SecureString. The SDK's client has 146 calls, and this program needs three.
type Parameters struct {
	AWS aws.Config
	// Endpoint replaces that of AWS; nil means the one of the AWS configuration or the
	// region.
	Endpoint *string
}

// Get returns a decrypted value.
func (p Parameters) Get(ctx context.Context, name string) (string, error) {
	var out struct{ Parameter struct{ Value string } }
	err := p.call(ctx, "GetParameter", map[string]any{"Name": name, "WithDecryption": true}, &out)
	if err != nil {
		return "", fmt.Errorf("read parameter %s: %w", name, err)
	}
	return out.Parameter.Value, nil
}

// Exists reports whether a parameter exists. It can't read the value.
func (p Parameters) Exists(ctx context.Context, name string) (bool, error) {
	in := map[string]any{"ParameterFilters": []any{map[string]any{"Key": "Name", "Option": "Equals", "Values": []string{name}}}}
	for range maxPages {
		var page struct {
			Parameters []struct{ Name string }
			NextToken  string
		}
		if err := p.call(ctx, "DescribeParameters", in, &page); err != nil {
			return false, fmt.Errorf("look for parameter %s: %w", name, err)
		}
		if len(page.Parameters) > 0 || page.NextToken == "" {
			return len(page.Parameters) > 0, nil
		}
		in["NextToken"] = page.NextToken
	}
	return false, fmt.Errorf("look for parameter %s: the list has more than %d pages", name, maxPages)
}

// Create stores a value under a new name. It never replaces one: then the error is
// ErrParameterExists.
func (p Parameters) Create(ctx context.Context, name, value, description string) error {
	in := map[string]any{"Name": name, "Value": value, "Type": "SecureString", "Description": description}
	if err := p.call(ctx, "PutParameter", in, &struct{}{}); err != nil {
		return fmt.Errorf("create parameter %s: %w", name, err)
	}
	return nil
}

func (p Parameters) call(ctx context.Context, action string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	endpoint := aws.ToString(p.Endpoint)
	if p.Endpoint == nil {
		if endpoint, err = ServiceEndpoint(ctx, p.AWS, serviceID, "ssm"); err != nil {
			return &smithy.OperationError{ServiceID: serviceID, OperationName: action, Err: err}
		}
	}
	call := Call{
		ServiceID: serviceID, Operation: action, SigningName: "ssm", Endpoint: endpoint, Body: body,
		Header: map[string]string{"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "AmazonSSM." + action},
		Decode: func(r *smithyhttp.Response) error {
			answer, err := io.ReadAll(io.LimitReader(r.Body, 64<<10))
			if err != nil {
				return err
			}
			if r.StatusCode != http.StatusOK {
				return parameterError(r.StatusCode, answer)
			}
			return json.Unmarshal(answer, out)
		},
	}
	cfg := p.AWS
	if action == "PutParameter" { // a second attempt would find the parameter of the first
		cfg.Retryer = func() aws.Retryer { return aws.NopRetryer{} }
	}
	return call.Do(ctx, cfg)
}

// parameterError returns a response as an error, without the request's value.
func parameterError(status int, answer []byte) error {
	var e struct {
		Type    string `json:"__type"`
		Message string `json:"message"`
		Other   string `json:"Message"`
	}
	if err := json.Unmarshal(answer, &e); err != nil || e.Type == "" {
		return fmt.Errorf("status %d", status)
	}
	switch code := e.Type[strings.LastIndexByte(e.Type, '#')+1:]; code {
	case "ParameterNotFound":
		return ErrParameterNotFound
	case "ParameterAlreadyExists":
		return ErrParameterExists
	default:
		return &smithy.GenericAPIError{Code: code, Message: e.Message + e.Other}
	}
}
