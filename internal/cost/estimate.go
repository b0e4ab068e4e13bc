package cost

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/streamctl/streamctl/internal/config"
	"github.com/streamctl/streamctl/internal/contract"
)

// Platform has the settings that decide the bill.
type Platform struct {
	Variables config.Variables
	Region    string
	// AlarmMetrics is the number of metrics in alarms.
	AlarmMetrics int
}

// Item is a line of a bill.
type Item struct {
	Component string `json:"component"`
	Item      string `json:"item"`
	// Quantity is in units of the price.
	Quantity float64 `json:"quantity"`
	Unit     string  `json:"unit"`
	PriceUSD float64 `json:"priceUsd"`
	MonthUSD float64 `json:"monthUsd"`
	Source   string  `json:"source"`
}

// Report is an estimate of a month.
type Report struct {
	Region     string `json:"region"`
	PricesDate string `json:"pricesDate"`
	Month      int    `json:"month"`
	Items      []Item `json:"items"`
	// MonthUSD is the total.
	MonthUSD float64 `json:"monthUsd"`
	// Events is the number of events in the month.
	Events float64 `json:"events"`
	// MillionEventsUSD is the total per million events; missing without events.
	MillionEventsUSD *float64 `json:"millionEventsUsd,omitempty"`
	// Dominant is the component with the largest part.
	Dominant Part `json:"dominant"`
	// Hints are changes with their effect.
	Hints []Hint `json:"hints"`
}

// Part is a component's part of the total.
type Part struct {
	Component string  `json:"component"`
	MonthUSD  float64 `json:"monthUsd"`
	Share     float64 `json:"share"`
}

// bill collects items.
type bill struct {
	region  string
	prices  Region
	items   []Item
	missing []string
}

// add adds a quantity of a price's unit. Nothing is added for a quantity of zero.
func (b *bill) add(component, item, price string, quantity float64) {
	if quantity == 0 {
		return
	}
	p, ok := b.prices[price]
	if !ok {
		if what := price + " in " + b.region; !slices.Contains(b.missing, what) {
			b.missing = append(b.missing, what)
		}
		return
	}
	b.items = append(b.items, Item{component, item, quantity, p.Unit, p.USD, quantity * p.USD, p.Source})
}

// Components of a report, in the order of the data flow.
const (
	partAPI      = "API Gateway"
	partStream   = "Kinesis"
	partLambda   = "Lambda"
	partDatabase = "RDS"
	partCache    = "ElastiCache"
	partArchive  = "S3"
	partKey      = "KMS"
	partWatch    = "CloudWatch"
	partTraces   = "X-Ray"
	partWAF      = "WAF"
	partTransfer = "Data transfer"
)

// Estimate prices a usage. month is the month of operation, from 1.
func Estimate(p Platform, u Usage, month int, prices Prices) (Report, error) {
	region, ok := prices.Regions[p.Region]
	if !ok {
		return Report{}, &MissingError{"region " + p.Region}
	}
	b := bill{region: p.Region, prices: region}
	v := p.Variables
	b.add(partAPI, "requests", apiRequests, (u.Requests+u.Queries)/1e6)
	b.stream(v, u)
	b.functions(v, u)
	b.database(v, u, month)
	b.add(partCache, fmt.Sprintf("%d × %s", v.CacheNodes, v.CacheNodeType), nodePrefix+v.CacheNodeType, float64(v.CacheNodes)*hoursPerMonth)
	b.archive(v, u, month)
	b.add(partKey, "key", kmsKeys, 1)
	b.add(partKey, "requests", kmsRequests, float64(shardsOf(v, u.Events/secondsPerMonth, u.RecordBytes))*kmsPerShard/1e4)
	b.add(partWatch, "metrics in alarms", alarmMetrics, float64(p.AlarmMetrics))
	b.add(partWatch, "custom metrics", customMetrics, customMetricKind)
	b.add(partWatch, "dashboard", dashboards, 1)
	b.add(partWatch, "logs written", logsIn, u.LogGB)
	b.add(partWatch, "flow logs written", logsIn, u.FlowLogGB)
	b.add(partWatch, "logs kept", logsKept, (u.LogGB+u.FlowLogGB)*logCompression*min(float64(month), float64(v.LogRetentionDays)/daysPerMonth))
	b.add(partTraces, "traces", traces, u.Traces/1e6)
	if v.WebAcl == config.WebAclOwn {
		b.add(partWAF, "web ACL", wafACL, 1)
		b.add(partWAF, "rules", wafRules, ownWAFRules)
		b.add(partWAF, "requests", wafRequests, (u.Requests+u.Queries)/1e6)
	}
	b.add(partTransfer, "between zones, both directions", zoneTransfer, 2*crossZone*u.Records*u.RecordBytes/gigabyte)
	b.add(partTransfer, "responses to the internet", internetOut, u.ResponseGB)
	if len(b.missing) > 0 {
		return Report{}, &MissingError{strings.Join(b.missing, ", ")}
	}
	return b.report(p.Region, prices.Date, u, month), nil
}

func (b *bill) report(region, date string, u Usage, month int) Report {
	r := Report{Region: region, PricesDate: date, Month: month, Items: b.items, Events: u.Events, Hints: []Hint{}}
	sums := map[string]float64{}
	for _, i := range b.items {
		r.MonthUSD += i.MonthUSD
		sums[i.Component] += i.MonthUSD
		if s := sums[i.Component]; s > r.Dominant.MonthUSD {
			r.Dominant = Part{Component: i.Component, MonthUSD: s}
		}
	}
	r.Dominant.Share = r.Dominant.MonthUSD / r.MonthUSD
	if u.Events > 0 {
		perMillion := r.MonthUSD / u.Events * 1e6
		r.MillionEventsUSD = &perMillion
	}
	return r
}

func (b *bill) stream(v config.Variables, u Usage) {
	days := float64(v.StreamRetentionHours) / 24
	written := u.Records * u.RecordBytes / gigabyte
	perDay := written / daysPerMonth
	if v.StreamMode == config.StreamOnDemand {
		billed := u.Records * math.Ceil(u.RecordBytes/kilobyte) * kilobyte / gigabyte
		b.add(partStream, "on-demand stream", onDemandHours, hoursPerMonth)
		b.add(partStream, "data in", onDemandIn, billed)
		b.add(partStream, "data out, 2 consumers", onDemandOut, consumers*billed)
		b.add(partStream, "retention, day 2 to 7", onDemandKept, perDay*max(0, min(days, 7)-1))
	} else {
		b.add(partStream, fmt.Sprintf("%d × shard", v.ShardCount), shardHours, float64(v.ShardCount)*hoursPerMonth)
		b.add(partStream, "PUT payload units", putUnits, u.Records*math.Ceil(u.RecordBytes/putUnitBytes)/1e6)
		if v.StreamRetentionHours > 24 {
			b.add(partStream, "retention, day 2 to 7", shardRetention, float64(v.ShardCount)*hoursPerMonth)
		}
	}
	b.add(partStream, "retention from day 8 on", longRetention, perDay*max(0, days-7))
}

func (b *bill) functions(v config.Variables, u Usage) {
	for _, f := range contract.Functions() {
		used := u.Functions[f.Name]
		f, setting := v.Function(f)
		memory := float64(f.MemoryMiB) / 1024
		b.add(partLambda, f.Name+" requests", lambdaRequests, used.Count/1e6)
		b.add(partLambda, f.Name+" duration", lambdaSeconds, used.Seconds*memory)
		b.add(partLambda, f.Name+" provisioned concurrency", lambdaReady, float64(setting.ProvisionedConcurrency)*memory*secondsPerMonth)
	}
}

// storedGB is the size of the warehouse at the end of a month.
func storedGB(v config.Variables, u Usage, month int) float64 {
	months := float64(month)
	if v.WarehouseRetentionDays > 0 {
		months = min(months, float64(v.WarehouseRetentionDays)/daysPerMonth)
	}
	return u.WarehouseGB * months
}

// storageGB is the storage of one instance: it grows until its limit.
func storageGB(v config.Variables, u Usage, month int) float64 {
	least := float64(v.DatabaseStorageGiB)
	return max(least, min(storedGB(v, u, month)*freeSpace, max(least, float64(v.DatabaseMaxStorageGiB))))
}

func (b *bill) database(v config.Variables, u Usage, month int) {
	instances := 1
	if v.DatabaseMultiAz {
		instances = 2
	}
	storage := storageGB(v, u, month)
	name := instancePrefix + v.DatabaseInstanceClass
	b.add(partDatabase, fmt.Sprintf("%d × %s", instances, v.DatabaseInstanceClass), name, float64(instances)*hoursPerMonth)
	b.add(partDatabase, "read replicas", name, float64(v.ReadReplicas)*hoursPerMonth)
	b.add(partDatabase, "storage", rdsStorage, storage*float64(instances+v.ReadReplicas))
	kept := min(storedGB(v, u, month), storage)
	if v.BackupRetentionDays > 0 { // as much as the storage is free
		b.add(partDatabase, "backups beyond the storage", rdsBackups, max(0, kept*(1+backupChange*float64(v.BackupRetentionDays))-storage))
	}
}

// archive prices the objects by their age at the end of a month.
func (b *bill) archive(v config.Variables, u Usage, month int) {
	days := float64(month) * daysPerMonth
	perDay := u.ArchiveGB / daysPerMonth
	steps := []struct {
		item, price, transition string
		from                    int
	}{
		{"standard", s3Standard, "", 0},
		{"standard-IA", s3Infrequent, s3ToInfrequent, v.ArchiveTransitionDays.StandardIA},
		{"Glacier instant retrieval", s3Instant, s3ToInstant, v.ArchiveTransitionDays.GlacierIR},
		{"deep archive", s3Deep, s3ToDeep, v.ArchiveTransitionDays.DeepArchive},
	}
	for i, s := range steps {
		if i > 0 && s.from == 0 {
			continue
		}
		until := days
		for _, later := range steps[i+1:] {
			if later.from > 0 {
				until = min(until, float64(later.from))
				break
			}
		}
		b.add(partArchive, s.item, s.price, perDay*max(0, until-float64(s.from)))
		if s.transition != "" {
			reached := min(1, max(0, (days-float64(s.from))/daysPerMonth)) // of this month's transitions
			b.add(partArchive, "transitions to "+s.item, s.transition, u.Objects*reached/1000)
		}
	}
	b.add(partArchive, "objects written", s3Puts, u.Objects/1000)
}
