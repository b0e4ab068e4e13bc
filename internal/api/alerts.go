package api

import "time"

// AlertsResponse is the body of GET /metrics/alerts.
type AlertsResponse struct {
	Origin `json:",inline"`
	Alerts []Alert `json:"alerts"`
	// Changes are those since From, the oldest first.
	From    time.Time     `json:"from"`
	Changes []AlertChange `json:"changes"`
}

// Alert is a declared alert and its state.
type Alert struct {
	Name     string `json:"name"`
	Severity string `json:"severity"`
	// Condition describes when the alert fires.
	Condition string `json:"condition"`
	// Metric and Value identify the series. Value is a dimension value of the metric, or
	// empty.
	Metric string `json:"metric"`
	Value  string `json:"dimensionValue,omitempty"`
	// State is ok, pending, firing, silenced or no data.
	State string `json:"state"`
	// Since is when the state began; Evaluated is the end of the newest minute that was
	// evaluated.
	Since     time.Time `json:"since"`
	Evaluated time.Time `json:"evaluated"`
	// Number is the number, ratio or change in percent; nil without data.
	Number *float64 `json:"value"`
}

// AlertChange is a change of an alert's state.
type AlertChange struct {
	Name   string    `json:"name"`
	At     time.Time `json:"at"`
	State  string    `json:"state"`
	Number *float64  `json:"value"`
}
