package fake

// The parts of a Fake.
type (
	// Recording lists the calls of the fake's clients, and makes calls fail.
	Recording struct{ *account }
	// Faults make steps of stacks and invocations fail.
	Faults struct{ *account }
	// Inventory lists what exists in the account.
	Inventory struct{ *account }
	// Functions runs functions and reads their logs.
	Functions struct{ *account }
	// Surroundings is what other teams have in the account.
	Surroundings struct{ *account }
)

// services answer the calls of one service each, or do one part of an account's
// work. Each sees all of the account.
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
	logging     logsAPI
	streaming   kinesisAPI
	custom      customResources
	provider    provider
	schedules   schedules
	front       endpoint
}

type (
	// gatewayAPI is API Gateway: its control plane and what its stages serve.
	gatewayAPI struct{ *account }
	// iamAPI is IAM's calls for roles.
	iamAPI struct{ *account }
	// lambdaAPI is Lambda's calls for functions and mappings.
	lambdaAPI struct{ *account }
	// cloudWatchAPI is CloudWatch's metrics.
	cloudWatchAPI struct{ *account }
	// rdsAPI is RDS's calls for instances and snapshots.
	rdsAPI struct{ *account }
	// elastiCacheAPI is ElastiCache's calls for replication groups.
	elastiCacheAPI struct{ *account }
	// kmsAPI is KMS's calls for keys.
	kmsAPI struct{ *account }
	// stsAPI is STS's GetCallerIdentity.
	stsAPI struct{ *account }
	// ec2API is EC2's calls for network interfaces.
	ec2API struct{ *account }
	// logsAPI is CloudWatch Logs.
	logsAPI struct{ *account }
	// kinesisAPI hands Kinesis' calls on.
	kinesisAPI struct{ *account }
	// customResources invokes the functions of custom resources.
	customResources struct{ *account }
	// provider makes, changes and deletes resources for the stacks.
	provider struct{ *account }
	// schedules fires rules.
	schedules struct{ *account }
	// endpoint serves the two listeners, and finds the service of a call.
	endpoint struct{ *account }
)

func servicesOf(a *account) services {
	return services{
		gateway: gatewayAPI{a}, iam: iamAPI{a}, lambda: lambdaAPI{a}, cloudwatch: cloudWatchAPI{a}, rds: rdsAPI{a}, elasticache: elastiCacheAPI{a},
		kms: kmsAPI{a}, sts: stsAPI{a}, ec2: ec2API{a}, logging: logsAPI{a}, streaming: kinesisAPI{a}, custom: customResources{a},
		provider: provider{a}, schedules: schedules{a}, front: endpoint{a},
	}
}
