package query

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/streamctl/streamctl/internal/event"
)

// cursor describes the rest of a response. To clients it is an opaque word with
// a checksum that detects damage.
type cursor struct {
	Metric string `json:"m"`
	// Key is the metric's series; a changed declaration has a different key.
	Key string `json:"k"`
	// From and To are minutes since 1970; Step is in minutes.
	From      int64  `json:"f"`
	To        int64  `json:"t"`
	Step      int64  `json:"s"`
	EventType string `json:"e,omitzero"`
	Total     bool   `json:"n,omitzero"`
}

// next returns the cursor for the range after end; "" if the response is
// complete.
func (r seriesRequest) next(end time.Time) string {
	if !end.Before(r.to) {
		return ""
	}
	return cursor{
		Metric: r.name, Key: r.key, From: end.Unix() / 60, To: r.to.Unix() / 60, Step: int64(r.step / time.Minute),
		EventType: r.eventType, Total: r.total,
	}.encode()
}

func (c cursor) encode() string {
	text, err := json.Marshal(c)
	if err != nil {
		return "" // impossible: an event type and a metric's name are valid UTF-8
	}
	return base64.RawURLEncoding.EncodeToString(append(binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(text)), text...))
}

var errBrokenCursor = errors.New("broken cursor")

func decodeCursor(text string) (c cursor, err error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(raw) < 4 {
		return c, errBrokenCursor
	}
	sum, raw := raw[:4], raw[4:]
	if !bytes.Equal(sum, binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(raw))) {
		return c, errBrokenCursor
	}
	if err := json.Unmarshal(raw, &c, json.RejectUnknownMembers(true)); err != nil {
		return c, errBrokenCursor
	}
	return c, nil
}

// possible reports whether next could have created a cursor with these fields.
// Call it before any calculation with them: the checksum proves nothing,
// because everyone can compute it.
func (c cursor) possible() bool {
	var (
		first = time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC).Unix() / 60
		end   = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC).Unix() / 60
	)
	return c.Step >= 1 && c.Step <= int64(maxStep/time.Minute) && c.From >= first && c.From < c.To && c.To < end &&
		(c.EventType == "" || event.CheckType(c.EventType) == nil)
}

// readCursor continues a request where a response ended.
func readCursor(s series, given map[string]string) (r seriesRequest, err error) {
	if len(given) > 1 {
		return r, &parameterError{"cursor", "must be the only parameter; it replaces all other parameters"}
	}
	text := given["cursor"]
	c, err := decodeCursor(text)
	switch {
	case err != nil || !c.possible():
		return r, &parameterError{"cursor", strconv.Quote(quoteShort(text)) + " is not a valid cursor: send the response's next unchanged, or use from and to"}
	case c.Metric != s.name:
		return r, &parameterError{"cursor", strconv.Quote(quoteShort(text)) + " is for /metrics/" + quoteShort(c.Metric) + ": use it there"}
	case c.Key != s.key:
		return r, &parameterError{"cursor", strconv.Quote(quoteShort(text)) + " is for an earlier declaration of the metric: use from and to"}
	}
	return seriesRequest{
		series: s, eventType: c.EventType, total: c.Total,
		span: span{time.Unix(c.From*60, 0).UTC(), time.Unix(c.To*60, 0).UTC(), time.Duration(c.Step) * time.Minute},
	}, nil
}
