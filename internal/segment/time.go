package segment

import (
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/streamctl/streamctl/internal/event"
	"github.com/streamctl/streamctl/internal/pattern"
)

const (
	// CorrectedSkew is the skew of a client's clock from which an event's time is
	// corrected. Below it, the time is the message's own, so that a retry, which is sent
	// later, has the same identity.
	CorrectedSkew = 15 * time.Minute
	// ReportedSkew is the skew from which the loader looks for the same event with
	// another time: another attempt may have been on the other side of CorrectedSkew.
	ReportedSkew = 10 * time.Minute
)

// times are the times of a message.
type times struct {
	// client is the message's own time, event the event's.
	client, event time.Time
	// skew is how far the client's clock was behind, or 0 up to ReportedSkew.
	skew time.Duration
}

// timesOf returns the message's time, corrected by the skew of the client's clock if it
// is large.
func timesOf(f fields, sentAt jsontext.Value, receipt Receipt) (times, []event.FieldError) {
	t := times{client: receipt.At, event: receipt.At}
	own := false
	for _, v := range []struct {
		name  string
		value jsontext.Value
	}{{"timestamp", f.Timestamp}, {"originalTimestamp", f.OriginalTimestamp}} {
		s, ok := scalar(v.value)
		if ok && s == "" {
			continue
		}
		at, valid := parseTime(s)
		if !ok || !valid {
			return times{}, fieldError(v.name, "must be a time in ISO 8601, such as 2026-01-31T12:00:00.5Z")
		}
		t.client, own = at, true
		break
	}
	if !own {
		id, _ := scalar(f.MessageID)
		if t.client, own = timeInside(id); !own {
			t.client = receipt.At
			return t, nil
		}
	}
	t.event = t.client
	s, _ := scalar(sentAt)
	if s == "" {
		s = receipt.SentAt
	}
	sent, ok := parseTime(s)
	if !ok {
		return t, nil
	}
	skew := receipt.At.Sub(sent).Truncate(time.Millisecond)
	if skew.Abs() > ReportedSkew {
		t.skew = skew
	}
	if skew.Abs() > CorrectedSkew {
		t.event = t.client.Add(skew)
	}
	return t, nil
}

// layouts are forms of ISO 8601 that clients write besides RFC 3339, such as Python's with
// a space. A time without an offset is in UTC, and a date is its first moment.
var layouts = []string{
	"2006-01-02T15:04:05.999999999", "2006-01-02T15:04:05.999999999Z0700", "2006-01-02 15:04:05.999999999", "2006-01-02 15:04:05.999999999Z07:00", time.DateOnly,
}

func parseTime(s string) (time.Time, bool) {
	if t, ok := event.ParseTime(s); ok {
		return t, true
	}
	for _, layout := range layouts {
		if t, err := time.Parse(layout, s); err == nil && t.Year() >= 1970 && t.Year() <= 9999 {
			return t.UTC().Truncate(time.Microsecond), true
		}
	}
	return time.Time{}, false
}

// millisInside matches the milliseconds in a message id such as
// ajs-next-1767225600000-7f6f2a41-….
var millisInside = pattern.New(`-([0-9]{13})-`)

func timeInside(messageID string) (time.Time, bool) {
	m := millisInside.FindStringSubmatch(messageID)
	if m == nil {
		return time.Time{}, false
	}
	ms, err := strconv.ParseInt(m[1], 10, 64)
	if err != nil {
		return time.Time{}, false
	}
	return time.UnixMilli(ms).UTC(), true
}
