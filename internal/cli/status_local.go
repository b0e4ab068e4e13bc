package cli

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/streamctl/streamctl/internal/api"
	"github.com/streamctl/streamctl/internal/dashboard"
	"github.com/streamctl/streamctl/internal/health"
)

// localURL returns the address of a local platform; empty for a stack. STREAMCTL_URL may
// be the API of a stack, which has no health of its own, so only a loopback address counts.
func localURL(a *App, flag string) string {
	if flag != "" {
		return flag
	}
	u, err := url.Parse(a.Getenv("STREAMCTL_URL"))
	if err != nil {
		return ""
	}
	ip := net.ParseIP(u.Hostname())
	if u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return ""
	}
	return u.String()
}

// localStatus is the result of status --url.
type localStatus struct {
	// URL is the platform's dashboard.
	URL    string        `json:"url"`
	Health health.Report `json:"health"`
}

func runLocalStatus(ctx context.Context, a *App, o statusOptions, address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" || u.Host == "" || u.RawQuery != "" {
		return &usageError{err: fmt.Errorf("--url %q: want the http://host:port that `streamctl local` prints", address)}
	}
	read := func(ctx context.Context) (localStatus, error) {
		page, err := findDashboard(ctx, "http://"+u.Host)
		if err != nil {
			return localStatus{}, err
		}
		out := localStatus{URL: page}
		err = get(ctx, &api.Client{Endpoint: page, HTTP: api.NewHTTP(1)}, dashboard.PathStatus, &out.Health)
		return out, err
	}
	result, err := read(ctx)
	if err != nil {
		return err
	}
	err = a.printResult(result, func() { printLocalStatus(a, result) })
	if err != nil || !o.follow {
		return err
	}
	return keepRefreshing(ctx, a, o, func(ctx context.Context) (func(), error) {
		next, err := read(ctx)
		return func() { printLocalStatus(a, next) }, err
	})
}

// findDashboard returns the address of the dashboard: the API's start page leads to it.
func findDashboard(ctx context.Context, address string) (string, error) {
	client := *api.NewHTTP(1)
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := (&api.Client{Endpoint: address, HTTP: &client}).Get(ctx, "/", nil)
	if err != nil {
		return "", err
	}
	if err := resp.Body.Close(); err != nil {
		return "", fmt.Errorf("read response: %w", err)
	}
	switch resp.StatusCode {
	case http.StatusFound:
		return strings.TrimSuffix(resp.Header.Get("Location"), "/"), nil
	case http.StatusOK:
		return address, nil
	}
	return "", &problemError{status: resp.StatusCode, detail: address + " is not a platform of streamctl local", hint: "without --url, `streamctl status` shows a stack"}
}

func printLocalStatus(a *App, s localStatus) {
	printAlarms(a, s.Health)
	a.printf("local platform %s, counted since %s\n", cmp.Or(s.URL, "-"), s.Health.Since.Local().Format(time.DateTime+" MST"))
	printHealth(a, s.Health)
}
