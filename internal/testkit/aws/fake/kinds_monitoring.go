package fake

import (
	"context"
	"strings"

	"github.com/streamctl/streamctl/internal/testkit/aws/fake/cfn"
)

// monitoringKinds declares alarms, the dashboard and the topic.
func monitoringKinds() map[string]kind {
	return map[string]kind{
		"AWS::SNS::Topic": {
			Kind: cfn.Kind{CreateOnly: []string{"TopicName", "FifoTopic"}},
			id: func(r cfn.Request) string {
				parts := strings.Split(r.StackID, ":") // arn:aws:cloudformation:region:account:stack/…
				return "arn:aws:sns:" + parts[3] + ":" + parts[4] + ":" + named("TopicName", 256)(r)
			},
			attributes: map[string]string{"TopicArn": "{id}", "TopicName": ""},
			create: func(_ context.Context, _ *account, r cfn.Request) (map[string]any, error) {
				return map[string]any{"TopicName": r.PhysicalID[strings.LastIndexByte(r.PhysicalID, ':')+1:]}, nil
			},
		},
		"AWS::SNS::TopicPolicy": {
			Kind: cfn.Kind{Required: []string{"PolicyDocument", "Topics"}}, id: func(r cfn.Request) string { return generated(r, 64) },
			attributes: map[string]string{"Id": "{id}"},
		},
		"AWS::SNS::Subscription": {
			Kind: cfn.Kind{Required: []string{"TopicArn", "Protocol"}, CreateOnly: []string{"TopicArn", "Protocol", "Endpoint"}},
			id:   func(r cfn.Request) string { return str(r.Properties, "TopicArn") + ":" + uuid(r) }, attributes: map[string]string{"Arn": "{id}"},
			check: func(f *account, r cfn.Request) error {
				if _, ok := f.registry.find("AWS::SNS::Topic", str(r.Properties, "TopicArn")); !ok {
					return handlerError("Sns", 404, "Topic does not exist", "NotFound")
				}
				return nil
			},
		},
		"AWS::CloudWatch::Alarm": {
			Kind: cfn.Kind{Required: []string{"ComparisonOperator", "EvaluationPeriods"}, CreateOnly: []string{"AlarmName"}},
			id:   named("AlarmName", 255), check: checkAlarm, attributes: map[string]string{"Arn": "arn:aws:cloudwatch:{region}:{account}:alarm:{id}"},
		},
		"AWS::CloudWatch::Dashboard": {
			Kind: cfn.Kind{Required: []string{"DashboardBody"}, CreateOnly: []string{"DashboardName"}}, id: named("DashboardName", 255),
			check: func(_ *account, r cfn.Request) error {
				if !validJSON(r.Properties["DashboardBody"]) {
					return handlerError("CloudWatch", 400, "The dashboard body is invalid, there are validation errors: Invalid JSON", "InvalidRequest")
				}
				return nil
			},
		},
	}
}

// checkAlarm wants one metric or one returned expression, and M of at most N.
func checkAlarm(_ *account, r cfn.Request) error {
	p := r.Properties
	refuse := func(message string) error { return handlerError("CloudWatch", 400, message, "InvalidRequest") }
	queries, _ := p["Metrics"].([]any)
	if len(queries) == 0 && (str(p, "MetricName") == "" || str(p, "Namespace") == "" || str(p, "Period") == "") {
		return refuse("At least one metric with its period must be specified")
	}
	returned := 0
	for _, q := range queries {
		if m, ok := q.(map[string]any); ok && str(m, "ReturnData") != "false" {
			returned++
		}
	}
	if len(queries) > 0 && returned != 1 {
		return refuse("Exactly one metric data query must return data")
	}
	if number(p, "DatapointsToAlarm", 1) > number(p, "EvaluationPeriods", 1) {
		return refuse("DatapointsToAlarm must be less than or equal to EvaluationPeriods")
	}
	return nil
}
