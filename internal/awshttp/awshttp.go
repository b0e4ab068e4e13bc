// Package awshttp has the parts below the SDK that calls to AWS share: a
// function's configuration, HTTP transport, signatures and trusted certificate
// authorities.
package awshttp

import (
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// Wrap returns a client that hides every method of a request's body except Read
// and Close.
//
// The SDK closes a request's body when the response begins, and the body's
// WriteTo then returns io.EOF (smithy-go 1.28.9). net/http may not have reached
// the end of the body yet, although everything has been sent. It takes the
// error for a failed write and closes the connection while the response
// arrives: one call in a few hundred is made twice, a second later. Read does
// not have this bug.
func Wrap(next aws.HTTPClient) aws.HTTPClient { return client{next} }

type client struct{ next aws.HTTPClient }

func (c client) Do(r *http.Request) (*http.Response, error) {
	if r.Body != nil && r.Body != http.NoBody {
		r = r.WithContext(r.Context()) // a copy
		r.Body = reader{r.Body}
	}
	return c.next.Do(r)
}

// reader hides the other methods of a body.
type reader struct{ io.ReadCloser }
