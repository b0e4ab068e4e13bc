package cost

import (
	"math"

	"github.com/streamctl/streamctl/internal/config"
	"github.com/streamctl/streamctl/internal/contract"
)

// Load is a steady traffic.
type Load struct {
	EventsPerSecond float64 `json:"eventsPerSecond"`
	// EventBytes is the size of an event as sent.
	EventBytes int `json:"eventBytes"`
	// Batch is the number of events of a request.
	Batch            int     `json:"batch"`
	QueriesPerSecond float64 `json:"queriesPerSecond"`
	// Month is the month of operation that is estimated: stores grow until their
	// retention.
	Month int `json:"month"`
}

// Usage has the quantities of a month that AWS bills by use.
type Usage struct {
	Events, Requests, Queries float64
	// Records are those of the stream, one per event; RecordBytes is their size.
	Records, RecordBytes float64
	// Functions are by name.
	Functions map[string]Invocations
	// LogGB and FlowLogGB are written to CloudWatch Logs.
	LogGB, FlowLogGB, Traces float64
	// Objects and ArchiveGB are written into the archive.
	Objects, ArchiveGB float64
	// WarehouseGB is the size of the events in PostgreSQL, with indexes.
	WarehouseGB float64
	// ResponseGB is the size of responses.
	ResponseGB float64
	// StreamBytes and Calls are only for Measured: the size of all records, and requests
	// with queries.
	StreamBytes, Calls float64
}

// Invocations of a function, with their duration in seconds.
type Invocations struct{ Count, Seconds float64 }

// Assumptions of the model, for what neither settings nor traffic determine. The costs page
// lists them.
const (
	envelopeBytes    = 250  // of a record beside the event
	ingestBase       = 0.01 // seconds per request
	ingestEvent      = 0.00005
	processorBase    = 0.03 // seconds per batch
	processorEvent   = 0.0001
	archiverBase     = 0.15 // seconds per batch
	archiverEvent    = 0.00001
	queryTime        = 0.03 // seconds per query
	refreshTime      = 0.3  // seconds, every minute
	upkeepTime       = 10   // seconds, every hour
	compressed       = 0.2  // size of an archived event relative to its record
	stored           = 1.2  // size of an event in PostgreSQL, with indexes, relative to its record: docs/performance.md, "Queries"
	accessLogBytes   = 500  // per request
	invocationBytes  = 700  // of Lambda's lines and metrics per invocation
	responseBytes    = 400
	logCompression   = 0.15
	flowLogGB        = 1.0 // of rejected connections
	kmsPerShard      = 50_000
	crossZone        = 0.5 // share of the traffic to the database between zones
	freeSpace        = 1.2 // storage relative to the stored data
	backupChange     = 0.05
	consumers        = 2       // processor and archiver
	maxPayload       = 6 << 20 // bytes of an invocation's input
	wafLogBytes      = 1500
	ownWAFRules      = 4
	customMetricKind = 17 // metrics of the functions
	daysPerMonth     = hoursPerMonth / 24.0
	kilobyte         = 1024
	gigabyte         = 1 << 30
	putUnitBytes     = 25 * kilobyte
)

// Model returns the usage of a load.
func Model(v config.Variables, l Load) Usage {
	u := Usage{
		Events: l.EventsPerSecond * secondsPerMonth, Queries: l.QueriesPerSecond * secondsPerMonth,
		RecordBytes: float64(l.EventBytes + envelopeBytes), Functions: map[string]Invocations{},
	}
	u.Requests, u.Records = u.Events/float64(l.Batch), u.Events
	shards := float64(shardsOf(v, l.EventsPerSecond, u.RecordBytes))
	perShard := l.EventsPerSecond / shards
	// Lambda reads a shard about once per second, and a batch is bounded by its records and
	// by the size of an invocation's input, in which records are base64.
	fullest := func(m contract.Mapping) float64 {
		return max(perShard/float64(m.BatchSize), perShard*u.RecordBytes*4/3/maxPayload)
	}
	processed := max(min(1, perShard), fullest(v.ProcessorMapping)) * shards * secondsPerMonth
	archived := max(min(1/max(1, float64(v.ArchiverMapping.WindowSeconds)), perShard), fullest(v.ArchiverMapping)) * shards * secondsPerMonth
	u.Functions[contract.FuncIngest] = Invocations{u.Requests, u.Requests*ingestBase + u.Events*ingestEvent}
	u.Functions[contract.FuncProcessor] = Invocations{processed, processed*processorBase + u.Events*processorEvent}
	u.Functions[contract.FuncArchiver] = Invocations{archived, archived*archiverBase + u.Events*archiverEvent}
	u.Functions[contract.FuncQuery] = Invocations{u.Queries, u.Queries * queryTime}
	u.Functions[contract.FuncMaintenance] = Invocations{hoursPerMonth * 61, hoursPerMonth * (60*refreshTime + upkeepTime)}
	invocations := 0.0
	for _, name := range []string{contract.FuncIngest, contract.FuncProcessor, contract.FuncArchiver, contract.FuncQuery, contract.FuncMaintenance} {
		invocations += u.Functions[name].Count
	}
	calls := u.Requests + u.Queries
	u.LogGB = (calls*accessLogBytes + invocations*invocationBytes) / gigabyte
	if v.FlowLogs {
		u.FlowLogGB = flowLogGB
	}
	if v.WebAcl == config.WebAclOwn {
		u.LogGB += calls * wafLogBytes / gigabyte
	}
	perSecond := calls / secondsPerMonth
	u.Traces = (min(1, perSecond) + 0.05*max(0, perSecond-1)) * secondsPerMonth
	u.Objects = archived
	u.keep()
	u.ResponseGB = calls * responseBytes / gigabyte
	return u
}

// keep sets the sizes of the events in the archive and in PostgreSQL.
func (u *Usage) keep() {
	written := u.Events * u.RecordBytes / gigabyte
	u.ArchiveGB, u.WarehouseGB = written*compressed, written*stored
}

// Limits of a shard.
const (
	shardBytes   = 1 << 20
	shardRecords = 1000
)

// neededShards is the number of shards for a load.
func neededShards(eventsPerSecond, recordBytes float64) int {
	return max(1, int(math.Ceil(max(eventsPerSecond/shardRecords, eventsPerSecond*recordBytes/shardBytes))))
}

// shardsOf is the number of shards that the stream has: an on-demand stream has as many as
// twice its load needs, and at least four.
func shardsOf(v config.Variables, eventsPerSecond, recordBytes float64) int {
	if v.StreamMode == config.StreamOnDemand {
		return max(4, 2*neededShards(eventsPerSecond, recordBytes))
	}
	return v.ShardCount
}

// Measured completes the usage that was measured, and multiplies it to a month. Records,
// StreamBytes, Calls, Functions and LogGB are given; ingest's invocations are the requests.
func Measured(v config.Variables, u Usage, factor float64) Usage {
	u.Records *= factor
	u.Events, u.Calls, u.LogGB = u.Records, u.Calls*factor, u.LogGB*factor
	if u.Records > 0 {
		u.RecordBytes = u.StreamBytes * factor / u.Records
	}
	for name, f := range u.Functions {
		u.Functions[name] = Invocations{f.Count * factor, f.Seconds * factor}
	}
	u.Requests = min(u.Calls, u.Functions[contract.FuncIngest].Count)
	u.Queries = u.Calls - u.Requests
	if v.FlowLogs {
		u.FlowLogGB = flowLogGB
	}
	perSecond := u.Calls / secondsPerMonth
	u.Traces = (min(1, perSecond) + 0.05*max(0, perSecond-1)) * secondsPerMonth
	u.Objects = u.Functions[contract.FuncArchiver].Count
	u.keep()
	u.ResponseGB = u.Calls * responseBytes / gigabyte
	return u
}
