package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/term"

	"github.com/streamctl/streamctl/internal/cli/ui"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/sqltext"
)

const promptHelp = `End a statement with a semicolon. Arrow keys recall earlier lines.
\d          tables and views
\d NAME     columns of a table or view
\q          end (also: Ctrl-D)
Ctrl-C      cancel the running statement; end at an empty prompt
`

// promptSQL reads statements from a terminal until the user ends it.
func promptSQL(ctx context.Context, a *App, c *sqlConn, fd int) (err error) {
	state, err := term.MakeRaw(fd)
	if err != nil {
		return fmt.Errorf("prepare terminal: %w", err)
	}
	defer func() { err = errors.Join(err, term.Restore(fd, state)) }()
	keys := newKeyReader(a.Stdin)
	// Everything that is shown passes a ui.Writer in front of the terminal's lines.
	screen := term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{keys, a.Stdout}, "")
	if width, height, err := term.GetSize(fd); err == nil && width > 0 {
		_ = screen.SetSize(width, height) // a terminal of this size
	}
	shown := *a
	shown.out = ui.NewWriter(screen)
	shown.printf("PostgreSQL %s, read-only, as %s. \\? shows help.\n", c.server.Version(), contract.RoleSQL)
	var text string
	for {
		screen.SetPrompt(map[bool]string{true: "analytics> ", false: "        -> "}[text == ""])
		line, err := ask(ctx, screen.ReadLine)
		switch {
		case errors.Is(err, io.EOF) && text != "" && ctx.Err() == nil:
			text = "" // Ctrl-C drops the unfinished statement
			continue
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		if text == "" {
			if command := strings.TrimSpace(line); strings.HasPrefix(command, `\`) {
				if command == `\q` {
					return nil
				}
				promptCommand(ctx, &shown, c, keys, command)
				continue
			}
		}
		text += line + "\n"
		if strings.TrimSpace(text) == "" {
			text = ""
			continue
		}
		if !strings.HasSuffix(strings.TrimSpace(text), ";") {
			continue
		}
		statements, err := sqltext.Split(text)
		if err != nil && isOpen(err) {
			continue // the semicolon is inside of a constant or a comment
		}
		if err != nil {
			promptFailure(&shown, err)
		}
		for _, s := range statements {
			if !promptRun(ctx, &shown, c, keys, s) {
				break
			}
		}
		text = ""
	}
}

// isOpen reports whether more text may complete a statement.
func isOpen(err error) bool {
	var syntax *sqltext.SyntaxError
	return errors.As(err, &syntax) && strings.HasPrefix(syntax.What, "unterminated")
}

// promptRun runs a statement; Ctrl-C cancels it. It reports whether it succeeded.
func promptRun(ctx context.Context, a *App, c *sqlConn, keys *keyReader, s sqltext.Statement) bool {
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := c.run(ctx, a, s, false); err != nil {
			promptFailure(a, err)
		}
	}()
	for {
		select {
		case <-done:
			return a.out.Err() == nil
		case key := <-keys.keys:
			if key != ctrlC {
				keys.waiting = append(keys.waiting, key)
				continue
			}
			if err := c.conn.CancelRequest(ctx); err != nil {
				a.printf("Can't cancel: %v\n", err)
			}
		}
	}
}

func promptFailure(a *App, err error) {
	a.printf("ERROR: %v\n", err)
	var hinted interface{ Hint() string }
	if errors.As(err, &hinted) && hinted.Hint() != "" {
		a.printf("%s\n", hinted.Hint())
	}
}

// promptCommand runs a command of the prompt.
func promptCommand(ctx context.Context, a *App, c *sqlConn, keys *keyReader, command string) {
	name, argument, _ := strings.Cut(strings.TrimSuffix(command, ";"), " ")
	argument = strings.TrimSpace(argument)
	var text string
	switch {
	case name == `\d` && argument == "":
		text = `SELECT c.relname AS name, CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' ELSE 'table' END AS type,
			obj_description(c.oid, 'pg_class') AS description FROM pg_class c
			WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm') AND NOT c.relispartition
				AND has_table_privilege(c.oid, 'SELECT') ORDER BY 1`
	case name == `\d`:
		text = `SELECT a.attname AS column, format_type(a.atttypid, a.atttypmod) AS type, NOT a.attnotnull AS nullable,
				col_description(a.attrelid, a.attnum) AS description
			FROM pg_attribute a WHERE a.attrelid = to_regclass('` + strings.ReplaceAll(argument, "'", "''") + `') AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`
	case name == `\?` || name == `\h`:
		a.printf("%s", promptHelp)
		return
	default:
		a.printf("%s is not known. \\? shows help.\n", ui.Line(name))
		return
	}
	statements, err := sqltext.Split(text)
	if err != nil {
		promptFailure(a, err)
		return
	}
	promptRun(ctx, a, c, keys, statements[0])
}

// Control characters of the terminal; E moves to the end of the line, U deletes it.
const (
	ctrlC = 0x03
	ctrlE = 0x05
	ctrlU = 0x15
)

// keyReader reads the keys of a terminal, also while a statement runs.
type keyReader struct {
	keys    chan byte
	waiting []byte // typed while a statement ran
	typed   int    // keys since the last line
}

func newKeyReader(in io.Reader) *keyReader {
	k := &keyReader{keys: make(chan byte)}
	go func() { // it ends with the program
		defer close(k.keys)
		var b [1]byte
		for {
			if _, err := in.Read(b[:]); err != nil {
				return
			}
			k.keys <- b[0]
		}
	}()
	return k
}

// Read returns the next key.
func (k *keyReader) Read(p []byte) (int, error) {
	if len(k.waiting) > 0 {
		n := copy(p, k.waiting)
		k.waiting = k.waiting[n:]
		return n, nil
	}
	key, ok := <-k.keys
	switch {
	case !ok:
		return 0, io.EOF
	case key == '\r' || key == '\n':
		k.typed = 0
	case key == ctrlC && k.typed > 0:
		// Ctrl-C clears an unfinished line. At the start of a line it ends the prompt.
		k.typed, k.waiting = 0, []byte{ctrlU}
		key = ctrlE
	default:
		k.typed++
	}
	p[0] = key
	return 1, nil
}
