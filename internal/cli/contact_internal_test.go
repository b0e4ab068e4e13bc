package cli

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/middleware"

	"github.com/streamctl/streamctl/internal/failure"
)

// TestHangingCalls calls a host that responds once, and then begins a response that it
// never ends: each try is ended and reported, and the call fails as a network failure.
func TestHangingCalls(t *testing.T) {
	var calls atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := `<GetCallerIdentityResponse><GetCallerIdentityResult><Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>`
		if _, err := io.Copy(io.Discard, r.Body); err != nil { // then the server notices the end of the connection
			t.Error(err)
		}
		if calls.Add(1) == 1 {
			_, _ = w.Write([]byte(body))
			return
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		_, _ = w.Write([]byte(body[:20]))
		w.(http.Flusher).Flush() //nolint:forcetypeassert // httptest's
		<-r.Context().Done()
	}))
	defer server.Close()
	var mu sync.Mutex
	var notes strings.Builder
	c := newContacts(func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(&notes, format+"\n", args...)
	})
	c.patience, c.timeout = 20*time.Millisecond, func(string) time.Duration { return 300 * time.Millisecond }
	// On a busy machine, the transport may close a connection before the limit: such a
	// network error is repeated, and is not a try that hangs.
	var broken atomic.Int64
	retryer := func() aws.Retryer { return otherErrors{newRetryer(), &broken} }
	client := sts.NewFromConfig(aws.Config{Region: "us-east-1", BaseEndpoint: &server.URL, Retryer: retryer, Credentials: credentials.NewStaticCredentialsProvider("AKIA", "x", ""),
		APIOptions: []func(*middleware.Stack) error{c.watch}})
	if _, err := client.GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{}); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	_, err := client.GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	if err == nil || !strings.Contains(err.Error(), "no complete response within 300ms") || failure.Of(err) != failure.Network {
		t.Errorf("got %v", err)
	}
	if n := calls.Load() - broken.Load(); n < 1+firstTries || n > 2+firstTries || time.Since(began) > time.Minute {
		t.Errorf("%d calls in %s, the last error: %v", n, time.Since(began), err)
	}
	mu.Lock()
	defer mu.Unlock()
	if !strings.Contains(notes.String(), "Still waiting for ") {
		t.Errorf("notes: %s", notes.String())
	}
}

// otherErrors counts the errors of tries that did not hang.
type otherErrors struct {
	aws.Retryer
	n *atomic.Int64
}

func (r otherErrors) IsErrorRetryable(err error) bool {
	if hung := (*contactError)(nil); !errors.As(err, &hung) {
		r.n.Add(1)
	}
	return r.Retryer.IsErrorRetryable(err)
}
