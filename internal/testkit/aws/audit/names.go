package audit

import (
	"regexp"
	"slices"
	"strings"
)

// limit is the maximum length and the allowed characters of a property.
type limit struct {
	most    int
	pattern *regexp.Regexp
}

// limits returns the limits by type and property.
func limits() map[string]limit {
	plain := regexp.MustCompile(`^[A-Za-z0-9_.+=,@-]+$`)
	return map[string]limit{
		"AWS::ApiGateway::Model Name":                           {255, regexp.MustCompile(`^[A-Za-z0-9]+$`)},
		"AWS::ApiGateway::RestApi Description":                  {1024, nil},
		"AWS::ApiGateway::RestApi Name":                         {1024, nil},
		"AWS::ApiGateway::Stage StageName":                      {128, regexp.MustCompile(`^[A-Za-z0-9_-]+$`)},
		"AWS::CloudWatch::Alarm AlarmDescription":               {1024, nil},
		"AWS::CloudWatch::Alarm AlarmName":                      {255, nil},
		"AWS::CloudWatch::Dashboard DashboardName":              {255, regexp.MustCompile(`^[A-Za-z0-9_-]+$`)},
		"AWS::EC2::SecurityGroup GroupDescription":              {255, regexp.MustCompile(`^[a-zA-Z0-9 ._\-:/()#,@\[\]+=&;{}!$*]+$`)},
		"AWS::EC2::SecurityGroup GroupName":                     {255, nil},
		"AWS::ElastiCache::ReplicationGroup ReplicationGroupId": {40, regexp.MustCompile(`^[a-z][a-z0-9-]*$`)},
		"AWS::ElastiCache::User UserId":                         {40, regexp.MustCompile(`^[a-z][a-z0-9-]*$`)},
		"AWS::ElastiCache::UserGroup UserGroupId":               {40, regexp.MustCompile(`^[a-z][a-z0-9-]*$`)},
		"AWS::Events::Rule Name":                                {64, nil},
		"AWS::IAM::ManagedPolicy ManagedPolicyName":             {128, plain},
		"AWS::IAM::Role RoleName":                               {64, plain},
		"AWS::KMS::Alias AliasName":                             {256, regexp.MustCompile(`^alias/[A-Za-z0-9/_-]+$`)},
		"AWS::Kinesis::Stream Name":                             {128, nil},
		"AWS::Lambda::Function Description":                     {256, nil},
		"AWS::Lambda::Function FunctionName":                    {64, regexp.MustCompile(`^[A-Za-z0-9_-]+$`)},
		"AWS::Logs::LogGroup LogGroupName":                      {512, regexp.MustCompile(`^[A-Za-z0-9_/.#-]+$`)},
		"AWS::RDS::DBInstance DBInstanceIdentifier":             {63, regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9-]*$`)},
		"AWS::S3::Bucket BucketName":                            {63, regexp.MustCompile(`^[a-z0-9][a-z0-9.-]+$`)},
		"AWS::SNS::Topic DisplayName":                           {100, nil},
		"AWS::SNS::Topic TopicName":                             {256, nil},
		"AWS::SQS::Queue QueueName":                             {80, nil},
		"AWS::Scheduler::Schedule Name":                         {64, nil},
		"AWS::WAFv2::WebACL Name":                               {128, regexp.MustCompile(`^[A-Za-z0-9_-]+$`)},
	}
}

// names finds names that are too long, or that a service rejects. With the
// longest stack and project names, it finds names that would be too long in
// some stack.
func names(v *View) []Problem {
	var out report
	table := limits()
	for _, r := range v.all() {
		for _, property := range sortedNames(r.Properties) {
			l, ok := table[r.Type+" "+property]
			if s, isText := r.Properties[property].(string); ok && isText {
				if len(s) > l.most {
					out.add(r.ID, "%s %q has %d characters, %d is the most", property, s, len(s), l.most)
				} else if l.pattern != nil && !l.pattern.MatchString(s) || property == "ReplicationGroupId" && strings.Contains(s, "--") {
					out.add(r.ID, "%s %q contains characters that the service rejects", property, s)
				}
			}
		}
		for _, tag := range list(r.Properties["Tags"]) {
			if len(text(at(tag, "Value"))) > 256 || len(text(at(tag, "Key"))) > 128 {
				out.add(r.ID, "the tag %s is too long", text(at(tag, "Key")))
			}
		}
	}
	return out
}

// global returns the types whose names are shared by all regions of an account,
// or by all accounts.
func global() []string {
	return []string{"AWS::IAM::Role", "AWS::IAM::ManagedPolicy", "AWS::IAM::User", "AWS::IAM::Group", "AWS::S3::Bucket", "AWS::CloudWatch::Dashboard"}
}

// sharedNames evaluates the same stack under another name and in another
// region, and finds names that occur in both.
func sharedNames(v *View) []Problem {
	var out report
	again, err := v.other("other", v.Region)
	if err != nil {
		out.add("template", "%v", err)
		return out
	}
	abroad, err := v.other(v.StackName, "eu-central-1")
	if err != nil {
		out.add("template", "%v", err)
		return out
	}
	// Such a name is a part of another resource's name, which is checked
	// itself.
	inside := []string{"AWS::ApiGateway::Stage", "AWS::ApiGateway::Model"}
	for _, r := range v.all() {
		id := v.physicalID(r)
		if slices.Contains(inside, r.Type) {
			continue
		}
		if other, ok := again.Resources[r.ID]; ok && again.physicalID(other) == id {
			out.add(r.ID, "in another stack it would also be %s", id)
		}
		if other, ok := abroad.Resources[r.ID]; ok && slices.Contains(global(), r.Type) && abroad.physicalID(other) == id {
			out.add(r.ID, "in another region it would also be %s", id)
		}
		if r.Type == "AWS::ApiGateway::RestApi" && text(r.Properties["Name"]) == text(at(again.Resources[r.ID].Properties, "Name")) {
			out.add(r.ID, "two APIs named %s share their metrics", text(r.Properties["Name"]))
		}
	}
	return out
}

// outputs finds outputs without a value.
func outputs(v *View) []Problem {
	var out report
	for _, name := range sortedNames(v.Outputs) {
		value := text(v.Outputs[name])
		if value == "" || len(value) > 1024 || strings.Contains(value, "${") || strings.Contains(value, "{{") || strings.Contains(value, "arn::") {
			out.add(name, "the value is %q", value)
		}
	}
	return out
}
