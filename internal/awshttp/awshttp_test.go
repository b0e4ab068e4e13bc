package awshttp

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// late reads the rest of a body after the SDK has closed it, as net/http may
// do.
type late struct{ err error }

func (l *late) Do(r *http.Request) (*http.Response, error) {
	if _, err := io.ReadAll(io.LimitReader(r.Body, r.ContentLength)); err != nil {
		return nil, err
	}
	if err := r.Body.Close(); err != nil {
		return nil, err
	}
	_, l.err = io.Copy(io.Discard, r.Body)
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
}

func TestWrap(t *testing.T) {
	request := func() *http.Request {
		r, err := smithyhttp.NewStackRequest().(*smithyhttp.Request).SetStream(strings.NewReader("Action=DescribeStacks"))
		if err != nil {
			t.Fatal(err)
		}
		r.ContentLength = int64(len("Action=DescribeStacks"))
		return r.Build(context.Background())
	}
	send := func(through aws.HTTPClient, r *http.Request) {
		t.Helper()
		answer, err := through.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := answer.Body.Close(); err != nil {
			t.Fatal(err)
		}
	}
	var bare, wrapped, empty late
	if send(&bare, request()); bare.err == nil {
		t.Error("the SDK's own body is fixed: Wrap can be removed")
	}
	if send(Wrap(&wrapped), request()); wrapped.err != nil {
		t.Errorf("the wrapped body returned %v", wrapped.err)
	}
	none := request()
	none.Body = http.NoBody
	if send(Wrap(&empty), none); empty.err != nil {
		t.Errorf("an empty body returned %v", empty.err)
	}
}
