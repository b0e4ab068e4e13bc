package contract

import "slices"

// Function is one of the Lambda functions, with its size.
type Function struct {
	// Name is the folder under functions/, and the suffix of the log group and the
	// outputs.
	Name string
	// Description is shown in the Lambda console.
	Description string
	// MemoryMiB is the memory, which also sets the share of a CPU.
	MemoryMiB int
	// TimeoutSeconds is the timeout of an invocation, at most 900.
	TimeoutSeconds int
	// InVPC reports whether the function runs in the VPC, to reach the database or the
	// cache. It then has no route to the internet.
	InVPC bool
}

// The functions of the platform.
const (
	FuncIngest      = "ingest"
	FuncArchiver    = "archiver"
	FuncProcessor   = "processor"
	FuncQuery       = "query"
	FuncSchema      = "schema"
	FuncMaintenance = "maintenance"
)

// Functions lists every function in the order of the data flow.
func Functions() []Function {
	return []Function{
		{Name: FuncIngest, Description: "Accepts events over HTTP", MemoryMiB: 512, TimeoutSeconds: 15},
		{Name: FuncArchiver, Description: "Writes the raw archive", MemoryMiB: 512, TimeoutSeconds: 120},
		{Name: FuncProcessor, Description: "Loads the warehouse and the cache", MemoryMiB: 512, TimeoutSeconds: 60, InVPC: true},
		{Name: FuncQuery, Description: "Answers metrics queries", MemoryMiB: 512, TimeoutSeconds: 900, InVPC: true},
		{Name: FuncSchema, Description: "Migrates the schema", MemoryMiB: 256, TimeoutSeconds: 240, InVPC: true},
		{Name: FuncMaintenance, Description: "Makes partitions, refreshes the cache", MemoryMiB: 512, TimeoutSeconds: 900, InVPC: true},
	}
}

// FunctionByName returns a function of Functions; ok is false for any other name.
func FunctionByName(name string) (f Function, ok bool) {
	all := Functions()
	i := slices.IndexFunc(all, func(f Function) bool { return f.Name == name })
	if i < 0 {
		return Function{}, false
	}
	return all[i], true
}

// Database roles with IAM authentication. Migrations create them; the template grants
// rds-db:connect for exactly these names.
const (
	// RoleOwner migrates the schema and maintains partitions.
	RoleOwner = "streamctl_owner"
	// RoleLoader inserts events and rollups.
	RoleLoader = "streamctl_loader"
	// RoleReader answers queries.
	RoleReader = "streamctl_reader"
	// RoleSQL runs the statements of `streamctl sql`, read-only.
	RoleSQL = "streamctl_sql"
)

// DatabaseName is the database that the deploy creates.
const DatabaseName = "analytics"

// MetricNamespace is the CloudWatch namespace of the functions' own metrics.
// Each has the one dimension DimensionStack.
const MetricNamespace = "Streamctl"

// DimensionStack is the dimension of the functions' own metrics; its value is the
// stack's name.
const DimensionStack = "Stack"

// Metrics that the functions publish and that alarms and the dashboard read.
const (
	MetricAccepted     = "EventsAccepted"    // events acknowledged with 2xx, by ingest
	MetricRefused      = "EventsRefused"     // events rejected with 4xx, by ingest
	MetricUnavailable  = "EventsUnavailable" // events that got a 503, by ingest
	MetricArchived     = "EventsArchived"    // lines written to the archive, by archiver
	MetricInserted     = "EventsInserted"    // new rows in events, by processor
	MetricDuplicates   = "EventsDuplicate"   // events that were loaded before, by processor
	MetricQuarantined  = "EventsQuarantined" // events quarantined, by processor
	MetricExpired      = "EventsExpired"     // events below the retention floor, by processor
	MetricFolded       = "EventsFolded"      // events counted as __other__ because their value has no place, added up over the metrics, by processor
	MetricCacheErrors  = "CacheErrors"       // failed Redis calls, by processor, query and maintenance
	MetricTimeUsed     = "TimeUsed"          // percent of its timeout that an invocation took, from 50 on, by all functions but schema
	MetricCacheHits    = "CacheHits"         // minutes that a query found in the cache, by query
	MetricCacheMisses  = "CacheMisses"       // minutes that a query did not find in the cache, by query
	MetricHorizon      = "PartitionHorizon"  // whole days ahead of today that have a partition, by maintenance
	MetricUnreconciled = "Unreconciled"      // hours of arrival in which archive and warehouse differ, and days kept because of it, by maintenance
	MetricLag          = "ProcessorLag"      // milliseconds from the arrival of a record to its commit, the longest of an invocation, by processor
	MetricSchema       = "SchemaVersion"     // number of the newest migration of the warehouse, by maintenance
)

// AlertMetric is the metric of an alert: 1 while it fires, 0 otherwise.
func AlertMetric(name string) string { return "Alert_" + name }

// Mapping is an event source mapping from the stream to a function.
type Mapping struct {
	// BatchSize is the largest number of records per invocation, 1 to 10000.
	BatchSize int `yaml:"BatchSize"`
	// WindowSeconds is the time to collect a batch, 0 to 300 seconds.
	WindowSeconds int `yaml:"WindowSeconds"`
	// Parallelization is the number of concurrent batches per shard, 1 to 10.
	Parallelization int `yaml:"Parallelization"`
	// Bisect splits a batch in half after a failed invocation.
	Bisect bool `yaml:"-"`
	// Retries is the number of retries of a failed batch; -1 retries until the record's
	// maximum age.
	Retries int `yaml:"-"`
	// RecordAgeSeconds is the age at which a failing record is given up, 60 to 604800
	// seconds; -1 means never.
	RecordAgeSeconds int `yaml:"RecordAgeSeconds"`
	// OnFailure sends given up records to the archive bucket.
	OnFailure bool `yaml:"-"`
}

// StartingPosition of both mappings: a new mapping reads all records in the stream, so
// an event that was sent before the mapping existed is not lost.
const StartingPosition = "TRIM_HORIZON"

// MaxRecordAgeSeconds is Lambda's limit for a mapping's record age, 7 days.
const MaxRecordAgeSeconds = 604800

// ProcessorMapping returns the processor's mapping for a stream that keeps records for
// retentionHours: a record is given up after three quarters of that.
func ProcessorMapping(retentionHours int) Mapping {
	return Mapping{
		BatchSize:        1000,
		Parallelization:  1,
		Bisect:           true,
		Retries:          -1,
		RecordAgeSeconds: min(retentionHours*3600/4*3, MaxRecordAgeSeconds),
		OnFailure:        true,
	}
}

// ArchiverMapping returns the archiver's mapping. Parallelization is fixed at 1,
// because an archive object's name depends on it, and no record is given up.
func ArchiverMapping(windowSeconds int) Mapping {
	return Mapping{
		BatchSize:        10000,
		WindowSeconds:    windowSeconds,
		Parallelization:  1,
		Retries:          -1,
		RecordAgeSeconds: -1,
	}
}

// MigrationProperties are the properties of the custom resource that runs the
// migrations. CloudFormation sends every value as a string; a change of any of
// them runs the migrations again.
type MigrationProperties struct {
	// CodeKey is the S3 key of the schema function's code: new code may contain new
	// migrations.
	CodeKey string `json:"CodeKey"`
	// DatabaseResourceID changes if the instance is replaced or restored.
	DatabaseResourceID string `json:"DatabaseResourceId"`
	// MasterUsername and MasterPassword are used until RoleOwner exists. The password
	// is never logged or returned.
	MasterUsername string `json:"MasterUsername"`
	MasterPassword string `json:"MasterPassword"`
	// LoaderConnections and ReaderConnections are the roles' connection limits, decimal
	// numbers; "0" means 40 % of max_connections.
	LoaderConnections string `json:"LoaderConnections"`
	ReaderConnections string `json:"ReaderConnections"`
	// Metrics are the declared metrics, the result of metric.Encode; empty for none.
	Metrics string `json:"Metrics"`
	// EventTypes are the event types with a reserved place, as a JSON array;
	// empty for none.
	EventTypes string `json:"EventTypes"`
	// InsightProperties are the paths of the properties in the blocks of events, as a
	// JSON array; empty for none.
	InsightProperties string `json:"InsightProperties"`
}

// Values returns the properties for the template, without ServiceToken and
// ServiceTimeout.
func (p MigrationProperties) Values() map[string]any {
	values := map[string]any{
		"CodeKey":            p.CodeKey,
		"DatabaseResourceId": p.DatabaseResourceID,
		"MasterUsername":     p.MasterUsername,
		"MasterPassword":     p.MasterPassword,
		"LoaderConnections":  p.LoaderConnections,
		"ReaderConnections":  p.ReaderConnections,
	}
	if p.Metrics != "" {
		values["Metrics"] = p.Metrics
	}
	if p.EventTypes != "" {
		values["EventTypes"] = p.EventTypes
	}
	if p.InsightProperties != "" {
		values["InsightProperties"] = p.InsightProperties
	}
	return values
}

// LoadMigrationProperties loads the ResourceProperties of a custom resource event. Its
// errors contain the property's name, never a value.
func LoadMigrationProperties(values map[string]any) (MigrationProperties, error) {
	l := loader{getenv: func(name string) string { s, _ := values[name].(string); return s }}
	p := MigrationProperties{
		CodeKey:            l.text("CodeKey"),
		DatabaseResourceID: l.text("DatabaseResourceId"),
		MasterUsername:     l.text("MasterUsername"),
		MasterPassword:     l.text("MasterPassword"),
		LoaderConnections:  l.text("LoaderConnections"),
		ReaderConnections:  l.text("ReaderConnections"),
		Metrics:            l.getenv("Metrics"),
		EventTypes:         l.getenv("EventTypes"),
		InsightProperties:  l.getenv("InsightProperties"),
	}
	return p, l.err()
}
