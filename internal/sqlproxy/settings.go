package sqlproxy

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/sqltext"
)

// reported are the settings whose changes PostgreSQL reports to its clients, with the
// spelling of their names.
var reported = [...][2]string{
	{"application_name", "application_name"}, {"client_encoding", "client_encoding"}, {"datestyle", "DateStyle"},
	{"intervalstyle", "IntervalStyle"}, {"timezone", "TimeZone"}, {"standard_conforming_strings", "standard_conforming_strings"},
	{"default_transaction_read_only", "default_transaction_read_only"},
}

// fixedStatus are parameters that never change.
var fixedStatus = [...][2]string{
	{"server_encoding", "UTF8"}, {"client_encoding", "UTF8"}, {"integer_datetimes", "on"}, {"standard_conforming_strings", "on"},
	{"in_hot_standby", "off"}, {"is_superuser", "off"}, {"session_authorization", contract.RoleSQL}, {"default_transaction_read_only", "on"},
}

// statusValues returns the parameters that a client gets at its start. The database
// checks the settings of the startup message.
func statusValues(ctx context.Context, c *session) ([][2]string, error) {
	status := append([][2]string{{"server_version", c.server.version}, {"application_name", c.settings["application_name"]}}, fixedStatus[:]...)
	values := []string{"ISO, MDY", "postgres", "UTC"}
	if slices.ContainsFunc(slices.Collect(maps.Keys(c.settings)), isServerSetting) {
		var err error
		if values, err = c.server.ask(ctx, c.settings, "DateStyle", "IntervalStyle", "TimeZone"); err != nil {
			return nil, err
		}
	}
	return append(status, [2]string{"DateStyle", values[0]}, [2]string{"IntervalStyle", values[1]}, [2]string{"TimeZone", values[2]}), nil
}

// isServerSetting reports whether only the database can check a value.
func isServerSetting(name string) bool {
	only, ok := contract.SQLSettings()[name]
	return ok && only == nil && name != "application_name" && name != "extra_float_digits"
}

// checkSetting rejects a setting that SQL users can't change, or a value that it can't
// have.
func checkSetting(c *session, name, value string) error {
	only, ok := contract.SQLSettings()[name]
	if !ok {
		return NewError(codeUnsupported, fmt.Sprintf("setting %q can't be changed", name), "settings: "+contract.SQLSettingNames())
	}
	if only != nil && !slices.Contains(only, strings.ToLower(value)) {
		return NewError(codeInvalidValue, fmt.Sprintf("setting %q can only be %s, not %q", name, only[0], value), "")
	}
	if name == "extra_float_digits" && !slices.Contains([]string{"-15", "-1", "0", "1", "2", "3"}, value) {
		return NewError(codeInvalidValue, fmt.Sprintf("%q is not a value of extra_float_digits", value), "")
	}
	return nil
}

// set changes a setting, for the session or the transaction.
func setSetting(ctx context.Context, c *session, p *portal, _ bool) error {
	a, err := sqltext.ReadAssignment(p.statement.Statement)
	if err != nil {
		return NewError(codeUnsupported, err.Error(), "settings: "+contract.SQLSettingNames())
	}
	if a.Modes != nil {
		if err := checkModes(a.Modes); err != nil {
			return err
		}
		c.complete("SET")
		return nil
	}
	if a.Default {
		resetSetting(c, a.Name)
		c.complete("SET")
		return nil
	}
	if err := checkSetting(c, a.Name, a.Value); err != nil {
		return err
	}
	value := a.Value
	if isServerSetting(a.Name) {
		wanted := c.effective()
		wanted[a.Name] = a.Value
		values, err := c.server.ask(ctx, wanted, a.Name)
		if err != nil {
			return err
		}
		value = values[0]
	}
	switch {
	case a.Local && c.status == 'I':
		c.notice(codeNoTx, "SET LOCAL can only be used in transaction blocks")
	case a.Local:
		if c.local == nil {
			c.local = map[string]string{}
		}
		c.local[a.Name] = value
	default:
		c.settings[a.Name] = value
		reportSetting(c, a.Name, value)
	}
	c.complete("SET")
	return nil
}

// report tells the client a changed setting, if PostgreSQL would.
func reportSetting(c *session, name, value string) {
	for _, r := range reported {
		if r[0] == name && name != "client_encoding" {
			c.back.Send(&pgproto3.ParameterStatus{Name: r[1], Value: value})
		}
	}
}

// defaults are the values of reported settings in a new session.
var defaults = map[string]string{"datestyle": "ISO, MDY", "timezone": "UTC", "intervalstyle": "postgres"}

func resetSetting(c *session, name string) {
	delete(c.settings, name)
	if value, ok := defaults[name]; ok {
		c.settings[name] = value
		reportSetting(c, name, value)
	}
}

func resetAny(_ context.Context, c *session, p *portal, _ bool) error {
	words := p.statement.Words(3)
	switch {
	case len(words) == 2 && words[1] == "all":
		for name := range maps.Clone(c.settings) {
			resetSetting(c, name)
		}
	case len(words) == 2:
		if _, ok := contract.SQLSettings()[words[1]]; !ok && words[1] != "role" {
			return NewError(codeUnsupported, fmt.Sprintf("setting %q can't be changed", words[1]), "settings: "+contract.SQLSettingNames())
		}
		resetSetting(c, words[1])
	case len(words) == 3 && words[1] == "time" && words[2] == "zone":
		resetSetting(c, "timezone")
	case len(words) == 3 && words[1] == "session" && words[2] == "authorization": // it never changes
	default:
		return NewError(codeSyntax, "RESET: want the name of a setting, or ALL", "")
	}
	c.complete("RESET")
	return nil
}

// discard resets the session.
func discard(ctx context.Context, c *session, p *portal, _ bool) error {
	words := p.statement.Words(2)
	if len(words) < 2 {
		return NewError(codeSyntax, "DISCARD: want ALL, PLANS, SEQUENCES or TEMP", "")
	}
	if words[1] == "all" {
		if c.status != 'I' {
			return NewError("25001", "DISCARD ALL cannot run inside a transaction block", "")
		}
		for name := range maps.Clone(c.settings) {
			resetSetting(c, name)
		}
		c.statements = map[string]*prepared{}
		for name, other := range c.portals {
			if other != p {
				c.closePortal(ctx, name)
			}
		}
	}
	c.complete("DISCARD " + strings.ToUpper(words[1]))
	return nil
}

func deallocate(_ context.Context, c *session, p *portal, _ bool) error {
	words := slices.DeleteFunc(p.statement.Words(3)[1:], func(w string) bool { return w == "prepare" })
	switch {
	case len(words) == 0:
		return NewError(codeSyntax, "DEALLOCATE: want a name or ALL", "")
	case words[0] == "all":
		c.statements = map[string]*prepared{}
		c.complete("DEALLOCATE ALL")
		return nil
	case c.statements[words[0]] == nil:
		return NewError(codeNoStatement, fmt.Sprintf("prepared statement %q does not exist", words[0]), "")
	}
	delete(c.statements, words[0])
	c.complete("DEALLOCATE")
	return nil
}

// ownSetting returns the setting of a SHOW that the session answers itself: the
// database's sessions have another application_name.
func ownSetting(s sqltext.Statement) (name string, ok bool) {
	words := s.Words(3)
	if len(words) == 2 && words[1] == "application_name" {
		return words[1], true
	}
	return "", false
}

func showSetting(_ context.Context, c *session, p *portal, simple bool) error {
	name, _ := ownSetting(p.statement.Statement)
	if simple {
		c.back.Send(textColumn(name))
	}
	c.back.Send(&pgproto3.DataRow{Values: [][]byte{[]byte(c.effective()[name])}})
	c.complete("SHOW")
	return nil
}

// textColumn describes a result with one column of text.
func textColumn(name string) *pgproto3.RowDescription {
	const textOID = 25
	return &pgproto3.RowDescription{Fields: []pgproto3.FieldDescription{{Name: []byte(name), DataTypeOID: textOID, DataTypeSize: -1, TypeModifier: -1}}}
}
