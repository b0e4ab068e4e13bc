package awshttp_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/streamctl/streamctl/internal/api"
	"github.com/streamctl/streamctl/internal/awshttp"
	"github.com/streamctl/streamctl/internal/local/sigv4"
)

var credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
	return aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "secret", SessionToken: "token"}, nil
})

func TestGetIsSigned(t *testing.T) {
	keys := sigv4.NewKeys(sigv4.Credential{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "secret", SessionToken: "token"})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := keys.Request(r, nil, sigv4.Scope{Service: "execute-api", Region: "eu-west-1"}, time.Now()); err != nil {
			t.Errorf("%s: %v", r.URL, err)
		}
		w.Header().Set("ETag", r.Header.Get("If-None-Match"))
		io.WriteString(w, r.URL.String())
	}))
	defer server.Close()
	signer := &awshttp.Signer{Region: "eu-west-1", Credentials: credentials}
	c := &api.Client{Endpoint: server.URL + "/prod", HTTP: server.Client(), Signer: signer}
	for _, path := range []string{"/metrics/summary", "/metrics/events?from=2026-01-31T12%3A00%3A00Z&step=5m&eventType=a.b%3Ac_d-e", "/metrics/events?cursor=AbC_-"} {
		resp, err := c.Get(t.Context(), path, http.Header{"If-None-Match": {`"x"`}})
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.Header.Get("ETag") != `"x"` || len(body) < len("/prod"+path) {
			t.Errorf("%s: %s, %v, %v", path, body, resp.Header, err)
		}
	}
	server.Close()
	if resp, err := c.Get(t.Context(), "/metrics/summary", nil); err == nil {
		resp.Body.Close()
		t.Error("no error from an unreachable server")
	}
	signer.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return aws.Credentials{}, errors.New("expired") })
	resp, err := c.Get(t.Context(), "/metrics/summary", nil)
	if err == nil {
		resp.Body.Close()
	}
	if err == nil || err.Error() != "use AWS credentials: expired" {
		t.Error(err)
	}
}
