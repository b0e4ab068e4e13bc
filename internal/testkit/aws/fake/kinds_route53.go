package fake

import (
	"strings"

	"github.com/streamctl/streamctl/internal/testkit/aws/fake/cfn"
)

// route53Kinds declares Route 53's types. Hosted zones exist only as names.
func route53Kinds() map[string]kind {
	return map[string]kind{
		"AWS::Route53::RecordSet": {
			id: named("Name", 255), check: checkRecord,
		},
	}
}

// checkRecord requires one zone, one kind of target and a unique record; an
// alias to API Gateway must refer to an existing domain name and its zone.
func checkRecord(f *account, r cfn.Request) error {
	p := r.Properties
	name, kind := strings.TrimSuffix(str(p, "Name"), ".")+".", str(p, "Type")
	if (str(p, "HostedZoneId") == "") == (str(p, "HostedZoneName") == "") {
		return cfn.Reasonf("Invalid request: exactly one of HostedZoneId and HostedZoneName must be given")
	}
	alias, plain := child(p, "AliasTarget"), p["TTL"] != nil || p["ResourceRecords"] != nil
	if (len(alias) > 0) == plain {
		found := "none"
		if plain {
			found = "more than one"
		}
		return cfn.Reasonf("Invalid request: Expected exactly one of [AliasTarget, all of [TTL, and ResourceRecords], or TrafficPolicyInstanceId], but found %s in Change with [Action=CREATE, Name=%s, Type=%s, SetIdentifier=null]", found, name, kind)
	}
	for _, other := range f.registry.list(r.Type) {
		if other.id != registryID(r) && strings.TrimSuffix(str(other.props, "Name"), ".")+"." == name && str(other.props, "Type") == kind &&
			str(other.props, "HostedZoneId")+str(other.props, "HostedZoneName") == str(p, "HostedZoneId")+str(p, "HostedZoneName") {
			return cfn.Reasonf("[Tried to create resource record set [name='%s', type='%s'] but it already exists]", name, kind)
		}
	}
	target := str(alias, "DNSName")
	if !strings.Contains(target, ".execute-api.") {
		return nil
	}
	for _, domain := range f.registry.list("AWS::ApiGateway::DomainName") {
		if domain.attrs["RegionalDomainName"] == target && str(alias, "HostedZoneId") == regionalZone {
			return nil
		}
	}
	return cfn.Reasonf("[Tried to create an alias that targets %s., type %s in zone %s, but that target was not found]", target, kind, str(alias, "HostedZoneId"))
}
