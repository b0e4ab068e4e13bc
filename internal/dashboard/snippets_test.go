package dashboard_test

import (
	"strings"
	"testing"

	"github.com/streamctl/streamctl/internal/dashboard"
)

func TestSnippets(t *testing.T) {
	for endpoint, want := range map[string][]string{
		"http://127.0.0.1:8787": {
			"apiHost: '127.0.0.1:8787/v1', protocol: 'http'", "analytics.load('the-key', 'http://127.0.0.1:8787', {", "host: 'http://127.0.0.1:8787',\n  path: '/v1/batch'",
			"dataPlaneUrl: 'http://127.0.0.1:8787',", "URL = 'http://127.0.0.1:8787/v1/batch'\nAUTHORIZATION = 'Basic ' + base64.b64encode(b'the-key:')", `Endpoint: "http://127.0.0.1:8787",`, "curl -u the-key: http://127.0.0.1:8787/v1/track",
		},
		"https://x.execute-api.eu-west-1.amazonaws.com/live": {
			"apiHost: 'x.execute-api.eu-west-1.amazonaws.com/live/v1', protocol: 'https'", "host: 'https://x.execute-api.eu-west-1.amazonaws.com',\n  path: '/live/v1/batch'",
			"dataPlaneUrl: 'https://x.execute-api.eu-west-1.amazonaws.com/live',",
		},
	} {
		var all strings.Builder
		names := ""
		for _, s := range dashboard.Snippets(endpoint, "the-key") {
			names += s.Name + ", "
			all.WriteString(s.Code + "\n")
		}
		if names != "Web: Segment, Web: RudderStack, Node: Segment, Node: RudderStack, Python, Go, curl, " {
			t.Error(names)
		}
		for _, text := range want {
			if !strings.Contains(all.String(), text) {
				t.Errorf("%s: %q is not in\n%s", endpoint, text, all.String())
			}
		}
		for _, text := range []string{"WRITE_KEY", "abc123", "/prod"} {
			if strings.Contains(all.String(), text) {
				t.Errorf("%s: %q is in\n%s", endpoint, text, all.String())
			}
		}
	}
}
