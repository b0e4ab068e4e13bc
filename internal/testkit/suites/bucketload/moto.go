package bucketload

import (
	"context"
	"net/http"
	"net/http/httputil"
	"net/url"
	"testing"

	"github.com/streamctl/streamctl/internal/testkit/aws/moto"
)

// StartMoto runs moto until the test ends; the handler forwards to it, for use
// with a Front.
func StartMoto(tb testing.TB) (endpoint string, server http.Handler) {
	tb.Helper()
	s, err := moto.Start(tb.Context(), moto.Options{Dir: tb.TempDir()})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Stop(context.WithoutCancel(tb.Context())); err != nil {
			tb.Error(err)
		}
	})
	at, err := url.Parse(s.URL)
	if err != nil {
		tb.Fatal(err)
	}
	return s.URL, httputil.NewSingleHostReverseProxy(at)
}
