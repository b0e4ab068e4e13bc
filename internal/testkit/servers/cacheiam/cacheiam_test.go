package cacheiam_test

import (
	"context"
	"crypto/tls"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/redis/go-redis/v9"

	"github.com/streamctl/streamctl/internal/local/redisserver"
	"github.com/streamctl/streamctl/internal/local/sigv4"
	"github.com/streamctl/streamctl/internal/testkit/servers/cacheiam"
	"github.com/streamctl/streamctl/internal/testkit/servers/testca"
)

func start(t *testing.T) (*cacheiam.Proxy, *testca.CA) {
	t.Helper()
	server, err := redisserver.Start(t.Context(), redisserver.Options{Dir: t.TempDir(), Password: "admin"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := server.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	ca, err := testca.New()
	if err != nil {
		t.Fatal(err)
	}
	p, err := cacheiam.Start(t.Context(), cacheiam.Options{
		Backend: server.Addr, Password: "admin", ReplicationGroup: "group-1", Region: "us-east-1", CA: ca,
		Users: []cacheiam.User{{Name: "sc-1", AccessString: "on ~m:* resetchannels -@all +@read +@write +@connection -@dangerous"}},
		Keys:  sigv4.NewKeys(sigv4.Credential{AccessKeyID: "AKID", SecretAccessKey: "secret", Principal: "Query"}),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	})
	return p, ca
}

// token presigns a connect URL as documented by AWS.
func token(t *testing.T, group, user, secret string, at time.Time) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+group+"/?Action=connect&User="+user+"&X-Amz-Expires=900", nil)
	if err != nil {
		t.Fatal(err)
	}
	signed, _, err := v4.NewSigner().PresignHTTP(t.Context(), aws.Credentials{AccessKeyID: "AKID", SecretAccessKey: secret}, req, sigv4.EmptyPayload, "elasticache", "us-east-1", at)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimPrefix(signed, "http://")
}

func TestLogins(t *testing.T) {
	p, ca := start(t)
	now := time.Now()
	for _, tt := range []struct{ name, user, password, want string }{
		{"token", "sc-1", token(t, "group-1", "sc-1", "secret", now), ""},
		{"nothing", "", "", "NOAUTH"},
		{"wrong secret", "sc-1", token(t, "group-1", "sc-1", "other", now), "WRONGPASS"},
		{"another group", "sc-1", token(t, "group-2", "sc-1", "secret", now), "WRONGPASS"},
		{"another user", "sc-1", token(t, "group-1", "sc-2", "secret", now), "WRONGPASS"},
		{"old", "sc-1", token(t, "group-1", "sc-1", "secret", now.Add(-16*time.Minute)), "WRONGPASS"},
		{"the backend's own user", "default", "admin", "WRONGPASS"},
	} {
		for _, protocol := range []int{2, 3} {
			t.Run(tt.name, func(t *testing.T) {
				c := redis.NewClient(&redis.Options{
					Addr: p.Addr(), Username: tt.user, Password: tt.password, Protocol: protocol, MaxRetries: -1, DisableIdentity: true,
					TLSConfig: &tls.Config{RootCAs: ca.Pool(), ServerName: "127.0.0.1"},
				})
				defer c.Close()
				err := c.HIncrBy(t.Context(), "m:x", "f", 1).Err()
				if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
					t.Fatalf("error is %v, want %q", err, tt.want)
				}
				if tt.want != "" {
					return
				}
				if err := c.Set(t.Context(), "other:x", "1", 0).Err(); err == nil || !strings.Contains(err.Error(), "NOPERM") {
					t.Errorf("a key outside the patterns: %v", err)
				}
				pipe := c.Pipeline()
				get := pipe.HGet(t.Context(), "m:x", "f")
				bad := pipe.FlushAll(t.Context())
				if _, err := pipe.Exec(t.Context()); err == nil || get.Err() != nil || bad.Err() == nil {
					t.Errorf("pipeline: %v, %v, %v", err, get.Err(), bad.Err())
				}
			})
		}
	}
	if l := p.Logins()[0]; !l.OK || l.Principal != "Query" || l.User != "sc-1" {
		t.Errorf("first login is %+v", l)
	}
}
