package template

import (
	"github.com/awslabs/goformation/v7/cloudformation/apigateway"
	"github.com/awslabs/goformation/v7/cloudformation/route53"

	"github.com/streamctl/streamctl/internal/config"
)

// addDomain serves the API under a custom domain.
func (t *Template) addDomain(v config.Variables) {
	t.add(idDomain, &apigateway.DomainName{
		DomainName:             new(v.DomainName),
		RegionalCertificateArn: new(v.DomainCertificateArn),
		EndpointConfiguration:  &apigateway.DomainName_EndpointConfiguration{Types: []string{"REGIONAL"}},
		SecurityPolicy:         new("TLS_1_2"),
	})
	t.add(idDomainMapping, &apigateway.BasePathMapping{
		DomainName: Ref(idDomain), RestApiId: new(Ref(idApi)), Stage: new(Ref(idApiStage)),
	})
	if v.DomainHostedZoneId != "" {
		t.add(idDomainRecord, &route53.RecordSet{
			Name: v.DomainName, Type: "A", HostedZoneId: new(v.DomainHostedZoneId),
			AliasTarget: &route53.RecordSet_AliasTarget{
				DNSName: GetAtt(idDomain, "RegionalDomainName"), HostedZoneId: GetAtt(idDomain, "RegionalHostedZoneId"),
			},
		})
	}
}
