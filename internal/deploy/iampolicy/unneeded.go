package iampolicy

import (
	"slices"
	"strings"
)

// exemption is a group of actions that handlers of a type list and a deploy doesn't need.
type exemption struct {
	resourceType string
	// actions end in * for all actions with this beginning.
	actions []string
	// properties are the properties that need the actions. No template sets any of
	// them; a test checks every template. Empty if the reason is another one.
	properties []string
	// because is the reason if it is not the absence of properties.
	because string
}

func (u exemption) covers(resourceType, action string) bool {
	return u.resourceType == resourceType && slices.ContainsFunc(u.actions, func(pattern string) bool {
		prefix, some := strings.CutSuffix(pattern, "*")
		return pattern == action || some && strings.HasPrefix(action, prefix)
	})
}

// Reasons of exemptions without a property.
const (
	notAnAction = "IAM has no action of this name"
	otherKinds  = "the web ACL's resource is a stage of API Gateway"
)

// unneeded are the actions that a deploy doesn't need, "because …".
var unneeded = []exemption{
	{"AWS::ApiGateway::RestApi", []string{"apigateway:UpdateRestApiPolicy"}, []string{"Policy"}, ""},
	{"AWS::ApiGateway::RestApi", []string{"s3:GetObject"}, []string{"BodyS3Location"}, ""},

	{"AWS::EC2::FlowLog", []string{"s3:GetBucketPolicy", "s3:PutBucketPolicy"}, []string{"LogDestination"}, ""},
	{"AWS::EC2::FlowLog", []string{"autoscaling:DescribeTags"}, []string{"TagFieldSpecifications"}, ""},
	{"AWS::EC2::Subnet", []string{"ec2:AssociateSubnetCidrBlock", "ec2:DisassociateSubnetCidrBlock"}, []string{"Ipv6CidrBlock", "Ipv6CidrBlocks", "Ipv6IpamPoolId"}, ""},
	{"AWS::EC2::VPC", []string{"ec2:CreateVpcEncryptionControl"}, []string{"VpcEncryptionControl"}, ""},
	{"AWS::EC2::VPC", []string{"ec2:ModifyVpcTenancy"}, []string{"InstanceTenancy"}, ""},
	{"AWS::EC2::VPCEndpoint", []string{"vpc-lattice:*"}, []string{"ServiceNetworkArn", "ResourceConfigurationArn"}, ""},
	{"AWS::EC2::VPCEndpoint", []string{"vpce:AllowMultiRegion"}, []string{"ServiceRegion"}, ""},

	{"AWS::ElastiCache::ReplicationGroup", []string{"firehose:*", "logs:*"}, []string{"LogDeliveryConfigurations"}, ""},
	{"AWS::ElastiCache::ReplicationGroup", []string{"s3:GetObject"}, []string{"SnapshotArns"}, ""},
	{"AWS::ElastiCache::ReplicationGroup", []string{"elasticache:ModifyReplicationGroupShardConfiguration"}, []string{"NumNodeGroups", "NodeGroupConfiguration"}, ""},

	{"AWS::IAM::ManagedPolicy", []string{"iam:AttachGroupPolicy", "iam:DetachGroupPolicy"}, []string{"Groups"}, ""},
	{"AWS::IAM::ManagedPolicy", []string{"iam:AttachUserPolicy", "iam:DetachUserPolicy"}, []string{"Users"}, ""},
	{"AWS::IAM::Policy", []string{"iam:DeleteGroupPolicy", "iam:GetGroupPolicy", "iam:PutGroupPolicy"}, []string{"Groups"}, ""},
	{"AWS::IAM::Policy", []string{"iam:DeleteUserPolicy", "iam:GetUserPolicy", "iam:PutUserPolicy"}, []string{"Users"}, ""},

	{"AWS::Kinesis::Stream", []string{"kinesis:DisableEnhancedMonitoring", "kinesis:EnableEnhancedMonitoring"}, []string{"DesiredShardLevelMetrics"}, ""},
	{"AWS::Kinesis::Stream", []string{"kinesis:UpdateMaxRecordSize"}, []string{"MaxRecordSizeInKiB"}, ""},
	{"AWS::Kinesis::Stream", []string{"kinesis:UpdateStreamWarmThroughput"}, []string{"WarmThroughputMiBps", "WarmThroughputObject"}, ""},

	{"AWS::Lambda::Alias", []string{"codedeploy:*"}, []string{"RoutingConfig", "UpdatePolicy"}, ""},
	{"AWS::Lambda::Function", []string{"elasticfilesystem:*", "s3files:*"}, []string{"FileSystemConfigs"}, ""},
	{"AWS::Lambda::Function", []string{"lambda:GetCodeSigningConfig", "lambda:PutFunctionCodeSigningConfig", "lambda:DeleteFunctionCodeSigningConfig"}, []string{"CodeSigningConfigArn"}, ""},
	{"AWS::Lambda::Function", []string{"lambda:GetLayerVersion"}, []string{"Layers"}, ""},
	{"AWS::Lambda::Function", []string{"lambda:PassCapacityProvider"}, []string{"CapacityProviderConfig"}, ""},
	{"AWS::Lambda::Function", []string{"lambda:PutFunctionRecursionConfig"}, []string{"RecursiveLoop"}, ""},
	{"AWS::Lambda::Function", []string{"lambda:PutFunctionScalingConfig"}, []string{"FunctionScalingConfig"}, ""},
	{"AWS::Lambda::Function", []string{"lambda:PutRuntimeManagementConfig"}, []string{"RuntimeManagementConfig"}, ""},
	{"AWS::Lambda::Version", []string{"lambda:PutFunctionScalingConfig"}, []string{"FunctionScalingConfig"}, ""},
	{"AWS::Lambda::Version", []string{"lambda:PutRuntimeManagementConfig"}, []string{"RuntimePolicy"}, ""},

	{"AWS::Logs::LogGroup", []string{"firehose:TagDeliveryStream", "logs:CreateLogDelivery", "logs:PutDataProtectionPolicy", "logs:DeleteDataProtectionPolicy"}, []string{"DataProtectionPolicy"}, ""},
	{"AWS::Logs::LogGroup", []string{"logs:PutIndexPolicy", "logs:DeleteIndexPolicy"}, []string{"FieldIndexPolicies"}, ""},
	{"AWS::Logs::LogGroup", []string{"logs:PutBearerTokenAuthentication"}, []string{"BearerTokenAuthenticationEnabled"}, ""},
	{"AWS::Logs::LogGroup", []string{"logs:PutLogGroupDeletionProtection"}, []string{"DeletionProtectionEnabled"}, ""},
	{"AWS::Logs::LogGroup", []string{"logs:PutResourcePolicy", "logs:DeleteResourcePolicy"}, []string{"ResourcePolicyDocument"}, ""},
	{"AWS::Logs::LogGroup", []string{"s3:REST.PUT.OBJECT"}, nil, notAnAction},

	{"AWS::RDS::DBInstance", []string{"rds:AddRoleToDBInstance", "rds:RemoveRoleFromDBInstance", "iam:ListRoles"}, []string{"AssociatedRoles"}, ""},
	{"AWS::RDS::DBInstance", []string{"rds:DescribeDBClusters"}, []string{"DBClusterIdentifier", "SourceDBClusterIdentifier"}, ""},
	{"AWS::RDS::DBInstance", []string{"rds:DescribeDBClusterSnapshots"}, []string{"DBClusterSnapshotIdentifier"}, ""},
	{"AWS::RDS::DBInstance", []string{"rds:RestoreDBInstanceFromDBSnapshot"}, []string{"DBSnapshotIdentifier", "DBClusterSnapshotIdentifier"}, ""},
	{"AWS::RDS::DBInstance", []string{"rds:RestoreDBInstanceToPointInTime"}, []string{"RestoreTime", "UseLatestRestorableTime", "SourceDbiResourceId", "SourceDBInstanceAutomatedBackupsArn"}, ""},
	{"AWS::RDS::DBInstance", []string{"rds:StartDBInstanceAutomatedBackupsReplication", "rds:StopDBInstanceAutomatedBackupsReplication", "rds:DescribeDBInstanceAutomatedBackups"}, []string{"AutomaticBackupReplicationRegion"}, ""},
	{"AWS::RDS::DBInstance", []string{"secretsmanager:*"}, []string{"ManageMasterUserPassword"}, ""},
	{"AWS::RDS::DBInstance", []string{"rds:DescribeEvents"}, nil, "the handler continues without the events"},

	{"AWS::S3::Bucket", []string{"s3:PutBucketReplication", "s3:PutObjectLockConfiguration", "s3:DeleteBucketAnalyticsConfiguration", "s3:DeleteBucketCors", "s3:DeleteBucketEncryption", "s3:DeleteBucketLifecycle", "s3:DeleteBucketMetricsConfiguration", "s3:DeleteBucketReplication", "s3:DeleteBucketTagging"}, nil, notAnAction},
	{"AWS::S3::Bucket", []string{"s3tables:*", "s3:CreateBucketMetadataTableConfiguration", "s3:DeleteBucketMetadataTableConfiguration", "s3:UpdateBucketMetadata*"}, []string{"MetadataTableConfiguration", "MetadataConfiguration"}, ""},
	{"AWS::S3::Bucket", []string{"s3:PutAccelerateConfiguration"}, []string{"AccelerateConfiguration"}, ""},
	{"AWS::S3::Bucket", []string{"s3:PutAnalyticsConfiguration"}, []string{"AnalyticsConfigurations"}, ""},
	{"AWS::S3::Bucket", []string{"s3:PutBucketAbac"}, []string{"AbacStatus"}, ""},
	{"AWS::S3::Bucket", []string{"s3:PutBucketAcl", "s3:PutObjectAcl"}, []string{"AccessControl"}, ""},
	{"AWS::S3::Bucket", []string{"s3:PutBucketCORS"}, []string{"CorsConfiguration"}, ""},
	{"AWS::S3::Bucket", []string{"s3:PutBucketLogging"}, []string{"LoggingConfiguration"}, ""},
	{"AWS::S3::Bucket", []string{"s3:PutBucketNotification"}, []string{"NotificationConfiguration"}, ""},
	{"AWS::S3::Bucket", []string{"s3:PutBucketWebsite", "s3:DeleteBucketWebsite"}, []string{"WebsiteConfiguration"}, ""},
	{"AWS::S3::Bucket", []string{"s3:PutIntelligentTieringConfiguration"}, []string{"IntelligentTieringConfigurations"}, ""},
	{"AWS::S3::Bucket", []string{"s3:PutInventoryConfiguration"}, []string{"InventoryConfigurations"}, ""},
	{"AWS::S3::Bucket", []string{"s3:PutMetricsConfiguration"}, []string{"MetricsConfigurations"}, ""},

	{"AWS::SNS::Topic", []string{"iam:GetRole"}, []string{"DeliveryStatusLogging"}, ""},
	{"AWS::SNS::Topic", []string{"sns:PutDataProtectionPolicy"}, []string{"DataProtectionPolicy"}, ""},
	{"AWS::SNS::Subscription", []string{"iam:GetRole"}, []string{"SubscriptionRoleArn"}, ""},

	{"AWS::WAFv2::LoggingConfiguration", []string{"firehose:ListDeliveryStreams", "s3:GetBucketPolicy", "s3:PutBucketPolicy"}, nil, "the log's destination is a log group"},
	{"AWS::WAFv2::LoggingConfiguration", []string{"iam:DescribeOrganization"}, nil, notAnAction},
	{"AWS::WAFv2::WebACLAssociation", []string{"amplify:*", "apprunner:*", "appsync:*", "bedrock-agentcore:*", "cognito-idp:*", "ec2:*", "elasticloadbalancing:*"}, nil, otherKinds},
}
