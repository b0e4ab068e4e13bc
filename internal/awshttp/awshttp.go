// Package awshttp has what calls to AWS share below the SDK: the configuration of
// a function, HTTP transport, signatures and trusted certificate authorities.
package awshttp

import (
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// Wrap gives a client whose requests have bodies that can only be read.
//
// The SDK closes a request's body when the answer begins, and the body's WriteTo
// then gives io.EOF (smithy-go 1.28.9). net/http, which may not have got to the
// end of that body yet although everything is sent, takes this for a failed
// write and closes the connection under the answer: a call in some hundreds is
// made twice, and a second later. Read has no such fault.
func Wrap(next aws.HTTPClient) aws.HTTPClient { return client{next} }

type client struct{ next aws.HTTPClient }

func (c client) Do(r *http.Request) (*http.Response, error) {
	if r.Body != nil && r.Body != http.NoBody {
		r = r.WithContext(r.Context()) // a copy
		r.Body = reader{r.Body}
	}
	return c.next.Do(r)
}

// reader hides what else a body can do.
type reader struct{ io.ReadCloser }
