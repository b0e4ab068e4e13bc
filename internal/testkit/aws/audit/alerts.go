package audit

import (
	"github.com/streamctl/streamctl/internal/alert"
	"github.com/streamctl/streamctl/internal/contract"
)

// alerts returns the declared alerts, which maintenance evaluates.
func (v *View) alerts() (all []alert.Definition) {
	for _, f := range v.of("AWS::Lambda::Function") {
		variables := at(f.Properties, "Environment", "Variables")
		env, _ := contract.LoadMaintenance(func(name string) string { return text(at(variables, name)) }) // other functions lack variables
		declared, err := alert.Decode(env.Alerts)
		if err != nil {
			return nil // the alarms then have no metrics
		}
		all = append(all, declared...)
	}
	return all
}

// alertMetrics returns the metrics that maintenance publishes for alerts.
func (v *View) alertMetrics() (names []string) {
	for _, d := range v.alerts() {
		names = append(names, contract.AlertMetric(d.Name))
	}
	return names
}

// isInformation reports whether an alarm is that of an alert which only informs.
func (v *View) isInformation(alarm string) bool {
	for _, d := range v.alerts() {
		if d.AlarmID() == alarm && d.Level() == alert.SeverityInfo {
			return true
		}
	}
	return false
}
