package fake

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/streamctl/streamctl/internal/pause"
	"github.com/streamctl/streamctl/internal/testkit/aws/fake/cfn"
	"github.com/streamctl/streamctl/internal/testkit/aws/fake/wire"
)

// checkEventRule requires a schedule that EventBridge accepts, and existing
// targets.
func checkEventRule(f *account, r cfn.Request) error {
	expression := str(r.Properties, "ScheduleExpression")
	if expression == "" && r.Properties["EventPattern"] == nil {
		return handlerError("EventBridge", 400, "Parameter(s) EventPattern or ScheduleExpression must be specified.", "InvalidRequest")
	}
	if _, isRate := period(expression); expression != "" && !isRate && !strings.HasPrefix(expression, "cron(") {
		return handlerError("EventBridge", 400, "Parameter ScheduleExpression is not valid.", "InvalidRequest")
	}
	for _, target := range children(r.Properties, "Targets") {
		if input := str(target, "Input"); input != "" && !json.Valid([]byte(input)) {
			return handlerError("EventBridge", 400, "JSON syntax error in input for target "+str(target, "Id"), "InvalidRequest")
		}
		if _, ok := f.functions.find(str(target, "Arn")); !ok {
			return handlerError("EventBridge", 400, "the fake does not support the target "+str(target, "Arn"), "InvalidRequest")
		}
	}
	return nil
}

// period parses rate(1 minute) and rate(5 minutes).
func period(expression string) (time.Duration, bool) {
	m := regexp.MustCompile(`^rate\((\d+) (minute|hour|day)(s?)\)$`).FindStringSubmatch(expression)
	if m == nil {
		return 0, false
	}
	n, err := strconv.Atoi(m[1])
	if err != nil || n < 1 || (n == 1) != (m[3] == "") {
		return 0, false
	}
	unit := map[string]time.Duration{"minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour}[m[2]]
	return time.Duration(n) * unit, true
}

// Fire runs a rule's targets now, by the rule's logical id, and waits for them.
func (f Functions) Fire(ctx context.Context, ruleLogicalID string) error {
	for _, p := range f.registry.list("AWS::Events::Rule") {
		if called(ruleLogicalID, p.stackName, p.logicalID) {
			return f.schedules.fire(ctx, p)
		}
	}
	return fmt.Errorf("fire %s: rule not found", ruleLogicalID)
}

func (f schedules) fire(ctx context.Context, rule *physical) error {
	for _, target := range children(rule.props, "Targets") {
		fn, ok := f.functions.find(str(target, "Arn"))
		if !ok {
			return fmt.Errorf("fire %s: function %s not found", rule.logicalID, str(target, "Arn"))
		}
		if !f.lambda.permitted(str(target, "Arn"), "events.amazonaws.com", f.arn("events", "rule/"+rule.id)) {
			return fmt.Errorf("fire %s: no permission to invoke %s", rule.logicalID, fn.logicalID)
		}
		payload := []byte(str(target, "Input"))
		if len(payload) == 0 {
			payload = f.scheduledEvent(rule)
		}
		res, err := f.functions.invoke(ctx, fn, payload)
		if err != nil {
			return fmt.Errorf("fire %s: %w", rule.logicalID, err)
		}
		if res.functionError != "" {
			return fmt.Errorf("fire %s: %s: %s", rule.logicalID, res.functionError, res.payload)
		}
	}
	return nil
}

func (f schedules) scheduledEvent(rule *physical) []byte {
	payload, err := json.Marshal(map[string]any{
		"version": "0", "id": wire.NewUUID(), "detail-type": "Scheduled Event", "source": "aws.events", "account": f.options.Account,
		"time": time.Now().UTC().Format(time.RFC3339), "region": f.options.Region, "resources": []string{f.arn("events", "rule/"+rule.id)}, "detail": map[string]any{},
	})
	if err != nil {
		return []byte(`{}`)
	}
	return payload
}

// startTimer runs a rule by the clock while it exists, with Options.Timer.
func (f schedules) startTimer(ruleID string) {
	rule, ok := f.registry.find("AWS::Events::Rule", ruleID)
	if !ok || !f.options.Timer {
		return
	}
	every, ok := period(str(rule.props, "ScheduleExpression"))
	if !ok {
		return
	}
	f.spawn(func(ctx context.Context) {
		for pause.For(ctx, every) == nil {
			rule, ok := f.registry.find("AWS::Events::Rule", ruleID)
			if !ok {
				return
			}
			if str(rule.props, "State") == "DISABLED" {
				continue
			}
			if err := f.fire(ctx, rule); err != nil {
				f.options.Log.WarnContext(ctx, "could not run rule", "err", err)
			}
		}
	})
}

// permitted reports whether an AWS::Lambda::Permission lets a service invoke a
// function for a source ARN. A permission for an alias or a version applies
// only to that alias or version, and a permission for the function to neither.
func (f lambdaAPI) permitted(function, principal, source string) bool {
	for _, p := range f.registry.list("AWS::Lambda::Permission") {
		if f.functionARN(str(p.props, "FunctionName")) == f.functionARN(function) && str(p.props, "Principal") == principal &&
			(str(p.props, "Action") == "lambda:InvokeFunction" || str(p.props, "Action") == "lambda:*") && matches(str(p.props, "SourceArn"), source) {
			return true
		}
	}
	return false
}

// matches implements ArnLike: * matches any text; an empty pattern matches
// everything.
func matches(pattern, value string) bool {
	if pattern == "" {
		return true
	}
	parts := strings.Split(pattern, "*")
	if !strings.HasPrefix(value, parts[0]) {
		return false
	}
	value = value[len(parts[0]):]
	for i, part := range parts[1:] {
		if i == len(parts)-2 {
			return strings.HasSuffix(value, part)
		}
		at := strings.Index(value, part)
		if at < 0 {
			return false
		}
		value = value[at+len(part):]
	}
	return value == ""
}
