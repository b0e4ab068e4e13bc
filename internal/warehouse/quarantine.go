package warehouse

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Quarantined is a line in quarantine.
type Quarantined struct {
	ID int64
	Position
	Reason string
	// Object is the key of the archive object with the line's bytes.
	Object        string
	QuarantinedAt time.Time
	// RetriedAt is when the line was loaded after all; nil if it is not loaded.
	RetriedAt *time.Time
}

const quarantineColumns = "id, shard, seq, i, reason, object, quarantined_at, retried_at"

func scanQuarantined(row pgx.CollectableRow) (q Quarantined, err error) {
	err = row.Scan(&q.ID, &q.Shard, &q.Seq, &q.I, &q.Reason, &q.Object, &q.QuarantinedAt, &q.RetriedAt)
	return q, err
}

// Quarantined lists lines in quarantine, newest first, with ids below before; 0
// means from the newest one. With all it includes lines that were loaded after
// all.
func (d *DB) Quarantined(ctx context.Context, before int64, limit int, all bool) (lines []Quarantined, err error) {
	err = d.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, "SELECT "+quarantineColumns+` FROM public.quarantine
			WHERE ($1 = 0 OR id < $1) AND ($3 OR retried_at IS NULL) ORDER BY id DESC LIMIT $2`, before, limit, all)
		if err != nil {
			return err
		}
		lines, err = pgx.CollectRows(rows, scanQuarantined)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list quarantine: %w", err)
	}
	return lines, nil
}

// QuarantinedLine returns a line in quarantine; ok is false if it does not
// exist.
func (d *DB) QuarantinedLine(ctx context.Context, id int64) (line Quarantined, ok bool, err error) {
	err = d.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, "SELECT "+quarantineColumns+" FROM public.quarantine WHERE id = $1", id)
		if err != nil {
			return err
		}
		line, err = pgx.CollectOneRow(rows, scanQuarantined)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		ok = err == nil
		return err
	})
	if err != nil {
		return line, false, fmt.Errorf("read quarantined line %d: %w", id, err)
	}
	return line, ok, nil
}

// QuarantineObjects lists the archive objects with lines that are not loaded,
// by key, after a key. Without ids it lists those of all lines.
func (d *DB) QuarantineObjects(ctx context.Context, after string, ids []int64, limit int) (keys []string, err error) {
	err = d.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, `SELECT DISTINCT object COLLATE "C" AS key FROM public.quarantine
			WHERE retried_at IS NULL AND object COLLATE "C" > $1 AND (coalesce(cardinality($2::bigint[]), 0) = 0 OR id = ANY($2))
			ORDER BY key LIMIT $3`, after, ids, limit)
		if err != nil {
			return err
		}
		keys, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list quarantine objects: %w", err)
	}
	return keys, nil
}

// QuarantinedIn lists the lines in an archive object that are not loaded, all
// or those with ids.
func (d *DB) QuarantinedIn(ctx context.Context, object string, ids []int64) (lines []Quarantined, err error) {
	err = d.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, "SELECT "+quarantineColumns+` FROM public.quarantine
			WHERE object = $1 AND retried_at IS NULL AND (coalesce(cardinality($2::bigint[]), 0) = 0 OR id = ANY($2)) ORDER BY id`, object, ids)
		if err != nil {
			return err
		}
		lines, err = pgx.CollectRows(rows, scanQuarantined)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list lines of %s: %w", object, err)
	}
	return lines, nil
}

// CountQuarantined counts the lines that are not loaded, all or those with ids,
// and their objects.
func (d *DB) CountQuarantined(ctx context.Context, ids []int64) (lines, objects int64, err error) {
	err = d.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return conn.QueryRow(ctx, `SELECT count(*), count(DISTINCT object) FROM public.quarantine
			WHERE retried_at IS NULL AND (coalesce(cardinality($1::bigint[]), 0) = 0 OR id = ANY($1))`, ids).Scan(&lines, &objects)
	})
	if err != nil {
		return 0, 0, fmt.Errorf("count quarantine: %w", err)
	}
	return lines, objects, nil
}
