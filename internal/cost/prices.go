// Package cost estimates the monthly bill of a platform from its settings, its traffic
// and a list of prices. It calls nothing.
package cost

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/streamctl/streamctl/internal/failure"
)

//go:embed prices.json
var listPrices []byte

// Prices is a list of prices in US dollars, without discounts, free tiers and taxes.
type Prices struct {
	// Date is the day on which the list was made, such as 2026-11-27.
	Date    string            `json:"date"`
	Regions map[string]Region `json:"regions"`
}

// Region has the prices of a region by name.
type Region map[string]Price

// Price is the price of a unit.
type Price struct {
	USD  float64 `json:"usd"`
	Unit string  `json:"unit"`
	// Source is the origin of the price, and whether it was compared with a publication.
	Source string `json:"source"`
}

// Names of prices. A region needs all of them, and an instance or node price for each class
// that an estimate uses.
const (
	apiRequests     = "apigateway.requests"
	shardHours      = "kinesis.shard"
	putUnits        = "kinesis.put-units"
	shardRetention  = "kinesis.retention-7-days"
	longRetention   = "kinesis.retention-long"
	onDemandHours   = "kinesis.on-demand-stream"
	onDemandIn      = "kinesis.on-demand-in"
	onDemandOut     = "kinesis.on-demand-out"
	onDemandKept    = "kinesis.on-demand-retention-7-days"
	lambdaRequests  = "lambda.requests"
	lambdaSeconds   = "lambda.gb-seconds-arm64"
	lambdaReady     = "lambda.provisioned-gb-seconds-arm64"
	rdsStorage      = "rds.storage-gp3"
	rdsBackups      = "rds.backups"
	s3Standard      = "s3.standard"
	s3Infrequent    = "s3.standard-ia"
	s3Instant       = "s3.glacier-ir"
	s3Deep          = "s3.deep-archive"
	s3Puts          = "s3.puts"
	s3ToInfrequent  = "s3.transitions-standard-ia"
	s3ToInstant     = "s3.transitions-glacier-ir"
	s3ToDeep        = "s3.transitions-deep-archive"
	kmsKeys         = "kms.key"
	kmsRequests     = "kms.requests"
	logsIn          = "cloudwatch.logs"
	logsKept        = "cloudwatch.logs-storage"
	alarmMetrics    = "cloudwatch.alarm-metrics"
	customMetrics   = "cloudwatch.custom-metrics"
	dashboards      = "cloudwatch.dashboard"
	traces          = "xray.traces"
	wafACL          = "waf.acl"
	wafRules        = "waf.rules"
	wafRequests     = "waf.requests"
	zoneTransfer    = "transfer.zones"
	internetOut     = "transfer.internet"
	rdsReserved     = "discount.rds-reserved-1-year"
	cacheReserved   = "discount.cache-reserved-1-year"
	instancePrefix  = "rds.instance." // and the class
	nodePrefix      = "elasticache.node."
	maxPrice        = 1e6
	maxPricesBytes  = 1 << 20
	hoursPerMonth   = 730
	secondsPerMonth = hoursPerMonth * 3600
)

// units are the units of the prices that every region needs.
func units() map[string]string {
	return map[string]string{
		apiRequests: "million requests", shardHours: "shard-hour", putUnits: "million units of 25 KB", shardRetention: "shard-hour", longRetention: "GB-month",
		onDemandHours: "stream-hour", onDemandIn: "GB", onDemandOut: "GB", onDemandKept: "GB-month",
		lambdaRequests: "million requests", lambdaSeconds: "GB-second", lambdaReady: "GB-second", rdsStorage: "GB-month", rdsBackups: "GB-month",
		s3Standard: "GB-month", s3Infrequent: "GB-month", s3Instant: "GB-month", s3Deep: "GB-month", s3Puts: "thousand requests",
		s3ToInfrequent: "thousand requests", s3ToInstant: "thousand requests", s3ToDeep: "thousand requests",
		kmsKeys: "key-month", kmsRequests: "ten thousand requests", logsIn: "GB", logsKept: "GB-month", alarmMetrics: "metric-month", customMetrics: "metric-month",
		dashboards: "dashboard-month", traces: "million traces", wafACL: "ACL-month", wafRules: "rule-month", wafRequests: "million requests",
		zoneTransfer: "GB in each direction", internetOut: "GB", rdsReserved: "share", cacheReserved: "share",
	}
}

// ListPrices returns the list that is part of the program.
func ListPrices() (Prices, error) { return ReadPrices(bytes.NewReader(listPrices)) }

// ReadPrices reads a list strictly: unknown and repeated keys, missing prices, wrong units
// and prices without a source are errors, all of which are reported.
func ReadPrices(r io.Reader) (Prices, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxPricesBytes+1))
	if err != nil {
		return Prices{}, fmt.Errorf("read prices: %w", err)
	}
	if len(text) > maxPricesBytes {
		return Prices{}, &PricesError{[]string{"the list is larger than 1 MB"}}
	}
	var p Prices
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		return p, &PricesError{[]string{err.Error()}}
	}
	if _, err := d.Token(); err != io.EOF {
		return p, &PricesError{[]string{"there is text after the list"}}
	}
	if problems := p.problems(); len(problems) > 0 {
		return p, &PricesError{problems}
	}
	return p, nil
}

func (p Prices) problems() (out []string) {
	if _, err := time.Parse(time.DateOnly, p.Date); err != nil {
		out = append(out, fmt.Sprintf("date %q: want a day such as 2026-11-27", p.Date))
	}
	if len(p.Regions) == 0 {
		out = append(out, "regions: want at least one")
	}
	want := units()
	for _, region := range slices.Sorted(maps.Keys(p.Regions)) {
		prices := p.Regions[region]
		for _, name := range slices.Sorted(maps.Keys(want)) {
			if _, ok := prices[name]; !ok {
				out = append(out, fmt.Sprintf("%s: %s is missing", region, name))
			}
		}
		for _, name := range slices.Sorted(maps.Keys(prices)) {
			price := prices[name]
			unit, known := want[name]
			if strings.HasPrefix(name, instancePrefix) || strings.HasPrefix(name, nodePrefix) {
				unit, known = "hour", true
			}
			discount := strings.HasPrefix(name, "discount.")
			switch {
			case !known:
				out = append(out, fmt.Sprintf("%s: %s is unknown", region, name))
			case math.IsNaN(price.USD) || price.USD <= 0 || price.USD > maxPrice || discount && price.USD >= 1:
				out = append(out, fmt.Sprintf("%s: %s: %v is not a price", region, name, price.USD))
			case price.Unit != unit:
				out = append(out, fmt.Sprintf("%s: %s: unit %q, want %q", region, name, price.Unit, unit))
			case strings.TrimSpace(price.Source) == "":
				out = append(out, fmt.Sprintf("%s: %s: source is missing", region, name))
			}
		}
	}
	return out
}

// PricesError reports a list of prices that can't be used.
type PricesError struct{ Problems []string }

func (e *PricesError) Error() string { return "read prices: " + strings.Join(e.Problems, "; ") }

// Class implements failure.Classified.
func (e *PricesError) Class() failure.Class { return failure.Invalid }

// Hint implements the command line's hints.
func (e *PricesError) Hint() string {
	return "`streamctl cost --print-prices` prints the list of this version, which can be edited"
}

// MissingError reports prices that a list doesn't have.
type MissingError struct{ What string }

func (e *MissingError) Error() string { return "estimate costs: the list of prices has no " + e.What }

// Hint implements the command line's hints.
func (e *MissingError) Hint() string {
	return "add it to a copy of the list (`streamctl cost --print-prices`), and name the file with --prices"
}

// Source returns the text of the list that is part of the program.
func Source() []byte { return listPrices }
