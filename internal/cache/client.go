package cache

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/streamctl/streamctl/internal/awshttp"
	"github.com/streamctl/streamctl/internal/contract"
)

const (
	// tokenSeconds is the lifetime of a login token; this is the maximum.
	tokenSeconds = "900"
	// connectionLife closes a connection before ElastiCache does, after 12
	// hours.
	connectionLife = 11 * time.Hour
	// emptyBody is the SHA-256 of an empty body.
	emptyBody = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
)

// FromEnvironment returns the client of a function: TLS with the server name
// verified, and a new IAM token for each connection. It connects and reads the
// certificate authorities only when the first command is sent.
func FromEnvironment(env contract.Cache, cfg aws.Config, getenv func(string) string) *redis.Client {
	pool := sync.OnceValues(func() (*x509.CertPool, error) { return awshttp.Roots(getenv) })
	o := clientOptions(net.JoinHostPort(env.Host, env.Port))
	o.Dialer = func(ctx context.Context, network, addr string) (net.Conn, error) {
		roots, err := pool()
		if err != nil {
			return nil, err
		}
		d := tls.Dialer{
			NetDialer: &net.Dialer{Timeout: o.DialTimeout},
			Config:    &tls.Config{MinVersion: tls.VersionTLS12, ServerName: env.Host, RootCAs: roots},
		}
		return d.DialContext(ctx, network, addr)
	}
	o.CredentialsProviderContext = func(ctx context.Context) (string, string, error) {
		token, err := Token(ctx, env, cfg, time.Now())
		return env.User, token, err
	}
	return redis.NewClient(o)
}

// Local returns a client for a server on this machine. With an empty password
// it logs in without one.
func Local(addr, password string) *redis.Client {
	o := clientOptions(addr)
	o.Password = password
	return redis.NewClient(o)
}

// clientOptions allow few connections and short waits, because callers can do
// without the cache.
func clientOptions(addr string) *redis.Options {
	return &redis.Options{
		Addr: addr, PoolSize: 2, MaxRetries: 1, DialTimeout: time.Second, DialerRetries: 1,
		ReadTimeout: 2 * time.Second, WriteTimeout: 2 * time.Second,
		ConnMaxLifetime: connectionLife, ConnMaxIdleTime: 5 * time.Minute, DisableIdentity: true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
}

// Token signs a login: a presigned request to the replication group, without
// its scheme.
func Token(ctx context.Context, env contract.Cache, cfg aws.Config, now time.Time) (string, error) {
	credentials, err := cfg.Credentials.Retrieve(ctx)
	if err != nil {
		return "", fmt.Errorf("sign cache login: %w", err)
	}
	query := url.Values{"Action": {"connect"}, "User": {env.User}, "X-Amz-Expires": {tokenSeconds}}
	// ElastiCache stores ids in lower case.
	host := strings.ToLower(env.ReplicationGroup)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+host+"/?"+query.Encode(), nil)
	if err != nil {
		return "", fmt.Errorf("sign cache login: %w", err)
	}
	signed, _, err := v4.NewSigner().PresignHTTP(ctx, credentials, req, emptyBody, "elasticache", cfg.Region, now)
	if err != nil {
		return "", fmt.Errorf("sign cache login: %w", err)
	}
	return strings.TrimPrefix(signed, "http://"), nil
}
