package template

import (
	"fmt"
	"strings"

	"github.com/awslabs/goformation/v7/cloudformation/cloudwatch"

	"github.com/streamctl/streamctl/internal/config"
	"github.com/streamctl/streamctl/internal/contract"
)

// alarm fires when datapoints of the last periods reach a threshold.
type alarm struct {
	id, description string
	// metrics are one, or several that an expression makes one of; in it they
	// are m0, m1 and so on.
	metrics        []reading
	expression     string
	seconds        int
	datapoints, of int
	below          bool // fires below the threshold instead of above
	threshold      float64
	after          string // what has to be there first, or it rings before there is data
	missing        string // what no data means: notBreaching, breaching, or "" for insufficient data
}

// reading is a metric of CloudWatch: a namespace, a name and dimensions. These must
// match what AWS publishes to the letter, or an alarm never leaves
// INSUFFICIENT_DATA.
type reading struct {
	namespace, name string
	dimensions      []cloudwatch.Alarm_Dimension
	statistic       string // Average, Maximum, Minimum, Sum, or a percentile such as p99
}

// source is where metrics of one kind come from.
type source func(name, statistic string) reading

func from(namespace string, dimensions ...string) source {
	list := make([]cloudwatch.Alarm_Dimension, 0, len(dimensions)/2)
	for i := 0; i < len(dimensions); i += 2 {
		list = append(list, cloudwatch.Alarm_Dimension{Name: dimensions[i], Value: dimensions[i+1]})
	}
	return func(name, statistic string) reading { return reading{namespace, name, list, statistic} }
}

// each is the same metric of several sources.
func each(sources []source, name, statistic string) []reading {
	out := make([]reading, len(sources))
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

// alarms are one or more for each metric that shows whether the platform keeps
// up, and for all that means work for somebody.
func alarms(v config.Variables) []alarm {
	own := from(contract.MetricNamespace, contract.DimensionStack, Ref("AWS::StackName"))
	list := apiAlarms(v)
	list = append(list, streamAlarms(v, own)...)
	list = append(list, warehouseAlarms(v, own)...)
	list = append(list, cacheAlarms(v, own)...)
	return append(list, functionAlarms(own)...)
}

func apiAlarms(v config.Variables) []alarm {
	api := from("AWS/ApiGateway", "ApiName", Ref("AWS::StackName")) // it has one stage
	return []alarm{
		{id: "ApiErrorsAlarm", description: "The API answers 5xx", metrics: []reading{api("5XXError", "Average")},
			seconds: 60, datapoints: 3, of: 5, threshold: 0.01, missing: "notBreaching"},
		{id: "ApiLatencyAlarm", description: "The API is slow", metrics: []reading{api("Latency", "p99")},
			seconds: 60, datapoints: 5, of: 5, threshold: 2000, missing: "notBreaching"},
		{id: "ApiBusyAlarm", description: "The API gets more than 80 % of ThrottleRate", metrics: []reading{api("Count", "Sum")},
			seconds: 60, datapoints: 3, of: 5, threshold: float64(v.ThrottleRate) * 60 * 0.8, missing: "notBreaching"},
	}
}

// onDemandShards is what an on-demand stream grows to by itself, in shards'
// worth of 1 MiB and 1,000 records a second.
const onDemandShards = 200

func streamAlarms(v config.Variables, own source) []alarm {
	stream := from("AWS/Kinesis", "StreamName", Ref(idStream))
	age := []reading{stream("GetRecords.IteratorAgeMilliseconds", "Maximum")}
	shards := v.ShardCount
	if v.StreamMode == config.StreamOnDemand {
		shards = onDemandShards
	}
	// A percent of what the shards take in a minute.
	busy := fmt.Sprintf("MAX([m0/%d,m1/%d])", shards*600, shards*60<<20/100)
	return []alarm{
		{id: "StreamBusyAlarm", description: "The stream is at 80 % of what its shards take",
			metrics: []reading{stream("IncomingRecords", "Sum"), stream("IncomingBytes", "Sum")}, expression: busy,
			seconds: 60, datapoints: 3, of: 5, threshold: 80, missing: "notBreaching"},
		{id: "StreamThrottledAlarm", description: "The stream refuses writes: more shards are needed",
			// Of all calls, PutRecords.ThrottledRecords among them.
			metrics: []reading{stream("WriteProvisionedThroughputExceeded", "Sum")},
			seconds: 60, datapoints: 3, of: 5, missing: "notBreaching"},
		{id: "StreamFailedAlarm", description: "Kinesis fails to store records", metrics: []reading{stream("PutRecords.FailedRecords", "Sum")},
			seconds: 60, datapoints: 3, of: 5, missing: "notBreaching"},
		{id: "StreamLagAlarm", description: "Readers of the stream are a minute behind", metrics: age,
			seconds: 60, datapoints: 3, of: 5, threshold: 60_000, missing: "notBreaching"},
		{id: "StreamLossAlarm", description: "Readers of the stream are a quarter of its retention behind: records will be lost", metrics: age,
			seconds: 60, datapoints: 1, of: 1, threshold: float64(v.StreamRetentionHours) * 3600_000 / 4, missing: "notBreaching"},
		{id: "ArchiveAlarm", description: "More events were accepted than archived", metrics: []reading{own(contract.MetricAccepted, "Sum"), own(contract.MetricArchived, "Sum")},
			// Hours, because the archive's last minute is in the next one.
			// An archiver that writes nothing has no data, which the sum passes over.
			expression: "100*(2*m0-SUM(METRICS()))/m0", seconds: 3600, datapoints: 2, of: 3, threshold: 5, missing: "notBreaching"},
		{id: "GivenUpAlarm", description: "Records were given up and kept in the bucket",
			metrics: []reading{from("AWS/Lambda", "EventSourceMappingUUID", Ref(idProcessorSource))("OnFailureDestinationDeliveredEventCount", "Sum")},
			seconds: 60, datapoints: 1, of: 1, missing: "notBreaching"},
		{id: "QuarantineAlarm", description: "An event could not be loaded and was set aside", metrics: []reading{own(contract.MetricQuarantined, "Sum")},
			seconds: 60, datapoints: 1, of: 1, missing: "notBreaching"},
	}
}

func warehouseAlarms(v config.Variables, own source) []alarm {
	database := from("AWS/RDS", "DBInstanceIdentifier", Ref(idDatabase))
	list := []alarm{
		{id: "DatabaseCpuAlarm", description: "PostgreSQL is busy", metrics: []reading{database("CPUUtilization", "Average")},
			seconds: 60, datapoints: 5, of: 5, threshold: 80},
		{id: "DatabaseConnectionsAlarm", description: "PostgreSQL is running out of connections", metrics: []reading{database("DatabaseConnections", "Maximum")},
			seconds: 60, datapoints: 3, of: 5, threshold: float64(config.MaxConnections(v.DatabaseInstanceClass) * 8 / 10)},
		{id: "DatabaseMemoryAlarm", description: "PostgreSQL has less than 5 % of its memory left", metrics: []reading{database("FreeableMemory", "Average")},
			seconds: 300, datapoints: 3, of: 3, below: true, threshold: float64(config.MemoryMiB(v.DatabaseInstanceClass)) * (1 << 20) * 0.05},
		{id: "DatabaseStorageAlarm", description: "PostgreSQL has less than 15 % of its storage left", metrics: []reading{database("FreeStorageSpace", "Minimum")},
			seconds: 300, datapoints: 1, of: 1, below: true, threshold: float64(v.DatabaseStorageGiB) * (1 << 30) * 0.15},
		{id: "PartitionsAlarm", description: "Fewer than three days ahead have a partition", metrics: []reading{own(contract.MetricHorizon, "Minimum")},
			seconds: 300, datapoints: 12, of: 12, below: true, threshold: 3, missing: "breaching", after: "RefreshSchedule"},
		{id: "UnreconciledAlarm", description: "Archive and warehouse differ", metrics: []reading{own(contract.MetricUnreconciled, "Minimum")},
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
		// An hour, because a new instance begins without credits.
		list = append(list, alarm{id: "CreditsAlarm", description: "A burstable instance is out of CPU credits", metrics: each(bursting, "CPUCreditBalance", "Minimum"), expression: leastOfAll,
			seconds: 300, datapoints: 12, of: 12, below: true, threshold: 5})
	}
	for n := range v.ReadReplicas {
		replica := from("AWS/RDS", "DBInstanceIdentifier", Ref(replicaID(n)))
		list = append(list, alarm{id: "ReplicaLagAlarm" + itoa(n+1), description: "A read replica is five minutes behind", metrics: []reading{replica("ReplicaLag", "Average")},
			seconds: 60, datapoints: 5, of: 5, threshold: 300})
	}
	return list
}

// cacheNodes are the members of the replication group, whose own id has no
// metrics. Which of them is the primary changes with a failover.
func cacheNodes(v config.Variables) []source {
	nodes := make([]source, v.CacheNodes)
	for n := range nodes {
		nodes[n] = from("AWS/ElastiCache", "CacheClusterId", Sub(fmt.Sprintf("${%s}-%03d", idCache, n+1)))
	}
	return nodes
}

func cacheAlarms(v config.Variables, own source) []alarm {
	nodes := cacheNodes(v)
	list := []alarm{
		{id: "CacheCpuAlarm", description: "Redis is busy", metrics: each(nodes, "EngineCPUUtilization", "Average"), expression: largestOfAll,
			seconds: 60, datapoints: 5, of: 5, threshold: 80},
		{id: "CacheMemoryAlarm", description: "Redis is running out of memory", metrics: each(nodes, "DatabaseMemoryUsagePercentage", "Maximum"), expression: largestOfAll,
			seconds: 60, datapoints: 3, of: 5, threshold: 80},
		{id: "CacheEvictionsAlarm", description: "Redis drops keys for want of memory", metrics: each(nodes, "Evictions", "Sum"), expression: sumOfAll,
			seconds: 60, datapoints: 3, of: 5, missing: "notBreaching"},
		{id: "CacheErrorsAlarm", description: "Redis doesn't answer", metrics: []reading{own(contract.MetricCacheErrors, "Sum")},
			seconds: 60, datapoints: 3, of: 5, missing: "notBreaching"},
		// What queries ask for; the nodes' own counts hold every look of the writers too.
		{id: "CacheHitsAlarm", description: "Most of what queries ask of Redis isn't there", metrics: []reading{own(contract.MetricCacheHits, "Sum"), own(contract.MetricCacheMisses, "Sum")},
			expression: "100*m0/(m0+m1)", seconds: 300, datapoints: 6, of: 6, below: true, threshold: 50, missing: "notBreaching"},
	}
	if len(nodes) > 1 {
		list = append(list, alarm{id: "CacheLagAlarm", description: "A replica of Redis is ten seconds behind", metrics: each(nodes, "ReplicationLag", "Maximum"), expression: largestOfAll,
			seconds: 60, datapoints: 5, of: 5, threshold: 10, missing: "notBreaching"})
	}
	return list
}

// functionAlarms are each one over all functions by metric math: one alarm for
// each would be a tenth of a template's bytes. The dashboard shows which
// function it is. The migrations' function is left out: it runs in a deploy,
// which says itself when it fails.
func functionAlarms(own source) []alarm {
	var running, asked []source
	for _, f := range contract.Functions() {
		function := from("AWS/Lambda", "FunctionName", Ref(FunctionID(f.Name)))
		if f.Name != contract.FuncSchema {
			running = append(running, function)
		}
		// The others wait: their stream lags, or the next minute comes again.
		if f.Name == contract.FuncIngest || f.Name == contract.FuncQuery {
			asked = append(asked, function)
		}
	}
	return []alarm{
		{id: "FunctionErrorsAlarm", description: "A function fails", metrics: each(running, "Errors", "Sum"), expression: sumOfAll,
			seconds: 60, datapoints: 3, of: 5, missing: "notBreaching"},
		{id: "FunctionThrottlesAlarm", description: "Requests find no free execution of a function", metrics: each(asked, "Throttles", "Sum"), expression: sumOfAll,
			seconds: 60, datapoints: 3, of: 5, missing: "notBreaching"},
		{id: "FunctionDurationAlarm", description: "A function takes more than 80 % of its timeout", metrics: []reading{own(contract.MetricTimeUsed, "Maximum")},
			seconds: 60, datapoints: 3, of: 5, threshold: 80, missing: "notBreaching"},
	}
}
