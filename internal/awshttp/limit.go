package awshttp

import (
	"fmt"
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// MaxResponse is the most bytes that a response of AWS may have: many times a template,
// a page of a list or a function's response.
const MaxResponse = 64 << 20

// eventStream is the type of a response that is read as it comes, and never kept.
const eventStream = "application/vnd.amazon.eventstream"

// Limit returns a client whose responses fail after max bytes, so that an endpoint that
// sends without an end does not fill the memory. Streams of events have no limit.
func Limit(next aws.HTTPClient, maxBytes int64) aws.HTTPClient { return limited{next, maxBytes} }

type limited struct {
	next aws.HTTPClient
	max  int64
}

func (l limited) Do(r *http.Request) (*http.Response, error) {
	response, err := l.next.Do(r)
	if err == nil && response.Body != nil && response.Header.Get("Content-Type") != eventStream {
		response.Body = &limitedBody{ReadCloser: response.Body, left: l.max, err: &TooLargeError{Host: r.URL.Host, Max: l.max}}
	}
	return response, err
}

// limitedBody is a body that fails when it is too long.
type limitedBody struct {
	io.ReadCloser
	left int64
	err  error
}

func (b *limitedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return n, b.err
	}
	return n, err
}

// TooLargeError is a response that exceeds the limit.
type TooLargeError struct {
	Host string
	Max  int64
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("read response of %s: it is larger than %d MB", e.Host, e.Max>>20)
}

// RetryableError keeps the SDK from repeating the call.
func (*TooLargeError) RetryableError() bool { return false }
