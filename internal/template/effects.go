package template

// effects are the effects of a changed property on the running platform that no
// change set shows; docs/updates.md explains them by variable.
var effects = map[[2]string]string{
	{"AWS::RDS::DBInstance", "DBInstanceClass"}:                "restarts the database; Multi-AZ fails over",
	{"AWS::RDS::DBInstance", "EngineVersion"}:                  "stops the database for minutes; take a snapshot first",
	{"AWS::RDS::DBInstance", "AllocatedStorage"}:               "grows in place; the next growth is possible after six hours",
	{"AWS::RDS::DBInstance", "BackupRetentionPeriod"}:          "restarts the database if backups are switched on or off",
	{"AWS::RDS::DBInstance", "MultiAZ"}:                        "in place, without a restart",
	{"AWS::RDS::DBInstance", "MasterUserPassword"}:             "changes the master password immediately",
	{"AWS::ElastiCache::ReplicationGroup", "CacheNodeType"}:    "moves to new nodes, one by one",
	{"AWS::ElastiCache::ReplicationGroup", "NumCacheClusters"}: "adds or removes nodes; one node has no failover",
	{"AWS::Kinesis::Stream", "RetentionPeriodHours"}:           "a shorter retention drops older records immediately",
	{"AWS::Kinesis::Stream", "ShardCount"}:                     "splits or merges shards while the stream runs",
	{"AWS::Kinesis::Stream", "StreamModeDetails"}:              "possible twice in 24 hours",
	{"AWS::Logs::LogGroup", "RetentionInDays"}:                 "a shorter retention deletes older log lines",
	{"AWS::Lambda::Function", "Code"}:                          "the next invocations run the new code",
	{"AWS::ApiGateway::RestApi", "SecurityPolicy"}:             "rejects clients below TLS 1.2; takes about 15 minutes",
	{"AWS::ApiGateway::RestApi", "EndpointAccessMode"}:         "STRICT rejects requests whose TLS server name differs from the Host header; takes about 15 minutes",
	{"AWS::ApiGateway::DomainName", "DomainName"}:              "the old domain stops working",
}

// Effect is the effect of a changed property on the running platform; empty if a
// change set shows all.
func Effect(resourceType, property string) string {
	return effects[[2]string{resourceType, property}]
}
