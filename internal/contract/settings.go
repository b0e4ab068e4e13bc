package contract

import "slices"

// Function describes one of the Lambda functions: its size and its network.
type Function struct {
	// Name is the folder under functions/ and the suffix of the log group and
	// the outputs.
	Name string
	// Description is shown in the Lambda console.
	Description string
	// MemoryMiB is the memory, which also determines the share of a CPU.
	MemoryMiB int
	// TimeoutSeconds is the function's timeout, at most 900.
	TimeoutSeconds int
	// InVPC reports whether the function runs in the VPC: it can reach the
	// database and the cache, but not the internet.
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

// Functions lists every function, in the order of the data flow.
func Functions() []Function {
	return []Function{
		{Name: FuncIngest, Description: "Accepts events over HTTP", MemoryMiB: 512, TimeoutSeconds: 15},
		{Name: FuncArchiver, Description: "Writes the raw archive", MemoryMiB: 512, TimeoutSeconds: 120},
		{Name: FuncProcessor, Description: "Loads the warehouse and the cache", MemoryMiB: 512, TimeoutSeconds: 60, InVPC: true},
		{Name: FuncQuery, Description: "Answers metrics queries", MemoryMiB: 512, TimeoutSeconds: 20, InVPC: true},
		{Name: FuncSchema, Description: "Migrates the schema", MemoryMiB: 256, TimeoutSeconds: 240, InVPC: true},
		{Name: FuncMaintenance, Description: "Makes partitions, refreshes the cache", MemoryMiB: 256, TimeoutSeconds: 900, InVPC: true},
	}
}

// FunctionByName returns the function with a name; ok is false if there is no
// such function.
func FunctionByName(name string) (f Function, ok bool) {
	all := Functions()
	i := slices.IndexFunc(all, func(f Function) bool { return f.Name == name })
	if i < 0 {
		return Function{}, false
	}
	return all[i], true
}

// Roles of the warehouse that log in with IAM. EnsureRoles creates them; the
// template grants rds-db:connect for exactly these names.
const (
	// RoleOwner migrates the schema and maintains partitions.
	RoleOwner = "streamctl_owner"
	// RoleLoader inserts events and rollups.
	RoleLoader = "streamctl_loader"
	// RoleReader answers queries.
	RoleReader = "streamctl_reader"
)

// DatabaseName is the name of the database that a deploy creates.
const DatabaseName = "analytics"

// MetricNamespace is the CloudWatch namespace of the functions' own metrics,
// whose only dimension is DimensionStack.
const MetricNamespace = "Streamctl"

// DimensionStack is the dimension of the functions' own metrics; its value is
// the stack's name.
const DimensionStack = "Stack"

// Metrics that the functions publish and that alarms and the dashboard read.
const (
	MetricAccepted     = "EventsAccepted"    // events acknowledged with 2xx, by ingest
	MetricRefused      = "EventsRefused"     // events rejected with 4xx, by ingest
	MetricUnavailable  = "EventsUnavailable" // events rejected with 503, by ingest
	MetricArchived     = "EventsArchived"    // lines written to the archive, by archiver
	MetricInserted     = "EventsInserted"    // new rows in events, by processor
	MetricDuplicates   = "EventsDuplicate"   // events that were already loaded, by processor
	MetricQuarantined  = "EventsQuarantined" // events that can't be loaded, by processor
	MetricExpired      = "EventsExpired"     // events older than the retention floor, by processor
	MetricFolded       = "EventsFolded"      // events counted as __other__ because their value has no rows of its own, summed over the metrics, by processor
	MetricCacheErrors  = "CacheErrors"       // failed Redis calls, by processor, query and maintenance
	MetricTimeUsed     = "TimeUsed"          // percent of its timeout that an invocation took, if at least 50, by all functions that use lambdarun
	MetricCacheHits    = "CacheHits"         // minutes that a query found in the cache, by query
	MetricCacheMisses  = "CacheMisses"       // minutes that a query had to read from the warehouse, by query
	MetricHorizon      = "PartitionHorizon"  // whole days ahead of today that have a partition, by maintenance
	MetricUnreconciled = "Unreconciled"      // hours of arrival in which archive and warehouse differ, and days that are kept for this reason, by maintenance
	MetricLag          = "ProcessorLag"      // milliseconds from a record's arrival to its commit, the maximum of an invocation, by processor
)

// Mapping is an event source mapping from the stream to a function.
type Mapping struct {
	// BatchSize is the maximum number of records per invocation, 1 to 10000.
	BatchSize int `yaml:"BatchSize"`
	// WindowSeconds is the batching window, 0 to 300 seconds.
	WindowSeconds int `yaml:"WindowSeconds"`
	// Parallelization is the number of concurrent batches per shard, 1 to 10.
	Parallelization int `yaml:"Parallelization"`
	// Bisect halves a batch whose invocation failed.
	Bisect bool `yaml:"-"`
	// Retries is the maximum number of retries of a failed batch; -1 means
	// until the records reach their maximum age.
	Retries int `yaml:"-"`
	// RecordAgeSeconds is the age at which a failing record is given up, 60 to
	// 604800 seconds; -1 means never.
	RecordAgeSeconds int `yaml:"RecordAgeSeconds"`
	// OnFailure sends batches that are given up to the archive bucket.
	OnFailure bool `yaml:"-"`
}

// StartingPosition is the starting position of both mappings: a new mapping
// reads everything in the stream, so no event sent before the mapping existed
// is lost.
const StartingPosition = "TRIM_HORIZON"

// MaxRecordAgeSeconds is Lambda's limit for a mapping's record age, 7 days.
const MaxRecordAgeSeconds = 604800

// ProcessorMapping returns the processor's mapping for a stream that retains
// records for retentionHours: a record is given up after three quarters of that
// time.
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
// because an archive object's key depends on it. Records are never given up.
func ArchiverMapping(windowSeconds int) Mapping {
	return Mapping{
		BatchSize:        10000,
		WindowSeconds:    windowSeconds,
		Parallelization:  1,
		Retries:          -1,
		RecordAgeSeconds: -1,
	}
}

// MaintenanceTask is the input of the maintenance function, from a schedule or
// an operator.
type MaintenanceTask struct {
	Task string `json:"task"`
	// Metric and Values are for TaskForget: a metric's name and the values to
	// release.
	Metric string   `json:"metric,omitempty"`
	Values []string `json:"values,omitempty"`
}

// MaintenanceResult is the output of the maintenance function.
type MaintenanceResult struct {
	// Forgotten lists the values that had rows of their own and were released.
	Forgotten []string `json:"forgotten,omitempty"`
}

// Tasks of the maintenance function.
const (
	// TaskRefresh rewrites recently changed minutes in the cache; every minute.
	TaskRefresh = "refresh"
	// TaskUpkeep creates and drops day partitions and compares the warehouse
	// with the archive; every hour.
	TaskUpkeep = "upkeep"
	// TaskForget releases values of a metric; on request.
	TaskForget = "forget"
)

// MigrationProperties are the properties of the custom resource that runs the
// migrations. CloudFormation sends every value as a string; changing any of
// them runs the migrations again.
type MigrationProperties struct {
	// CodeKey is the S3 key of the schema function's code: new code may contain
	// new migrations.
	CodeKey string `json:"CodeKey"`
	// DatabaseResourceID changes when the instance is replaced or restored.
	DatabaseResourceID string `json:"DatabaseResourceId"`
	// MasterUsername and MasterPassword are used until RoleOwner exists. The
	// password is never logged or returned.
	MasterUsername string `json:"MasterUsername"`
	MasterPassword string `json:"MasterPassword"`
	// LoaderConnections and ReaderConnections are the roles' connection limits
	// as decimal numbers. "0" means 40 % of max_connections.
	LoaderConnections string `json:"LoaderConnections"`
	ReaderConnections string `json:"ReaderConnections"`
	// Metrics are the declared metrics, encoded by metric.Encode; empty if no
	// metric is declared.
	Metrics string `json:"Metrics"`
	// EventTypes are the reserved event types as a JSON array; empty if no type
	// is reserved.
	EventTypes string `json:"EventTypes"`
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
	return values
}

// LoadMigrationProperties reads the ResourceProperties of a custom resource
// event. Its errors contain the property's name, but never a value.
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
	}
	return p, l.err()
}
