package alert

import (
	"slices"
	"time"
)

// IsSilent reports whether a time is in one of the alert's silence periods. A zone that
// is unknown where this runs is an error.
func (d Definition) IsSilent(at time.Time) (bool, error) {
	for _, s := range d.Silence {
		silent, err := s.contains(at)
		if err != nil || silent {
			return silent, err
		}
	}
	return false, nil
}

func (s Silence) contains(at time.Time) (bool, error) {
	zone, err := time.LoadLocation(s.Zone)
	if err != nil {
		return false, err
	}
	local := at.In(zone)
	today := local.Weekday()
	if s.From == "" {
		return s.on(today), nil
	}
	from, err := clock(s.From)
	if err != nil {
		return false, err
	}
	to, err := clock(s.To)
	if err != nil {
		return false, err
	}
	// Times of day as clocks show them: a period is an hour longer or shorter when
	// clocks change.
	minute := local.Hour()*60 + local.Minute()
	if from < to {
		return s.on(today) && from <= minute && minute < to, nil
	}
	yesterday := (today + 6) % 7
	return s.on(today) && minute >= from || s.on(yesterday) && minute < to, nil
}

func (s Silence) on(day time.Weekday) bool {
	return len(s.Days) == 0 || slices.Contains(s.Days, weekdays()[day])
}
