package template

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/awslabs/goformation/v7/cloudformation/cloudwatch"
	"github.com/awslabs/goformation/v7/cloudformation/sns"

	"github.com/streamctl/streamctl/internal/config"
	"github.com/streamctl/streamctl/internal/funcenv"
	"github.com/streamctl/streamctl/templates"
)

func (t *Template) addMonitoring(v config.Variables) {
	t.group("Monitoring")
	t.add(idAlarmTopic, &sns.Topic{DisplayName: new(Sub("${AWS::StackName} alarms")), KmsMasterKeyId: new(Ref(idKey))})
	t.add(idAlarmPolicy, &sns.TopicPolicy{
		Topics: []string{Ref(idAlarmTopic)},
		PolicyDocument: policy(statement{
			Principal: service("cloudwatch.amazonaws.com"), Action: "sns:Publish", Resource: Ref(idAlarmTopic), Condition: ownAccount(),
		}),
	})
	if v.AlarmEmail != "" {
		t.add(idAlarmEmail, &sns.Subscription{TopicArn: Ref(idAlarmTopic), Protocol: "email", Endpoint: new(v.AlarmEmail)})
	}
	for _, a := range alarms(v) {
		t.addAlarm(a)
	}
	t.addFunctionAlarms(v)
	t.addDashboard()
}

// alarm fires when datapoints of the last periods reach a threshold.
type alarm struct {
	id, description   string
	namespace, metric string
	dimensions        []cloudwatch.Alarm_Dimension
	statistic         string // Average, Maximum, Sum, or a percentile such as p99
	seconds           int
	datapoints, of    int
	below             bool // fires below the threshold instead of above
	threshold         float64
	after             string // what has to be there first, or it rings before there is data
	missing           string // what no data means: notBreaching, breaching, or "" for insufficient data
}

func dimension(name, value string) []cloudwatch.Alarm_Dimension {
	return []cloudwatch.Alarm_Dimension{{Name: name, Value: value}}
}

// alarms are one or more for every metric that the brief names. Dimensions
// must match what AWS publishes to the letter, or an alarm never leaves
// INSUFFICIENT_DATA.
func alarms(v config.Variables) []alarm {
	api := []cloudwatch.Alarm_Dimension{{Name: "ApiName", Value: Ref("AWS::StackName")}, {Name: "Stage", Value: stageName}}
	stream := dimension("StreamName", Ref(idStream))
	database := dimension("DBInstanceIdentifier", Ref(idDatabase))
	own := dimension(funcenv.DimensionStack, Ref("AWS::StackName"))
	list := []alarm{
		{id: "ApiErrorsAlarm", description: "The API answers 5xx", namespace: "AWS/ApiGateway", metric: "5XXError", dimensions: api,
			statistic: "Average", seconds: 60, datapoints: 3, of: 5, threshold: 0.01, missing: "notBreaching"},
		{id: "ApiLatencyAlarm", description: "The API is slow", namespace: "AWS/ApiGateway", metric: "Latency", dimensions: api,
			statistic: "p99", seconds: 60, datapoints: 5, of: 5, threshold: 2000, missing: "notBreaching"},
		{id: "StreamThrottledAlarm", description: "The stream refuses writes: more shards are needed", namespace: "AWS/Kinesis", metric: "WriteProvisionedThroughputExceeded",
			dimensions: stream, statistic: "Sum", seconds: 60, datapoints: 3, of: 5, threshold: 0, missing: "notBreaching"},
		{id: "StreamLagAlarm", description: "Readers of the stream are a minute behind", namespace: "AWS/Kinesis", metric: "GetRecords.IteratorAgeMilliseconds",
			dimensions: stream, statistic: "Maximum", seconds: 60, datapoints: 3, of: 5, threshold: 60_000, missing: "notBreaching"},
		{id: "StreamLossAlarm", description: "Readers of the stream are a quarter of its retention behind: records will be lost", namespace: "AWS/Kinesis",
			metric: "GetRecords.IteratorAgeMilliseconds", dimensions: stream, statistic: "Maximum", seconds: 60, datapoints: 1, of: 1,
			threshold: float64(v.StreamRetentionHours) * 3600_000 / 4, missing: "notBreaching"},
		{id: "DatabaseCpuAlarm", description: "PostgreSQL is busy", namespace: "AWS/RDS", metric: "CPUUtilization", dimensions: database,
			statistic: "Average", seconds: 60, datapoints: 5, of: 5, threshold: 80},
		{id: "DatabaseConnectionsAlarm", description: "PostgreSQL is running out of connections", namespace: "AWS/RDS", metric: "DatabaseConnections", dimensions: database,
			statistic: "Maximum", seconds: 60, datapoints: 3, of: 5, threshold: float64(config.MaxConnections(v.DatabaseInstanceClass) * 8 / 10)},
		{id: "DatabaseStorageAlarm", description: "PostgreSQL has less than 15 % of its storage left", namespace: "AWS/RDS", metric: "FreeStorageSpace", dimensions: database,
			statistic: "Minimum", seconds: 300, datapoints: 1, of: 1, below: true, threshold: float64(v.DatabaseStorageGiB) * (1 << 30) * 0.15},
		{id: "QuarantineAlarm", description: "An event could not be loaded and was set aside", namespace: funcenv.MetricNamespace, metric: funcenv.MetricQuarantined, dimensions: own,
			statistic: "Sum", seconds: 60, datapoints: 1, of: 1, threshold: 0, missing: "notBreaching"},
		{id: "PartitionsAlarm", description: "Fewer than three days ahead have a partition", namespace: funcenv.MetricNamespace, metric: funcenv.MetricHorizon, dimensions: own,
			statistic: "Minimum", seconds: 300, datapoints: 12, of: 12, below: true, threshold: 3, missing: "breaching", after: "RefreshSchedule"},
	}
	for node := range v.CacheNodes {
		member := dimension("CacheClusterId", Sub(fmt.Sprintf("${%s}-%03d", idCache, node+1)))
		suffix := strconv.Itoa(node + 1)
		list = append(list,
			alarm{id: "CacheCpuAlarm" + suffix, description: "Redis is busy", namespace: "AWS/ElastiCache", metric: "EngineCPUUtilization", dimensions: member,
				statistic: "Average", seconds: 60, datapoints: 5, of: 5, threshold: 80},
			alarm{id: "CacheMemoryAlarm" + suffix, description: "Redis is running out of memory", namespace: "AWS/ElastiCache", metric: "DatabaseMemoryUsagePercentage", dimensions: member,
				statistic: "Maximum", seconds: 60, datapoints: 3, of: 5, threshold: 80})
	}
	return list
}

func (t *Template) addAlarm(a alarm) {
	comparison := "GreaterThanThreshold"
	if a.below {
		comparison = "LessThanThreshold"
	}
	resource := &cloudwatch.Alarm{
		AlarmDescription:   new(a.description),
		Namespace:          new(a.namespace),
		MetricName:         new(a.metric),
		Dimensions:         a.dimensions,
		Period:             new(a.seconds),
		EvaluationPeriods:  a.of,
		ComparisonOperator: comparison,
		Threshold:          new(a.threshold),
		AlarmActions:       []string{Ref(idAlarmTopic)},
	}
	if a.datapoints != a.of { // all of them is the default
		resource.DatapointsToAlarm = new(a.datapoints)
	}
	if a.after != "" {
		resource.AWSCloudFormationDependsOn = []string{a.after}
	}
	if a.missing != "" {
		resource.TreatMissingData = new(a.missing)
	}
	if a.statistic[0] == 'p' {
		resource.ExtendedStatistic = new(a.statistic)
	} else {
		resource.Statistic = new(a.statistic)
	}
	t.add(a.id, resource)
}

// alarmed are the functions that run by themselves. The migrations' function
// runs in a deploy, which says itself when it fails.
func alarmed() []funcenv.Function {
	return slices.DeleteFunc(funcenv.Functions(), func(f funcenv.Function) bool { return f.Name == funcenv.FuncSchema })
}

// addFunctionAlarms makes two alarms over all functions by metric math: one
// alarm for each would be a fifth of a template's bytes. The dashboard shows
// which function it is.
func (t *Template) addFunctionAlarms(v config.Variables) {
	functions := alarmed()
	share := make([]string, len(functions)) // of its timeout
	for i, f := range functions {
		f, _ := v.Function(f)
		share[i] = fmt.Sprintf("m%d/%d", i, f.TimeoutSeconds*10)
	}
	t.addMathAlarm("FunctionErrorsAlarm", "A function fails", "Errors", "Sum", "SUM(METRICS())", 0)
	t.addMathAlarm("FunctionDurationAlarm", "A function takes more than 80 % of its timeout", "Duration", "Maximum", "MAX(["+strings.Join(share, ",")+"])", 80)
}

func (t *Template) addMathAlarm(id, description, metric, statistic, expression string, threshold float64) {
	queries := []cloudwatch.Alarm_MetricDataQuery{{Id: "all", Expression: new(expression)}}
	for i, f := range alarmed() {
		queries = append(queries, cloudwatch.Alarm_MetricDataQuery{
			Id: fmt.Sprintf("m%d", i), ReturnData: new(false),
			MetricStat: &cloudwatch.Alarm_MetricStat{
				Metric: &cloudwatch.Alarm_Metric{Namespace: new("AWS/Lambda"), MetricName: new(metric), Dimensions: []cloudwatch.Alarm_Dimension{
					{Name: "FunctionName", Value: Ref(functionID(f.Name))}}},
				Period: 60, Stat: statistic,
			},
		})
	}
	t.add(id, &cloudwatch.Alarm{
		AlarmDescription:   new(description),
		Metrics:            queries,
		EvaluationPeriods:  5,
		DatapointsToAlarm:  new(3),
		ComparisonOperator: "GreaterThanThreshold",
		Threshold:          new(threshold),
		TreatMissingData:   new("notBreaching"),
		AlarmActions:       []string{Ref(idAlarmTopic)},
	})
}

func (t *Template) addDashboard() {
	var body bytes.Buffer
	if err := json.Compact(&body, templates.Dashboard); err != nil {
		t.errs = append(t.errs, fmt.Errorf("read templates/dashboard.json: %w", err))
	}
	t.add(idDashboard, &cloudwatch.Dashboard{DashboardBody: Sub(body.String())})
}
