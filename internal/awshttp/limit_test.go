package awshttp_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/streamctl/streamctl/internal/awshttp"
)

// TestLimit reads a response without an end, and one of exactly the limit.
func TestLimit(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		block := make([]byte, 1<<20)
		for n := 0; r.URL.Path == "/endless" || n < 2; n++ {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	}))
	defer server.Close()
	for path, fits := range map[string]bool{"/endless": false, "/two": true} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		response, err := awshttp.Limit(server.Client(), 2<<20).Do(request)
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(io.Discard, response.Body)
		var large *awshttp.TooLargeError
		if errors.As(err, &large) == fits || fits && (n != 2<<20 || err != nil) {
			t.Errorf("%s: %d bytes, %v", path, n, err)
		}
		if err := response.Body.Close(); err != nil {
			t.Error(err)
		}
	}
}
