package fake

import (
	"github.com/streamctl/streamctl/internal/testkit/aws/fake/cfn"
)

// cloudWatchKinds declares CloudWatch's types.
func cloudWatchKinds() map[string]kind {
	return map[string]kind{
		"AWS::CloudWatch::Alarm": {
			id: named("AlarmName", 255), check: checkAlarm, attributes: map[string]string{"Arn": "arn:aws:cloudwatch:{region}:{account}:alarm:{id}"},
		},
		"AWS::CloudWatch::Dashboard": {
			id: named("DashboardName", 255),
			check: func(_ *account, r cfn.Request) error {
				if !validJSON(r.Properties["DashboardBody"]) {
					return handlerError("CloudWatch", 400, "The dashboard body is invalid, there are validation errors: Invalid JSON", "InvalidRequest")
				}
				return nil
			},
		},
	}
}

// checkAlarm requires one metric or one returned expression, and M of at most
// N.
func checkAlarm(_ *account, r cfn.Request) error {
	p := r.Properties
	refuse := func(message string) error { return handlerError("CloudWatch", 400, message, "InvalidRequest") }
	for _, name := range []string{"ComparisonOperator", "EvaluationPeriods"} {
		if str(p, name) == "" {
			return refuse("The parameter " + name + " must be specified")
		}
	}
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
