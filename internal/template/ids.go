package template

import (
	"strings"

	"github.com/streamctl/streamctl/internal/contract"
)

// Logical ids. CloudFormation takes a renamed id for a deleted and a new
// resource, so none of these may change for what holds data.
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

	idVpcPolicy         = "VpcFunctionPolicy"
	idStreamPolicy      = "StreamReaderPolicy"
	idCachePolicy       = "CacheClientPolicy"
	idApi               = "Api"
	idApiEvents         = "ApiEventsResource"
	idApiMetrics        = "ApiMetricsResource"
	idApiMetric         = "ApiMetricResource"
	idApiPostEvents     = "ApiPostEvents"
	idApiGetMetric      = "ApiGetMetric"
	idApiStage          = "ApiStage"
	idApiLogGroup       = "ApiLogGroup"
	idApiAccount        = "ApiAccount"
	idApiAccountRole    = "ApiAccountRole"
	idApiDeployment     = "ApiDeployment" // with a hash of the API behind it
	idSendPolicy        = "SendEventsPolicy"
	idReadPolicy        = "ReadMetricsPolicy"
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

// stageName is the API's one stage, in every environment.
const stageName = "prod"

// title is a function's name as the beginning of a logical id: Ingest.
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

// ArtifactBucketName is the rule for the bucket that holds the functions' code
// where variables.yaml names none.
func ArtifactBucketName(account, region string) string {
	return "streamctl-artifacts-" + account + "-" + region
}

// usesDatabase and usesCache are which functions reach which store.
func usesDatabase(name string) bool {
	return name == contract.FuncProcessor || name == contract.FuncQuery || name == contract.FuncSchema || name == contract.FuncMaintenance
}

func usesCache(name string) bool {
	return name == contract.FuncProcessor || name == contract.FuncQuery || name == contract.FuncMaintenance
}

// usesS3 is which functions inside the VPC reach S3: quarantine for one,
// CloudFormation's response bucket for the other.
func usesS3(name string) bool {
	return name == contract.FuncProcessor || name == contract.FuncSchema || name == contract.FuncMaintenance
}
