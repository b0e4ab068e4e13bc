package template

import (
	"fmt"
	"strings"

	"github.com/awslabs/goformation/v7/cloudformation/cloudwatch"

	"github.com/streamctl/streamctl/internal/alert"
	"github.com/streamctl/streamctl/internal/config"
	"github.com/streamctl/streamctl/internal/contract"
)

// alarm is an alarm that fires if enough of the last datapoints cross a threshold.
type alarm struct {
	id, description string
	// metrics has one metric, or several with an expression; the expression calls them
	// m0, m1 and so on.
	metrics        []metricRef
	expression     string
	seconds        int
	datapoints, of int
	below          bool // fires below the threshold instead of above
	threshold      float64
	after          string // logical id to create first, so that the alarm does not fire without data
	quiet          bool   // has no action
	missing        string // treatment of missing data: notBreaching, breaching, or "" for insufficient data
}

// metricRef is a CloudWatch metric: a namespace, a name and dimensions. They must equal
// what AWS publishes exactly, or the alarm stays in INSUFFICIENT_DATA.
type metricRef struct {
	namespace, name string
	dimensions      []cloudwatch.Alarm_Dimension
	statistic       string // Average, Maximum, Minimum, Sum, or a percentile such as p99
}

// source returns a metric of one namespace and set of dimensions.
type source func(name, statistic string) metricRef

func metricsOf(namespace string, dimensions ...string) source {
	list := make([]cloudwatch.Alarm_Dimension, 0, len(dimensions)/2)
	for i := 0; i < len(dimensions); i += 2 {
		list = append(list, cloudwatch.Alarm_Dimension{Name: dimensions[i], Value: dimensions[i+1]})
	}
	return func(name, statistic string) metricRef { return metricRef{namespace, name, list, statistic} }
}

// each returns the same metric of several sources.
func each(sources []source, name, statistic string) []metricRef {
	out := make([]metricRef, len(sources))
	for i, s := range sources {
		out[i] = s(name, statistic)
	}
	return out
}

// Expressions over all metrics of an alarm.
const (
	sumOfAll     = "SUM(METRICS())"
	largestOfAll = "MAX(METRICS())"
	leastOfAll   = "MIN(METRICS())"
)

// alarms returns the alarms for every metric that shows whether the platform keeps up,
// and for every condition that requires an action.
func alarms(v config.Variables) []alarm {
	own := metricsOf(contract.MetricNamespace, contract.DimensionStack, Ref("AWS::StackName"))
	list := apiAlarms(v)
	list = append(list, streamAlarms(v, own)...)
	list = append(list, warehouseAlarms(v, own)...)
	list = append(list, cacheAlarms(v, own)...)
	list = append(list, functionAlarms(own)...)
	return append(list, declaredAlarms(v, own)...)
}

func apiAlarms(v config.Variables) []alarm {
	api := metricsOf("AWS/ApiGateway", "ApiName", Ref("AWS::StackName")) // it has one stage
	return []alarm{
		{id: "ApiErrorsAlarm", metrics: []metricRef{api("5XXError", "Average")},
			seconds: 60, datapoints: 3, of: 5, threshold: 0.01, missing: "notBreaching"},
		{id: "ApiLatencyAlarm", metrics: []metricRef{api("Latency", "p99")},
			seconds: 60, datapoints: 5, of: 5, threshold: 2000, missing: "notBreaching"},
		{id: "ApiBusyAlarm", metrics: []metricRef{api("Count", "Sum")},
			seconds: 60, datapoints: 3, of: 5, threshold: float64(v.ThrottleRate) * 60 * 0.8, missing: "notBreaching"},
	}
}

// onDemandShards is the capacity to which an on-demand stream scales automatically, in
// shards of 1 MiB and 1,000 records per second.
const onDemandShards = 200

func streamAlarms(v config.Variables, own source) []alarm {
	stream := metricsOf("AWS/Kinesis", "StreamName", Ref(idStream))
	age := []metricRef{stream("GetRecords.IteratorAgeMilliseconds", "Maximum")}
	shards := v.ShardCount
	if v.StreamMode == config.StreamOnDemand {
		shards = onDemandShards
	}
	// One percent of the shards' capacity per minute.
	busy := fmt.Sprintf("MAX([m0/%d,m1/%d])", shards*600, shards*60<<20/100)
	return []alarm{
		{id: "StreamBusyAlarm", metrics: []metricRef{stream("IncomingRecords", "Sum"), stream("IncomingBytes", "Sum")}, expression: busy,
			seconds: 60, datapoints: 3, of: 5, threshold: 80, missing: "notBreaching"},
		{id: "StreamThrottledAlarm", // The sum over all calls, including PutRecords.ThrottledRecords.
			metrics: []metricRef{stream("WriteProvisionedThroughputExceeded", "Sum")},
			seconds: 60, datapoints: 3, of: 5, missing: "notBreaching"},
		{id: "StreamFailedAlarm", metrics: []metricRef{stream("PutRecords.FailedRecords", "Sum")},
			seconds: 60, datapoints: 3, of: 5, missing: "notBreaching"},
		{id: "StreamLagAlarm", metrics: age,
			seconds: 60, datapoints: 3, of: 5, threshold: 60_000, missing: "notBreaching"},
		{id: "StreamLossAlarm", description: "Records will be lost", metrics: age,
			seconds: 60, datapoints: 1, of: 1, threshold: float64(v.StreamRetentionHours) * 3600_000 / 4, missing: "notBreaching"},
		{id: "ArchiveAlarm", description: "Events are not archived", metrics: []metricRef{own(contract.MetricAccepted, "Sum"), own(contract.MetricArchived, "Sum")},
			// Hourly, because the archive's last minute falls into the next hour. An
			// archiver that writes nothing has no data, which SUM skips.
			expression: "100*(2*m0-SUM(METRICS()))/m0", seconds: 3600, datapoints: 2, of: 3, threshold: 5, missing: "notBreaching"},
		{id: "GivenUpAlarm", metrics: []metricRef{metricsOf("AWS/Lambda", "EventSourceMappingUUID", Ref(idProcessorSource))("OnFailureDestinationDeliveredEventCount", "Sum")},
			seconds: 60, datapoints: 1, of: 1, missing: "notBreaching"},
		{id: "QuarantineAlarm", metrics: []metricRef{own(contract.MetricQuarantined, "Sum")},
			seconds: 60, datapoints: 1, of: 1, missing: "notBreaching"},
	}
}

func warehouseAlarms(v config.Variables, own source) []alarm {
	database := metricsOf("AWS/RDS", "DBInstanceIdentifier", Ref(idDatabase))
	list := []alarm{
		{id: "DatabaseCpuAlarm", metrics: []metricRef{database("CPUUtilization", "Average")},
			seconds: 60, datapoints: 5, of: 5, threshold: 80},
		{id: "DatabaseConnectionsAlarm", metrics: []metricRef{database("DatabaseConnections", "Maximum")},
			seconds: 60, datapoints: 3, of: 5, threshold: float64(config.MaxConnections(v.DatabaseInstanceClass) * 8 / 10)},
		{id: "DatabaseMemoryAlarm", metrics: []metricRef{database("FreeableMemory", "Average")},
			seconds: 300, datapoints: 3, of: 3, below: true, threshold: float64(config.MemoryMiB(v.DatabaseInstanceClass)) * (1 << 20) * 0.05},
		{id: "DatabaseStorageAlarm", metrics: []metricRef{database("FreeStorageSpace", "Minimum")},
			seconds: 300, datapoints: 1, of: 1, below: true, threshold: float64(v.DatabaseStorageGiB) * (1 << 30) * 0.15},
		{id: "PartitionsAlarm", description: "Partitions are missing soon", metrics: []metricRef{own(contract.MetricHorizon, "Minimum")},
			seconds: 300, datapoints: 12, of: 12, below: true, threshold: 3, missing: "breaching", after: "RefreshSchedule"},
		{id: "UnreconciledAlarm", description: "Archive and warehouse differ", metrics: []metricRef{own(contract.MetricUnreconciled, "Minimum")},
			seconds: 300, datapoints: 12, of: 12, missing: "notBreaching"},
	}
	var bursting []source
	if strings.HasPrefix(v.DatabaseInstanceClass, "db.t") {
		bursting = append(bursting, database)
	}
	if strings.HasPrefix(v.CacheNodeType, "cache.t") {
		bursting = append(bursting, cacheNodes(v)...)
	}
	if len(bursting) > 0 {
		// One hour, because a new instance starts without credits.
		list = append(list, alarm{id: "CreditsAlarm", metrics: each(bursting, "CPUCreditBalance", "Minimum"), expression: leastOfAll,
			seconds: 300, datapoints: 12, of: 12, below: true, threshold: 5})
	}
	for n := range v.ReadReplicas {
		replica := metricsOf("AWS/RDS", "DBInstanceIdentifier", Ref(replicaID(n)))
		list = append(list, alarm{id: "ReplicaLagAlarm" + itoa(n+1), metrics: []metricRef{replica("ReplicaLag", "Average")},
			seconds: 60, datapoints: 5, of: 5, threshold: 300})
	}
	return list
}

// cacheNodes returns the members of the replication group, whose own id has no metrics.
// A failover changes which member is the primary.
func cacheNodes(v config.Variables) []source {
	nodes := make([]source, v.CacheNodes)
	for n := range nodes {
		nodes[n] = metricsOf("AWS/ElastiCache", "CacheClusterId", Sub(fmt.Sprintf("${%s}-%03d", idCache, n+1)))
	}
	return nodes
}

func cacheAlarms(v config.Variables, own source) []alarm {
	nodes := cacheNodes(v)
	list := []alarm{
		{id: "CacheCpuAlarm", metrics: each(nodes, "EngineCPUUtilization", "Average"), expression: largestOfAll,
			seconds: 60, datapoints: 5, of: 5, threshold: 80},
		{id: "CacheMemoryAlarm", metrics: []metricRef{nodes[0]("DatabaseMemoryUsagePercentage", "Maximum")}, // every node holds all data

			seconds: 60, datapoints: 3, of: 5, threshold: 80},
		{id: "CacheEvictionsAlarm", metrics: each(nodes, "Evictions", "Sum"), expression: sumOfAll,
			seconds: 60, datapoints: 3, of: 5, missing: "notBreaching"},
		{id: "CacheErrorsAlarm", metrics: []metricRef{own(contract.MetricCacheErrors, "Sum")},
			seconds: 60, datapoints: 3, of: 5, missing: "notBreaching"},
		// Only queries count; the nodes' own metrics include every read of the writers.
		{id: "CacheHitsAlarm", metrics: []metricRef{own(contract.MetricCacheHits, "Sum"), own(contract.MetricCacheMisses, "Sum")},
			expression: "100*m0/(m0+m1)", seconds: 300, datapoints: 6, of: 6, below: true, threshold: 50, missing: "notBreaching"},
	}
	if len(nodes) > 1 {
		list = append(list, alarm{id: "CacheLagAlarm", metrics: each(nodes, "ReplicationLag", "Maximum"), expression: largestOfAll,
			seconds: 60, datapoints: 5, of: 5, threshold: 10, missing: "notBreaching"})
	}
	return list
}

// functionAlarms returns one alarm per condition over all functions by metric math: an
// alarm for each function would be a tenth of a template's bytes. The dashboard shows
// which function it is. The consumers are not included: their stream repeats failed
// batches, and StreamLagAlarm reports the delay. Neither is the schema function: it runs
// during a deploy, which reports its failures.
func functionAlarms(own source) []alarm {
	var running, asked []source
	for _, f := range contract.Functions() {
		function := metricsOf("AWS/Lambda", "FunctionName", Ref(FunctionID(f.Name)))
		switch f.Name {
		case contract.FuncIngest, contract.FuncQuery:
			running, asked = append(running, function), append(asked, function)
		case contract.FuncMaintenance: // the next minute repeats a throttled task
			running = append(running, function)
		}
	}
	return []alarm{
		{id: "FunctionErrorsAlarm", metrics: each(running, "Errors", "Sum"), expression: sumOfAll,
			seconds: 60, datapoints: 3, of: 5, missing: "notBreaching"},
		{id: "FunctionThrottlesAlarm", metrics: each(asked, "Throttles", "Sum"), expression: sumOfAll,
			seconds: 60, datapoints: 3, of: 5, missing: "notBreaching"},
		{id: "FunctionDurationAlarm", metrics: []metricRef{own(contract.MetricTimeUsed, "Maximum")},
			seconds: 60, datapoints: 3, of: 5, threshold: 80, missing: "notBreaching"},
	}
}

// declaredAlarms returns an alarm for each declared alert. maintenance decides every
// minute whether the alert fires; an alarm without data keeps its state.
func declaredAlarms(v config.Variables, own source) (list []alarm) {
	for _, d := range v.Alerts {
		list = append(list, alarm{id: d.AlarmID(), description: d.Condition(), metrics: []metricRef{own(contract.AlertMetric(d.Name), "Maximum")},
			seconds: 60, datapoints: 1, of: 1, missing: "ignore", quiet: d.Level() == alert.SeverityInfo})
	}
	return list
}
