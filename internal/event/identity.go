package event

import (
	"encoding/binary"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/google/uuid"
)

// Identify completes an event's identity: a missing id becomes a version 7 UUID, and a
// missing timestamp the time of receipt. random is crypto/rand.Reader outside tests.
func (e *Event) Identify(received time.Time, random io.Reader) error {
	// Milliseconds, as in the id: a resend with only the id gets the same timestamp.
	received = received.UTC().Truncate(time.Millisecond)
	if e.Timestamp.IsZero() {
		e.Timestamp = received
	}
	if e.ID != uuid.Nil {
		return nil
	}
	return e.mint(received, random)
}

// RandomBytes is the number of bytes that Identify reads for a new id.
const RandomBytes = 10

// mint creates a version 7 UUID: 48 bits of milliseconds, 74 random bits.
func (e *Event) mint(at time.Time, random io.Reader) error {
	if _, err := io.ReadFull(random, e.ID[16-RandomBytes:]); err != nil {
		e.ID = uuid.Nil
		return fmt.Errorf("mint event id: %w", err)
	}
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(at.UnixMilli()))
	copy(e.ID[:6], ms[2:])
	e.ID[6] = e.ID[6]&0x0f | 0x70
	e.ID[8] = e.ID[8]&0x3f | 0x80
	return nil
}

// timeOf returns the time inside a version 7 id. Other ids contain no time, and a
// resend of the same event would then get another identity.
func timeOf(id uuid.UUID) (time.Time, string) {
	if id.Version() != 7 || id.Variant() != uuid.RFC4122 {
		return time.Time{}, "needed with eventId; a resend must carry the same time"
	}
	var ms [8]byte
	copy(ms[2:], id[:6])
	t := time.UnixMilli(int64(binary.BigEndian.Uint64(ms[:]))).UTC()
	if t.Year() < 1970 || t.Year() > 9999 {
		return time.Time{}, "the time inside eventId must lie in the years 1970 to 9999"
	}
	return t, ""
}

// CheckReceipt checks the event's time against its receipt by ingest: at most
// maxAgeDays days before (1 to 365) and MaxAhead after.
func (e Event) CheckReceipt(received time.Time, maxAgeDays int) (FieldError, bool) {
	oldest, newest := received.AddDate(0, 0, -maxAgeDays), received.Add(MaxAhead)
	if !e.Timestamp.Before(oldest) && !e.Timestamp.After(newest) {
		return FieldError{}, true
	}
	return FieldError{Field: "timestamp", Detail: "must lie between " + strconv.Itoa(maxAgeDays) + " days before now and 24 hours after: " +
		oldest.UTC().Format(time.RFC3339) + " to " + newest.UTC().Format(time.RFC3339)}, false
}

// CheckArrival checks the event's time against the arrival of its record on the stream,
// never against a clock or a setting, so that a replay years later has the same result.
func (e Event) CheckArrival(arrived time.Time) error {
	switch {
	case e.Timestamp.Before(arrived.Add(-ArrivalMaxAge)):
		return fmt.Errorf("timestamp lies more than 366 days before the record's arrival")
	case e.Timestamp.After(arrived.Add(ArrivalMaxAhead)):
		return fmt.Errorf("timestamp lies more than 25 hours after the record's arrival")
	}
	return nil
}
