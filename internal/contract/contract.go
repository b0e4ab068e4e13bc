// Package contract declares what the template and the functions share: each
// function's environment, its size, the settings of the event source mappings,
// the database roles and the custom resource's properties.
//
// The template side fills a struct with intrinsics and calls Vars; the
// function's bootstrap calls the matching Load with os.Getenv. Nothing else in
// the module spells the name of a variable.
package contract

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// Names of the variables. Lambda's own (AWS_REGION and so on) are not here.
const (
	envStack           = "STACK"
	envStream          = "STREAM"
	envBucket          = "BUCKET"
	envEventMaxAgeDays = "EVENT_MAX_AGE_DAYS"
	envCorsOrigins     = "CORS_ORIGINS"
	envStreamFormats   = "STREAM_FORMATS"
	envMetrics         = "METRICS"
	envAlerts          = "ALERTS"
	envWarehouseDays   = "WAREHOUSE_RETENTION_DAYS"
	envDatabase        = "DATABASE_ADDRESS"
	envCache           = "CACHE_URL"
)

// LogRejected is the message of ingest's log line about the rejected events of a request,
// with the attributes count, reason, field, caller and request. `tail --rejected` reads it.
const LogRejected = "events rejected"

// Database is PostgreSQL's address and login. The environment has no Name and User:
// each function has its own role, which its Load function sets.
type Database struct {
	// Address is host:port, which Load splits.
	Address    string
	Host, Port string
	Name       string
	User       string
}

func (d Database) vars() map[string]string { return map[string]string{envDatabase: d.Address} }

func (l *loader) database(role string) Database {
	d := Database{Address: l.text(envDatabase), Name: DatabaseName, User: role}
	if d.Address == "" {
		return d
	}
	var err error
	if d.Host, d.Port, err = net.SplitHostPort(d.Address); err != nil {
		l.errs = append(l.errs, fmt.Errorf("%s: %q is not host:port", envDatabase, d.Address))
	}
	return d
}

// Cache is Redis's address and login.
type Cache struct {
	// URL is rediss://user@host:port/group, which Load splits.
	URL        string
	Host, Port string
	User       string
	// ReplicationGroup is the id in the signature of an IAM token.
	ReplicationGroup string
}

func (c Cache) vars() map[string]string { return map[string]string{envCache: c.URL} }

func (l *loader) cache() Cache {
	c := Cache{URL: l.text(envCache)}
	if c.URL == "" {
		return c
	}
	u, err := url.Parse(c.URL)
	if err == nil {
		c.Host, c.Port, c.User, c.ReplicationGroup = u.Hostname(), u.Port(), u.User.Username(), strings.TrimPrefix(u.Path, "/")
	}
	if c.Host == "" || c.Port == "" || c.User == "" || c.ReplicationGroup == "" {
		l.errs = append(l.errs, fmt.Errorf("%s: %q is not rediss://user@host:port/group", envCache, c.URL))
	}
	return c
}

// Ingest is the environment of the function behind POST /events and the API for clients
// with write keys.
type Ingest struct {
	// Stack names the stack in logs and as the dimension of every metric.
	Stack string
	// Stream is the Kinesis stream's name.
	Stream string
	// EventMaxAgeDays is the largest age of a timestamp at its receipt, 1 to 365 days.
	EventMaxAgeDays int
	// CorsOrigins are the web origins that may read responses.
	CorsOrigins []string
	// WriteKeys are the keys of apps and websites; without them, only signed requests
	// reach ingest.
	WriteKeys []WriteKey
	Privacy   Privacy
}

// Vars returns the environment for the template.
func (e Ingest) Vars() map[string]string {
	return merge(map[string]string{
		envStack:           e.Stack,
		envStream:          e.Stream,
		envEventMaxAgeDays: strconv.Itoa(e.EventMaxAgeDays),
	}, origins(e.CorsOrigins), e.clientVars())
}

// StackName returns the stack of a function; every function's environment has it.
func StackName(getenv func(string) string) string { return getenv(envStack) }

// origins returns the variable, or nothing without origins.
func origins(list []string) map[string]string {
	if len(list) == 0 {
		return nil
	}
	return map[string]string{envCorsOrigins: strings.Join(list, " ")}
}

// LoadIngest loads the result of Vars. Like the other Load functions, it reports every
// missing or invalid variable in one error.
func LoadIngest(getenv func(string) string) (Ingest, error) {
	l := loader{getenv: getenv}
	e := Ingest{Stack: l.text(envStack), Stream: l.text(envStream), EventMaxAgeDays: l.number(envEventMaxAgeDays),
		CorsOrigins: strings.Fields(getenv(envCorsOrigins))}
	l.json(envWriteKeys, &e.WriteKeys)
	l.json(envPrivacy, &e.Privacy)
	return e, l.err()
}

// Archiver is the environment of the function that writes the raw archive.
type Archiver struct {
	Stack string
	// Bucket is the archive bucket's name.
	Bucket string
	// StreamFormats are the formats of records that are no envelopes of ingest.
	StreamFormats []string
}

// Vars returns the environment for the template.
func (e Archiver) Vars() map[string]string {
	return merge(map[string]string{envStack: e.Stack, envBucket: e.Bucket}, formats(e.StreamFormats))
}

// formats returns the variable, or nothing without formats.
func formats(list []string) map[string]string {
	if len(list) == 0 {
		return nil
	}
	return map[string]string{envStreamFormats: strings.Join(list, " ")}
}

// LoadArchiver loads the result of Vars.
func LoadArchiver(getenv func(string) string) (Archiver, error) {
	l := loader{getenv: getenv}
	e := Archiver{Stack: l.text(envStack), Bucket: l.text(envBucket), StreamFormats: strings.Fields(getenv(envStreamFormats))}
	return e, l.err()
}

// Processor is the environment of the function that loads the warehouse and the cache.
// It connects to the database as RoleLoader.
type Processor struct {
	Stack    string
	Database Database
	Cache    Cache
	// Bucket is the archive bucket's name; quarantined events are written to it.
	Bucket string
	// StreamFormats are the formats of records that are no envelopes of ingest.
	StreamFormats []string
}

// Vars returns the environment for the template.
func (e Processor) Vars() map[string]string {
	return merge(map[string]string{envStack: e.Stack, envBucket: e.Bucket}, e.Database.vars(), e.Cache.vars(), formats(e.StreamFormats))
}

// LoadProcessor loads the result of Vars.
func LoadProcessor(getenv func(string) string) (Processor, error) {
	l := loader{getenv: getenv}
	e := Processor{Stack: l.text(envStack), Bucket: l.text(envBucket), Database: l.database(RoleLoader), Cache: l.cache(), StreamFormats: strings.Fields(getenv(envStreamFormats))}
	return e, l.err()
}

// Query is the environment of the function behind GET /metrics. It connects to the
// database as RoleReader.
type Query struct {
	Stack    string
	Database Database
	Cache    Cache
	// CorsOrigins are the web origins that may read responses.
	CorsOrigins []string
	// Metrics are the declared metrics, the result of metric.Encode.
	Metrics string
}

// Vars returns the environment for the template.
func (e Query) Vars() map[string]string {
	vars := merge(map[string]string{envStack: e.Stack}, e.Database.vars(), e.Cache.vars(), origins(e.CorsOrigins))
	if e.Metrics != "" {
		vars[envMetrics] = e.Metrics
	}
	return vars
}

// LoadQuery loads the result of Vars.
func LoadQuery(getenv func(string) string) (Query, error) {
	l := loader{getenv: getenv}
	e := Query{Stack: l.text(envStack), Database: l.database(RoleReader), Cache: l.cache(), CorsOrigins: strings.Fields(getenv(envCorsOrigins)), Metrics: getenv(envMetrics)}
	return e, l.err()
}

// Schema is the environment of the function that runs the migrations. Its
// Database.User is RoleOwner; the master's name and password come with the
// custom resource (MigrationProperties).
type Schema struct {
	Stack    string
	Database Database
	// EventMaxAgeDays is the number of past days that get a partition in the first run.
	EventMaxAgeDays int
}

// Vars returns the environment for the template.
func (e Schema) Vars() map[string]string {
	return merge(map[string]string{envStack: e.Stack, envEventMaxAgeDays: strconv.Itoa(e.EventMaxAgeDays)}, e.Database.vars())
}

// LoadSchema loads the result of Vars.
func LoadSchema(getenv func(string) string) (Schema, error) {
	l := loader{getenv: getenv}
	e := Schema{Stack: l.text(envStack), Database: l.database(RoleOwner), EventMaxAgeDays: l.number(envEventMaxAgeDays)}
	return e, l.err()
}

// Maintenance is the environment of the function that creates partitions, refreshes the
// cache and reconciles the warehouse with the archive. It connects to the database as
// RoleOwner.
type Maintenance struct {
	Stack    string
	Database Database
	Cache    Cache
	// Bucket is the archive bucket's name.
	Bucket string
	// EventMaxAgeDays is the number of past days with a partition.
	EventMaxAgeDays int
	// WarehouseRetentionDays is how long events stay in the warehouse; 0 keeps all.
	WarehouseRetentionDays int
	// StreamFormats are the formats of records that are no envelopes of ingest.
	StreamFormats []string
	// Alerts are the declared alerts, the result of alert.Encode.
	Alerts string
}

// Vars returns the environment for the template.
func (e Maintenance) Vars() map[string]string {
	vars := merge(map[string]string{
		envStack:           e.Stack,
		envBucket:          e.Bucket,
		envEventMaxAgeDays: strconv.Itoa(e.EventMaxAgeDays),
		envWarehouseDays:   strconv.Itoa(e.WarehouseRetentionDays),
	}, e.Database.vars(), e.Cache.vars(), formats(e.StreamFormats))
	if e.Alerts != "" {
		vars[envAlerts] = e.Alerts
	}
	return vars
}

// LoadMaintenance loads the result of Vars.
func LoadMaintenance(getenv func(string) string) (Maintenance, error) {
	l := loader{getenv: getenv}
	e := Maintenance{
		Stack:                  l.text(envStack),
		Bucket:                 l.text(envBucket),
		Database:               l.database(RoleOwner),
		Cache:                  l.cache(),
		EventMaxAgeDays:        l.number(envEventMaxAgeDays),
		WarehouseRetentionDays: l.number(envWarehouseDays),
		StreamFormats:          strings.Fields(getenv(envStreamFormats)),
		Alerts:                 getenv(envAlerts),
	}
	return e, l.err()
}

// loader collects the problems of the environment, so that one error reports every one.
type loader struct {
	getenv func(string) string
	errs   []error
}

func (l *loader) text(name string) string {
	v := l.getenv(name)
	if v == "" {
		l.errs = append(l.errs, fmt.Errorf("%s: not set", name))
	}
	return v
}

func (l *loader) number(name string) int {
	v := l.text(name)
	if v == "" {
		return 0
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 0 {
		l.errs = append(l.errs, fmt.Errorf("%s: %q is not a whole number", name, v))
	}
	return n
}

func (l *loader) err() error { return errors.Join(l.errs...) }

func merge(into map[string]string, more ...map[string]string) map[string]string {
	for _, m := range more {
		for k, v := range m {
			into[k] = v
		}
	}
	return into
}
