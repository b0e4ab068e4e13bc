package template

import "github.com/streamctl/streamctl/internal/config"

// AlarmMetrics is the number of metrics in the alarms, each of which CloudWatch bills.
func AlarmMetrics(v config.Variables) (n int) {
	for _, a := range alarms(v) {
		n += len(a.metrics)
	}
	return n
}
