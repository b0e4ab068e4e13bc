package local

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/streamctl/streamctl/internal/api"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/dashboard"
	"github.com/streamctl/streamctl/internal/local/gateway"
	"github.com/streamctl/streamctl/internal/local/sigv4"
)

// serve starts serving the API and the dashboard.
func (p *Platform) serve(ctx context.Context, requests, page net.Listener) {
	v := p.o.Variables
	o := gateway.Options{
		Routes: []gateway.Route{
			{Method: http.MethodPost, Path: api.PathEvents, Invoke: p.functions.ingest.Invoke},
			{Method: http.MethodGet, Path: api.PathMetric, Invoke: p.functions.query.Invoke},
			clientRoute(p, api.PathClients), clientRoute(p, api.PathBeacon),
		},
		Origins: v.CorsAllowedOrigins, Rate: v.ThrottleRate, Burst: v.ThrottleBurst, Log: p.o.Log,
	}
	inside := gateway.New(o) // for the dashboard, which has no keys
	p.info = Info{
		API: "http://" + requests.Addr().String(), Dashboard: "http://" + page.Addr().String(),
		Database: p.stores.master, Redis: p.stores.redisURL, Archive: p.state.path("archive"), RedisInMemory: p.stores.memory,
		WriteKey: p.state.WriteKey, Psql: p.stores.psql, RedisCLI: p.stores.redisCLI, RedisServer: p.stores.server,
	}
	if p.o.IAM {
		p.info.Region, p.info.AccessKeyID, p.info.SecretAccessKey = region(v.Region), p.state.AccessKeyID, p.state.SecretAccessKey
		o.Region, o.Keys = p.info.Region, sigv4.NewKeys(sigv4.Credential{
			AccessKeyID: p.state.AccessKeyID, SecretAccessKey: p.state.SecretAccessKey, Principal: "user",
			ARN: "arn:aws:iam::" + gateway.Account + ":user/local",
		})
	}
	o.Addr = requests.Addr().String()
	p.listen(ctx, requests, p.withPage(gateway.New(o)))
	p.listen(ctx, page, dashboard.New(dashboard.Options{
		API: inProcess{inside}, Health: p.healthNow, Status: p.report, Events: p.newestEvents(), Rejected: p.rejected(), About: p.about(), Hosts: []string{page.Addr().String()}, Log: p.o.Log,
	}))
}

// region returns the region that requests are signed for.
func region(configured string) string {
	if configured == "" {
		return "us-east-1"
	}
	return configured
}

// withPage redirects a browser that opens the API's root to the dashboard.
func (p *Platform) withPage(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" && r.Method == http.MethodGet {
			http.Redirect(w, r, p.info.Dashboard, http.StatusFound)
			return
		}
		next.ServeHTTP(w, r)
	})
}

const (
	// headerTime is how long a client may take to send a request's headers.
	headerTime = 10 * time.Second
	// headerBytes is the maximum size of the headers; API Gateway accepts
	// 10,240 bytes.
	headerBytes = 16 << 10
)

func (p *Platform) listen(ctx context.Context, l net.Listener, h http.Handler) {
	server := &http.Server{Handler: h, ReadHeaderTimeout: headerTime, MaxHeaderBytes: headerBytes, IdleTimeout: 2 * time.Minute, BaseContext: func(net.Listener) context.Context { return context.WithoutCancel(ctx) }}
	p.servers = append(p.servers, server)
	go func() {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			p.failed <- err
		}
	}()
}

func (p *Platform) about() dashboard.About {
	send := "streamctl send --url " + p.info.API + " --rate 100 --for 30s"
	a := dashboard.About{
		Title: "local", Environment: p.o.Variables.Environment, Endpoint: p.info.API, Send: send, Snippets: dashboard.Snippets(p.info.API, p.info.WriteKey),
		Metrics: dashboard.Metrics(p.o.Variables.Metrics), Version: p.o.Version,
	}
	if p.o.IAM {
		a.Region, a.Send = p.info.Region, send+" --sign"
	}
	return a
}

// healthNow returns the platform's health for the dashboard.
func (p *Platform) healthNow(context.Context) (dashboard.Health, error) {
	s := p.Status()
	count := func(name string) *int64 { return new(int64(s.Total[name])) }
	h := dashboard.Health{
		At: time.Now(), Since: s.Since,
		Accepted: count(contract.MetricAccepted), Refused: count(contract.MetricRefused), Unavailable: count(contract.MetricUnavailable),
		Archived: count(contract.MetricArchived), Inserted: count(contract.MetricInserted), Duplicates: count(contract.MetricDuplicates),
		Quarantined: count(contract.MetricQuarantined), Expired: count(contract.MetricExpired), CacheErrors: count(contract.MetricCacheErrors),
		Waiting: new(int64(s.Loading.Unread)), ArchiveLagSeconds: new(s.Archiving.Age.Seconds()),
		Failed: new(int64(s.Failed)), Missing: new(int64(s.Missing)), Troubles: s.Troubles,
	}
	for _, f := range s.Failing {
		h.Troubles = append(h.Troubles, f.String())
	}
	if !s.LagAt.IsZero() {
		h.LagSeconds, h.LagAt = new(s.Lag.Seconds()), &s.LagAt
	}
	return h, nil
}

// inProcess sends requests to a handler without a network.
type inProcess struct{ http.Handler }

// Get requests a path.
func (h inProcess) Get(ctx context.Context, target string, header http.Header) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://local"+target, http.NoBody)
	if err != nil {
		return nil, err
	}
	r.Header, r.RemoteAddr = header.Clone(), "127.0.0.1:0"
	a := &answer{header: http.Header{}, status: http.StatusOK}
	h.ServeHTTP(a, r)
	return &http.Response{StatusCode: a.status, Header: a.header, Body: io.NopCloser(&a.body), Request: r}, nil
}

// answer records a handler's response.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *answer) Header() http.Header         { return a.header }
func (a *answer) WriteHeader(status int)      { a.status = status }
func (a *answer) Write(b []byte) (int, error) { return a.body.Write(b) }
