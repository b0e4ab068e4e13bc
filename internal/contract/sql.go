package contract

import (
	"maps"
	"slices"
	"strings"
)

// SQLInput is the input of an invocation of query that runs SQL. An event of the API
// never has its field.
type SQLInput struct {
	SQL *SQLTask `json:"sql"`
}

// SQLTask is one SQL statement, or the cancelation of one.
type SQLTask struct {
	// Token identifies the statement: 16 to 63 letters and digits, random. It is the
	// application_name of the statement's session.
	Token string `json:"token"`
	// Cancel cancels the statement with the token. All other fields are then empty.
	Cancel bool `json:"cancel,omitempty"`
	// Text is one statement.
	Text string `json:"text,omitempty"`
	// ParameterTypes are the OIDs of the parameters' types; 0 lets the server infer one.
	ParameterTypes []uint32 `json:"parameterTypes,omitempty"`
	// Bind runs the statement. Nil only describes it.
	Bind *SQLBind `json:"bind,omitempty"`
	// Settings are session settings of SQLSettings.
	Settings map[string]string `json:"settings,omitempty"`
	// TimeoutSeconds is the statement's time, with the delivery of its rows: 1 to 900.
	TimeoutSeconds int `json:"timeoutSeconds,omitempty"`
	// Stream asks for the messages as they come. Otherwise the response is an
	// SQLResponse.
	Stream bool `json:"stream,omitempty"`
}

// SQLBind has the parameters of a statement, as in PostgreSQL's Bind message.
type SQLBind struct {
	// ParameterFormats and ResultFormats are 0 for text and 1 for binary: none, one for
	// all, or one each.
	ParameterFormats []int16 `json:"parameterFormats,omitempty"`
	ResultFormats    []int16 `json:"resultFormats,omitempty"`
	// Parameters are the values; null is NULL.
	Parameters [][]byte `json:"parameters,omitempty"`
}

// SQLResponse is the response to an SQLTask without Stream.
type SQLResponse struct {
	// Messages are messages of PostgreSQL's protocol.
	Messages []byte `json:"messages,omitempty"`
	// Canceled is the number of running statements that were canceled.
	Canceled int `json:"canceled,omitempty"`
}

// Limits of SQL access.
const (
	// SQLStreamLimit is the largest streamed result in bytes; Lambda ends a response at
	// 200 MB.
	SQLStreamLimit = 190_000_000
	// SQLBufferLimit is the largest result in bytes that fits, as base64 in JSON, into a
	// response of Lambda that isn't streamed: 6,291,556 bytes.
	SQLBufferLimit = 4_700_000
	// SQLConnections is the connection limit of RoleSQL. One is reserved for
	// cancelations.
	SQLConnections = 5
	// SQLTimeoutSeconds is the longest timeout of a statement: the function's, less the
	// time to report it.
	SQLTimeoutSeconds = 900 - 10
)

// SQLSettings are the session settings that SQL users can change. A value is nil if
// the server checks it, or else lists the only values.
func SQLSettings() map[string][]string {
	return map[string][]string{
		"timezone": nil, "datestyle": nil, "intervalstyle": nil, "extra_float_digits": nil, "bytea_output": nil, "search_path": nil,
		"statement_timeout": nil, "lock_timeout": nil, "client_min_messages": nil, "xmlbinary": nil, "xmloption": nil, "application_name": nil,
		"enable_seqscan": nil, "enable_indexscan": nil, "enable_bitmapscan": nil, "enable_hashjoin": nil, "enable_mergejoin": nil,
		"enable_nestloop": nil, "enable_hashagg": nil, "enable_sort": nil, "jit": nil, "max_parallel_workers_per_gather": nil,
		"client_encoding":               {"utf8", "utf-8", "unicode"},
		"standard_conforming_strings":   {"on", "true", "yes", "1"},
		"default_transaction_read_only": {"on", "true", "yes", "1"},
		"transaction_read_only":         {"on", "true", "yes", "1"},
		"default_transaction_isolation": {"read committed"},
		"transaction_isolation":         {"read committed"},
		"row_security":                  {"on", "true", "yes", "1"},
	}
}

// SQLSettingNames lists the names of SQLSettings.
func SQLSettingNames() string {
	return strings.Join(slices.Sorted(maps.Keys(SQLSettings())), ", ")
}
