package audit_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/streamctl/streamctl/internal/config"
	"github.com/streamctl/streamctl/internal/testkit/aws/audit"
)

// asked is a rule of a rule pack, and whether production's template satisfies
// it. The document must agree, and give the reason if it doesn't.
type asked struct {
	what  string
	holds func(*audit.View) bool
}

// get follows keys and indexes into a resource's properties.
func get(value any, path ...any) any {
	for _, step := range path {
		switch step := step.(type) {
		case string:
			m, _ := value.(map[string]any)
			value = m[step]
		case int:
			l, _ := value.([]any)
			if step >= len(l) {
				return nil
			}
			value = l[step]
		}
	}
	return value
}

// every reports whether all resources of a type pass, and there is at least
// one.
func every(kind string, pass func(p map[string]any) bool) func(*audit.View) bool {
	return func(v *audit.View) bool {
		n := 0
		for _, r := range v.Resources {
			if r.Type == kind {
				n++
				if !pass(r.Properties) {
					return false
				}
			}
		}
		return n > 0
	}
}

// is reports whether a property has a value in all resources of a type.
func is(kind, want string, path ...any) func(*audit.View) bool {
	return every(kind, func(p map[string]any) bool { return fmt.Sprint(get(p, path...)) == want })
}

// set reports whether all resources of a type have a property.
func set(kind string, path ...any) func(*audit.View) bool {
	return every(kind, func(p map[string]any) bool { return get(p, path...) != nil })
}

func exists(kind string) func(*audit.View) bool {
	return every(kind, func(map[string]any) bool { return true })
}

// says reports whether a property, as text, contains a text.
func says(kind, part string, path ...any) func(*audit.View) bool {
	return every(kind, func(p map[string]any) bool { return strings.Contains(fmt.Sprint(get(p, path...)), part) })
}

func packs() []asked {
	const (
		method, stage   = "AWS::ApiGateway::Method", "AWS::ApiGateway::Stage"
		function        = "AWS::Lambda::Function"
		stream          = "AWS::Kinesis::Stream"
		bucket          = "AWS::S3::Bucket"
		database, cache = "AWS::RDS::DBInstance", "AWS::ElastiCache::ReplicationGroup"
		group           = "AWS::EC2::SecurityGroup"
		role            = "AWS::IAM::Role"
		logs            = "AWS::Logs::LogGroup"
	)
	return []asked{
		{"API: access log", set(stage, "AccessLogSetting", "DestinationArn")},
		{"API: authorization on every method", is(method, "AWS_IAM", "AuthorizationType")},
		{"API: authorization by Cognito", is(method, "COGNITO_USER_POOLS", "AuthorizationType")},
		{"API: client certificate for the backend", set(stage, "ClientCertificateId")},
		{"API: execution log", func(v *audit.View) bool { return !is(stage, "OFF", "MethodSettings", 0, "LoggingLevel")(v) }},
		{"API: no cache without encryption", every(stage, func(p map[string]any) bool { return get(p, "CacheClusterEnabled") == nil })},
		{"API: request validation on every method", set(method, "RequestValidatorId")},
		{"API: throttling", set(stage, "MethodSettings", 0, "ThrottlingRateLimit")},
		{"API: traces", is(stage, "true", "TracingEnabled")},
		{"API: web ACL", exists("AWS::WAFv2::WebACLAssociation")},

		{"Functions: current runtime", is(function, "provided.al2023", "Runtime")},
		{"Functions: dead-letter queue", set(function, "DeadLetterConfig")},
		{"Functions: environment encrypted with the own key", set(function, "KmsKeyArn")},
		{"Functions: in a VPC", set(function, "VpcConfig")},
		{"Functions: invoked by named sources only", set("AWS::Lambda::Permission", "SourceArn")},
		{"Functions: reserved concurrency", set(function, "ReservedConcurrentExecutions")},
		{"Functions: signed code", set(function, "CodeSigningConfigArn")},
		{"Functions: traces", is(function, "Active", "TracingConfig", "Mode")},

		{"Stream: encrypted", is(stream, "KMS", "StreamEncryption", "EncryptionType")},
		{"Stream: a week of retention", is(stream, "168", "RetentionPeriodHours")},

		{"Bucket: access log", set(bucket, "LoggingConfiguration")},
		{"Bucket: encrypted with the own key", is(bucket, "aws:kms", "BucketEncryption", "ServerSideEncryptionConfiguration", 0, "ServerSideEncryptionByDefault", "SSEAlgorithm")},
		{"Bucket: event notifications", set(bucket, "NotificationConfiguration")},
		{"Bucket: lifecycle", set(bucket, "LifecycleConfiguration")},
		{"Bucket: no ACLs", is(bucket, "BucketOwnerEnforced", "OwnershipControls", "Rules", 0, "ObjectOwnership")},
		{"Bucket: Object Lock", set(bucket, "ObjectLockConfiguration")},
		{"Bucket: public access blocked", every(bucket, func(p map[string]any) bool {
			return !slices.ContainsFunc([]string{"BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"}, func(key string) bool {
				return get(p, "PublicAccessBlockConfiguration", key) != true
			})
		})},
		{"Bucket: replicated", set(bucket, "ReplicationConfiguration")},
		{"Bucket: TLS only, 1.2 or newer", func(v *audit.View) bool {
			return says("AWS::S3::BucketPolicy", "aws:SecureTransport", "PolicyDocument")(v) && says("AWS::S3::BucketPolicy", "s3:TlsVersion", "PolicyDocument")(v)
		}},
		{"Bucket: versions", is(bucket, "Enabled", "VersioningConfiguration", "Status")},

		{"Database: a port that isn't the default", set(database, "Port")},
		{"Database: backups of a week", is(database, "7", "BackupRetentionPeriod")},
		{"Database: deletion protection", is(database, "true", "DeletionProtection")},
		{"Database: encrypted with the own key", set(database, "KmsKeyId")},
		{"Database: enhanced monitoring", set(database, "MonitoringRoleArn")},
		{"Database: in a backup plan", exists("AWS::Backup::BackupSelection")},
		{"Database: logins with IAM", is(database, "true", "EnableIAMDatabaseAuthentication")},
		{"Database: logs in CloudWatch", set(database, "EnableCloudwatchLogsExports")},
		{"Database: minor upgrades", is(database, "true", "AutoMinorVersionUpgrade")},
		{"Database: no default master name", every(database, func(p map[string]any) bool {
			return !slices.Contains([]string{"postgres", "admin", "root"}, fmt.Sprint(p["MasterUsername"]))
		})},
		{"Database: not public", is(database, "false", "PubliclyAccessible")},
		{"Database: password in Secrets Manager, rotated", exists("AWS::SecretsManager::RotationSchedule")},
		{"Database: Performance Insights", set(database, "EnablePerformanceInsights")},
		{"Database: several zones", is(database, "true", "MultiAZ")},
		{"Database: tags on snapshots", is(database, "true", "CopyTagsToSnapshot")},
		{"Database: TLS only", is("AWS::RDS::DBParameterGroup", "1", "Parameters", "rds.force_ssl")},

		{"Cache: a port that isn't the default", func(v *audit.View) bool { return !is(cache, "6379", "Port")(v) }},
		{"Cache: backups", set(cache, "SnapshotRetentionLimit")},
		{"Cache: encrypted at rest and in transit", func(v *audit.View) bool {
			return is(cache, "true", "AtRestEncryptionEnabled")(v) && is(cache, "true", "TransitEncryptionEnabled")(v)
		}},
		{"Cache: logins", set(cache, "UserGroupIds", 0)},
		{"Cache: minor upgrades", is(cache, "true", "AutoMinorVersionUpgrade")},
		{"Cache: several zones", is(cache, "true", "MultiAZEnabled")},

		{"Network: default security group closed", func(*audit.View) bool { return false }},
		{"Network: descriptions on rules", every(group, func(p map[string]any) bool {
			return get(p, "SecurityGroupIngress") == nil || get(p, "SecurityGroupIngress", 0, "Description") != nil
		})},
		{"Network: flow logs", exists("AWS::EC2::FlowLog")},
		{"Network: no ingress from everywhere", every(group, func(p map[string]any) bool { return get(p, "SecurityGroupIngress", 0, "CidrIp") == nil })},
		{"Network: no route to the internet", func(v *audit.View) bool {
			return !exists("AWS::EC2::InternetGateway")(v) && !exists("AWS::EC2::Route")(v)
		}},

		{"IAM: no inline policies", every(role, func(p map[string]any) bool { return p["Policies"] == nil })},
		{"IAM: no policies of AWS", every(role, func(p map[string]any) bool {
			return !strings.Contains(fmt.Sprint(p["ManagedPolicyArns"]), ":iam::aws:policy/")
		})},
		{"IAM: no wildcards", every("AWS::IAM::ManagedPolicy", func(p map[string]any) bool {
			return fmt.Sprint(get(p, "PolicyDocument", "Statement", 0, "Resource")) != "*"
		})},
		{"IAM: no role is an administrator", func(v *audit.View) bool {
			for _, r := range v.Resources {
				text := fmt.Sprint(r.Properties["Policies"], get(r.Properties, "PolicyDocument"))
				if strings.HasPrefix(r.Type, "AWS::IAM::") && (strings.Contains(text, "Action:*") || strings.Contains(text, "AdministratorAccess")) {
					return false
				}
			}
			return true
		}},

		{"Keys: rotated", is("AWS::KMS::Key", "true", "EnableKeyRotation")},
		{"Logs: a year of retention", func(v *audit.View) bool {
			return every(logs, func(p map[string]any) bool { n, ok := p["RetentionInDays"].(int64); return ok && n >= 365 })(v)
		}},
		{"Logs: encrypted with the own key", set(logs, "KmsKeyId")},
		{"Logs: retention", set(logs, "RetentionInDays")},
		{"Alarms: an action", set("AWS::CloudWatch::Alarm", "AlarmActions", 0)},
		{"Alarms: an action without data", set("AWS::CloudWatch::Alarm", "InsufficientDataActions", 0)},
		{"Topic: encrypted with the own key", set("AWS::SNS::Topic", "KmsMasterKeyId")},
		{"Topic: TLS only", says("AWS::SNS::TopicPolicy", "aws:SecureTransport", "PolicyDocument")},
	}
}

// TestPacks compares the document's answers to the rule packs with production's
// template.
func TestPacks(t *testing.T) {
	v := look(t, rendered(t, config.Default(config.Production)), options(t, "events"))
	_, text, _ := strings.Cut(document(t, "security.md"), "\n## What rule packs ask\n")
	answers := map[string]string{}
	for line := range strings.Lines(text) {
		if cells := strings.Split(line, " | "); len(cells) == 3 && strings.Contains(cells[0], ": ") {
			answers[strings.TrimPrefix(cells[0], "| ")] = strings.TrimSuffix(strings.TrimSpace(cells[2]), " |")
		}
	}
	for _, a := range packs() {
		answer, ok := answers[a.what]
		done := answer == "done" || strings.HasPrefix(answer, "done: ")
		switch {
		case !ok:
			t.Errorf("docs/security.md doesn't say: %s", a.what)
		case a.holds(v) != done:
			t.Errorf("docs/security.md: %s: %q, the template: %v", a.what, answer, a.holds(v))
		case !done && len(answer) < 30:
			t.Errorf("docs/security.md: %s: why not?", a.what)
		}
		delete(answers, a.what)
	}
	for what := range answers {
		t.Errorf("docs/security.md: %s: no rule pack has this rule", what)
	}
}
