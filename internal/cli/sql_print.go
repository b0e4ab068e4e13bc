package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/streamctl/streamctl/internal/cli/ui"
)

// sqlResult is the result of sql.
type sqlResult struct {
	Columns []sqlColumn `json:"columns"`
	// Rows have the values in the order of the columns: numbers and booleans as such,
	// JSON as it is, NULL as null, everything else as text.
	Rows [][]any `json:"rows"`
}

// sqlColumn is a column of a result. Names may occur more than once.
type sqlColumn struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// printJSONRows prints a sqlResult as its rows come: it may be larger than the memory.
func printJSONRows(a *App, r *pgconn.ResultReader) error {
	types := pgtype.NewMap()
	columns := []sqlColumn{}
	for _, f := range r.FieldDescriptions() {
		name := fmt.Sprintf("oid %d", f.DataTypeOID)
		if t, ok := types.TypeForOID(f.DataTypeOID); ok {
			name = t.Name
		}
		columns = append(columns, sqlColumn{f.Name, name})
	}
	head, err := json.Marshal(columns)
	if err != nil {
		return fmt.Errorf("encode columns: %w", err)
	}
	out := ui.JSONWriter(ui.Raw(a.out))
	if _, err := fmt.Fprintf(out, "{\"columns\":%s,\"rows\":[", head); err != nil {
		return err
	}
	separator := "\n"
	for r.NextRow() {
		row := make([]any, len(columns))
		for i, v := range r.Values() {
			row[i] = jsonValue(v, r.FieldDescriptions()[i].DataTypeOID)
		}
		text, err := json.Marshal(row)
		if err != nil {
			return fmt.Errorf("encode row: %w", err)
		}
		if _, err := fmt.Fprintf(out, "%s%s", separator, text); err != nil {
			return err
		}
		separator = ",\n"
	}
	_, err = fmt.Fprintf(out, "\n]}\n")
	return err
}

// jsonValue returns a value for JSON from its text format.
func jsonValue(v []byte, oid uint32) any {
	switch oid {
	case pgtype.BoolOID:
		if v != nil {
			return string(v) == "t"
		}
	case pgtype.Int2OID, pgtype.Int4OID, pgtype.Int8OID, pgtype.OIDOID, pgtype.Float4OID, pgtype.Float8OID, pgtype.NumericOID, pgtype.JSONOID, pgtype.JSONBOID:
		if json.Valid(v) { // NaN is text
			return json.RawMessage(bytes.Clone(v))
		}
	}
	if v == nil {
		return nil
	}
	return string(v)
}

// sampleRows is the number of rows that decide the widths of a table's columns.
const sampleRows = 1000

// printTable prints a table. Numbers are aligned to the right.
func printTable(a *App, r *pgconn.ResultReader) error {
	fields := r.FieldDescriptions()
	t := table{a: a, widths: make([]int, len(fields)), right: make([]bool, len(fields))}
	head := make([]string, len(fields))
	for i, f := range fields {
		head[i] = ui.Line(f.Name)
		t.widths[i] = ui.Width(head[i])
		switch f.DataTypeOID {
		case pgtype.Int2OID, pgtype.Int4OID, pgtype.Int8OID, pgtype.Float4OID, pgtype.Float8OID, pgtype.NumericOID, pgtype.OIDOID:
			t.right[i] = true
		}
	}
	var rows [][]string
	n := 0
	begin := func() {
		t.line(head)
		rule := make([]string, len(fields))
		for i, w := range t.widths {
			rule[i] = strings.Repeat("-", w)
		}
		t.line(rule)
		for _, row := range rows {
			t.line(row)
		}
	}
	for r.NextRow() {
		row := make([]string, len(fields))
		for i, v := range r.Values() {
			row[i] = ui.Line(string(v))
			if v == nil {
				row[i] = "NULL"
			}
		}
		if n++; n > sampleRows {
			t.line(row)
			continue
		}
		for i, cell := range row {
			t.widths[i] = max(t.widths[i], ui.Width(cell))
		}
		if rows = append(rows, row); n == sampleRows {
			begin()
		}
	}
	_, err := r.Close()
	if n < sampleRows && (err == nil || n > 0) {
		begin()
	}
	if err != nil {
		return nil //nolint:nilerr // the caller reads it from all results
	}
	a.printf("(%s)\n", plural(n, "row", "rows"))
	return nil
}

// table prints lines with aligned cells.
type table struct {
	a      *App
	widths []int
	right  []bool
}

func (t table) line(cells []string) {
	var line strings.Builder
	for i, cell := range cells {
		if i > 0 {
			line.WriteString("  ")
		}
		padding := strings.Repeat(" ", max(0, t.widths[i]-ui.Width(cell)))
		switch {
		case t.right[i]:
			line.WriteString(padding + cell)
		case i == len(cells)-1:
			line.WriteString(cell)
		default:
			line.WriteString(cell + padding)
		}
	}
	t.a.printf("%s\n", line.String())
}
