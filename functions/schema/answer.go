package schema

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/streamctl/streamctl/internal/pause"
)

// answerTries is how often delivery of a response is tried.
const answerTries = 5

// Deliver returns the Respond function of a deployed Handler. The URL is signed
// without a Content-Type, so the request must not have one.
func Deliver(client *http.Client, clock pause.Clock) func(context.Context, string, []byte) error {
	return func(ctx context.Context, target string, body []byte) error {
		for try := 1; ; try++ {
			again, err := put(ctx, client, target, body)
			if err == nil || !again || try == answerTries {
				return err
			}
			if pauseErr := clock.For(ctx, time.Duration(try)*300*time.Millisecond); pauseErr != nil {
				return err
			}
		}
	}
}

func put(ctx context.Context, client *http.Client, target string, body []byte) (again bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, target, bytes.NewReader(body))
	if err != nil {
		return false, fmt.Errorf("create request: %w", stripped(err))
	}
	resp, err := client.Do(req)
	if err != nil {
		return true, fmt.Errorf("put response: %w", stripped(err))
	}
	defer resp.Body.Close() //nolint:errcheck // only read from
	if _, err := io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)); err != nil {
		return true, fmt.Errorf("put response: %w", err)
	}
	if resp.StatusCode >= 300 {
		return resp.StatusCode >= 500, fmt.Errorf("put response: status %s", resp.Status)
	}
	return false, nil
}

// stripped removes the URL from an error, because the URL is signed and
// therefore secret.
func stripped(err error) error {
	var withURL *url.Error
	if errors.As(err, &withURL) {
		return withURL.Err
	}
	return err
}
