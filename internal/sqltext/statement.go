package sqltext

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Statement is one statement of a text.
type Statement struct {
	// Text is the statement without its semicolon.
	Text string
	// Offset is the number of characters before Text in the whole text.
	Offset int
	tokens []token
}

// Split splits text at its semicolons and drops empty statements. Its error is a
// *SyntaxError.
func Split(text string) ([]Statement, error) {
	tokens, err := scan(text)
	if err != nil {
		return nil, err
	}
	var statements []Statement
	begin := 0
	add := func(end int, part []token) {
		if len(part) > 0 {
			s := Statement{Text: text[begin:end], Offset: len([]rune(text[:begin]))}
			for _, t := range part {
				t.start, t.end = t.start-begin, t.end-begin
				s.tokens = append(s.tokens, t)
			}
			statements = append(statements, s)
		}
	}
	first := 0
	for i, t := range tokens {
		if t.is(";") {
			add(t.start, tokens[first:i])
			begin, first = t.end, i+1
		}
	}
	add(len(text), tokens[first:])
	return statements, nil
}

// Words returns the statement's first n tokens, at most: key words in small
// letters, identifiers decoded.
func (s Statement) Words(n int) []string {
	words := make([]string, 0, n)
	for _, t := range s.tokens[:min(n, len(s.tokens))] {
		words = append(words, t.text)
	}
	return words
}

// Verb returns the statement's first key word in small letters, without
// parentheses before it.
func (s Statement) Verb() string {
	for _, t := range s.tokens {
		if !t.is("(") {
			return t.text
		}
	}
	return ""
}

// Rest returns the text behind the first n tokens.
func (s Statement) Rest(n int) string {
	if n >= len(s.tokens) {
		return ""
	}
	return s.Text[s.tokens[n].start:]
}

// RejectedError is a statement that SQL users can't run. Code is its SQLSTATE.
type RejectedError struct {
	Code, What, Hint string
	// Position is the place of a syntax error in characters, from 1; 0 if unknown.
	Position int
}

func (e *RejectedError) Error() string { return e.What }

// SQLSTATEs of rejected statements.
const (
	notSupported = "0A000"
	readOnly     = "25006"
	denied       = "42501"
	syntaxError  = "42601"
)

// reads are the verbs that only read.
var reads = [...]string{"select", "with", "values", "table", "show"}

// writes are verbs whose error is the one of a read-only transaction.
var writes = [...]string{
	"insert", "update", "delete", "merge", "truncate", "create", "alter", "drop", "grant", "revoke", "comment", "reindex", "vacuum", "analyze",
	"cluster", "refresh", "import", "security", "reassign",
}

// others are the other verbs of PostgreSQL.
var others = [...]string{
	"abort", "begin", "call", "checkpoint", "close", "commit", "deallocate", "declare", "discard", "do", "end", "execute", "fetch", "listen", "load",
	"lock", "move", "notify", "prepare", "release", "reset", "rollback", "savepoint", "set", "start", "unlisten",
}

// Check reports whether a statement may run: it only reads, and calls no function
// with an effect outside of its own transaction. Its error is a *RejectedError. The
// read-only transaction and the role's privileges are the second barrier.
func (s Statement) Check() error {
	verb := s.Verb()
	switch {
	case slices.Contains(reads[:], verb):
	case verb == "explain":
		if err := s.checkExplain(); err != nil {
			return err
		}
	case verb == "copy":
		if !s.copiesToClient() {
			return &RejectedError{Code: readOnly, What: "COPY is possible only TO STDOUT", Hint: "use COPY (SELECT …) TO STDOUT; send events through the API"}
		}
	case slices.Contains(writes[:], verb):
		return &RejectedError{Code: readOnly, What: "cannot execute " + strings.ToUpper(verb) + ": SQL access is read-only", Hint: "log in as the master user to change objects; see docs/sql.md"}
	case slices.Contains(others[:], verb):
		return &RejectedError{Code: notSupported, What: strings.ToUpper(verb) + " is not supported: SQL access runs SELECT, WITH, VALUES, TABLE, SHOW, EXPLAIN and COPY … TO STDOUT"}
	default:
		return &RejectedError{Code: syntaxError, What: "syntax error at or near " + strconv.Quote(shorten(verb)), Position: 1}
	}
	return s.checkCalls()
}

func shorten(text string) string {
	if r := []rune(text); len(r) > 30 {
		return string(r[:30]) + "…"
	}
	return text
}

// checkExplain checks the explained statement: ANALYZE executes it.
func (s Statement) checkExplain() error {
	depth := 0
	for _, t := range s.tokens[1:] {
		switch {
		case t.is("("):
			depth++
		case t.is(")"):
			depth--
		case depth > 0 && !slices.Contains(reads[:4], t.text):
		case t.is("analyze"), t.is("verbose"):
		case t.kind == word && slices.Contains(reads[:4], t.text):
			return nil
		default:
			return &RejectedError{Code: notSupported, What: "EXPLAIN of " + strings.ToUpper(shorten(t.text)) + " is not supported", Hint: "explain a SELECT"}
		}
	}
	return nil // the server reports the syntax error
}

// copiesToClient reports whether a COPY writes to the client: not to a file or a
// program, and not into a table.
func (s Statement) copiesToClient() bool {
	depth := 0
	for i, t := range s.tokens {
		switch {
		case t.is("("):
			depth++
		case t.is(")"):
			depth--
		case depth > 0:
		case t.is("to"):
			return i+1 < len(s.tokens) && s.tokens[i+1].is("stdout")
		case t.is("from"):
			return false
		}
	}
	return false
}

// deniedCalls are functions with an effect outside of the transaction, and
// functions that run text as SQL, which this check could not read. A name that ends
// with * is a prefix.
var deniedCalls = [...]string{
	"set_config", "pg_notify", "pg_cancel_backend", "pg_terminate_backend", "pg_advisory_*", "pg_try_advisory_*",
	"lo_*", "lowrite", "loread", "query_to_xml*", "cursor_to_xml*", "ts_stat", "ts_rewrite", "dblink*", "crosstab*", "connectby",
	"pg_reload_conf", "pg_rotate_logfile", "pg_switch_wal", "pg_create_*", "pg_drop_*", "pg_logical_*", "pg_replication_*", "pg_copy_*",
	"pg_export_snapshot", "pg_stat_reset*", "pg_stat_statements_reset", "pg_start_backup", "pg_stop_backup", "pg_backup_*", "pg_promote",
	"pg_wal_replay_*", "pg_log_*", "pg_read_*", "pg_ls_*", "pg_stat_file", "query_export_to_s3", "table_import_from_s3", "aws_lambda_*",
	"nextval", "setval", "txid_current", "pg_current_xact_id",
}

// deniedSchemas are schemas of extensions whose functions act on other systems.
var deniedSchemas = [...]string{"aws_s3", "aws_lambda", "aws_commons", "aws_ml"}

func (s Statement) checkCalls() error {
	for i, t := range s.tokens {
		if t.kind == escapedName {
			return &RejectedError{Code: notSupported, What: `names such as U&"…" are not supported`, Hint: "write the name with its characters"}
		}
		if t.kind != word && t.kind != quoted || i+1 == len(s.tokens) {
			continue
		}
		next := s.tokens[i+1]
		isDenied := next.is("(") && slices.ContainsFunc(deniedCalls[:], func(name string) bool { return matches(name, t.text) }) ||
			next.is(".") && slices.Contains(deniedSchemas[:], t.text)
		if isDenied {
			return &RejectedError{Code: denied, What: fmt.Sprintf("function %s is not available to SQL users: it acts outside of the statement", shorten(t.text))}
		}
	}
	return nil
}

func matches(pattern, name string) bool {
	if prefix, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasPrefix(name, prefix)
	}
	return name == pattern
}
