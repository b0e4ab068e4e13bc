package template

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/streamctl/streamctl/internal/pattern"
)

// attributes lists the Fn::GetAtt attributes of the types that this package uses.
func attributes() map[string][]string {
	return map[string][]string{
		"AWS::ApiGateway::DomainName":        {"RegionalDomainName", "RegionalHostedZoneId"},
		"AWS::ApiGateway::RestApi":           {"RootResourceId"},
		"AWS::EC2::SecurityGroup":            {"GroupId"},
		"AWS::EC2::VPC":                      {"CidrBlock", "DefaultSecurityGroup"},
		"AWS::ElastiCache::ReplicationGroup": {"PrimaryEndPoint.Address", "PrimaryEndPoint.Port", "ReaderEndPoint.Address", "ReaderEndPoint.Port"},
		"AWS::ElastiCache::User":             {"Arn", "Status"},
		"AWS::Events::Rule":                  {"Arn"},
		"AWS::IAM::Role":                     {"Arn", "RoleId"},
		"AWS::KMS::Key":                      {"Arn", "KeyId"},
		"AWS::Kinesis::Stream":               {"Arn"},
		"AWS::Lambda::Function":              {"Arn"},
		"AWS::Lambda::Version":               {"Version"},
		"AWS::Logs::LogGroup":                {"Arn"},
		"AWS::RDS::DBInstance":               {"Endpoint.Address", "Endpoint.Port", "DbiResourceId", "DBInstanceArn"},
		"AWS::S3::Bucket":                    {"Arn", "DomainName", "RegionalDomainName"},
		"AWS::SNS::Topic":                    {"TopicArn", "TopicName"},
		"AWS::WAFv2::WebACL":                 {"Arn", "Id"},
	}
}

// check finds references to missing resources, attributes that a type doesn't have, and
// unused parameters.
func (t *Template) check() error {
	c := checker{template: t, attributes: attributes(), used: map[string]bool{}}
	for _, g := range t.Groups {
		for _, id := range g.Resources {
			c.walk(id, t.resources[id])
			c.dependsOn(id, t.resources[id]["DependsOn"])
		}
	}
	outputs, err := toTree(t.Outputs)
	c.errs = append(c.errs, err)
	c.walk("Outputs", outputs)
	for _, name := range slices.Sorted(maps.Keys(t.Parameters)) {
		if !c.used[name] {
			c.errs = append(c.errs, fmt.Errorf("parameter %s: not used", name))
		}
	}
	return errors.Join(c.errs...)
}

type checker struct {
	template   *Template
	attributes map[string][]string
	used       map[string]bool // parameters
	errs       []error
}

func (c *checker) add(where, format string, args ...any) {
	c.errs = append(c.errs, fmt.Errorf("%s: %s", where, fmt.Sprintf(format, args...)))
}

func (c *checker) walk(where string, value any) {
	switch value := value.(type) {
	case map[string]any:
		for _, key := range sortedKeys(value) {
			argument := value[key]
			if len(value) == 1 {
				c.intrinsic(where, key, argument)
			}
			c.walk(where, argument)
		}
	case []any:
		for _, item := range value {
			c.walk(where, item)
		}
	}
}

func (c *checker) intrinsic(where, name string, argument any) {
	switch name {
	case "Ref":
		id, _ := argument.(string)
		c.ref(where, id)
	case "Fn::GetAtt":
		if list, ok := argument.([]any); ok && len(list) == 2 {
			c.getAtt(where, fmt.Sprint(list[0]), fmt.Sprint(list[1]))
		}
	case "Fn::Sub":
		c.sub(where, argument)
	case "Fn::FindInMap":
		if list, ok := argument.([]any); ok && len(list) == 3 {
			if _, known := c.template.Mappings[fmt.Sprint(list[0])]; !known {
				c.add(where, "FindInMap %v: no such mapping", list[0])
			}
		}
	}
}

func (c *checker) ref(where, id string) {
	if strings.HasPrefix(id, "AWS::") {
		if !slices.Contains([]string{"AccountId", "NoValue", "NotificationARNs", "Partition", "Region", "StackId", "StackName", "URLSuffix"}, strings.TrimPrefix(id, "AWS::")) {
			c.add(where, "Ref %s: no such pseudo parameter", id)
		}
		return
	}
	if _, parameter := c.template.Parameters[id]; parameter {
		c.used[id] = true
		return
	}
	if _, known := c.template.resources[id]; !known {
		c.add(where, "Ref %s: no such parameter or resource", id)
	}
}

func (c *checker) getAtt(where, id, attribute string) {
	if _, known := c.template.resources[id]; !known {
		c.add(where, "GetAtt %s.%s: no such resource", id, attribute)
		return
	}
	kind := c.template.kind(id)
	if !slices.Contains(c.attributes[kind], attribute) {
		c.add(where, "GetAtt %s.%s: %s has no such attribute", id, attribute, kind)
	}
}

// placeholder is ${Name} or ${Resource.Attribute}, but not the literal ${!Name}.
var placeholder = pattern.New(`\$\{([^!}][^}]*)\}`)

func (c *checker) sub(where string, argument any) {
	text, own := "", map[string]any{}
	switch argument := argument.(type) {
	case string:
		text = argument
	case []any:
		if len(argument) == 2 {
			text, _ = argument[0].(string)
			own, _ = argument[1].(map[string]any)
		}
	}
	for _, match := range placeholder.Regexp().FindAllStringSubmatch(text, -1) {
		name := match[1]
		if _, mine := own[name]; mine {
			continue
		}
		if id, attribute, dotted := strings.Cut(name, "."); dotted && !strings.HasPrefix(name, "AWS::") {
			c.getAtt(where, id, attribute)
			continue
		}
		c.ref(where, name)
	}
}

func (c *checker) dependsOn(where string, value any) {
	list, _ := value.([]any)
	for _, item := range list {
		if _, known := c.template.resources[fmt.Sprint(item)]; !known {
			c.add(where, "DependsOn %v: no such resource", item)
		}
	}
}
