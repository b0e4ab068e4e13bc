package cli_test

import (
	"bytes"
	"encoding/json"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/streamctl/streamctl/internal/cli"
	awsfake "github.com/streamctl/streamctl/internal/testkit/aws/fake"
	"github.com/streamctl/streamctl/internal/testkit/golden"
)

// TestGoldenCosts compares the tables of docs/costs.md with the output of the command.
func TestGoldenCosts(t *testing.T) {
	const page = "../../docs/costs.md"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	variables := filepath.Join(t.TempDir(), "variables.yaml")
	if err := os.WriteFile(variables, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	blocks := 0
	block := regexp.MustCompile(`(?s)(<!-- (cost[^\n]*) -->\n).*?(<!-- end -->)`)
	now := block.ReplaceAllFunc(text, func(old []byte) []byte {
		blocks++
		parts := block.FindSubmatch(old)
		var out, said bytes.Buffer
		app := cli.App{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &said, Getenv: func(string) string { return "" }}
		if code := app.Run(t.Context(), append(strings.Fields(string(parts[2])), "--variables", variables)); code != 0 {
			t.Fatalf("%s: %s", parts[2], &said)
		}
		return []byte(string(parts[1]) + "```\n" + out.String() + "```\n" + string(parts[3]))
	})
	if blocks != 3 {
		t.Errorf("the page has %d tables", blocks)
	}
	golden.Equal(t, page, now)
}

// TestCostFromStack scales the metrics of a stack to a month.
func TestCostFromStack(t *testing.T) {
	p := startPlatform(t, awsfake.Options{}, "")
	id := func(logical string) string {
		physical, ok := p.PhysicalID("shown", logical)
		if !ok {
			t.Fatalf("no %s", logical)
		}
		return physical
	}
	p.SetMetric("AWS/ApiGateway", "Count", "shown", constant(70))
	p.SetMetric("AWS/Kinesis", "IncomingRecords", id("EventStream"), constant(600))
	p.SetMetric("AWS/Kinesis", "IncomingBytes", id("EventStream"), constant(600_000))
	p.SetMetric("AWS/Lambda", "Invocations", id("IngestFunction"), constant(60))
	p.SetMetric("AWS/Lambda", "Duration", id("IngestFunction"), constant(1200))
	p.SetMetric("AWS/Logs", "IncomingBytes", "/aws/lambda/shown-ingest", constant(1<<20))
	code, out, said := p.run(t.Context(), t, "cost", "--from-stack", "-o", "json", "--month", "1")
	if code != 0 {
		t.Fatalf("%d %s", code, said)
	}
	var r struct {
		Items []struct {
			Component, Item string
			Quantity        float64
		}
		Events   float64
		Measured struct{ Hours, Events, Requests float64 }
	}
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatal(err)
	}
	if r.Measured.Hours != 1 || r.Measured.Events != 36_000 || r.Measured.Requests != 4200 {
		t.Errorf("%+v", r.Measured)
	}
	quantities := map[string]float64{}
	for _, i := range r.Items {
		quantities[i.Component+" "+i.Item] = i.Quantity
	}
	for name, want := range map[string]float64{
		"API Gateway requests": 70 * 43_800 / 1e6, "Kinesis PUT payload units": 600 * 43_800 / 1e6, "Lambda ingest requests": 60 * 43_800 / 1e6,
		"Lambda ingest duration": 1.2 * 43_800 / 2, "CloudWatch logs written": 43_800 / 1024.0,
	} {
		if got := quantities[name]; math.Abs(got-want) > 1e-6*want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	if _, out, _ := p.run(t.Context(), t, "cost", "--from-stack"); !strings.Contains(out, "traffic: 36000 events, 4200 requests in the last 1 hours of shown") {
		t.Errorf("text:\n%s", out)
	}
	p.FailCall("cloudwatch", "GetMetricData", http.StatusForbidden, "AccessDenied", "no", 1000)
	if code, _, said := p.run(t.Context(), t, "cost", "--from-stack"); code != 4 || !strings.Contains(said, "read CloudWatch metrics: ") {
		t.Errorf("denied: %d %s", code, said)
	}
}
