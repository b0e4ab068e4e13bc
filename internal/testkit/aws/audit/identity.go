package audit

import (
	"slices"
	"strings"

	"github.com/streamctl/streamctl/internal/testkit/aws/fake/cfn"
)

// principals returns the service principals that policies may use.
func (v *View) principals() []string {
	out := []string{v.regionalLogs()}
	for _, name := range []string{"apigateway", "application-autoscaling", "backup", "cloudformation", "cloudwatch", "config", "delivery.logs", "edgelambda", "elasticache", "events",
		"firehose", "kinesis", "lambda", "logging.s3", "logs", "monitoring.rds", "rds", "s3", "scheduler", "secretsmanager", "sns", "sqs", "vpc-flow-logs", "wafv2", "xray"} {
		out = append(out, name+".amazonaws.com")
	}
	return append(out, "cognito-identity.amazonaws.com")
}

// regionalLogs is the principal of CloudWatch Logs for using a key. It is the
// only principal here that ends with the partition's DNS suffix.
func (v *View) regionalLogs() string { return "logs." + v.stack.Region + "." + v.stack.URLSuffix }

// prefixes returns the services whose actions policies may use.
func prefixes() []string {
	return []string{"acm", "apigateway", "application-autoscaling", "cloudwatch", "dynamodb", "ec2", "elasticache", "events", "execute-api", "firehose", "iam", "kinesis", "kms",
		"lambda", "logs", "rds", "rds-db", "route53", "s3", "scheduler", "secretsmanager", "sns", "sqs", "ssm", "sts", "wafv2", "xray"}
}

// servicesExist finds misspelled principals and action prefixes. IAM accepts
// any action, and the permission has no effect.
func servicesExist(v *View) []Problem {
	var out report
	for _, d := range v.documents() {
		for _, s := range d.statements {
			for _, name := range s.services() {
				if !slices.Contains(v.principals(), name) {
					out.add(d.resource, "unknown service principal %s", name)
				}
			}
			for _, action := range s.actions {
				service, name, ok := strings.Cut(action, ":")
				if action != "*" && (!ok || name == "" || !slices.Contains(prefixes(), service)) {
					out.add(d.resource, "unknown action prefix %s", action)
				}
			}
		}
	}
	for _, p := range v.of("AWS::Lambda::Permission") {
		if name := text(p.Properties["Principal"]); !slices.Contains(v.principals(), name) {
			out.add(p.ID, "unknown service principal %s", name)
		}
	}
	return out
}

// roleUse is a property that refers to a role, and the service that assumes it.
type roleUse struct {
	user    cfn.Resource
	value   any
	service string
}

// roleUses returns all uses of roles.
func (v *View) roleUses() []roleUse {
	services := map[string]string{
		"AWS::Lambda::Function": "lambda", "AWS::EC2::FlowLog": "vpc-flow-logs", "AWS::ApiGateway::Account": "apigateway", "AWS::RDS::DBInstance": "monitoring.rds",
		"AWS::S3::Bucket": "s3", "AWS::Scheduler::Schedule": "scheduler", "AWS::RDS::DBProxy": "rds", "AWS::KinesisFirehose::DeliveryStream": "firehose", "AWS::Events::Rule": "events",
		"AWS::SNS::Topic": "sns", "AWS::Backup::BackupSelection": "backup", "AWS::Cognito::IdentityPoolRoleAttachment": "",
	}
	var out []roleUse
	for _, r := range v.all() {
		if strings.HasPrefix(r.Type, "AWS::IAM::") {
			continue
		}
		visit(r.Properties, nil, func(path []string, key string, value any) {
			_, scalar := value.(string)
			if scalar && (key == "Role" || strings.HasSuffix(key, "RoleArn") || key == "RoleARN" || key == "DeliverLogsPermissionArn" || key == "IamRoleArn") {
				out = append(out, roleUse{r, value, services[r.Type]})
			}
		})
	}
	return out
}

// roleARNs finds a role's name, or anything else, where its ARN is required.
func roleARNs(v *View) []Problem {
	var out report
	for _, u := range v.roleUses() {
		role, ok := v.find(u.value, "AWS::IAM::Role")
		if ok && text(u.value) != text(v.value(role, "Arn")) || !ok && !strings.HasPrefix(text(u.value), "arn:") {
			out.add(u.user.ID, "needs a role's ARN, got %s", v.whose(u.value))
		}
	}
	return out
}

// trusted compares the users of a role with its trust policy, and the
// permissions to invoke a function with the callers.
func trusted(v *View) []Problem {
	var out report
	for _, u := range v.roleUses() {
		role, ok := v.find(u.value, "AWS::IAM::Role")
		if !ok || u.service == "" {
			continue
		}
		var names []string
		for _, s := range statements(role.Properties["AssumeRolePolicyDocument"]) {
			if s.effect == "Allow" && slices.Contains(s.actions, "sts:AssumeRole") {
				names = append(names, s.services()...)
			}
		}
		unknown := slices.ContainsFunc(names, func(name string) bool { return !slices.Contains(v.principals(), name) })
		if !unknown && !slices.Contains(names, u.service+".amazonaws.com") {
			out.add(role.ID, "is used by %s, but trusts %s", u.user.ID, strings.Join(names, ", "))
		}
	}
	callers := map[string]string{"execute-api": "apigateway", "events": "events", "s3": "s3", "sns": "sns", "logs": "logs", "scheduler": "scheduler"}
	for _, p := range v.of("AWS::Lambda::Permission") {
		if _, ok := v.function(p.Properties["FunctionName"]); !ok {
			out.add(p.ID, "is for %s", v.whose(p.Properties["FunctionName"]))
		}
		parts := strings.Split(text(p.Properties["SourceArn"]), ":")
		if len(parts) < 6 {
			out.add(p.ID, "allows %s of every account", text(p.Properties["Principal"]))
		} else if want := callers[parts[2]] + ".amazonaws.com"; slices.Contains(v.principals(), text(p.Properties["Principal"])) && text(p.Properties["Principal"]) != want {
			out.add(p.ID, "%s for a source of %s", text(p.Properties["Principal"]), parts[2])
		}
	}
	return out
}

// onBuckets returns the actions on a bucket itself, not on its objects.
func onBuckets() []string {
	return []string{"s3:ListBucket", "s3:ListBucketVersions", "s3:ListBucketMultipartUploads", "s3:GetBucketLocation", "s3:GetReplicationConfiguration", "s3:GetBucketVersioning"}
}

// bucketActions finds bucket actions that are granted on objects only, and
// object actions granted on the bucket.
func bucketActions(v *View) []Problem {
	var out report
	for _, d := range v.documents() {
		for _, s := range d.statements {
			buckets := slices.ContainsFunc(s.resources, func(r string) bool { return !strings.Contains(r, "/") })
			objects := slices.ContainsFunc(s.resources, func(r string) bool { return strings.Contains(r, "/") || strings.HasSuffix(r, "*") })
			for _, action := range s.actions {
				switch {
				case !strings.HasPrefix(action, "s3:") || action == "s3:*":
				case slices.Contains(onBuckets(), action):
					if !buckets {
						out.add(d.resource, "%s is an action on a bucket, granted on %s", action, strings.Join(s.resources, ", "))
					}
				case strings.Contains(action, "Object") && !strings.Contains(action, "BucketObjectLock") && !objects:
					out.add(d.resource, "%s is an action on objects, granted on %s", action, strings.Join(s.resources, ", "))
				}
			}
		}
	}
	return out
}

// separatePolicies finds policies in separate resources that nothing depends
// on: users of the role are created before the role has these policies.
func separatePolicies(v *View) []Problem {
	var out report
	for _, role := range v.of("AWS::IAM::Role") {
		arn, name := text(v.value(role, "Arn")), v.physicalID(role)
		for _, p := range v.attached(role) {
			waits := v.follows(p, arn)
			for _, r := range v.all() {
				waits = waits || r.ID != p.ID && v.before(r.ID, p.ID)
			}
			if !waits {
				out.add(p.ID, "no resource depends on it, so users of %s (%s) may be created first", name, arn)
			}
		}
	}
	return out
}

// follows reports whether every user of a role is created before a policy of
// the role, because the policy refers to the user.
func (v *View) follows(p cfn.Resource, role string) bool {
	users := 0
	for _, u := range v.roleUses() {
		if text(u.value) != role {
			continue
		}
		if users++; !v.before(p.ID, u.user.ID) {
			return false
		}
	}
	return users > 0
}

// secretsStay finds a password anywhere except where a login is configured.
func secretsStay(v *View) []Problem {
	var out report
	for _, parameter := range v.Secrets {
		secret := v.Parameters[parameter]
		if len(secret) < 8 {
			continue
		}
		for _, r := range v.all() {
			visit(r.Properties, nil, func(path []string, key string, value any) {
				s, ok := value.(string)
				allowed := r.Type == "AWS::RDS::DBInstance" && key == "MasterUserPassword" || cfn.IsCustom(r.Type) && len(path) == 0
				if ok && strings.Contains(s, secret) && !allowed {
					out.add(r.ID, "%s contains %s", key, parameter)
				}
			})
		}
		for _, name := range sortedNames(v.Outputs) {
			if strings.Contains(text(v.Outputs[name]), secret) {
				out.add(name, "contains %s", parameter)
			}
		}
	}
	return out
}

// dynamicReferences finds references to a secret that contain a parameter: they
// don't change with the parameter, so they are not resolved again. In a custom
// resource they are not resolved at all.
func dynamicReferences(v *View) []Problem {
	var out report
	for _, r := range v.all() {
		visit(r.Properties, nil, func(_ []string, key string, value any) {
			s, ok := value.(string)
			reference, found := between(s, "{{resolve:", "}}")
			if !ok || !found {
				return
			}
			if cfn.IsCustom(r.Type) {
				out.add(r.ID, "%s: a custom resource gets the reference itself", key)
			}
			for _, secret := range v.of("AWS::SecretsManager::Secret", "AWS::SSM::Parameter") {
				if strings.Contains(reference, v.physicalID(secret)) && len(v.Uses[secret.ID]) > 0 {
					out.add(r.ID, "%s refers to %s, which changes with %s while the reference doesn't", key, secret.ID, strings.Join(v.Uses[secret.ID], ", "))
				}
			}
		})
	}
	return out
}
