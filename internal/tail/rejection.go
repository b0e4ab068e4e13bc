package tail

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/logs"
)

// Rejection is a request with rejected events.
type Rejection struct {
	Time time.Time `json:"time"`
	// Count is the number of rejected events, 1 for a body that is not JSON.
	Count  int    `json:"count"`
	Reason string `json:"reason"`
	// Field is the field that the first reason is about, bounded in length.
	Field string `json:"field,omitempty"`
	// Caller is an IAM identity, or an address.
	Caller string `json:"caller"`
	// Request is the id of the request at API Gateway.
	Request string `json:"requestId"`
}

// NewRejection reads a line of ingest; ok is false for other lines.
func NewRejection(l logs.Line) (r Rejection, ok bool) {
	if l.Message != contract.LogRejected {
		return r, false
	}
	r.Time = l.Time
	var errs []error
	for _, f := range l.Fields {
		target := map[string]any{"count": &r.Count, "reason": &r.Reason, "field": &r.Field, "caller": &r.Caller, "request": &r.Request}[f.Name]
		if target != nil {
			errs = append(errs, json.Unmarshal(f.Value, target))
		}
	}
	return r, errors.Join(errs...) == nil && r.Count > 0
}
