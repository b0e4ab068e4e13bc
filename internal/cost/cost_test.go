package cost_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/streamctl/streamctl/internal/config"
	"github.com/streamctl/streamctl/internal/cost"
)

func variables(t *testing.T, environment, lines string) config.Variables {
	t.Helper()
	v, err := config.Load(strings.NewReader(lines), "variables.yaml", environment)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func list(t *testing.T) cost.Prices {
	t.Helper()
	p, err := cost.ListPrices()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// invoice is an invoice by hand: prices of a region, from its price sheet.
type invoice struct {
	api, shard, put, week, onIn, onOut, onHour, onKept, lambda, gbs, t4gMicro, t3Medium, gp3, backup, cacheMicro, cacheSmall float64
	std, ia, gir, puts, toIA, toGIR, logs, logsKept, alarm, metric, dashboard, trace, key, keyCalls, zone, out               float64
}

var (
	virginia = invoice{
		api: 3.50, shard: 0.015, put: 0.014, week: 0.02, onIn: 0.08, onOut: 0.04, onHour: 0.04, onKept: 0.10, lambda: 0.20, gbs: 0.0000133334, t4gMicro: 0.016, t3Medium: 0.072, gp3: 0.115, backup: 0.095,
		cacheMicro: 0.0128, cacheSmall: 0.0256, std: 0.023, ia: 0.0125, gir: 0.004, puts: 0.005, toIA: 0.01, toGIR: 0.02, logs: 0.50, logsKept: 0.03, alarm: 0.10, metric: 0.30, dashboard: 3, trace: 5, key: 1, keyCalls: 0.03, zone: 0.01, out: 0.09,
	}
	frankfurt = invoice{
		api: 3.70, shard: 0.018, put: 0.0175, week: 0.024, onIn: 0.096, onOut: 0.048, onHour: 0.048, onKept: 0.12, lambda: 0.20, gbs: 0.0000133334, t4gMicro: 0.018, t3Medium: 0.084, gp3: 0.137, backup: 0.103,
		cacheMicro: 0.0144, cacheSmall: 0.0296, std: 0.0245, ia: 0.0135, gir: 0.005, puts: 0.0054, toIA: 0.01, toGIR: 0.02, logs: 0.63, logsKept: 0.0324, alarm: 0.10, metric: 0.30, dashboard: 3, trace: 5, key: 1, keyCalls: 0.03, zone: 0.01, out: 0.09,
	}
)

const (
	month = 2_628_000.0 // seconds
	gib   = 1_073_741_824.0
)

// smallDevelopment is the invoice of 1 event per second of 1,000 bytes, each in a request,
// and 0.1 queries per second, in the first month of a development stack: one shard, a day of
// retention, an archive window of 5 s, 20 GiB, logs for a week.
func smallDevelopment(p invoice) float64 {
	sum := 2.8908 * p.api                                         // 2.628 million requests and 0.2628 million queries
	sum += 730*p.shard + 2.628*p.put                              // one unit per record of 1,250 bytes
	sum += (2.628 + 2.628 + 0.5256 + 0.2628 + 0.04453) * p.lambda // ingest, processor, archiver each 5 s, query, maintenance
	seconds := 2_628_000*(0.01+0.00005) + 2_628_000*(0.03+0.0001) + 525_600*0.15 + 2_628_000*0.00001 + 262_800*0.03
	sum += seconds * 0.5 * p.gbs
	sum += 730 * (60*0.3 + 10) * 0.5 * p.gbs
	sum += 730*p.t4gMicro + 20*p.gp3 + 730*p.cacheMicro
	archived := 2_628_000 * 1250 * 0.2 / gib
	sum += archived*p.std + 525.6*p.puts
	sum += p.key + 5*p.keyCalls
	logs := (2_890_800*500 + (2_628_000+2_628_000+525_600+262_800+44_530)*700) / gib
	sum += logs*p.logs + logs*0.15*(7/(730/24.0))*p.logsKept
	sum += 33*p.alarm + 17*p.metric + p.dashboard
	sum += (1 + 0.05*0.1) * 2.628 * p.trace
	sum += 2_628_000 * 1250 / gib * p.zone // half of the traffic, in both directions
	sum += 2_890_800 * 400 / gib * p.out
	return sum
}

// productionBatches is the invoice of 100 events per second of 1,000 bytes in requests of
// 100, in the twelfth month of a production stack: one shard, a week of retention, a
// standby, two nodes, an archive window of 60 s, logs for 90 days.
func productionBatches(p invoice) float64 {
	archiver := 100 * 1250 * 4 / 3.0 / 6_291_456 * month // 6 MB of base64 are full before 60 s
	sum := (2.628 + 0.2628) * p.api
	sum += 730*(p.shard+p.week) + 262.8*p.put
	sum += (2.628 + 2.628 + archiver/1e6 + 0.2628 + 0.04453) * p.lambda
	seconds := 2_628_000*0.01 + 262_800_000*0.00005 + 2_628_000*0.03 + 262_800_000*0.0001 + archiver*0.15 + 262_800_000*0.00001 + 262_800*0.03
	sum += seconds * 0.5 * p.gbs
	sum += 730 * 28 * 0.5 * p.gbs
	sum += 2*730*p.t3Medium + 2*500*p.gp3 + 2*730*p.cacheSmall // the storage is at its limit
	sum += (500*(1+7*0.05) - 500) * p.backup
	perDay := 8_640_000 * 1250 * 0.2 / gib
	sum += 30*perDay*p.std + 60*perDay*p.ia + (365-90)*perDay*p.gir
	sum += archiver / 1000 * (p.puts + p.toIA + p.toGIR)
	sum += p.key + 5*p.keyCalls
	logs := (2_890_800*500 + (2_628_000+2_628_000+archiver+262_800+44_530)*700) / gib
	sum += logs*p.logs + logs*0.15*(90/(730/24.0))*p.logsKept
	sum += 38*p.alarm + 17*p.metric + p.dashboard
	sum += (1 + 0.05*0.1) * 2.628 * p.trace
	sum += 262_800_000 * 1250 / gib * p.zone
	sum += 2_890_800 * 400 / gib * p.out
	return sum
}

// largeOnDemand is the invoice of 2,000 events per second of 500 bytes in requests of 50, in
// the third month of a production stack with an on-demand stream, which has four shards.
func largeOnDemand(p invoice) float64 {
	const events = 2000 * month
	sum := (40*month/1e6 + 0.2628) * p.api
	billed := events * 1024 / gib // 750 bytes are a KB
	sum += 730*p.onHour + billed*p.onIn + 2*billed*p.onOut + 6*(86_400*2000*750/gib)*p.onKept
	archiver := 4 * 0.05 * month // 10,000 records of a shard, each 20 s
	archiver = max(archiver, 4*500*750*4/3.0/6_291_456*month)
	processor := 4 * month
	sum += (40*month + processor + archiver + 262_800 + 44_530) / 1e6 * p.lambda
	seconds := 40*month*0.01 + events*0.00005 + processor*0.03 + events*0.0001 + archiver*0.15 + events*0.00001 + 262_800*0.03
	sum += seconds*0.5*p.gbs + 730*28*0.5*p.gbs
	sum += 2*730*p.t3Medium + 2*500*p.gp3 + 2*730*p.cacheSmall
	sum += 175 * p.backup
	perDay := 2000 * 86_400 * 750 * 0.2 / gib
	sum += 30*perDay*p.std + 60*perDay*p.ia + 1.25*perDay*p.gir // 3 months are 91.25 days
	sum += archiver / 1000 * (p.puts + p.toIA + 1.25/(730/24.0)*p.toGIR)
	sum += p.key + 20*p.keyCalls
	logs := ((40*month+262_800)*500 + (40*month+processor+archiver+262_800+44_530)*700) / gib
	sum += logs*p.logs + logs*0.15*(90/(730/24.0))*p.logsKept
	sum += 38*p.alarm + 17*p.metric + p.dashboard
	sum += (1 + 0.05*(40.1-1)) * month / 1e6 * p.trace
	sum += events * 750 / gib * p.zone
	sum += (40*month + 262_800) * 400 / gib * p.out
	return sum
}

// TestIndependentInvoices compares the estimate of three loads in two regions with
// invoices by hand.
func TestIndependentInvoices(t *testing.T) {
	for _, c := range []struct {
		name, environment, lines string
		load                     cost.Load
		alarms                   int
		invoice                  func(invoice) float64
	}{
		{"small development", config.Development, "", cost.Load{EventsPerSecond: 1, EventBytes: 1000, Batch: 1, QueriesPerSecond: 0.1, Month: 1}, 33, smallDevelopment},
		{"production in batches", config.Production, "", cost.Load{EventsPerSecond: 100, EventBytes: 1000, Batch: 100, QueriesPerSecond: 0.1, Month: 12}, 38, productionBatches},
		{"large, on demand", config.Production, "StreamMode: ON_DEMAND\n", cost.Load{EventsPerSecond: 2000, EventBytes: 500, Batch: 50, QueriesPerSecond: 0.1, Month: 3}, 38, largeOnDemand},
	} {
		for region, p := range map[string]invoice{"us-east-1": virginia, "eu-central-1": frankfurt} {
			v := variables(t, c.environment, c.lines)
			r, err := cost.ForLoad(cost.Platform{Variables: v, Region: region, AlarmMetrics: c.alarms}, c.load, list(t))
			if err != nil {
				t.Fatal(err)
			}
			want := c.invoice(p)
			t.Logf("%s, %s: %.2f", c.name, region, r.MonthUSD)
			if math.Abs(r.MonthUSD-want) > 0.01 {
				t.Errorf("%s in %s: %.4f, by hand %.4f", c.name, region, r.MonthUSD, want)
			}
			if perMillion := *r.MillionEventsUSD; math.Abs(perMillion-want/(c.load.EventsPerSecond*month)*1e6) > 0.01 {
				t.Errorf("%s in %s: %.4f per million", c.name, region, perMillion)
			}
		}
	}
}

// TestOptions: each option that costs something adds its items.
func TestOptions(t *testing.T) {
	load := cost.Load{EventsPerSecond: 10, EventBytes: 1000, Batch: 1, Month: 12}
	total := func(lines string) (float64, string) {
		r, err := cost.ForLoad(cost.Platform{Variables: variables(t, config.Production, lines), Region: "us-east-1"}, load, list(t))
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(r.Items)
		if err != nil {
			t.Fatal(err)
		}
		return r.MonthUSD, string(text)
	}
	plain, _ := total("")
	for lines, item := range map[string]string{
		"ReadReplicas: 1": "read replicas", "FlowLogs: true": "flow logs written", "WebAcl: true": "web ACL", "Functions: {ingest: {ProvisionedConcurrency: 1}}": "ingest provisioned concurrency",
		"StreamRetentionHours: 720": "retention from day 8 on", "ShardCount: 2": "2 × shard", "CacheNodes: 3": "3 × cache.t4g.small",
	} {
		if with, items := total(lines + "\n"); with <= plain || !strings.Contains(items, item) {
			t.Errorf("%s: %.2f, without %.2f\n%s", lines, with, plain, items)
		}
	}
	if with, items := total("ArchiveTransitionDays: {StandardIA: 30, GlacierIR: 0, DeepArchive: 180}\n"); !strings.Contains(items, "transitions to deep archive") || strings.Contains(items, "Glacier") || with == plain {
		t.Errorf("deep archive: %s", items)
	}
}

// TestHints: each saving is the difference to an estimate with the change.
func TestHints(t *testing.T) {
	load := cost.Load{EventsPerSecond: 1500, EventBytes: 1000, Batch: 1, Month: 12}
	p := cost.Platform{Variables: variables(t, config.Production, "ShardCount: 8\n"), Region: "us-east-1"}
	r, err := cost.ForLoad(p, load, list(t))
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]float64{}
	for i, h := range r.Hints {
		found[h.Change] = h.SavesUSD
		if i > 1 && h.SavesUSD > r.Hints[i-1].SavesUSD {
			t.Errorf("not in order: %+v", r.Hints)
		}
	}
	load.Batch = 100
	batched, err := cost.ForLoad(p, load, list(t))
	if err != nil {
		t.Fatal(err)
	}
	for change, want := range map[string]float64{
		"100 events per request instead of 1":                             r.MonthUSD - batched.MonthUSD,
		"DatabaseInstanceClass: db.t4g.medium (Graviton)":                 2 * 730 * (0.072 - 0.065),
		"reserved database instances for a year, without upfront payment": 2 * 730 * 0.072 * 0.3,
		"reserved cache nodes for a year, without upfront payment":        2 * 730 * 0.0256 * 0.3,
	} {
		if got := found[change]; math.Abs(got-want) > 0.01 {
			t.Errorf("%s saves %.2f, want %.2f; %v", change, got, want, found)
		}
	}
	if saves := found["ShardCount: 2, without reserve for peaks"]; saves < 6*730*0.035-1 {
		t.Errorf("fewer shards: %v", found)
	}
	if !strings.HasPrefix(r.Hints[0].Change, "limit: the warehouse needs more than 500 GiB in month 1 (") {
		t.Errorf("the first hint is %+v", r.Hints[0])
	}
	p.Variables.ShardCount = 1
	if r, err := cost.ForLoad(p, load, list(t)); err != nil || r.Hints[0].Change != "limit: the load needs 2 shards, and ShardCount is 1" {
		t.Errorf("%+v %v", r.Hints, err)
	}
}

// TestMeasured prices a measured usage like the modeled one with the same quantities.
func TestMeasured(t *testing.T) {
	v := variables(t, config.Production, "FlowLogs: true\n")
	p := cost.Platform{Variables: v, Region: "us-east-1", AlarmMetrics: 38}
	load := cost.Load{EventsPerSecond: 10, EventBytes: 1000, Batch: 2, QueriesPerSecond: 0.1, Month: 6}
	modeled, err := cost.ForLoad(p, load, list(t))
	if err != nil {
		t.Fatal(err)
	}
	u := cost.Model(v, load)
	half := cost.Usage{Records: u.Records / 2, StreamBytes: u.Records * u.RecordBytes / 2, Calls: (u.Requests + u.Queries) / 2, LogGB: u.LogGB / 2, Functions: map[string]cost.Invocations{}}
	for name, f := range u.Functions {
		half.Functions[name] = cost.Invocations{Count: f.Count / 2, Seconds: f.Seconds / 2}
	}
	r, err := cost.ForUsage(p, cost.Measured(v, half, 2), 6, list(t))
	if err != nil || math.Abs(r.MonthUSD-modeled.MonthUSD) > 0.001 {
		t.Errorf("measured %.4f, modeled %.4f, %v", r.MonthUSD, modeled.MonthUSD, err)
	}
	if r, err := cost.ForUsage(p, cost.Measured(v, cost.Usage{Functions: map[string]cost.Invocations{}}, 1), 1, list(t)); err != nil || r.MillionEventsUSD != nil || math.IsNaN(r.MonthUSD) {
		t.Errorf("nothing measured: %+v %v", r, err)
	}
}

func TestMissingPrices(t *testing.T) {
	var missing *cost.MissingError
	load := cost.Load{EventsPerSecond: 1, EventBytes: 1000, Batch: 1, Month: 1}
	_, err := cost.ForLoad(cost.Platform{Variables: variables(t, config.Production, ""), Region: "sa-east-1"}, load, list(t))
	if !errors.As(err, &missing) || err.Error() != "estimate costs: the list of prices has no region sa-east-1" || !strings.Contains(missing.Hint(), "--prices") {
		t.Errorf("%v", err)
	}
	_, err = cost.ForLoad(cost.Platform{Variables: variables(t, config.Production, "DatabaseInstanceClass: db.m5.2xlarge\nCacheNodeType: cache.r5.large\nReadReplicas: 1\n"), Region: "us-east-1"}, load, list(t))
	if !errors.As(err, &missing) || missing.What != "rds.instance.db.m5.2xlarge in us-east-1, elasticache.node.cache.r5.large in us-east-1" {
		t.Errorf("%v", err)
	}
}

// TestReadPrices rejects each mistake of a list.
func TestReadPrices(t *testing.T) {
	valid := string(cost.Source())
	for name, c := range map[string]struct{ from, to, want string }{
		"a date":      {`"date": "2026-11-27"`, `"date": "yesterday"`, "want a day"},
		"unknown key": {`"date": "2026-11-27"`, `"date": "2026-11-27", "currency": "EUR"`, `unknown field "currency"`},
		"a price":     {`"usd": 3.5,`, `"usd": -3.5,`, "us-east-1: apigateway.requests: -3.5 is not a price"},
		"zero":        {`"usd": 3.5,`, `"usd": 0,`, "0 is not a price"},
		"a text":      {`"usd": 3.5,`, `"usd": "3.5",`, "cannot unmarshal string"},
		"a unit":      {`"million requests"`, `"requests"`, `unit "requests", want "million requests"`},
		"a name":      {`"apigateway.requests"`, `"apigateway.request"`, "apigateway.requests is missing; us-east-1: apigateway.request is unknown"},
		"a discount":  {`"discount.rds-reserved-1-year": {"usd": 0.3`, `"discount.rds-reserved-1-year": {"usd": 1.3`, "1.3 is not a price"},
		"no source":   {`"source": "usage.ai RDS pricing calculator, June 2026"`, `"source": " "`, "source is missing"},
		"cut off":     {"\n  }\n}\n", "", "unexpected EOF"},
		"more":        {"\n  }\n}\n", "\n  }\n}\n{}", "text after the list"},
	} {
		if !strings.Contains(valid, c.from) {
			t.Fatalf("%s: the list has no %s", name, c.from)
		}
		var wrong *cost.PricesError
		if _, err := cost.ReadPrices(strings.NewReader(strings.Replace(valid, c.from, c.to, 1))); !errors.As(err, &wrong) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
	for text, want := range map[string]string{`{"date": "2026-11-27", "regions": {}}`: "want at least one", "": "EOF", strings.Repeat(" ", 2<<20): "larger than 1 MB"} {
		if _, err := cost.ReadPrices(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.30q: %v", text, err)
		}
	}
	if _, err := cost.ReadPrices(bytes.NewReader(cost.Source())); err != nil {
		t.Error(err)
	}
}

// TestCustomMetrics counts the metrics of the functions.
func TestCustomMetrics(t *testing.T) {
	text, err := os.ReadFile("../contract/settings.go")
	if err != nil {
		t.Fatal(err)
	}
	if n := len(regexp.MustCompile(`(?m)^\tMetric[A-Z]\w+ += "`).FindAll(text, -1)); n != 17 {
		t.Errorf("package contract has %d metrics: correct customMetricKind", n)
	}
}
