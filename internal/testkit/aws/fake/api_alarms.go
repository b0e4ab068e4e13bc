package fake

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/smithy-go/encoding/cbor"

	"github.com/streamctl/streamctl/internal/testkit/aws/fake/wire"
)

// maxAlarmNames is CloudWatch's limit of names per call, and of alarms per page.
const maxAlarmNames = 100

type alarmState struct {
	value, reason string
	at            time.Time
}

// SetAlarm sets the state of an alarm, OK, ALARM or INSUFFICIENT_DATA, by its name or its
// logical id.
func (f Surroundings) SetAlarm(name, state, reason string) {
	f.metrics.mu.Lock()
	defer f.metrics.mu.Unlock()
	if f.metrics.alarms == nil {
		f.metrics.alarms = map[string]alarmState{}
	}
	f.metrics.alarms[name] = alarmState{state, reason, time.Now()}
}

// alarm returns the state of an alarm: OK unless a test has set another one. On AWS, a new
// alarm has no data for a few minutes.
func (f cloudWatchAPI) alarm(p *physical) alarmState {
	f.metrics.mu.Lock()
	defer f.metrics.mu.Unlock()
	for name, s := range f.metrics.alarms {
		if name == p.id || called(name, p.stackName, p.logicalID) {
			return s
		}
	}
	return alarmState{"OK", "Threshold Crossed: no datapoints were received", p.created}
}

// describeAlarms returns the metric alarms of the given names, or every alarm, sorted by name.
func (f cloudWatchAPI) describeAlarms(in cbor.Map) (cbor.Map, error) {
	names, byName := in["AlarmNames"].(cbor.List)
	if len(names) > maxAlarmNames {
		return nil, wire.Errorf("ValidationError", "The collection AlarmNames must not have a size greater than %d.", maxAlarmNames)
	}
	var all []*physical
	for _, p := range f.registry.list("AWS::CloudWatch::Alarm") {
		if !byName || slices.ContainsFunc(names, func(v cbor.Value) bool { return text(v) == p.id }) {
			all = append(all, p)
		}
	}
	slices.SortFunc(all, func(a, b *physical) int { return strings.Compare(a.id, b.id) })
	size := maxAlarmNames
	if n, err := cbor.AsInt32(in["MaxRecords"]); err == nil && n > 0 {
		size = min(size, int(n))
	}
	page, next := pageOf(all, text(in["NextToken"]), size)
	list := cbor.List{}
	for _, p := range page {
		s := f.alarm(p)
		threshold, err := strconv.ParseFloat(str(p.props, "Threshold"), 64)
		if err != nil {
			threshold = 0 // an alarm on an anomaly has none
		}
		at := &cbor.Tag{ID: 1, Value: cbor.Float64(float64(s.at.UnixMilli()) / 1000)}
		list = append(list, cbor.Map{
			"AlarmName": cbor.String(p.id), "AlarmArn": cbor.String(f.arn("cloudwatch", "alarm:"+p.id)), "Threshold": cbor.Float64(threshold),
			"StateValue": cbor.String(s.value), "StateReason": cbor.String(s.reason), "StateUpdatedTimestamp": at, "StateTransitionedTimestamp": at,
			"ComparisonOperator": cbor.String(str(p.props, "ComparisonOperator")), "ActionsEnabled": cbor.Bool(str(p.props, "ActionsEnabled") != "false"),
		})
	}
	return paged(cbor.Map{"MetricAlarms": list}, next), nil
}
