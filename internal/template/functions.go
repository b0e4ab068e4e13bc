package template

import (
	"slices"

	"github.com/awslabs/goformation/v7/cloudformation/events"
	"github.com/awslabs/goformation/v7/cloudformation/iam"
	"github.com/awslabs/goformation/v7/cloudformation/lambda"
	"github.com/awslabs/goformation/v7/cloudformation/logs"

	"github.com/streamctl/streamctl/internal/alert"
	"github.com/streamctl/streamctl/internal/config"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/metric"
)

// addFunctions adds the six functions, each with its role and its log group.
func (t *Template) addFunctions(v config.Variables) {
	t.group("Functions")
	t.addSharedPolicies()
	environments := environments(v, t.metrics(v), t.alertDefinitions(v))
	for _, f := range contract.Functions() {
		f, setting := v.Function(f)
		t.add(logGroupID(f.Name), t.logGroup(v, LogGroup("${AWS::StackName}", f.Name)))
		t.addRole(roleID(f.Name), &iam.Role{
			AssumeRolePolicyDocument: trust("lambda.amazonaws.com"),
			ManagedPolicyArns:        shared(f),
			Policies:                 inline(t.own(v, f.Name)...),
		})
		fn := t.function(v, f, environments[f.Name])
		if setting.ReservedConcurrency > 0 {
			fn.ReservedConcurrentExecutions = new(setting.ReservedConcurrency)
		}
		t.add(FunctionID(f.Name), fn)
		if setting.ProvisionedConcurrency > 0 {
			t.addProvisionedConcurrency(f.Name, setting.ProvisionedConcurrency)
		}
	}
	t.addOperatorPolicies()
}

func (t *Template) logGroup(v config.Variables, name string) *logs.LogGroup {
	return &logs.LogGroup{
		LogGroupName:    new(Sub(name)),
		RetentionInDays: new(v.LogRetentionDays),
		KmsKeyId:        new(GetAtt(idKey, "Arn")),
	}
}

func (t *Template) function(v config.Variables, f contract.Function, environment map[string]string) *lambda.Function {
	bucket := v.ArtifactBucket
	if bucket == "" {
		bucket = Sub(ArtifactBucketName("${AWS::AccountId}", "${AWS::Region}"))
	}
	fn := &lambda.Function{
		Runtime:       new("provided.al2023"),
		Handler:       new("bootstrap"),
		Architectures: []string{"arm64"},
		Code:          &lambda.Function_Code{S3Bucket: new(bucket), S3Key: new(Ref(CodeKeyParameter(f.Name)))},
		MemorySize:    new(f.MemoryMiB),
		Timeout:       new(f.TimeoutSeconds),
		Role:          GetAtt(roleID(f.Name), "Arn"),
		Environment:   &lambda.Function_Environment{Variables: environment},
		LoggingConfig: &lambda.Function_LoggingConfig{LogGroup: new(Ref(logGroupID(f.Name)))},
		TracingConfig: &lambda.Function_TracingConfig{Mode: new("Active")},
	}
	if f.Name == contract.FuncIngest {
		// An update may make ingest accept events, such as new event types, that the
		// previous processor would quarantine: so processor is updated first.
		fn.AWSCloudFormationDependsOn = []string{FunctionID(contract.FuncProcessor)}
	}
	if f.InVPC {
		groups, rules := egressOf(f.Name)
		fn.VpcConfig = &lambda.Function_VpcConfig{SubnetIds: subnetRefs(v), SecurityGroupIds: groups}
		if f.Name != contract.FuncSchema {
			_, waited := egressOf(contract.FuncSchema) // by the migrations
			fn.AWSCloudFormationDependsOn = append([]string{idMigrations}, slices.DeleteFunc(rules, func(rule string) bool { return slices.Contains(waited, rule) })...)
		}
	}
	return fn
}

// environments returns the functions' environment variables, from the structs that the
// functions load them with.
func environments(v config.Variables, metrics, alerts string) map[string]map[string]string {
	stack := Ref("AWS::StackName")
	database := contract.Database{Address: Sub("${" + idDatabase + ".Endpoint.Address}:${" + idDatabase + ".Endpoint.Port}")}
	cache := contract.Cache{URL: Sub("rediss://${" + idCacheUser + "}@${" + idCache + ".PrimaryEndPoint.Address}:${" + idCache + ".PrimaryEndPoint.Port}/${" + idCache + "}")}
	return map[string]map[string]string{
		contract.FuncIngest:    contract.Ingest{Stack: stack, Stream: Ref(idStream), EventMaxAgeDays: v.EventMaxAgeDays, CorsOrigins: v.CorsAllowedOrigins, WriteKeys: v.WriteKeys, Privacy: v.Privacy}.Vars(),
		contract.FuncArchiver:  contract.Archiver{Stack: stack, Bucket: Ref(idArchive), StreamFormats: v.StreamFormats}.Vars(),
		contract.FuncProcessor: contract.Processor{Stack: stack, Database: database, Cache: cache, Bucket: Ref(idArchive), StreamFormats: v.StreamFormats}.Vars(),
		contract.FuncQuery:     contract.Query{Stack: stack, Database: database, Cache: cache, CorsOrigins: v.CorsAllowedOrigins, Metrics: metrics}.Vars(),
		contract.FuncSchema:    contract.Schema{Stack: stack, Database: database, EventMaxAgeDays: v.EventMaxAgeDays}.Vars(),
		contract.FuncMaintenance: contract.Maintenance{Stack: stack, Database: database, Cache: cache,
			Bucket: Ref(idArchive), EventMaxAgeDays: v.EventMaxAgeDays, WarehouseRetentionDays: v.WarehouseRetentionDays, StreamFormats: v.StreamFormats, Alerts: alerts}.Vars(),
	}
}

// metrics returns the declared metrics in the form that the functions read.
func (t *Template) metrics(v config.Variables) string {
	text, err := metric.Encode(v.Metrics)
	if err != nil {
		t.errs = append(t.errs, err)
	}
	return text
}

// alertDefinitions returns the declared alerts in the form that maintenance reads.
func (t *Template) alertDefinitions(v config.Variables) string {
	text, err := alert.Encode(v.Alerts)
	if err != nil {
		t.errs = append(t.errs, err)
	}
	return text
}

// list returns texts in the form that the migrations read.
func (t *Template) list(texts []string) string {
	text, err := contract.EncodeList(texts)
	if err != nil {
		t.errs = append(t.errs, err)
	}
	return text
}

// addMigrations adds the custom resource that migrates the schema. It is retained: a
// deletion has nothing to undo, and so never waits for a response from a network that
// is being deleted.
func (t *Template) addMigrations(v config.Variables) {
	t.group("Migrations")
	_, rules := egressOf(contract.FuncSchema)
	depends := append([]string{idS3Endpoint}, rules...)
	for zone := range v.AvailabilityZones {
		depends = append(depends, associationID(zone))
	}
	properties := contract.MigrationProperties{
		CodeKey:            Ref(CodeKeyParameter(contract.FuncSchema)),
		DatabaseResourceID: GetAtt(idDatabase, "DbiResourceId"),
		MasterUsername:     Ref(paramUsername),
		MasterPassword:     Ref(paramPassword),
		LoaderConnections:  itoa(v.LoaderConnections()),
		ReaderConnections:  "0",
		Metrics:            t.metrics(v),
		EventTypes:         t.list(config.ReservedTypes(v)),
		InsightProperties:  t.list(v.InsightProperties),
	}.Values()
	properties["ServiceToken"] = GetAtt(FunctionID(contract.FuncSchema), "Arn")
	properties["ServiceTimeout"] = 600
	t.add(idMigrations, custom{
		kind: "Custom::Migrations", dependsOn: depends,
		deletionPolicy: string(retain), updateReplacePolicy: string(retain),
		properties: properties,
	})
}

// addSources adds the event source mappings and the schedules.
func (t *Template) addSources(v config.Variables) {
	t.group("Event sources")
	t.add(idProcessorSource, mapping(contract.FuncProcessor, v.ProcessorMapping))
	t.add(idArchiverSource, mapping(contract.FuncArchiver, v.ArchiverMapping))
	t.addSchedule("Refresh", "rate(1 minute)", contract.TaskRefresh)
	t.addSchedule("Upkeep", "rate(1 hour)", contract.TaskUpkeep)
}

func mapping(function string, m contract.Mapping) resource {
	source := &lambda.EventSourceMapping{
		EventSourceArn:                 new(GetAtt(idStream, "Arn")),
		FunctionName:                   Ref(FunctionID(function)),
		StartingPosition:               new(contract.StartingPosition),
		BatchSize:                      new(m.BatchSize),
		MaximumBatchingWindowInSeconds: new(m.WindowSeconds),
		ParallelizationFactor:          new(m.Parallelization),
		MaximumRetryAttempts:           new(m.Retries),
		MaximumRecordAgeInSeconds:      new(m.RecordAgeSeconds),
		FunctionResponseTypes:          []string{"ReportBatchItemFailures"},
	}
	if m.Bisect { // false is the default
		source.BisectBatchOnFunctionError = new(true)
	}
	if !m.OnFailure {
		return source
	}
	source.DestinationConfig = &lambda.EventSourceMapping_DestinationConfig{
		OnFailure: &lambda.EventSourceMapping_OnFailure{Destination: new(GetAtt(idArchive, "Arn"))},
	}
	// Without this, no metric counts the given up records.
	return with(source, map[string]any{"MetricsConfig": map[string]any{"Metrics": []string{"EventCount"}}})
}

func (t *Template) addSchedule(name, expression, task string) {
	t.add(name+"Schedule", &events.Rule{
		ScheduleExpression: new(expression),
		Targets: []events.Rule_Target{{
			Id:    "maintenance",
			Arn:   GetAtt(FunctionID(contract.FuncMaintenance), "Arn"),
			Input: new(`{"task":"` + task + `"}`),
		}},
	})
	t.add(name+"Permission", &lambda.Permission{
		Action:       "lambda:InvokeFunction",
		FunctionName: Ref(FunctionID(contract.FuncMaintenance)),
		Principal:    "events.amazonaws.com",
		SourceArn:    new(GetAtt(name+"Schedule", "Arn")),
	})
}

// LogGroup is the name of a function's log group.
func LogGroup(stack, function string) string { return "/aws/lambda/" + stack + "-" + function }
