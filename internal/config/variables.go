// Package config reads variables.yaml: what a team says about its platform.
package config

import (
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

// What to do about the account-wide role with which API Gateway writes logs.
const (
	// AccountRoleCreate makes the role and sets it for the account and region.
	AccountRoleCreate = "create"
	// AccountRoleExisting leaves the account's setting alone.
	AccountRoleExisting = "existing"
)

// Values of WebAcl beside an ARN.
const (
	WebAclOwn  = "true"
	WebAclNone = "false"
)

// Variables is what variables.yaml may say, for one environment. Default gives
// the values that hold where the file says nothing.
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
	// Region is the AWS region; empty means what the AWS configuration says.
	Region string `yaml:"Region"`
	// Account is the twelve-digit account that a deploy must be in; empty
	// means any.
	Account string `yaml:"Account"`
	// Tags go to the stack and so to every resource that takes tags.
	Tags map[string]string `yaml:"Tags"`
	// AvailabilityZones is how many zones have a subnet, 2 or 3.
	AvailabilityZones int `yaml:"AvailabilityZones"`

	// StreamMode is PROVISIONED or ON_DEMAND.
	StreamMode string `yaml:"StreamMode"`
	// ShardCount is the number of shards of a PROVISIONED stream, 1 to 200,
	// and 0 with ON_DEMAND.
	ShardCount int `yaml:"ShardCount"`
	// StreamRetentionHours is how long records stay readable, 24 to 8760 hours.
	StreamRetentionHours int `yaml:"StreamRetentionHours"`
	// ProcessorMapping and ArchiverMapping are how the stream is read.
	ProcessorMapping contract.Mapping `yaml:"ProcessorMapping"`
	ArchiverMapping  contract.Mapping `yaml:"ArchiverMapping"`

	// DatabaseEngineVersion is PostgreSQL's major version; minors are RDS's.
	DatabaseEngineVersion string `yaml:"DatabaseEngineVersion"`
	// DatabaseStorageGiB is the storage at creation, 20 to 65536 GiB.
	DatabaseStorageGiB int `yaml:"DatabaseStorageGiB"`
	// DatabaseMaxStorageGiB is how far storage grows by itself, in GiB, at
	// least 1.1 times DatabaseStorageGiB; 0 means it doesn't grow.
	DatabaseMaxStorageGiB int `yaml:"DatabaseMaxStorageGiB"`
	// DatabaseMultiAz keeps a standby in a second zone.
	DatabaseMultiAz bool `yaml:"DatabaseMultiAz"`
	// DatabaseDeletionProtection makes RDS refuse to delete the instance.
	DatabaseDeletionProtection bool `yaml:"DatabaseDeletionProtection"`
	// BackupRetentionDays is how long RDS keeps its daily backups, 0 to 35
	// days; 0 means none.
	BackupRetentionDays int `yaml:"BackupRetentionDays"`
	// TerminationProtection makes CloudFormation refuse to delete the stack.
	TerminationProtection bool `yaml:"TerminationProtection"`

	// CacheNodeType is the ElastiCache node type, such as cache.t4g.micro.
	CacheNodeType string `yaml:"CacheNodeType"`
	// CacheNodes is how many nodes there are, 1 to 6; from 2 on a failed
	// primary is replaced by a replica in another zone.
	CacheNodes int `yaml:"CacheNodes"`

	// LogRetentionDays is how long log groups keep lines; CloudWatch takes
	// certain numbers only.
	LogRetentionDays int `yaml:"LogRetentionDays"`
	// AlarmEmail is told of every alarm; empty means nobody is.
	AlarmEmail string `yaml:"AlarmEmail"`

	// ThrottleRate is the API's steady limit, 1 to 10000 requests a second.
	ThrottleRate int `yaml:"ThrottleRate"`
	// ThrottleBurst is the API's short limit, 1 to 5000 requests.
	ThrottleBurst int `yaml:"ThrottleBurst"`
	// ApiGatewayAccountRole is create or existing.
	ApiGatewayAccountRole string `yaml:"ApiGatewayAccountRole"`

	// Metrics are what is counted beside events by type.
	Metrics []metric.Definition `yaml:"Metrics"`
	// EventTypes are event types with a reserved place in the metric events,
	// beside the hundred that come first.
	EventTypes []string `yaml:"EventTypes"`
	// EventMaxAgeDays is how old an event may be on arrival, 1 to 365 days.
	EventMaxAgeDays int `yaml:"EventMaxAgeDays"`
	// WarehouseRetentionDays is how long events stay in PostgreSQL, at most 36500
	// days; 0 keeps all.
	WarehouseRetentionDays int `yaml:"WarehouseRetentionDays"`

	// ReadReplicas is how many read replicas the database has, 0 to 5.
	ReadReplicas int `yaml:"ReadReplicas"`
	// ArchiveTransitionDays is when archived objects move to cheaper storage.
	ArchiveTransitionDays Transitions `yaml:"ArchiveTransitionDays"`
	// ArchiveReplicationBucketArn is a versioned bucket, of another region as a
	// rule, that every archived object is copied to; empty means none is.
	ArchiveReplicationBucketArn string `yaml:"ArchiveReplicationBucketArn"`
	// ArchiveReplicationKeyArn is the KMS key that encrypts the copies.
	ArchiveReplicationKeyArn string `yaml:"ArchiveReplicationKeyArn"`
	// ObjectLockDays is how long nobody may delete an archived object without
	// a permission of its own (governance mode); 0 means not at all. It can't
	// be switched later.
	ObjectLockDays int `yaml:"ObjectLockDays"`
	// CorsAllowedOrigins are the web origins whose pages may call the API.
	CorsAllowedOrigins []string `yaml:"CorsAllowedOrigins"`
	// WebAcl is true for a web ACL of the stack's own, false for none, or the
	// ARN of one that exists.
	WebAcl string `yaml:"WebAcl"`
	// Functions change what a function may use.
	Functions FunctionSettings `yaml:"Functions"`
	// PermissionsBoundaryArn is set on every role; empty means none is.
	PermissionsBoundaryArn string `yaml:"PermissionsBoundaryArn"`
	// FlowLogs logs the connections that the VPC's security groups refuse.
	FlowLogs bool `yaml:"FlowLogs"`
	// DomainName is a name of one's own for the API, with DomainCertificateArn
	// (of the same region) and, for a DNS record, DomainHostedZoneId.
	DomainName           string `yaml:"DomainName"`
	DomainCertificateArn string `yaml:"DomainCertificateArn"`
	DomainHostedZoneId   string `yaml:"DomainHostedZoneId"`

	// ArtifactBucket holds the functions' code; empty means
	// streamctl-artifacts-<account>-<region>.
	ArtifactBucket string `yaml:"ArtifactBucket"`
	// S3PrefixListId is the region's S3 prefix list; empty means the built-in
	// table has it.
	S3PrefixListId string `yaml:"S3PrefixListId"`
}

// Transitions are days after which an object moves to a storage class; 0 means
// it doesn't.
type Transitions struct {
	StandardIA int `yaml:"StandardIA"`
	GlacierIR  int `yaml:"GlacierIR"`
	// DeepArchive objects have to be restored, for hours, before a replay.
	DeepArchive int `yaml:"DeepArchive"`
}

// FunctionSettings are what variables.yaml may say of each function.
type FunctionSettings struct {
	Ingest      FunctionSetting `yaml:"ingest"`
	Archiver    FunctionSetting `yaml:"archiver"`
	Processor   FunctionSetting `yaml:"processor"`
	Query       FunctionSetting `yaml:"query"`
	Schema      FunctionSetting `yaml:"schema"`
	Maintenance FunctionSetting `yaml:"maintenance"`
}

// FunctionSetting is what one function may use; 0 means the default.
type FunctionSetting struct {
	// MemorySize is in MiB, 128 to 10240.
	MemorySize int `yaml:"MemorySize"`
	// Timeout is in seconds: above the database's own for statements, below the
	// API's 29 where it answers requests, at most 900.
	Timeout int `yaml:"Timeout"`
	// ReservedConcurrency is how many run at a time at most, taken from the
	// account's; unset they share it.
	ReservedConcurrency int `yaml:"ReservedConcurrency"`
	// ProvisionedConcurrency is how many executions are kept ready, paid by the
	// hour; for ingest and query only, whose callers wait for a cold start.
	ProvisionedConcurrency int `yaml:"ProvisionedConcurrency"`
}

// named gives the settings by the function's name.
func (s FunctionSettings) named() map[string]FunctionSetting {
	return map[string]FunctionSetting{
		contract.FuncIngest: s.Ingest, contract.FuncArchiver: s.Archiver, contract.FuncProcessor: s.Processor,
		contract.FuncQuery: s.Query, contract.FuncSchema: s.Schema, contract.FuncMaintenance: s.Maintenance,
	}
}

// Function is a function with what variables.yaml changes of it, and its
// setting for what the function itself doesn't say.
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

// HoldsData says that losing this environment's data is a loss: its database
// leaves a snapshot and its key stays.
func (v Variables) HoldsData() bool { return v.Environment != Development }

// LoaderConnections is the connection limit of the role that loads the
// warehouse: twice what can run at a time, and two to spare. Zero, for an
// on-demand stream, stands for 40 % of the server's connections.
func (v Variables) LoaderConnections() int {
	if v.StreamMode == StreamOnDemand {
		return 0
	}
	return v.ShardCount*v.ProcessorMapping.Parallelization*2 + 2
}
