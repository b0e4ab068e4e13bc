package health

import (
	"slices"
	"strconv"

	"github.com/streamctl/streamctl/internal/contract"
)

// Units of values. They are CloudWatch's: times in milliseconds, sizes in bytes.
const (
	Count        = "count"
	Milliseconds = "milliseconds"
	Bytes        = "bytes"
	Percent      = "percent"
	Fraction     = "fraction" // of 1
	Days         = "days"
	Number       = "number"
)

// Query is one series of CloudWatch: a metric and a statistic, per minute.
type Query struct {
	Namespace, Name, Statistic string
	// Dimension and Value are the only dimension; empty for a metric of the account.
	Dimension, Value string
}

// Metric is a value that describes the platform's health.
type Metric struct {
	// ID is stable and unique: "api.requests".
	ID string
	// Component is the part of the platform, Name the value's name within it.
	Component, Name string
	Unit            string
	// Queries has one series, or several that Combine combines.
	Queries []Query
	Combine Combination
	// Alarm is the logical id of the alarm on this value; may be empty.
	Alarm string
	// Derived reports that the alarm's threshold is for another value, which is computed
	// from this one: only the state of the alarm shows that this one is too high.
	Derived bool
	// Limit is the largest possible value, such as a timeout; 0 without one. Above
	// nearLimit percent of it, the value is beyond its threshold.
	Limit float64
}

// Combination combines the values of several series in one minute.
type Combination int

// Combinations. RatioOf is the share of the first series in the sum of both, in percent.
const (
	Only Combination = iota
	LargestOf
	LeastOf
	SumOf
	RatioOf
)

// nearLimit is the part of a timeout in percent from which FunctionDurationAlarm fires.
const nearLimit = 80

// counted reports whether the value is a number of events: the hour has a total, in which
// minutes without data count zero. An hour without any data has no value.
func (m Metric) counted() bool { return m.Unit == Count && m.Queries[0].Statistic == sum }

// CloudWatch's statistics.
const (
	sum     = "Sum"
	average = "Average"
	largest = "Maximum"
	least   = "Minimum"
)

// series returns the queries of one namespace and dimension.
type series func(name, statistic string) Query

func seriesOf(namespace, dimension, value string) series {
	return func(name, statistic string) Query { return Query{namespace, name, statistic, dimension, value} }
}

func own(stack string) series {
	return seriesOf(contract.MetricNamespace, contract.DimensionStack, stack)
}

// Metrics returns the metrics that describe a platform, in display order. It is the only
// list: `status`, the dashboard of a stack and that of a local platform read it.
func Metrics(p Platform) []Metric {
	return slices.Concat(apiMetrics(p), eventMetrics(p), streamMetrics(p), functionMetrics(p), databaseMetrics(p), cacheMetrics(p), warehouseMetrics(p))
}

func one(id, component, name, unit string, q Query, alarm string) Metric {
	return Metric{ID: id, Component: component, Name: name, Unit: unit, Queries: []Query{q}, Alarm: alarm}
}

// derived marks a metric whose alarm watches a value that is computed from it.
func derived(m Metric) Metric {
	m.Derived = true
	return m
}

func apiMetrics(p Platform) []Metric {
	if !p.API {
		return nil
	}
	const api = "API"
	of := seriesOf("AWS/ApiGateway", "ApiName", p.Stack)
	return []Metric{
		one("api.requests", api, "requests", Count, of("Count", sum), "ApiBusyAlarm"),
		one("api.latency", api, "latency, slowest 1 %", Milliseconds, of("Latency", "p99"), "ApiLatencyAlarm"),
		one("api.latencyMedian", api, "latency, median", Milliseconds, of("Latency", "p50"), ""),
		// API Gateway has no metric of its own for requests over the rate limit.
		one("api.clientErrors", api, "4xx, including 429 (throttled)", Count, of("4XXError", sum), ""),
		one("api.serverErrors", api, "5xx", Count, of("5XXError", sum), ""),
		one("api.errorRate", api, "5xx, share of requests", Fraction, of("5XXError", average), "ApiErrorsAlarm"),
	}
}

func eventMetrics(p Platform) []Metric {
	if len(p.Functions) == 0 {
		return nil
	}
	const events = "events"
	of := own(p.Stack)
	out := []Metric{
		one("events.accepted", events, "accepted", Count, of(contract.MetricAccepted, sum), ""),
		one("events.rejected", events, "rejected (4xx)", Count, of(contract.MetricRefused, sum), ""),
		one("events.unavailable", events, "not accepted (503)", Count, of(contract.MetricUnavailable, sum), ""),
		derived(one("events.archived", events, "archived", Count, of(contract.MetricArchived, sum), "ArchiveAlarm")),
		one("events.loaded", events, "loaded", Count, of(contract.MetricInserted, sum), ""),
		one("events.duplicate", events, "loaded before", Count, of(contract.MetricDuplicates, sum), ""),
		one("events.quarantined", events, "quarantined", Count, of(contract.MetricQuarantined, sum), "QuarantineAlarm"),
		one("events.expired", events, "too old to load", Count, of(contract.MetricExpired, sum), ""),
		one("events.folded", events, "folded into __other__", Count, of(contract.MetricFolded, sum), ""),
	}
	if p.ProcessorMapping != "" {
		out = append(out, one("events.givenUp", events, "records given up", Count,
			seriesOf("AWS/Lambda", "EventSourceMappingUUID", p.ProcessorMapping)("OnFailureDestinationDeliveredEventCount", sum), "GivenUpAlarm"))
	}
	return out
}

func streamMetrics(p Platform) []Metric {
	var out []Metric
	const stream = "stream"
	if p.Stream != "" {
		of := seriesOf("AWS/Kinesis", "StreamName", p.Stream)
		out = []Metric{
			derived(one("stream.records", stream, "incoming records", Count, of("IncomingRecords", sum), "StreamBusyAlarm")),
			derived(one("stream.bytes", stream, "incoming bytes", Bytes, of("IncomingBytes", sum), "StreamBusyAlarm")),
			one("stream.age", stream, "iterator age", Milliseconds, of("GetRecords.IteratorAgeMilliseconds", largest), "StreamLagAlarm"),
			one("stream.throttled", stream, "throttled writes", Count, of("WriteProvisionedThroughputExceeded", sum), "StreamThrottledAlarm"),
			one("stream.failed", stream, "failed writes", Count, of("PutRecords.FailedRecords", sum), "StreamFailedAlarm"),
		}
	}
	for _, f := range p.Functions {
		if f.Name == contract.FuncProcessor || f.Name == contract.FuncArchiver {
			out = append(out, one("stream.age."+f.Name, stream, "iterator age of "+f.Name, Milliseconds, seriesOf("AWS/Lambda", "FunctionName", f.ID)("IteratorAge", largest), ""))
		}
	}
	return out
}

func functionMetrics(p Platform) []Metric {
	var out []Metric
	for _, f := range p.Functions {
		of, component := seriesOf("AWS/Lambda", "FunctionName", f.ID), "function "+f.Name
		errors, throttles := "FunctionErrorsAlarm", "FunctionThrottlesAlarm"
		if f.Name != contract.FuncIngest && f.Name != contract.FuncQuery { // see the alarms' declaration
			throttles = ""
			if f.Name != contract.FuncMaintenance {
				errors = ""
			}
		}
		duration := one("function."+f.Name+".duration", component, "duration, longest", Milliseconds, of("Duration", largest), "")
		duration.Limit = float64(f.Timeout.Milliseconds())
		out = append(out, duration,
			one("function."+f.Name+".errors", component, "errors", Count, of("Errors", sum), errors),
			one("function."+f.Name+".throttles", component, "throttles", Count, of("Throttles", sum), throttles),
			one("function."+f.Name+".concurrency", component, "at the same time", Number, of("ConcurrentExecutions", largest), ""))
	}
	if len(p.Functions) > 0 {
		out = append(out, one("functions.timeUsed", "functions", "share of the timeout, from 50 %", Percent, own(p.Stack)(contract.MetricTimeUsed, largest), "FunctionDurationAlarm"))
	}
	return out
}

func databaseMetrics(p Platform) []Metric {
	if p.Database == "" {
		return nil
	}
	const database = "PostgreSQL"
	of := seriesOf("AWS/RDS", "DBInstanceIdentifier", p.Database)
	out := []Metric{
		one("database.cpu", database, "CPU", Percent, of("CPUUtilization", average), "DatabaseCpuAlarm"),
		one("database.connections", database, "connections", Number, of("DatabaseConnections", largest), "DatabaseConnectionsAlarm"),
		one("database.storage", database, "free storage", Bytes, of("FreeStorageSpace", least), "DatabaseStorageAlarm"),
		one("database.memory", database, "free memory", Bytes, of("FreeableMemory", average), "DatabaseMemoryAlarm"),
	}
	if p.DatabaseBursts {
		out = append(out, one("database.credits", database, "CPU credits", Number, of("CPUCreditBalance", least), "CreditsAlarm"))
	}
	for n, id := range p.Replicas {
		number := strconv.Itoa(n + 1)
		out = append(out, Metric{ID: "database.replicaLag" + number, Component: database, Name: "lag of replica " + number, Unit: "seconds",
			Queries: []Query{seriesOf("AWS/RDS", "DBInstanceIdentifier", id)("ReplicaLag", average)}, Alarm: replicaAlarm + number})
	}
	return out
}

func cacheMetrics(p Platform) []Metric {
	const cache = "Redis"
	var out []Metric
	if len(p.Functions) > 0 {
		of := own(p.Stack)
		out = append(out,
			Metric{ID: "cache.hits", Component: cache, Name: "hits of queries", Unit: Percent, Combine: RatioOf, Alarm: "CacheHitsAlarm",
				Queries: []Query{of(contract.MetricCacheHits, sum), of(contract.MetricCacheMisses, sum)}},
			one("cache.errors", cache, "failed calls", Count, of(contract.MetricCacheErrors, sum), "CacheErrorsAlarm"))
	}
	if len(p.CacheNodes) == 0 {
		return out
	}
	each := func(statistic string, names ...string) (list []Query) {
		for _, name := range names {
			for _, node := range p.CacheNodes {
				list = append(list, seriesOf("AWS/ElastiCache", "CacheClusterId", node)(name, statistic))
			}
		}
		return list
	}
	all := func(id, name, unit, metric, statistic string, how Combination, alarm string) Metric {
		return Metric{ID: id, Component: cache, Name: name, Unit: unit, Queries: each(statistic, metric), Combine: how, Alarm: alarm}
	}
	out = append(out,
		Metric{ID: "cache.engineHits", Component: cache, Name: "hits of the engine", Unit: Percent, Combine: RatioOf, Queries: each(sum, "CacheHits", "CacheMisses")},
		all("cache.memory", "memory", Percent, "DatabaseMemoryUsagePercentage", largest, LargestOf, "CacheMemoryAlarm"),
		all("cache.cpu", "CPU of the engine", Percent, "EngineCPUUtilization", average, LargestOf, "CacheCpuAlarm"),
		all("cache.evictions", "evictions", Count, "Evictions", sum, SumOf, "CacheEvictionsAlarm"))
	if len(p.CacheNodes) > 1 {
		out = append(out, all("cache.lag", "lag of the replicas", "seconds", "ReplicationLag", largest, LargestOf, "CacheLagAlarm"))
	}
	if p.CacheBursts {
		out = append(out, all("cache.credits", "CPU credits", Number, "CPUCreditBalance", least, LeastOf, "CreditsAlarm"))
	}
	return out
}

func warehouseMetrics(p Platform) []Metric {
	if len(p.Functions) == 0 {
		return nil
	}
	const warehouse = "warehouse"
	of := own(p.Stack)
	return []Metric{
		one("warehouse.lag", warehouse, "arrival to commit, longest", Milliseconds, of(contract.MetricLag, largest), ""),
		one(idHorizon, warehouse, "prepared partitions", Days, of(contract.MetricHorizon, least), "PartitionsAlarm"),
		one(idUnreconciled, warehouse, "unreconciled hours", Number, of(contract.MetricUnreconciled, least), "UnreconciledAlarm"),
		one(idSchema, warehouse, "schema version", Number, of(contract.MetricSchema, largest), ""),
	}
}

// Ids of the metrics that a report repeats by name.
const (
	idHorizon      = "warehouse.partitions"
	idUnreconciled = "warehouse.unreconciled"
	idSchema       = "warehouse.schema"
)
