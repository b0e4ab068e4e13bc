package fake

// Parts of a Fake.
type (
	// Recording lists the calls of the fake's clients and makes calls fail.
	Recording struct{ *account }
	// Faults make steps of stacks and invocations fail.
	Faults struct{ *account }
	// Inventory lists the account's resources.
	Inventory struct{ *account }
	// Functions runs functions and reads their logs.
	Functions struct{ *account }
	// Surroundings adds resources of other teams to the account.
	Surroundings struct{ *account }
)

// services each serve the calls of one service, or do one part of an account's
// work. Each has access to the whole account.
type services struct {
	gateway     gatewayAPI
	iam         iamAPI
	lambda      lambdaAPI
	cloudwatch  cloudWatchAPI
	rds         rdsAPI
	elasticache elastiCacheAPI
	kms         kmsAPI
	sts         stsAPI
	ec2         ec2API
	sns         snsAPI
	ssm         ssmAPI
	logging     logsAPI
	streaming   kinesisAPI
	custom      customResources
	provider    provider
	schedules   schedules
	front       endpoint
}

type (
	// gatewayAPI is API Gateway: its control plane and its stages.
	gatewayAPI struct{ *account }
	// iamAPI serves IAM's calls for roles.
	iamAPI struct{ *account }
	// lambdaAPI serves Lambda's calls for functions and mappings.
	lambdaAPI struct{ *account }
	// cloudWatchAPI serves CloudWatch's metrics.
	cloudWatchAPI struct{ *account }
	// rdsAPI serves RDS's calls for instances and snapshots.
	rdsAPI struct{ *account }
	// elastiCacheAPI serves ElastiCache's calls for replication groups.
	elastiCacheAPI struct{ *account }
	// kmsAPI serves KMS's calls for keys.
	kmsAPI struct{ *account }
	// stsAPI serves STS's GetCallerIdentity.
	stsAPI struct{ *account }
	// ec2API serves EC2's calls for network interfaces.
	ec2API struct{ *account }
	// snsAPI serves SNS's listing of subscriptions.
	snsAPI struct{ *account }
	// ssmAPI serves SSM's calls for parameters.
	ssmAPI struct{ *account }
	// logsAPI is CloudWatch Logs.
	logsAPI struct{ *account }
	// kinesisAPI forwards Kinesis' calls.
	kinesisAPI struct{ *account }
	// customResources invokes the functions of custom resources.
	customResources struct{ *account }
	// provider creates, changes and deletes resources for the stacks.
	provider struct{ *account }
	// schedules fires rules.
	schedules struct{ *account }
	// endpoint serves the two listeners and determines the service of a call.
	endpoint struct{ *account }
)

func servicesOf(a *account) services {
	return services{
		gateway: gatewayAPI{a}, iam: iamAPI{a}, lambda: lambdaAPI{a}, cloudwatch: cloudWatchAPI{a}, rds: rdsAPI{a}, elasticache: elastiCacheAPI{a},
		kms: kmsAPI{a}, sts: stsAPI{a}, ec2: ec2API{a}, sns: snsAPI{a}, ssm: ssmAPI{a}, logging: logsAPI{a}, streaming: kinesisAPI{a}, custom: customResources{a},
		provider: provider{a}, schedules: schedules{a}, front: endpoint{a},
	}
}
