package fake

import (
	"context"
	"strings"

	"github.com/streamctl/streamctl/internal/testkit/aws/fake/cfn"
)

// regionalZone is the Route 53 zone of API Gateway's own names in us-east-1;
// other regions have other zones.
const regionalZone = "Z1UJRXOUMOOFQ8"

// apiGatewayDomainKinds declares API Gateway's types for a domain name. The
// fake serves no requests under it; certificates exist only as names.
func apiGatewayDomainKinds() map[string]kind {
	return map[string]kind{
		"AWS::ApiGateway::DomainName": {
			id: named("DomainName", 255), check: checkDomain,
			create: func(_ context.Context, f *account, r cfn.Request) (map[string]any, error) {
				return map[string]any{"RegionalDomainName": "d-" + short(r) + ".execute-api." + f.options.Region + ".amazonaws.com"}, nil
			},
			remove: func(_ context.Context, f *account, r cfn.Request) error {
				for _, m := range f.registry.list("AWS::ApiGateway::BasePathMapping") {
					if str(m.props, "DomainName") == r.PhysicalID {
						f.registry.remove(m.kind, m.id) // it is part of the domain name
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
			check: checkBasePath,
			id: func(r cfn.Request) string {
				return str(r.Properties, "DomainName") + "|" + str(r.Properties, "BasePath")
			},
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
		return refuse("the fake supports only REGIONAL domain names")
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

// unmapped rejects the deletion of an API or a stage that a domain name maps
// to.
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
