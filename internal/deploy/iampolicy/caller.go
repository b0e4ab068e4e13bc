package iampolicy

// callerActions are the actions of the calls that this program makes itself.
var callerActions = map[string][]string{
	"cloudformation": {
		"CreateStack", "UpdateStack", "DeleteStack", "CancelUpdateStack", "ContinueUpdateRollback", "DescribeStacks", "DescribeStackEvents", "DescribeStackResource", "ListStackResources",
		"GetTemplate", "CreateChangeSet", "DescribeChangeSet", "ExecuteChangeSet", "DeleteChangeSet", "UpdateTerminationProtection", "GetStackPolicy", "SetStackPolicy", "TagResource",
		"DescribeEvents", "ValidateTemplate",
	},
	"s3": {
		"CreateBucket", "ListBucket", "GetBucketVersioning", "PutBucketVersioning", "GetBucketPublicAccessBlock", "PutBucketPublicAccessBlock", "GetEncryptionConfiguration", "PutEncryptionConfiguration",
		"GetBucketPolicy", "PutBucketPolicy", "DeleteBucketPolicy", "GetBucketTagging", "PutBucketTagging", "TagResource",
		"GetObject", "PutObject", "DeleteObject", "DeleteObjectVersion", "ListBucketVersions", "ListBucketMultipartUploads", "AbortMultipartUpload",
	},
	"sts":        {"GetCallerIdentity"},
	"lambda":     {"GetEventSourceMapping", "ListEventSourceMappings", "UpdateEventSourceMapping", "GetFunction", "GetFunctionConfiguration", "InvokeFunction"},
	"rds":        {"DescribeDBInstances", "DescribeDBSnapshots", "ModifyDBInstance", "DeleteDBInstance", "CreateDBSnapshot", "CopyDBSnapshot", "DeleteDBSnapshot"},
	"apigateway": {"GET", "PATCH"},
	"iam":        {"GetRole", "ListAttachedRolePolicies", "DetachRolePolicy", "DeleteRole"},
	"kms":        {"DescribeKey", "ScheduleKeyDeletion"},
	"logs":       {"FilterLogEvents", "DescribeLogGroups", "DeleteLogGroup"},
	"cloudwatch": {"GetMetricData"},
	"ec2":        {"DescribeNetworkInterfaces"},
	"sns":        {"ListSubscriptionsByTopic"},
}

// HealthActions are the actions of `status` and `doctor --live`, by service, beside those
// of a deploy. All of them only read. CloudFormation asks for the last two of its actions
// while it detects drift.
func HealthActions() map[string][]string {
	return map[string][]string{
		"cloudformation": {"DetectStackDrift", "DescribeStackDriftDetectionStatus", "DescribeStackResourceDrifts", "DetectStackResourceDrift", "BatchDescribeTypeConfigurations"},
		"cloudwatch":     {"DescribeAlarms"},
		"rds":            {"DescribeDBParameters", "DescribeAccountAttributes"},
		"kinesis":        {"DescribeStreamSummary", "DescribeLimits"},
		"lambda":         {"GetAccountSettings"},
		"elasticache":    {"DescribeReplicationGroups"},
		"ec2":            {"DescribeAvailabilityZones", "DescribeVpcs"},
		"iam":            {"SimulatePrincipalPolicy"},
	}
}

// customResource is the key of all custom resources in additional.
const customResource = "Custom::"

// additional are the actions that deploying a type needs and its schema doesn't list.
// Types without a schema have all their actions here.
var additional = map[string][]string{
	// API Gateway asks for permissions of its own to use a certificate.
	"AWS::ApiGateway::DomainName": {"apigateway:AddCertificateToDomain", "apigateway:RemoveCertificateFromDomain"},
	// CloudFormation reads the zones of !GetAZs as the deployer.
	"AWS::EC2::Subnet": {"ec2:DescribeAvailabilityZones"},
	// EC2 looks up the prefix list of an endpoint's service.
	"AWS::EC2::VPCEndpoint": {"ec2:DescribePrefixLists", "ec2:DescribeManagedPrefixLists"},
	// A service that encrypts with the stack's key checks the key, and gets a grant, with
	// the permissions of the identity that creates its resource.
	"AWS::KMS::Key": {"kms:CreateGrant", "kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"},
	// The schema of this type has no handlers.
	"AWS::Route53::RecordSet": {"route53:ChangeResourceRecordSets", "route53:ListResourceRecordSets", "route53:GetChange", "route53:GetHostedZone"},
	// CloudFormation invokes the function of a custom resource as the deployer.
	customResource: {"lambda:InvokeFunction"},
}
