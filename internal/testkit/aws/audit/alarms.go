package audit

import (
	"maps"
	"slices"
	"strings"

	"github.com/streamctl/streamctl/internal/testkit/aws/fake/cfn"
)

func sortedNames[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func dimensions(value any) map[string]string {
	out := map[string]string{}
	for _, d := range list(value) {
		out[text(at(d, "Name"))] = text(at(d, "Value"))
	}
	return out
}

// reads returns the metrics of an alarm.
func reads(alarm cfn.Resource) []metric {
	p := alarm.Properties
	if p["Metrics"] == nil {
		return []metric{{namespace: text(p["Namespace"]), name: text(p["MetricName"]), statistic: text(p["Statistic"]) + text(p["ExtendedStatistic"]),
			dimensions: dimensions(p["Dimensions"]), seconds: int(number(p["Period"]))}}
	}
	var out []metric
	for _, q := range list(p["Metrics"]) {
		if stat := at(q, "MetricStat"); stat != nil {
			m := at(stat, "Metric")
			out = append(out, metric{namespace: text(at(m, "Namespace")), name: text(at(m, "MetricName")), statistic: text(at(stat, "Stat")),
				dimensions: dimensions(at(m, "Dimensions")), seconds: int(number(at(stat, "Period")))})
		}
	}
	return out
}

// alarmMetrics finds alarms that would never have data.
func alarmMetrics(v *View) []Problem {
	var out report
	for _, a := range v.of("AWS::CloudWatch::Alarm") {
		metrics := reads(a)
		if len(metrics) == 0 {
			out.add(a.ID, "reads no metric")
		}
		for _, m := range metrics {
			if why := v.unknown(m); why != "" {
				out.add(a.ID, "%s", why)
			}
		}
	}
	return out
}

// switchedOn finds alarms on metrics that are published only if a setting
// enables them.
func switchedOn(v *View) []Problem {
	var out report
	for _, a := range v.of("AWS::CloudWatch::Alarm") {
		for _, m := range reads(a) {
			if why := v.off(m); why != "" {
				out.add(a.ID, "%s %s: %s", m.namespace, m.name, why)
			}
		}
	}
	return out
}

func (v *View) off(m metric) string {
	switch {
	case m.namespace == "AWS/Lambda" && m.dimensions["EventSourceMappingUUID"] != "":
		if r, ok := v.find(m.dimensions["EventSourceMappingUUID"], "AWS::Lambda::EventSourceMapping"); ok && len(list(at(r.Properties, "MetricsConfig", "Metrics"))) == 0 {
			return r.ID + " has no MetricsConfig"
		}
	case m.namespace == "AWS/ApiGateway" && m.dimensions["Method"] != "":
		for _, s := range v.of("AWS::ApiGateway::Stage") {
			for _, setting := range list(s.Properties["MethodSettings"]) {
				if !yes(at(setting, "MetricsEnabled")) {
					return s.ID + " has no MetricsEnabled"
				}
			}
		}
	case m.namespace == "AWS/Kinesis" && m.dimensions["ShardId"] != "":
		if r, ok := v.find(m.dimensions["StreamName"], "AWS::Kinesis::Stream"); ok && len(list(r.Properties["DesiredShardLevelMetrics"])) == 0 {
			return r.ID + " has no shard-level metrics"
		}
	case m.namespace == "AWS/RDS":
		if r, ok := v.find(m.dimensions["DBInstanceIdentifier"], "AWS::RDS::DBInstance"); ok {
			return databaseMetricOff(r, m.name)
		}
	case m.namespace == "AWS/ElastiCache" && (m.name == "ReplicationLag" || m.name == "CPUCreditBalance"):
		for _, r := range v.of("AWS::ElastiCache::ReplicationGroup") {
			if m.name == "ReplicationLag" && len(v.nodes(r)) < 2 {
				return r.ID + " has no replica"
			}
			if m.name == "CPUCreditBalance" && !strings.HasPrefix(text(r.Properties["CacheNodeType"]), "cache.t") {
				return r.ID + " is of no burstable type"
			}
		}
	case m.namespace == "AWS/S3" && m.dimensions["FilterId"] != "":
		if r, ok := v.find(m.dimensions["BucketName"], "AWS::S3::Bucket"); ok && len(list(r.Properties["MetricsConfigurations"])) == 0 {
			return r.ID + " has no request metrics"
		}
	}
	return ""
}

func databaseMetricOff(r cfn.Resource, name string) string {
	switch {
	case name == "CPUCreditBalance" && !strings.HasPrefix(text(r.Properties["DBInstanceClass"]), "db.t"):
		return r.ID + " is of no burstable class"
	case name == "ReplicaLag" && r.Properties["SourceDBInstanceIdentifier"] == nil:
		return r.ID + " is not a replica"
	case name == "DBLoad" && !yes(r.Properties["EnablePerformanceInsights"]):
		return r.ID + " has no Performance Insights"
	}
	return ""
}

// alarmWindows finds alarms that CloudWatch rejects or that can't reach their
// threshold.
func alarmWindows(v *View) []Problem {
	var out report
	for _, a := range v.of("AWS::CloudWatch::Alarm") {
		p := a.Properties
		of, datapoints := number(p["EvaluationPeriods"]), number(p["DatapointsToAlarm"])
		if of < 1 || datapoints > of {
			out.add(a.ID, "%v of %v periods", datapoints, of)
		}
		for _, m := range reads(a) {
			window := of * float64(m.seconds)
			limit := 86400.0
			if m.seconds >= 3600 {
				limit *= 7
			}
			if m.seconds < 60 || m.seconds%60 != 0 || window > limit {
				out.add(a.ID, "period of %d s, %v times", m.seconds, of)
			}
			if m.namespace == "AWS/S3" && m.dimensions["StorageType"] != "" && m.seconds < 86400 {
				out.add(a.ID, "%s is published once a day", m.name)
			}
		}
		returned := 0
		for _, q := range list(p["Metrics"]) {
			if data := at(q, "ReturnData"); data == nil || yes(data) {
				returned++
			}
		}
		if p["Metrics"] != nil && (returned != 1 || p["Period"] != nil || p["MetricName"] != nil) {
			out.add(a.ID, "metric math returns %d results", returned)
		}
		if text(p["Threshold"]) == "" {
			out.add(a.ID, "has no threshold")
		}
	}
	return out
}

// alarmActions finds alarms without an effective action.
func alarmActions(v *View) []Problem {
	var out report
	for _, a := range v.of("AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm") {
		notifies := false
		for _, action := range list(a.Properties["AlarmActions"]) {
			topic, ok := v.find(action, "AWS::SNS::Topic")
			notifies = notifies || ok && v.publishes(topic)
		}
		if v.isInformation(a.ID) {
			continue
		}
		if !notifies || text(a.Properties["ActionsEnabled"]) == "false" {
			out.add(a.ID, "has no action on a topic that CloudWatch may publish to")
		}
	}
	return out
}

// publishes reports whether a topic's policy lets CloudWatch publish.
func (v *View) publishes(topic cfn.Resource) bool {
	arn := text(v.value(topic, "TopicArn"))
	for _, p := range v.of("AWS::SNS::TopicPolicy") {
		if !slices.Contains(texts(p.Properties["Topics"]), arn) {
			continue
		}
		for _, s := range statements(p.Properties["PolicyDocument"]) {
			if s.effect == "Allow" && s.covers("sns:Publish", arn) && slices.Contains(s.services(), "cloudwatch.amazonaws.com") {
				return true
			}
		}
	}
	return false
}
