package sqlproxy

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/streamctl/streamctl/internal/sqltext"
)

// ownVerb runs a statement that changes only the state of the session.
type ownVerb func(ctx context.Context, c *session, p *portal, simple bool) error

// own returns how the session runs a statement itself; nil if the database runs it.
func ownVerbOf(c *session, s sqltext.Statement) ownVerb {
	verb := s.Verb()
	if words := s.Words(1); len(words) == 0 || words[0] != verb {
		return nil
	}
	switch verb {
	case "begin", "start":
		return beginTransaction
	case "commit", "end", "rollback", "abort":
		return endTransaction
	case "savepoint":
		return addSavepoint
	case "release":
		return release
	case "set":
		return setSetting
	case "reset":
		return resetAny
	case "show":
		if _, ok := ownSetting(s); ok {
			return showSetting
		}
	case "discard":
		return discard
	case "deallocate":
		return deallocate
	case "declare":
		return declare
	case "fetch", "move":
		return fetchCursor
	case "close":
		return closeCursor
	}
	return nil
}

// checkModes rejects what a transaction can't be: each statement runs in a transaction
// of its own, so one can't see the snapshot of another.
func checkModes(words []string) error {
	for i, word := range words {
		next := ""
		if i+1 < len(words) {
			next = words[i+1]
		}
		switch {
		case word == "repeatable" || word == "serializable":
			return NewError(codeUnsupported, "isolation level "+word+" is not supported: each statement has a snapshot of its own",
				"use READ COMMITTED, or read consistent data in one statement")
		case word == "read" && next == "write":
			return NewError(codeReadOnly, "SQL access is read-only", "")
		}
	}
	return nil
}

func beginTransaction(_ context.Context, c *session, p *portal, _ bool) error {
	if err := checkModes(p.statement.Words(20)); err != nil {
		return err
	}
	tag := "BEGIN"
	if p.statement.Verb() == "start" {
		tag = "START TRANSACTION"
	}
	if c.status != 'I' {
		c.notice("25001", "there is already a transaction in progress")
	} else {
		startTransaction(c)
	}
	c.complete(tag)
	return nil
}

func startTransaction(c *session) {
	c.status, c.before, c.local, c.savepoints = 'T', maps.Clone(c.settings), nil, nil
}

func (c *session) notice(code, message string) {
	c.back.Send(&pgproto3.NoticeResponse{Severity: "WARNING", SeverityUnlocalized: "WARNING", Code: code, Message: message})
}

// endTransaction ends a transaction with COMMIT or ROLLBACK; ROLLBACK TO returns to a
// savepoint.
func endTransaction(ctx context.Context, c *session, p *portal, _ bool) error {
	words := p.statement.Words(6)
	if words[0] == "rollback" && slices.Contains(words, "to") {
		return rollbackTo(c, words[len(words)-1])
	}
	chain := slices.Contains(words, "chain") && !slices.Contains(words, "no")
	commits := words[0] == "commit" || words[0] == "end"
	if slices.Contains(words, "prepared") {
		return NewError(codeUnsupported, "two-phase transactions are not supported", "")
	}
	if c.status == 'I' {
		if chain {
			return NewError(codeNoTx, "AND CHAIN can only be used in transaction blocks", "")
		}
		c.notice(codeNoTx, "there is no transaction in progress")
	}
	tag := "ROLLBACK"
	switch {
	case commits && c.status != 'E':
		tag = "COMMIT"
	case c.status != 'I':
		c.settings = c.before
	}
	for name, other := range c.portals {
		if other != p {
			c.closePortal(ctx, name)
		}
	}
	c.status, c.local, c.savepoints = 'I', nil, nil
	if chain {
		startTransaction(c)
	}
	c.complete(tag)
	return nil
}

func addSavepoint(_ context.Context, c *session, p *portal, _ bool) error {
	words := p.statement.Words(2)
	if c.status == 'I' || len(words) < 2 {
		return NewError(codeNoTx, "SAVEPOINT can only be used in transaction blocks", "")
	}
	c.savepoints = append(c.savepoints, savepoint{words[1], maps.Clone(c.settings)})
	c.complete("SAVEPOINT")
	return nil
}

// at returns the index of the newest savepoint with a name.
func savepointIndex(c *session, name string) (int, error) {
	for i := len(c.savepoints) - 1; i >= 0; i-- {
		if c.savepoints[i].name == name {
			return i, nil
		}
	}
	return 0, NewError(codeNoSavepoint, fmt.Sprintf("savepoint %q does not exist", name), "")
}

func release(_ context.Context, c *session, p *portal, _ bool) error {
	words := p.statement.Words(3)
	i, err := savepointIndex(c, words[len(words)-1])
	if err != nil {
		return err
	}
	c.savepoints = c.savepoints[:i]
	c.complete("RELEASE")
	return nil
}

func rollbackTo(c *session, name string) error {
	i, err := savepointIndex(c, name)
	if err != nil {
		return err
	}
	c.settings = maps.Clone(c.savepoints[i].settings)
	c.savepoints = c.savepoints[:i+1]
	c.status = 'T'
	c.complete("ROLLBACK")
	return nil
}

// describeOwn describes a statement of the session itself.
func describeOwn(c *session, s sqltext.Statement, formats []int16) error {
	switch s.Verb() {
	case "fetch":
		f, err := readFetch(s)
		if err != nil {
			return err
		}
		p := c.portals[f.cursor]
		if p == nil {
			return noCursor(f.cursor)
		}
		if p.description != nil {
			c.back.Send(withFormats(p.description, formats))
			return nil
		}
	case "show":
		if name, ok := ownSetting(s); ok {
			c.back.Send(textColumn(name))
			return nil
		}
	}
	c.back.Send(&pgproto3.NoData{})
	return nil
}
