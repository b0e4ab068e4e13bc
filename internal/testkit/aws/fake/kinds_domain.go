package fake

import (
	"context"
	"strings"

	"github.com/streamctl/streamctl/internal/testkit/aws/fake/cfn"
)

// regionalZone is Route 53's zone of API Gateway's own names in us-east-1;
// the other regions have others.
const regionalZone = "Z1UJRXOUMOOFQ8"

// domainKinds declares an API's name of its own. No request is served by it,
// and certificates and hosted zones are names only.
func domainKinds() map[string]kind {
	return map[string]kind{
		"AWS::ApiGateway::DomainName": {
			Kind: cfn.Kind{CreateOnly: []string{"DomainName"}}, id: named("DomainName", 255), check: checkDomain,
			create: func(_ context.Context, f *account, r cfn.Request) (map[string]any, error) {
				return map[string]any{"RegionalDomainName": "d-" + short(r) + ".execute-api." + f.options.Region + ".amazonaws.com"}, nil
			},
			remove: func(_ context.Context, f *account, r cfn.Request) error {
				for _, m := range f.registry.list("AWS::ApiGateway::BasePathMapping") {
					if str(m.props, "DomainName") == r.PhysicalID {
						f.registry.remove(m.kind, m.id) // it is a part of the domain name
					}
				}
				return nil
			},
			attributes: map[string]string{
				"RegionalDomainName": "", "RegionalHostedZoneId": regionalZone, "DomainNameArn": "arn:aws:apigateway:{region}::/domainnames/{id}",
				"DistributionDomainName": "", "DistributionHostedZoneId": "",
			},
		},
		"AWS::ApiGateway::BasePathMapping": {
			Kind: cfn.Kind{Required: []string{"DomainName"}, CreateOnly: []string{"DomainName", "BasePath"}}, check: checkBasePath,
			id: func(r cfn.Request) string {
				return str(r.Properties, "DomainName") + "|" + str(r.Properties, "BasePath")
			},
		},
		"AWS::Route53::RecordSet": {
			Kind: cfn.Kind{Required: []string{"Name", "Type"}, CreateOnly: []string{"Name", "HostedZoneId", "HostedZoneName"}},
			id:   named("Name", 255), check: checkRecord,
		},
	}
}

func checkDomain(f *account, r cfn.Request) error {
	refuse := func(message string) error { return handlerError("ApiGateway", 400, message, "InvalidRequest") }
	name := str(r.Properties, "DomainName")
	if _, taken := f.registry.find(r.Type, name); taken && r.PhysicalID == "" {
		return handlerError("ApiGateway", 400, "The domain name you provided already exists.", "AlreadyExists")
	}
	if !strings.Contains(name, ".") || strings.ToLower(name) != name {
		return refuse("Invalid domain name specified: " + name)
	}
	if types := items(child(r.Properties, "EndpointConfiguration"), "Types"); len(types) != 1 || types[0] != "REGIONAL" {
		return refuse("the fake has no domain name but a REGIONAL one")
	}
	certificate := str(r.Properties, "RegionalCertificateArn")
	switch parts := strings.Split(certificate, ":"); {
	case certificate == "":
		return refuse("RegionalCertificateArn must be specified for a REGIONAL endpoint")
	case len(parts) != 6 || parts[2] != "acm" || !strings.HasPrefix(parts[5], "certificate/"):
		return refuse("Invalid certificate ARN: " + certificate)
	case parts[3] != f.options.Region:
		return refuse("Invalid certificate ARN: " + certificate + ". Certificate must be in '" + f.options.Region + "'.")
	}
	return nil
}

func checkBasePath(f *account, r cfn.Request) error {
	refuse := func(message string) error { return handlerError("ApiGateway", 400, message, "InvalidRequest") }
	p := r.Properties
	if _, ok := f.registry.find("AWS::ApiGateway::DomainName", str(p, "DomainName")); !ok {
		return handlerError("ApiGateway", 404, "Invalid domain name identifier specified", "NotFound")
	}
	if _, taken := f.registry.find(r.Type, str(p, "DomainName")+"|"+str(p, "BasePath")); taken && r.PhysicalID == "" {
		return handlerError("ApiGateway", 409, "Base path already exists for this domain name", "AlreadyExists")
	}
	if _, ok := f.registry.find("AWS::ApiGateway::RestApi", str(p, "RestApiId")); !ok {
		return refuse("Invalid REST API identifier specified")
	}
	if stage := str(p, "Stage"); stage != "" {
		if _, ok := f.registry.find("AWS::ApiGateway::Stage", partID(str(p, "RestApiId"), stage)); !ok {
			return refuse("Invalid stage identifier specified")
		}
	}
	return nil
}

// unmapped refuses to delete an API, or a stage of it, that a domain name
// leads to.
func (f gatewayAPI) unmapped(apiID, stage string) error {
	var domains []string
	for _, m := range f.partsOf("AWS::ApiGateway::BasePathMapping", apiID) {
		if stage == "" || str(m.props, "Stage") == stage {
			domains = append(domains, str(m.props, "DomainName"))
		}
	}
	if len(domains) == 0 {
		return nil
	}
	what, related := "RestApi "+apiID, "RestApi"
	if stage != "" {
		what, related = "stage "+stage, "stage"
	}
	return handlerError("ApiGateway", 400, "Deleting "+what+" failed. Please remove all base path mappings related to the "+related+
		" in your domains: "+strings.Join(domains, ", "), "InvalidRequest")
}

// checkRecord wants one zone, one kind of target and no record twice; an alias
// to API Gateway names a domain name that is there, and its zone.
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
