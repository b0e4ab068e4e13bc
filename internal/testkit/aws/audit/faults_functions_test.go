package audit_test

// overNodes lists the alarms that cover every node of the cache.
var overNodes = []string{"CacheCpuAlarm", "CacheEvictionsAlarm", "CacheLagAlarm", "CreditsAlarm"}

func monitoringFaults() []fault {
	const (
		exist  = "alarms read metrics that exist"
		on     = "alarms read metrics that are switched on"
		window = "alarms can be evaluated"
		told   = "alarms have an action"
		boards = "dashboards are readable"
	)
	lag := func(t tree) map[string]any { return t.properties("StreamLagAlarm") }
	metric := func(t tree, namespace, name string, dimensions ...any) {
		p := lag(t)
		p["Namespace"], p["MetricName"], p["Dimensions"] = namespace, name, dimensions
	}
	dimension := func(name string, value any) any { return map[string]any{"Name": name, "Value": value} }
	return []fault{
		{"a metric that doesn't exist", exist, func(t tree) { t.set("StreamLagAlarm", "MetricName", "IteratorAge") }},
		{"a dimension too few", exist, func(t tree) { t.set("ApiErrorsAlarm", "Dimensions", []any{dimension("Stage", "prod")}) }},
		{"the API's id instead of its name", exist, func(t tree) { t.set("ApiErrorsAlarm", "Dimensions", 0, "Value", ref("Api")) }},
		{"the replication group instead of a node", exist, func(t tree) {
			t.set("CacheCpuAlarm", "Metrics", 1, "MetricStat", "Metric", "Dimensions", 0, "Value", ref("Cache"))
		}},
		{"a node that isn't there", exist, func(t tree) { t.replace("CacheMemoryAlarm", "${Cache}-001", "${Cache}-007") }},
		{"an own metric that nothing writes", exist, func(t tree) { t.set("QuarantineAlarm", "MetricName", "EventsMislaid") }},
		{"a function's alarm on a function that isn't there", exist, func(t tree) { metric(t, "AWS/Lambda", "Duration", dimension("FunctionName", "processor")) }},
		{"a sum of levels", exist, func(t tree) { t.set("StreamLagAlarm", "Statistic", "Sum") }},
		{"an average of counts", exist, func(t tree) { t.set("StreamThrottledAlarm", "Statistic", "Average") }},
		{"a mapping's metric without MetricsConfig", on, func(t tree) {
			t.set("ProcessorMapping", "MetricsConfig", nil)
		}},
		{"credits of a class that has none", on, func(t tree) {
			t.set("Database", "DBInstanceClass", "db.m7g.large")
		}},
		{"a route's metric without MetricsEnabled", on, func(t tree) {
			metric(t, "AWS/ApiGateway", "Latency", dimension("ApiName", ref("AWS::StackName")), dimension("Stage", "prod"), dimension("Resource", "/events"), dimension("Method", "POST"))
			t.set("ApiStage", "MethodSettings", 0, "MetricsEnabled", false)
		}},
		{"a lag of a database that is not a replica", on, func(t tree) { metric(t, "AWS/RDS", "ReplicaLag", dimension("DBInstanceIdentifier", ref("Database"))) }},
		{"a lag of one node", on, func(t tree) {
			t.set("Cache", "NumCacheClusters", 1)
			t.set("Cache", "AutomaticFailoverEnabled", false)
			t.set("Cache", "MultiAZEnabled", false)
			for _, id := range overNodes {
				t.replace(id, "${Cache}-002", "${Cache}-001")
			}
		}},
		{"two results", window, func(t tree) { t.set("CacheEvictionsAlarm", "Metrics", 1, "ReturnData", true) }},
		{"more datapoints than periods", window, func(t tree) { t.set("StreamLagAlarm", "DatapointsToAlarm", 6) }},
		{"a window of two days", window, func(t tree) {
			t.set("StreamLagAlarm", "Period", 1800)
			t.set("StreamLagAlarm", "EvaluationPeriods", 96)
		}},
		{"an alarm without an action", told, func(t tree) { t.set("StreamLagAlarm", "AlarmActions", nil) }},
		{"a topic that CloudWatch may not publish to", told, func(t tree) { t.replace("AlarmTopicPolicy", "sns:Publish", "sns:Subscribe") }},
		{"a dashboard that is not JSON", boards, func(t tree) { t.replace("Dashboard", `{\"widgets\"`, `{{\"widgets\"`) }},
		{"a widget without a region", boards, func(t tree) { t.replace("Dashboard", `\"region\":`, `\"area\":`) }},
		{"a widget on a metric that isn't there", boards, func(t tree) { t.replace("Dashboard", `\"Latency\"`, `\"Lateness\"`) }},
	}
}

func functionFaults() []fault {
	const (
		start   = "mappings say where to begin"
		failed  = "mappings give up where the role may write"
		answers = "custom resources can answer until the end"
	)
	return []fault{
		{"no StartingPosition", start, func(t tree) { t.set("ProcessorMapping", "StartingPosition", nil) }},
		{"a mapping that begins with what comes", start, func(t tree) { t.set("ArchiverMapping", "StartingPosition", "LATEST") }},
		{"records given up after they expired", start, func(t tree) { t.set("EventStream", "RetentionPeriodHours", 24) }},
		{"on-failure permission on a chosen prefix", failed, func(t tree) { t.replace("ProcessorRole", "/aws/lambda/*", "/quarantine/failed/*") }},
		{"on-failure without listing the bucket", failed, func(t tree) { t.replace("ProcessorRole", "s3:ListBucket", "s3:GetBucketLocation") }},
		{"given-up records that are lost", failed, func(t tree) { t.set("ArchiverMapping", "MaximumRetryAttempts", 3) }},
		{"reserved concurrency by default", "no concurrency is reserved by default", func(t tree) { t.set("IngestFunction", "ReservedConcurrentExecutions", 10) }},
		{"a retired runtime", "functions have a runtime that isn't retired", func(t tree) { t.set("IngestFunction", "Runtime", "provided.al2") }},
		{"a custom resource without its rule", answers, func(t tree) { t.waitNot("Migrations", "S3ClientsEgress") }},
		{"a custom resource without its route", answers, func(t tree) { t.waitNot("Migrations", "PrivateSubnetAAssociation") }},
		{"a custom resource without its endpoint", answers, func(t tree) { t.waitNot("Migrations", "S3Endpoint") }},
		{"a custom resource that waits an hour", answers, func(t tree) { t.set("Migrations", "ServiceTimeout", nil) }},
	}
}
