package template

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/awslabs/goformation/v7/cloudformation/cloudwatch"
	"github.com/awslabs/goformation/v7/cloudformation/sns"

	"github.com/streamctl/streamctl/internal/config"
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
	t.addDashboard()
}

// addAlarm adds an alarm on a metric, or on an expression over several.
func (t *Template) addAlarm(a alarm) {
	comparison := "GreaterThanThreshold"
	if a.below {
		comparison = "LessThanThreshold"
	}
	resource := &cloudwatch.Alarm{
		EvaluationPeriods:  a.of,
		ComparisonOperator: comparison,
		Threshold:          new(a.threshold),
	}
	if !a.quiet {
		resource.AlarmActions = []string{Ref(idAlarmTopic)}
	}
	if a.description != "" {
		resource.AlarmDescription = new(a.description)
	}
	if a.datapoints != a.of { // equal is the default
		resource.DatapointsToAlarm = new(a.datapoints)
	}
	if a.after != "" {
		resource.AWSCloudFormationDependsOn = []string{a.after}
	}
	if a.missing != "" {
		resource.TreatMissingData = new(a.missing)
	}
	if len(a.metrics) > 1 {
		resource.Metrics = a.queries()
	} else {
		m := a.metrics[0]
		resource.Namespace, resource.MetricName, resource.Dimensions, resource.Period = new(m.namespace), new(m.name), m.dimensions, new(a.seconds)
		if m.statistic[0] == 'p' {
			resource.ExtendedStatistic = new(m.statistic)
		} else {
			resource.Statistic = new(m.statistic)
		}
	}
	t.add(a.id, resource)
}

// queries returns the expression, whose result the alarm evaluates, and its metrics.
func (a alarm) queries() []cloudwatch.Alarm_MetricDataQuery {
	queries := []cloudwatch.Alarm_MetricDataQuery{{Id: "all", Expression: new(a.expression)}}
	for i, m := range a.metrics {
		queries = append(queries, cloudwatch.Alarm_MetricDataQuery{
			Id: "m" + itoa(i), ReturnData: new(false),
			MetricStat: &cloudwatch.Alarm_MetricStat{
				Metric: &cloudwatch.Alarm_Metric{Namespace: new(m.namespace), MetricName: new(m.name), Dimensions: m.dimensions},
				Period: a.seconds, Stat: m.statistic,
			},
		})
	}
	return queries
}

func (t *Template) addDashboard() {
	var body bytes.Buffer
	if err := json.Compact(&body, templates.Dashboard); err != nil {
		t.errs = append(t.errs, fmt.Errorf("read templates/dashboard.json: %w", err))
	}
	t.add(idDashboard, &cloudwatch.Dashboard{DashboardBody: Sub(body.String())})
}
