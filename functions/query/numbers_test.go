package query_test

import (
	"strings"
	"testing"

	"github.com/streamctl/streamctl/internal/event"
)

// TestAcceptedNumbersCastToFloat8 compares ingest's rule for numbers with
// PostgreSQL: an accepted number casts to float8, and a number of an allowed
// length that doesn't cast is rejected.
func TestAcceptedNumbersCastToFloat8(t *testing.T) {
	conn := shared.Empty(t).Conn(t)
	for _, number := range []string{
		"0", "-0", "0e400", "-0.0e-400", "1.5", "1.7976931348623157e308", "-1.7976931348623157e308", "1.7976931348623158e308", "1.7976931348623159e308", "1.8e308", "1e309", "-1e309",
		"0.1e310", "10e308", "1e400", "-1e400", "5e-324", "4.9e-324", "3e-324", "2.5e-324", "2.4e-324", "2e-324", "1e-323", "-2e-324", "1e-330", "1e-400", "-1e-400", "2.2250738585072011e-308", "1e-310",
		strings.Repeat("9", 256), "-" + strings.Repeat("9", 255), "0." + strings.Repeat("0", 250) + "1", "0." + strings.Repeat("0", 240) + "1e-90", strings.Repeat("9", 240) + "e60", strings.Repeat("9", 240) + "e69",
	} {
		_, errs := event.Decode([]byte(`{"userId":"u","eventType":"x","properties":{"n":` + number + `}}`))
		var value float64
		err := conn.QueryRow(t.Context(), `SELECT (($1::text::jsonb)->>'n')::float8`, `{"n":`+number+`}`).Scan(&value)
		if (len(errs) == 0) != (err == nil) {
			t.Errorf("%s: event %v, PostgreSQL %g, %v", number, errs, value, err)
		}
	}
}
