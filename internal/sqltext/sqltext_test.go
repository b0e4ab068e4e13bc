package sqltext_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/streamctl/streamctl/internal/sqltext"
)

func TestSplit(t *testing.T) {
	for text, want := range map[string][]string{
		"":                                         nil,
		" ; -- nothing\n ; /* /* nested */ */":     nil,
		"SELECT 1":                                 {"SELECT 1"},
		"SELECT ';'; SELECT 2;":                    {"SELECT ';'", " SELECT 2"},
		"SELECT 'it''s;' ; VALUES (1)":             {"SELECT 'it''s;' ", " VALUES (1)"},
		`SELECT E'\';'; SELECT 2`:                  {`SELECT E'\';'`, " SELECT 2"},
		`SELECT '\'; SELECT 2`:                     {`SELECT '\'`, " SELECT 2"},
		"SELECT E'a'\n'\\';'; SELECT 2":            {"SELECT E'a'\n'\\';'", " SELECT 2"},
		"SELECT E'a' -- c\n '\\';'; SELECT 2":      {"SELECT E'a' -- c\n '\\';'", " SELECT 2"},
		"SELECT $$;$$; SELECT $a$;$$;$a$":          {"SELECT $$;$$", " SELECT $a$;$$;$a$"},
		"SELECT a$b$; SELECT $b$;$b$":              {"SELECT a$b$", " SELECT $b$;$b$"}, // a$b$ is a name
		"SELECT $1; SELECT $1$a$;$a$":              {"SELECT $1", " SELECT $1$a$;$a$"},
		`SELECT ";" ; SELECT """;"`:                {`SELECT ";" `, ` SELECT """;"`},
		"SELECT U&';', B';', X';', N';'; SELECT 2": {"SELECT U&';', B';', X';', N';'", " SELECT 2"},
		"SELECT 1 --;\n; SELECT 2":                 {"SELECT 1 --;\n", " SELECT 2"},
		"SELECT 1 /*;*/; SELECT 2":                 {"SELECT 1 /*;*/", " SELECT 2"},
		"SELECT 5--3;\n":                           {"SELECT 5--3;\n"},
		"SELECT e';'":                              {"SELECT e';'"},
		"SELECT ünï$x; SELECT 2":                   {"SELECT ünï$x", " SELECT 2"},
	} {
		statements, err := sqltext.Split(text)
		var got []string
		for _, s := range statements {
			got = append(got, s.Text)
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %q, %v, want %q", text, got, err, want)
		}
	}
	for _, text := range []string{"SELECT '", "SELECT E'\\'", `SELECT "`, "SELECT $$", "SELECT $a$ $$", "/* /* */", "SELECT U&'"} {
		_, err := sqltext.Split(text)
		var syntax *sqltext.SyntaxError
		if !errors.As(err, &syntax) || syntax.Position < 1 {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestCheck(t *testing.T) {
	for text, code := range map[string]string{
		"SELECT 1": "", "(SELECT 1) UNION (SELECT 2)": "", "WITH a AS (SELECT 1) TABLE a": "", "VALUES (1)": "", "SHOW all": "",
		"EXPLAIN (ANALYZE, BUFFERS) SELECT 1": "", "EXPLAIN ANALYZE VERBOSE WITH a AS (SELECT 1) SELECT * FROM a": "", "EXPLAIN (SELECT 1)": "",
		"COPY (SELECT a FROM b) TO STDOUT": "", "COPY events TO STDOUT CSV": "", "copy events (id) to stdout with (format csv)": "",
		"COPY (SELECT 1) TO '/x'": "25006", "COPY x FROM STDIN": "25006", "COPY (SELECT 'to stdout') FROM STDIN": "25006",
		"DELETE FROM x": "25006", "DO $$$$": "0A000", "SELEC 1": "42601", "EXPLAIN DELETE FROM x": "0A000",
		"SELECT set_config('a', 'b', true)": "42501", "SELECT 'set_config(1)'": "", "SELECT set_config FROM t": "", "SELECT pg_sleep(1)": "",
		"SELECT \"set_config\"('a')": "42501", "SELECT lower('X')": "", "SELECT aws_s3.query_export_to_s3('a')": "42501", "SELECT U&\"a\" FROM b": "0A000",
	} {
		statements, err := sqltext.Split(text)
		if err != nil || len(statements) != 1 {
			t.Fatal(text, statements, err)
		}
		var rejected *sqltext.RejectedError
		got := ""
		if errors.As(statements[0].Check(), &rejected) {
			got = rejected.Code
		}
		if got != code {
			t.Errorf("%s: %q, want %q", text, got, code)
		}
	}
}

func TestReadAssignment(t *testing.T) {
	for text, want := range map[string]string{
		"SET a = b": "a=b", "SET SESSION a TO 'x''y'": "a=x'y", "SET LOCAL a = 5": "local a=5", "SET a TO -3": "a=-3", "SET a = DEFAULT": "a default",
		"SET TIME ZONE 'Europe/Berlin'": "timezone=Europe/Berlin", "SET TIME ZONE LOCAL": "timezone default", "SET NAMES 'UTF8'": "client_encoding=UTF8",
		"SET search_path TO a, \"B c\", 'd'": `search_path=a, "B c", d`, "SET DateStyle = ISO, MDY": "datestyle=iso, mdy",
		"SET TRANSACTION READ ONLY": "modes transaction read only", "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY": "modes characteristics as transaction read only",
		"SET": "error", "SET a": "error", "SET a =": "error", "SET a = b c": "error", "SET a = 1, 2": "error", "SET ROLE x": "error", "SET SESSION AUTHORIZATION x": "error",
		"SET a = E'x'": "error", "SET a = 1,": "error",
	} {
		statements, err := sqltext.Split(text)
		if err != nil || len(statements) != 1 {
			t.Fatal(text, err)
		}
		a, err := sqltext.ReadAssignment(statements[0])
		got := a.Name + "=" + a.Value
		switch {
		case err != nil:
			got = "error"
		case a.Modes != nil:
			got = "modes " + strings.Join(a.Modes, " ")
		case a.Default:
			got = a.Name + " default"
		case a.Local:
			got = "local " + got
		}
		if got != want {
			t.Errorf("%s: %s, want %s (%v)", text, got, want, err)
		}
	}
}

// FuzzSplit checks that the statements are parts of the text, in order.
func FuzzSplit(f *testing.F) {
	for _, text := range []string{"SELECT 1; SELECT '2'", "E'\\'';", "$a$ ; $a$", "/* /* */ */;", "U&\"a\";'b'\n'c'"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		statements, err := sqltext.Split(text)
		if err != nil {
			return
		}
		rest := text
		for _, s := range statements {
			i := strings.Index(rest, s.Text)
			if i < 0 || s.Text == "" {
				t.Fatalf("%q is not a part of %q", s.Text, rest)
			}
			rest = rest[i+len(s.Text):]
			again, err := sqltext.Split(s.Text)
			if err != nil || len(again) != 1 {
				t.Fatalf("%q is %d statements, %v", s.Text, len(again), err)
			}
			_ = s.Check()
			_, _ = sqltext.ReadAssignment(s)
		}
	})
}
