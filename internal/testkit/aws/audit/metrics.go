package audit

import (
	"fmt"
	"slices"
	"strings"

	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/testkit/aws/fake/cfn"
)

// series are metrics that a service publishes with exactly these dimensions. An
// alarm with one dimension more or less never has data, without an error.
type series struct {
	dimensions []string // sorted
	// counts are sums of events; gauges are levels, whose sum is meaningless;
	// rates can be both.
	counts, gauges, rates []string
}

// published lists CloudWatch's metrics by namespace.
func published() map[string][]series {
	lambda := series{counts: []string{"Errors", "Invocations", "Throttles", "DeadLetterErrors", "DestinationDeliveryFailures", "AsyncEventsDropped", "RecursiveInvocationsDropped", "ProvisionedConcurrencySpilloverInvocations"},
		gauges: []string{"Duration", "ConcurrentExecutions", "IteratorAge", "PostRuntimeExtensionsDuration", "ProvisionedConcurrencyUtilization", "AsyncEventAge"}}
	mapping := series{dimensions: []string{"EventSourceMappingUUID"}, counts: []string{"PolledEventCount", "InvokedEventCount", "FilteredOutEventCount", "FailedInvokeEventCount",
		"DeletedEventCount", "DroppedEventCount", "OnFailureDestinationDeliveredEventCount"}}
	api := series{counts: []string{"Count"}, gauges: []string{"Latency", "IntegrationLatency"}, rates: []string{"4XXError", "5XXError"}}
	cache := series{counts: []string{"Evictions", "CacheHits", "CacheMisses", "Reclaimed", "NewConnections", "AuthenticationFailures", "KeyAuthorizationFailures", "CommandAuthorizationFailures"},
		gauges: []string{"EngineCPUUtilization", "CPUUtilization", "CPUCreditBalance", "DatabaseMemoryUsagePercentage", "CurrConnections", "CurrItems", "FreeableMemory", "ReplicationLag", "SwapUsage",
			"NetworkBandwidthInAllowanceExceeded", "MemoryFragmentationRatio"}}
	return map[string][]series{
		"AWS/ApiGateway": {api.by("ApiName", "Stage"), api.by("ApiName"), api.by("ApiName", "Method", "Resource", "Stage")},
		"AWS/Kinesis": {{dimensions: []string{"StreamName"},
			counts: []string{"IncomingBytes", "IncomingRecords", "PutRecords.FailedRecords", "PutRecords.ThrottledRecords", "PutRecords.SuccessfulRecords", "PutRecords.TotalRecords",
				"WriteProvisionedThroughputExceeded", "ReadProvisionedThroughputExceeded", "GetRecords.Records", "GetRecords.Bytes"},
			gauges: []string{"GetRecords.IteratorAgeMilliseconds", "GetRecords.Latency", "PutRecords.Latency"}, rates: []string{"PutRecords.Success", "GetRecords.Success"}},
			{dimensions: []string{"ShardId", "StreamName"}, counts: []string{"IncomingBytes", "IncomingRecords", "WriteProvisionedThroughputExceeded", "ReadProvisionedThroughputExceeded"}, gauges: []string{"IteratorAgeMilliseconds"}}},
		"AWS/Lambda": {lambda.by("FunctionName"), lambda.by("FunctionName", "Resource"), mapping},
		"AWS/RDS": {{dimensions: []string{"DBInstanceIdentifier"}, gauges: []string{"CPUUtilization", "FreeStorageSpace", "FreeableMemory", "DatabaseConnections", "CPUCreditBalance", "ReadLatency", "WriteLatency",
			"ReadIOPS", "WriteIOPS", "DiskQueueDepth", "MaximumUsedTransactionIDs", "ReplicaLag", "SwapUsage", "TransactionLogsDiskUsage", "EBSIOBalance%", "EBSByteBalance%", "DBLoad"}}},
		"AWS/ElastiCache": {cache.by("CacheClusterId"), cache.by("CacheClusterId", "CacheNodeId")},
		"AWS/SNS":         {{dimensions: []string{"TopicName"}, counts: []string{"NumberOfNotificationsFailed", "NumberOfNotificationsDelivered", "NumberOfMessagesPublished"}}},
		"AWS/SQS":         {{dimensions: []string{"QueueName"}, gauges: []string{"ApproximateNumberOfMessagesVisible", "ApproximateAgeOfOldestMessage"}, counts: []string{"NumberOfMessagesSent"}}},
		"AWS/S3": {{dimensions: []string{"BucketName", "StorageType"}, gauges: []string{"BucketSizeBytes", "NumberOfObjects"}},
			{dimensions: []string{"BucketName", "FilterId"}, counts: []string{"AllRequests", "PutRequests", "GetRequests", "4xxErrors", "5xxErrors"}, gauges: []string{"FirstByteLatency"}},
			{dimensions: []string{"DestinationBucket", "RuleId", "SourceBucket"}, gauges: []string{"ReplicationLatency", "BytesPendingReplication", "OperationsPendingReplication"}, counts: []string{"OperationsFailedReplication"}}},
		"AWS/Events": {{dimensions: []string{"RuleName"}, counts: []string{"FailedInvocations", "Invocations", "TriggeredRules", "ThrottledRules"}}},
		"AWS/WAFV2":  {{dimensions: []string{"Region", "Rule", "WebACL"}, counts: []string{"AllowedRequests", "BlockedRequests", "CountedRequests"}}},
		"AWS/Logs":   {{dimensions: []string{"LogGroupName"}, counts: []string{"EMFParsingErrors", "EMFValidationErrors", "IncomingLogEvents", "IncomingBytes"}}},
	}
}

// by returns the same metrics with other dimensions.
func (s series) by(dimensions ...string) series {
	s.dimensions = dimensions
	return s
}

// metric is a metric as an alarm or a dashboard refers to it.
type metric struct {
	namespace, name, statistic string
	dimensions                 map[string]string
	seconds                    int
}

// published returns the metrics of a namespace, including the functions' own.
func (v *View) published(namespace string) []series {
	if namespace == contract.MetricNamespace {
		return []series{{dimensions: []string{contract.DimensionStack}, rates: slices.Concat(v.OwnMetrics, v.alertMetrics())}}
	}
	return v.series[namespace]
}

// unknown explains why a metric has no data; empty if it has.
func (v *View) unknown(m metric) string {
	names := sortedNames(m.dimensions)
	table := v.published(m.namespace)
	if table == nil {
		return "no such namespace: " + m.namespace
	}
	for _, s := range table {
		if !slices.Equal(s.dimensions, names) {
			continue
		}
		known := slices.Concat(s.counts, s.gauges, s.rates)
		if !slices.Contains(known, m.name) {
			return fmt.Sprintf("%s publishes no %s by %s", m.namespace, m.name, strings.Join(names, ", "))
		}
		for _, name := range names {
			if !v.dimension(name, m.dimensions[name]) {
				return fmt.Sprintf("%s %q is nothing of this stack", name, m.dimensions[name])
			}
		}
		return s.statistic(m)
	}
	return fmt.Sprintf("%s publishes nothing by %s", m.namespace, strings.Join(names, ", "))
}

// statistic explains why a statistic of a metric is meaningless.
func (s series) statistic(m metric) string {
	switch {
	case m.statistic == "":
		return ""
	case slices.Contains(s.counts, m.name) && m.statistic != "Sum":
		return fmt.Sprintf("%s counts events, so its %s is hardly meaningful", m.name, m.statistic)
	case slices.Contains(s.gauges, m.name) && (m.statistic == "Sum" || m.statistic == "SampleCount"):
		return fmt.Sprintf("%s is a level, so its %s is meaningless", m.name, m.statistic)
	}
	return ""
}

// dimension reports whether a resource publishes metrics under a dimension's
// value.
func (v *View) dimension(name, value string) bool {
	named := func(kind string) bool { _, ok := v.find(value, kind); return ok }
	switch name {
	case "FunctionName":
		r, ok := v.find(value, "AWS::Lambda::Function")
		return ok && v.physicalID(r) == value
	case "StreamName":
		r, ok := v.find(value, "AWS::Kinesis::Stream")
		return ok && v.physicalID(r) == value
	case "DBInstanceIdentifier":
		r, ok := v.find(value, "AWS::RDS::DBInstance")
		return ok && v.physicalID(r) == value
	case "CacheClusterId":
		return slices.ContainsFunc(v.of("AWS::ElastiCache::ReplicationGroup"), func(r cfn.Resource) bool { return slices.Contains(v.nodes(r), value) })
	case "CacheNodeId":
		return value == "0001"
	case "ApiName":
		return slices.ContainsFunc(v.of("AWS::ApiGateway::RestApi"), func(r cfn.Resource) bool { return text(r.Properties["Name"]) == value })
	case "TopicName":
		return slices.ContainsFunc(v.of("AWS::SNS::Topic"), func(r cfn.Resource) bool { return text(v.value(r, "TopicName")) == value })
	case "Stage":
		return named("AWS::ApiGateway::Stage")
	case "EventSourceMappingUUID":
		return named("AWS::Lambda::EventSourceMapping")
	case "BucketName", "SourceBucket":
		return named("AWS::S3::Bucket")
	case "RuleName":
		return named("AWS::Events::Rule")
	case "LogGroupName":
		return named("AWS::Logs::LogGroup")
	case "QueueName":
		return named("AWS::SQS::Queue")
	case "Region":
		return value == v.stack.Region
	case contract.DimensionStack:
		return value == v.stack.Name
	case "Method", "Resource", "StorageType", "FilterId", "ShardId", "RuleId", "Rule", "WebACL", "DestinationBucket":
		return value != ""
	}
	return false
}

// nodes returns the member ids under which a replication group's metrics are
// published; the group's own id has no metrics.
func (v *View) nodes(r cfn.Resource) []string {
	var out []string
	shards, replicas := int(number(r.Properties["NumNodeGroups"])), int(number(r.Properties["ReplicasPerNodeGroup"]))
	if shards > 1 {
		for s := range shards {
			for n := range replicas + 1 {
				out = append(out, fmt.Sprintf("%s-%04d-%03d", v.physicalID(r), s+1, n+1))
			}
		}
		return out
	}
	for n := range int(number(r.Properties["NumCacheClusters"])) {
		out = append(out, fmt.Sprintf("%s-%03d", v.physicalID(r), n+1))
	}
	return out
}
