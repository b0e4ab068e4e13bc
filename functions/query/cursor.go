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

// cursor is what an answer leaves to be asked for. To clients it is one opaque
// word, in which a checksum finds what was damaged on the way.
type cursor struct {
	Metric string `json:"m"`
	// Key is the metric's series, which another declaration changes.
	Key string `json:"k"`
	// From and To are minutes since 1970, Step is minutes.
	From      int64  `json:"f"`
	To        int64  `json:"t"`
	Step      int64  `json:"s"`
	EventType string `json:"e,omitzero"`
	Total     bool   `json:"n,omitzero"`
}

// next is the cursor of what is left after end; "" when nothing is.
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
		return "" // can't be: an event's type and a metric's name are valid UTF-8
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

// possible reports whether the fields are those of a cursor that next could
// make. The checksum proves nothing: anybody can compute it. Nothing may be
// calculated from the fields before.
func (c cursor) possible() bool {
	var (
		first = time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC).Unix() / 60
		end   = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC).Unix() / 60
	)
	return c.Step >= 1 && c.Step <= int64(maxStep/time.Minute) && c.From >= first && c.From < c.To && c.To < end &&
		(c.EventType == "" || event.CheckType(c.EventType) == nil)
}

// readCursor resumes a request where an answer left it.
func readCursor(s series, given map[string]string) (r seriesRequest, err error) {
	if len(given) > 1 {
		return r, &parameterError{"cursor", "goes alone: leave the other parameters out, it holds them"}
	}
	text := given["cursor"]
	c, err := decodeCursor(text)
	switch {
	case err != nil || !c.possible():
		return r, &parameterError{"cursor", strconv.Quote(quoteShort(text)) + " is not the next of an answer, or was damaged: give that as it is, or ask with from and to"}
	case c.Metric != s.name:
		return r, &parameterError{"cursor", strconv.Quote(quoteShort(text)) + " is for /metrics/" + quoteShort(c.Metric) + ": ask there"}
	case c.Key != s.key:
		return r, &parameterError{"cursor", strconv.Quote(quoteShort(text)) + " is for the metric as it was declared before: ask again with from and to"}
	}
	return seriesRequest{
		series: s, eventType: c.EventType, total: c.Total,
		span: span{time.Unix(c.From*60, 0).UTC(), time.Unix(c.To*60, 0).UTC(), time.Duration(c.Step) * time.Minute},
	}, nil
}
