package audit_test

func storeFaults() []fault {
	const (
		engine     = "the database's engine is supported"
		parameters = "the parameter groups fit their engines"
		storage    = "the database's storage is valid in RDS"
		name       = "the database's name is valid in RDS"
		monitoring = "enhanced monitoring has its role"
		node       = "the cache's node type exists"
		failover   = "the cache has a node to fail over to"
		users      = "the cache's user group has what its engine wants"
		cache      = "the cache's engine is supported"
	)
	return []fault{
		{"a retired database engine", engine, func(t tree) {
			t.set("Database", "EngineVersion", "12")
			t.set("DatabaseParameters", "Family", "postgres12")
		}},
		{"a family of another version", parameters, func(t tree) { t.set("DatabaseParameters", "Family", "postgres16") }},
		{"a cache family of another engine", parameters, func(t tree) { t.set("CacheParameters", "CacheParameterGroupFamily", "redis7") }},
		{"storage below the least", storage, func(t tree) { t.set("Database", "AllocatedStorage", "10") }},
		{"growth by nothing", storage, func(t tree) { t.set("Database", "MaxAllocatedStorage", 50) }},
		{"IOPS on little storage", storage, func(t tree) { t.set("Database", "Iops", 3000) }},
		{"a database's name with a hyphen", name, func(t tree) { t.set("Database", "DBName", "event-analytics") }},
		{"a reserved database name", name, func(t tree) { t.set("Database", "DBName", "postgres") }},
		{"monitoring without a role", monitoring, func(t tree) { t.set("Database", "MonitoringInterval", 60) }},
		{"a monitoring role without monitoring", monitoring, func(t tree) {
			t.set("Database", "MonitoringInterval", 0)
			t.set("Database", "MonitoringRoleArn", "arn:aws:iam::111122223333:role/monitoring")
		}},
		{"a node type that doesn't exist", node, func(t tree) { t.set("Cache", "CacheNodeType", "cache.t4g.large") }},
		{"failover with one node", failover, func(t tree) {
			t.set("Cache", "NumCacheClusters", 1)
			for _, id := range overNodes {
				t.replace(id, "${Cache}-002", "${Cache}-001")
			}
			t.set("CacheLagAlarm", "Metrics", t.properties("CacheCpuAlarm")["Metrics"])
		}},
		{"a redis user group without default", users, func(t tree) { t.set("CacheUserGroup", "Engine", "redis") }},
		{"an IAM user with two names", users, func(t tree) { t.set("CacheUser", "UserName", "other") }},
		{"a user who is off", users, func(t tree) { t.set("CacheUser", "AccessString", "~m:* +@read") }},
		{"a retired cache engine", cache, func(t tree) {
			t.set("Cache", "Engine", "redis")
			t.set("Cache", "EngineVersion", "5.0.6")
			t.set("CacheParameters", "CacheParameterGroupFamily", "redis5")
		}},
		{"a cache in clear", cache, func(t tree) { t.set("Cache", "TransitEncryptionEnabled", false) }},
	}
}

func identityFaults() []fault {
	const (
		exist    = "principals and services exist"
		trust    = "roles trust who uses them"
		arns     = "role ARNs are ARNs of roles"
		buckets  = "bucket actions are granted on buckets"
		policies = "separate policies are waited for"
		keys     = "keys let in the services that use them"
		secrets  = "secrets stay where they are needed"
		dynamic  = "no dynamic reference outlives its value"
	)
	allow := func(action string, resource any) map[string]any {
		return map[string]any{"Version": "2012-10-17", "Statement": []any{map[string]any{"Effect": "Allow", "Action": action, "Resource": resource}}}
	}
	return []fault{
		{"a misspelled service principal", exist, func(t tree) { t.replace("IngestRole", "lambda.amazonaws.com", "lamda.amazonaws.com") }},
		{"a misspelled principal of a permission", exist, func(t tree) { t.replace("RefreshPermission", "events.amazonaws.com", "event.amazonaws.com") }},
		{"a misspelled IAM service", exist, func(t tree) { t.addPolicy("IngestRole", allow("x-ray:PutTraceSegments", "*")) }},
		{"a role for another service", trust, func(t tree) { t.replace("IngestRole", "lambda.amazonaws.com", "events.amazonaws.com") }},
		{"a permission for another service", trust, func(t tree) { t.replace("IngestPermission", "apigateway.amazonaws.com", "events.amazonaws.com") }},
		{"a permission for every account", trust, func(t tree) { t.set("IngestPermission", "SourceArn", nil) }},
		{"a role's name where its ARN belongs", arns, func(t tree) { t.set("IngestFunction", "Role", ref("IngestRole")) }},
		{"the account's role by name", arns, func(t tree) { t.set("ApiAccount", "CloudWatchRoleArn", ref("ApiAccountRole")) }},
		{"a bucket's action on its objects only", buckets, func(t tree) {
			t.addPolicy("QueryRole", allow("s3:GetBucketLocation", map[string]any{"Fn::Sub": "${ArchiveBucket.Arn}/*"}))
			t.set("QueryFunction", "VpcConfig", "SecurityGroupIds", []any{getAtt("DatabaseClientsGroup", "GroupId"), getAtt("CacheClientsGroup", "GroupId"), getAtt("S3ClientsGroup", "GroupId")})
			statements := t.properties("S3Endpoint")["PolicyDocument"].(map[string]any)["Statement"].([]any)
			t.set("S3Endpoint", "PolicyDocument", "Statement", append(statements, map[string]any{
				"Effect": "Allow", "Principal": "*", "Action": "s3:GetBucketLocation", "Resource": map[string]any{"Fn::Sub": "${ArchiveBucket.Arn}/*"}}))
		}},
		{"a separate policy that nothing waits for", policies, func(t tree) {
			t.add("IngestPolicy", "AWS::IAM::Policy", map[string]any{"PolicyName": "more", "Roles": []any{ref("IngestRole")}, "PolicyDocument": allow("kinesis:PutRecord", getAtt("EventStream", "Arn"))})
		}},
		{"a key without the logs of its region", keys, func(t tree) { t.replace("Key", "logs.${AWS::Region}.${AWS::URLSuffix}", "logs.amazonaws.com") }},
		{"a key for other log groups", keys, func(t tree) { t.replace("Key", "log-group:*", "log-group:/aws/lambda/*") }},
		{"a key without CloudWatch for the topic", keys, func(t tree) { t.replace("Key", "cloudwatch.amazonaws.com", "events.amazonaws.com") }},
		{"a topic with the key of SNS", keys, func(t tree) { t.set("AlarmTopic", "KmsMasterKeyId", "alias/aws/sns") }},
		{"a key that locks the account out", keys, func(t tree) { t.replace("Key", "kms:*", "kms:Describe*") }},
		{"a log group with the key's id", keys, func(t tree) { t.set("IngestLogGroup", "KmsKeyId", ref("Key")) }},
		{"a writer without the key", keys, func(t tree) { t.replace("IngestRole", "kms:GenerateDataKey", "kms:DescribeKey") }},
		{"the password in a function's environment", secrets, func(t tree) {
			t.set("QueryFunction", "Environment", "Variables", "PASSWORD", ref("DatabasePassword"))
		}},
		{"the password in an output", secrets, func(t tree) {
			t.all["Outputs"].(map[string]any)["Login"] = map[string]any{"Value": map[string]any{"Fn::Sub": "postgres://master:${DatabasePassword}@host"}}
		}},
		{"a dynamic reference to what a parameter changes", dynamic, func(t tree) {
			t.add("Secret", "AWS::SecretsManager::Secret", map[string]any{"SecretString": map[string]any{"Fn::Sub": `{"user":"${DatabaseUsername}"}`}})
			t.set("Database", "MasterUserPassword", map[string]any{"Fn::Sub": "{{resolve:secretsmanager:${Secret}:SecretString:password}}"})
		}},
		{"a dynamic reference in a custom resource", dynamic, func(t tree) { t.set("Migrations", "MasterPassword", "{{resolve:secretsmanager:elsewhere}}") }},
	}
}
