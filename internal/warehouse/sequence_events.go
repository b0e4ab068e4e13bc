package warehouse

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/streamctl/streamctl/internal/sequence"
)

// eventFilter selects events of the table events.
type eventFilter struct {
	from, to time.Time
	types    []string // nil for all
	slices   []int16  // nil for all
	users    []string // nil for all
	// limit is the largest memory of the builder in bytes; 0 for no limit. More events
	// give errTooMuch.
	limit int64
}

var errTooMuch = errors.New("the events need too much memory")

// epoch is PostgreSQL's, in microseconds since 1970.
const epoch = 946_684_800_000_000

// addEvents adds the selected events to a builder, with the properties at paths.
func addEvents(ctx context.Context, tx pgx.Tx, b *sequence.Builder, paths []string, f eventFilter) error {
	args := []any{f.from, f.to}
	var sql strings.Builder
	sql.WriteString("SELECT user_id::text, timestamp, event_id, event_type::text")
	param := func(value any) {
		args = append(args, value)
		fmt.Fprintf(&sql, "$%d", len(args))
	}
	for _, path := range paths {
		names, err := jsonPath(path)
		if err != nil {
			return err
		}
		sql.WriteString(", (properties #> ")
		param(names)
		sql.WriteString("::text[])::text")
	}
	sql.WriteString(" FROM public.events WHERE timestamp >= $1 AND timestamp < $2")
	if f.types != nil {
		sql.WriteString(" AND event_type = ANY(")
		param(f.types)
		sql.WriteString("::text[])")
	}
	if f.users != nil {
		sql.WriteString(" AND user_id = ANY(")
		param(f.users)
		sql.WriteString("::text[])")
	}
	if f.slices != nil {
		sql.WriteString(" AND (get_byte(sha256(convert_to(user_id, 'UTF8')), 0) >> 2) = ANY(")
		param(f.slices)
		sql.WriteString("::int[])")
	}
	if f.limit > 0 {
		sql.WriteString(" LIMIT ")
		param(max(f.limit-b.Bytes(), 0)/sequence.RowBytes(len(paths)) + 1)
	}
	rows, err := tx.Query(ctx, sql.String(), args...)
	if err != nil {
		return fmt.Errorf("read events: %w", err)
	}
	defer rows.Close()
	return addRows(rows, b, len(paths), f.limit)
}

// addRows adds rows of user, time, id, type and n properties. It reads the binary
// values, because scanning takes most of the time otherwise.
func addRows(rows pgx.Rows, b *sequence.Builder, n int, limit int64) error {
	kinds := map[string]string{}
	values := make([]string, n)
	for rows.Next() {
		fields := rows.FieldDescriptions()
		if fields[1].Format != pgtype.BinaryFormatCode || fields[2].Format != pgtype.BinaryFormatCode {
			return fmt.Errorf("read events: the server sends times and ids as text")
		}
		raw := rows.RawValues()
		if len(raw[1]) != 8 || len(raw[2]) != 16 {
			return fmt.Errorf("read events: a time has %d bytes and an id %d", len(raw[1]), len(raw[2]))
		}
		for i := range values {
			values[i] = ""
			if v := raw[4+i]; v != nil {
				values[i] = sequence.Value(jsontext.Value(v))
			}
		}
		kind, ok := kinds[string(raw[3])]
		if !ok {
			kind = string(raw[3])
			kinds[kind] = kind
		}
		b.Add(sequence.Hash(string(raw[0])), int64(binary.BigEndian.Uint64(raw[1]))+epoch, [16]byte(raw[2]), kind, values)
		if limit > 0 && b.Bytes() > limit {
			return errTooMuch
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read events: %w", err)
	}
	return nil
}

// countEvents returns the number of events in a range as the rollups know it, at least
// of the given types; nil means all types. Rollups count the events of whole minutes.
func countEvents(ctx context.Context, tx pgx.Tx, from, to time.Time, types []string) (n int64, err error) {
	err = tx.QueryRow(ctx, `SELECT coalesce(sum(n), 0)::bigint FROM public.metric_minute
		WHERE metric = $1 AND bucket >= $2 AND bucket < $3 AND ($4::text[] IS NULL OR dimension = ANY($4) OR dimension = $5)`,
		MetricEvents, from.Truncate(time.Minute), to, types, OtherDimension).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("estimate events: %w", err)
	}
	return n, nil
}

// PropertyNames returns names of properties: those of the newest events in a range, and the
// declared ones. Names that contain a dot or a quote are left out. Run it as
// streamctl_reader.
func (s *Sequences) PropertyNames(ctx context.Context, from, to time.Time) (names []string, err error) {
	const sample = 200
	err = s.DB.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, `SELECT DISTINCT name FROM (
				SELECT jsonb_object_keys(properties) AS name FROM (
					SELECT properties FROM public.events WHERE timestamp >= $1 AND timestamp < $2 AND jsonb_typeof(properties) = 'object' ORDER BY timestamp DESC LIMIT $3) e
				UNION ALL SELECT substr(path, length('properties.') + 1) FROM public.sequence_property) n
			WHERE name !~ '[."]' AND length(name) <= 100 ORDER BY name LIMIT 1000`, from, to, sample)
		if err != nil {
			return err
		}
		names, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read names of properties: %w", err)
	}
	return names, nil
}
