package sqlproxy_test

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestDocs runs every query of docs/sql.md, and compares its tables and columns with
// the database's.
func TestDocs(t *testing.T) {
	text, err := os.ReadFile("../../docs/sql.md")
	if err != nil {
		t.Fatal(err)
	}
	p := startProxy(t)
	conn := p.connect(t, "")
	queries := regexp.MustCompile("(?s)```sql\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	if len(queries) < 20 {
		t.Errorf("%d queries", len(queries))
	}
	for _, q := range queries {
		if _, err := conn.PgConn().Exec(t.Context(), q[1]).ReadAll(); err != nil {
			t.Errorf("%s\n%v", q[1], err)
		}
	}
	var documented []string
	table := ""
	for _, row := range regexp.MustCompile("(?m)^\\| (?:`([a-z_]+)` )?\\| `([a-z_]+)` \\| ([a-z0-9 ()]+) \\|").FindAllStringSubmatch(string(text), -1) {
		if row[1] != "" {
			table = row[1]
		}
		documented = append(documented, fmt.Sprintf("%s.%s %s", table, row[2], row[3]))
	}
	rows, err := p.Conn(t).Query(t.Context(), `SELECT format('%s.%s %s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod))
		FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid WHERE c.relname IN ('events', 'metric_minute', 'metric', 'quarantine', 'identity', 'identity_user', 'alert', 'alert_change')
			AND c.relnamespace = 'public'::regnamespace AND a.attnum > 0 AND NOT a.attisdropped
		ORDER BY array_position('{events,metric_minute,metric,quarantine,identity,identity_user,alert,alert_change}', c.relname::text), a.attnum`)
	if err != nil {
		t.Fatal(err)
	}
	var columns []string
	for rows.Next() {
		var column string
		if err := rows.Scan(&column); err != nil {
			t.Fatal(err)
		}
		columns = append(columns, column)
	}
	if got, want := strings.Join(documented, "\n"), strings.Join(columns, "\n"); got != want {
		t.Errorf("documented:\n%s\nthe database has:\n%s", got, want)
	}
}
