package template

import (
	"strings"

	"github.com/streamctl/streamctl/internal/contract"
)

// Logical ids. CloudFormation treats a renamed id as a deleted and a new resource, so
// the id of a stateful resource must never change.
const (
	idVpc             = "Vpc"
	idRouteTable      = "PrivateRouteTable"
	idS3Endpoint      = "S3Endpoint"
	idDatabaseGroup   = "DatabaseSecurityGroup"
	idDatabaseClients = "DatabaseClientsGroup"
	idDatabaseEgress  = "DatabaseClientsEgress"
	idCacheClients    = "CacheClientsGroup"
	idCacheEgress     = "CacheClientsEgress"
	idS3Clients       = "S3ClientsGroup"
	idS3Egress        = "S3ClientsEgress"
	idCacheGroup      = "CacheSecurityGroup"
	idKey             = "Key"
	idKeyAlias        = "KeyAlias"
	idStream          = "EventStream"
	idArchive         = "ArchiveBucket"
	idArchivePolicy   = "ArchiveBucketPolicy"
	idDatabase        = "Database"
	idDatabaseSubnet  = "DatabaseSubnetGroup"
	idDatabaseParams  = "DatabaseParameters"
	idCache           = "Cache"
	idCacheSubnet     = "CacheSubnetGroup"
	idCacheParams     = "CacheParameters"
	idCacheUser       = "CacheUser"
	idCacheUserGroup  = "CacheUserGroup"
	idMigrations      = "Migrations"

	idFunctionPolicy    = "FunctionPolicy"
	idVpcPolicy         = "VpcFunctionPolicy"
	idStreamPolicy      = "StreamReaderPolicy"
	idCachePolicy       = "CacheClientPolicy"
	idApi               = "Api"
	idApiEvents         = "ApiEventsResource"
	idApiMetrics        = "ApiMetricsResource"
	idApiMetric         = "ApiMetricResource"
	idApiPostEvents     = "ApiPostEvents"
	idApiGetMetric      = "ApiGetMetric"
	idApiClients        = "ApiClientsResource"
	idApiClientsAll     = "ApiClientsPaths"
	idApiClientsAny     = "ApiClientsAny"
	idApiBeacon         = "ApiBeaconResource"
	idApiBeaconAll      = "ApiBeaconPaths"
	idApiBeaconAny      = "ApiBeaconAny"
	idApiStage          = "ApiStage"
	idApiLogGroup       = "ApiLogGroup"
	idApiAccount        = "ApiAccount"
	idApiAccountRole    = "ApiAccountRole"
	idApiDeployment     = "ApiDeployment" // followed by a hash of the API
	idSendPolicy        = "SendEventsPolicy"
	idReadPolicy        = "ReadMetricsPolicy"
	idSQLPolicy         = "SqlPolicy"
	idOperatorPolicy    = "OperatorPolicy"
	idAlarmTopic        = "AlarmTopic"
	idAlarmPolicy       = "AlarmTopicPolicy"
	idAlarmEmail        = "AlarmEmailSubscription"
	idDashboard         = "Dashboard"
	idReplicationPolicy = "ArchiveReplicationPolicy"
	idReplicationRole   = "ArchiveReplicationRole"
	idFlowLog           = "FlowLog"
	idFlowLogGroup      = "FlowLogGroup"
	idFlowLogRole       = "FlowLogRole"
	idWebACL            = "WebAcl"
	idWebACLLogGroup    = "WebAclLogGroup"
	idWebACLLogging     = "WebAclLogging"
	idWebACLAssociation = "WebAclAssociation"
	idDomain            = "Domain"
	idDomainMapping     = "DomainMapping"
	idDomainRecord      = "DomainRecord"
	idProcessorSource   = "ProcessorMapping"
	idArchiverSource    = "ArchiverMapping"
)

// Parameters, named as in the brief.
const (
	paramEnvironment = "Environment"
	paramProject     = "ProjectName"
	paramVpcCidr     = "VpcCidr"
	paramUsername    = "DatabaseUsername"
	paramPassword    = "DatabasePassword"
	paramClass       = "DatabaseInstanceClass"
)

// AccountRoleID is the logical id of the resource that sets the account's role for API
// Gateway's logs.
const AccountRoleID = idApiAccount

// stageName is the API's only stage, in every environment.
const stageName = "prod"

// title capitalizes a function's name for logical ids: Ingest.
func title(function string) string {
	return strings.ToUpper(function[:1]) + function[1:]
}

// FunctionID is the logical id of a function, by its name in contract.
func FunctionID(name string) string { return title(name) + "Function" }
func roleID(name string) string     { return title(name) + "Role" }
func logGroupID(name string) string { return title(name) + "LogGroup" }
func subnetID(zone int) string      { return "PrivateSubnet" + string(rune('A'+zone)) }
func associationID(zone int) string { return subnetID(zone) + "Association" }

// CodeKeyParameter is the parameter that holds the S3 key of a function's code.
func CodeKeyParameter(function string) string { return title(function) + "CodeKey" }

// ArtifactBucketName is the default name of the bucket with the functions' code.
func ArtifactBucketName(account, region string) string {
	return "streamctl-artifacts-" + account + "-" + region
}

// usesDatabase and usesCache report whether a function connects to the store.
func usesDatabase(name string) bool {
	return name == contract.FuncProcessor || name == contract.FuncQuery || name == contract.FuncSchema || name == contract.FuncMaintenance
}

func usesCache(name string) bool {
	return name == contract.FuncProcessor || name == contract.FuncQuery || name == contract.FuncMaintenance
}

// usesS3 reports whether a function inside the VPC uses S3: for quarantine, or for
// CloudFormation's response bucket.
func usesS3(name string) bool {
	return name == contract.FuncProcessor || name == contract.FuncSchema || name == contract.FuncMaintenance
}
