// Package config reads variables.yaml, the settings of a team's platform.
package config

import (
	"github.com/streamctl/streamctl/internal/alert"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/metric"
)

// Environments that a template can be rendered for.
const (
	Production  = "production"
	Staging     = "staging"
	Development = "development"
)

// Modes of the Kinesis stream.
const (
	StreamProvisioned = "PROVISIONED"
	StreamOnDemand    = "ON_DEMAND"
)

// Values of ApiGatewayAccountRole, for the account-wide role with which API Gateway
// writes logs.
const (
	// AccountRoleCreate creates a role and sets it for the account and region.
	AccountRoleCreate = "create"
	// AccountRoleExisting does not touch the account's setting.
	AccountRoleExisting = "existing"
)

// Values of ApiEndpointAccessMode.
const (
	AccessModeStrict = "STRICT"
	AccessModeBasic  = "BASIC"
)

// Values of WebAcl beside an ARN.
const (
	WebAclOwn  = "true"
	WebAclNone = "false"
)

// Variables are the settings of variables.yaml for one environment. Default returns the
// defaults.
type Variables struct {
	// Environment is production, staging or development.
	Environment string `yaml:"Environment"`
	// ProjectName is a tag, a description and a title, never part of a name: 1
	// to 64 characters.
	ProjectName string `yaml:"ProjectName"`
	// VpcCidr is the VPC's private IPv4 block, /16 to /24.
	VpcCidr string `yaml:"VpcCidr"`
	// DatabaseUsername is the master's name, 1 to 16 characters. It can't be
	// changed later: RDS would replace the database.
	DatabaseUsername string `yaml:"DatabaseUsername"`
	// DatabasePassword is the master's password, 8 to 128 characters. It is
	// needed when a stack is created, and empty here in most files.
	DatabasePassword string `yaml:"DatabasePassword"`
	// DatabaseInstanceClass is the RDS instance class, such as db.t3.medium.
	DatabaseInstanceClass string `yaml:"DatabaseInstanceClass"`

	// StackName is the CloudFormation stack's name, at most 40 characters.
	StackName string `yaml:"StackName"`
	// Region is the AWS region; empty uses the AWS configuration's.
	Region string `yaml:"Region"`
	// Account is the twelve-digit account that a deploy must use; empty allows any.
	Account string `yaml:"Account"`
	// Tags are added to the stack and so to every resource that supports tags.
	Tags map[string]string `yaml:"Tags"`
	// AvailabilityZones is the number of zones with a subnet, 2 or 3.
	AvailabilityZones int `yaml:"AvailabilityZones"`

	// StreamMode is PROVISIONED or ON_DEMAND.
	StreamMode string `yaml:"StreamMode"`
	// ShardCount is the number of shards of a PROVISIONED stream, 1 to 200,
	// and 0 with ON_DEMAND.
	ShardCount int `yaml:"ShardCount"`
	// StreamRetentionHours is how long records can be read, 24 to 8760 hours.
	StreamRetentionHours int `yaml:"StreamRetentionHours"`
	// ProcessorMapping and ArchiverMapping configure the event source mappings.
	ProcessorMapping contract.Mapping `yaml:"ProcessorMapping"`
	ArchiverMapping  contract.Mapping `yaml:"ArchiverMapping"`

	// DatabaseEngineVersion is PostgreSQL's major version; RDS chooses the minor
	// version.
	DatabaseEngineVersion string `yaml:"DatabaseEngineVersion"`
	// DatabaseStorageGiB is the storage at creation, 20 to 65536 GiB.
	DatabaseStorageGiB int `yaml:"DatabaseStorageGiB"`
	// DatabaseMaxStorageGiB is the limit of storage autoscaling in GiB, at least 1.1
	// times DatabaseStorageGiB; 0 disables it.
	DatabaseMaxStorageGiB int `yaml:"DatabaseMaxStorageGiB"`
	// DatabaseMultiAz adds a standby in a second zone.
	DatabaseMultiAz bool `yaml:"DatabaseMultiAz"`
	// DatabaseDeletionProtection makes RDS reject a deletion of the instance.
	DatabaseDeletionProtection bool `yaml:"DatabaseDeletionProtection"`
	// BackupRetentionDays is how long RDS keeps its daily backups, 0 to 35 days; 0
	// disables them.
	BackupRetentionDays int `yaml:"BackupRetentionDays"`
	// TerminationProtection makes CloudFormation reject a deletion of the stack.
	TerminationProtection bool `yaml:"TerminationProtection"`

	// CacheNodeType is the ElastiCache node type, such as cache.t4g.micro.
	CacheNodeType string `yaml:"CacheNodeType"`
	// CacheNodes is the number of nodes, 1 to 6; with 2 or more, a replica in another
	// zone replaces a failed primary.
	CacheNodes int `yaml:"CacheNodes"`

	// LogRetentionDays is how long log groups keep lines; CloudWatch accepts only
	// certain numbers.
	LogRetentionDays int `yaml:"LogRetentionDays"`
	// AlarmEmail receives every alarm; empty sends none.
	AlarmEmail string `yaml:"AlarmEmail"`

	// ThrottleRate is the API's steady limit, 1 to 10000 requests per second.
	ThrottleRate int `yaml:"ThrottleRate"`
	// ThrottleBurst is the API's short limit, 1 to 5000 requests.
	ThrottleBurst int `yaml:"ThrottleBurst"`
	// ApiGatewayAccountRole is create or existing.
	ApiGatewayAccountRole string `yaml:"ApiGatewayAccountRole"`
	// ApiEndpointAccessMode is STRICT, which rejects requests whose TLS server name
	// differs from the Host header, or BASIC.
	ApiEndpointAccessMode string `yaml:"ApiEndpointAccessMode"`

	// Metrics are the declared metrics, in addition to events by type.
	Metrics []metric.Definition `yaml:"Metrics"`
	// Alerts are evaluated every minute. Each has an alarm in CloudWatch.
	Alerts []alert.Definition `yaml:"Alerts"`
	// EventTypes are event types with a reserved place in the metric events, in
	// addition to the first hundred.
	EventTypes []string `yaml:"EventTypes"`
	// InsightProperties are properties, such as properties.country, that are kept in the
	// compact form of events: questions that filter or group by them are fast.
	InsightProperties []string `yaml:"InsightProperties"`
	// EventMaxAgeDays is the largest age of an event on arrival, 1 to 365 days.
	EventMaxAgeDays int `yaml:"EventMaxAgeDays"`
	// WarehouseRetentionDays is how long events stay in PostgreSQL, at most 36500
	// days; 0 keeps all.
	WarehouseRetentionDays int `yaml:"WarehouseRetentionDays"`

	// ReadReplicas is the number of the database's read replicas, 0 to 5.
	ReadReplicas int `yaml:"ReadReplicas"`
	// ArchiveTransitionDays moves archived objects to cheaper storage.
	ArchiveTransitionDays Transitions `yaml:"ArchiveTransitionDays"`
	// ArchiveReplicationBucketArn is a versioned bucket, usually in another region,
	// that receives a copy of every archived object; empty disables copies.
	ArchiveReplicationBucketArn string `yaml:"ArchiveReplicationBucketArn"`
	// ArchiveReplicationKeyArn is the KMS key that encrypts the copies.
	ArchiveReplicationKeyArn string `yaml:"ArchiveReplicationKeyArn"`
	// ReplayBuckets are the archive buckets of other stacks, in the same region, that
	// `streamctl replay` may read; ReplayKeyArns are the KMS keys that encrypt them.
	ReplayBuckets []string `yaml:"ReplayBuckets"`
	ReplayKeyArns []string `yaml:"ReplayKeyArns"`
	// ObjectLockDays is how long an archived object can only be deleted with a special
	// permission (governance mode); 0 disables the lock. It can't be enabled or
	// disabled later.
	ObjectLockDays int `yaml:"ObjectLockDays"`
	// CorsAllowedOrigins are the web origins whose pages may call the API.
	CorsAllowedOrigins []string `yaml:"CorsAllowedOrigins"`
	// WriteKeys are the keys of apps and websites, which send events without AWS
	// credentials; without keys every request must be signed.
	WriteKeys []contract.WriteKey `yaml:"WriteKeys"`
	// WriteKeysRate and WriteKeysBurst limit the requests with write keys, per second and
	// for each HTTP verb; 0 is a quarter of ThrottleRate and of ThrottleBurst.
	WriteKeysRate  int `yaml:"WriteKeysRate"`
	WriteKeysBurst int `yaml:"WriteKeysBurst"`
	// Privacy changes events before they are stored.
	Privacy contract.Privacy `yaml:"Privacy"`
	// StreamFormats are the formats of records that producers put on the stream without
	// ingest: amplify, event. Other records are quarantined.
	StreamFormats []string `yaml:"StreamFormats"`
	// WebAcl is true for a web ACL of the stack, false for none, or the ARN of an
	// existing one.
	WebAcl string `yaml:"WebAcl"`
	// Functions override settings of functions.
	Functions FunctionSettings `yaml:"Functions"`
	// PermissionsBoundaryArn is set on every role; empty sets none.
	PermissionsBoundaryArn string `yaml:"PermissionsBoundaryArn"`
	// FlowLogs logs the connections that the VPC's security groups reject.
	FlowLogs bool `yaml:"FlowLogs"`
	// DomainName is a custom domain of the API, with DomainCertificateArn (of the same
	// region) and, for a DNS record, DomainHostedZoneId.
	DomainName           string `yaml:"DomainName"`
	DomainCertificateArn string `yaml:"DomainCertificateArn"`
	DomainHostedZoneId   string `yaml:"DomainHostedZoneId"`

	// ArtifactBucket holds the functions' code; empty means
	// streamctl-artifacts-<account>-<region>.
	ArtifactBucket string `yaml:"ArtifactBucket"`
	// S3PrefixListId is the region's S3 prefix list; empty uses the built-in table.
	S3PrefixListId string `yaml:"S3PrefixListId"`
}

// Transitions are days after which an object moves to a storage class; 0 disables the
// transition.
type Transitions struct {
	// StandardIA is the time until S3 Standard-IA, GlacierIR until Glacier Instant
	// Retrieval.
	StandardIA int `yaml:"StandardIA"`
	GlacierIR  int `yaml:"GlacierIR"`
	// DeepArchive objects must be restored before a replay, which takes hours.
	DeepArchive int `yaml:"DeepArchive"`
}

// FunctionSettings override settings by function.
type FunctionSettings struct {
	// The key is the name of a function.
	Ingest      FunctionSetting `yaml:"ingest"`
	Archiver    FunctionSetting `yaml:"archiver"`
	Processor   FunctionSetting `yaml:"processor"`
	Query       FunctionSetting `yaml:"query"`
	Schema      FunctionSetting `yaml:"schema"`
	Maintenance FunctionSetting `yaml:"maintenance"`
}

// FunctionSetting overrides settings of one function; 0 means the default.
type FunctionSetting struct {
	// MemorySize is in MiB, 128 to 10240.
	MemorySize int `yaml:"MemorySize"`
	// Timeout is in seconds: above the database's statement timeout, below API
	// Gateway's 29 for ingest, at most 900. That of query bounds SQL statements: a request
	// of the API ends after 20 s.
	Timeout int `yaml:"Timeout"`
	// ReservedConcurrency is the largest number of concurrent executions, taken from
	// the account's; 0 shares the account's.
	ReservedConcurrency int `yaml:"ReservedConcurrency"`
	// ProvisionedConcurrency is the number of executions that are kept ready, paid by
	// the hour; for ingest and query only, whose callers wait for a cold start.
	ProvisionedConcurrency int `yaml:"ProvisionedConcurrency"`
}

// named returns the settings by function name.
func (s FunctionSettings) named() map[string]FunctionSetting {
	return map[string]FunctionSetting{
		contract.FuncIngest: s.Ingest, contract.FuncArchiver: s.Archiver, contract.FuncProcessor: s.Processor,
		contract.FuncQuery: s.Query, contract.FuncSchema: s.Schema, contract.FuncMaintenance: s.Maintenance,
	}
}

// Function returns a function with its overridden settings, and the setting for values
// that the function itself doesn't have.
func (v Variables) Function(f contract.Function) (contract.Function, FunctionSetting) {
	s := v.Functions.named()[f.Name]
	if s.MemorySize > 0 {
		f.MemoryMiB = s.MemorySize
	}
	if s.Timeout > 0 {
		f.TimeoutSeconds = s.Timeout
	}
	return f, s
}

// HoldsData reports whether the environment's data is worth keeping: its database
// leaves a snapshot, and its key stays.
func (v Variables) HoldsData() bool { return v.Environment != Development }

// LoaderConnections is the connection limit of the role that loads the warehouse: twice
// the number of concurrent loads, plus two. Zero, for an on-demand stream, means 40 %
// of the server's connections.
func (v Variables) LoaderConnections() int {
	if v.StreamMode == StreamOnDemand {
		return 0
	}
	return v.ShardCount*v.ProcessorMapping.Parallelization*2 + 2
}
