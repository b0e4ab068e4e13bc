package template

import (
	"github.com/streamctl/streamctl/internal/config"
	"github.com/streamctl/streamctl/internal/funcenv"
)

// addOutputs makes every output stand where the brief has its placeholder.
func (t *Template) addOutputs(v config.Variables) {
	host := "${" + idApi + "}.execute-api.${AWS::Region}.${AWS::URLSuffix}/" + stageName
	set := func(name, description, value string) {
		t.Outputs[name] = Output{Description: description, Value: value}
	}
	set("ApiGatewayId", "REST API id", Ref(idApi))
	set("ApiGatewayUrl", "Host and stage, without a scheme", Sub(host))
	endpoint := Sub("https://" + host)
	if v.DomainName != "" {
		endpoint = "https://" + v.DomainName
		set("DomainTarget", "What a DNS record for the domain points at", GetAtt(idDomain, "RegionalDomainName"))
	}
	set("ApiEndpoint", "Where to send events and read metrics", endpoint)
	set("StreamName", "Kinesis stream", Ref(idStream))
	set("DatabaseEndpoint", "PostgreSQL host", GetAtt(idDatabase, "Endpoint.Address"))
	set("DatabasePort", "PostgreSQL port", GetAtt(idDatabase, "Endpoint.Port"))
	set("DatabaseName", "PostgreSQL database", funcenv.DatabaseName)
	set("CacheEndpoint", "Redis host", GetAtt(idCache, "PrimaryEndPoint.Address"))
	set("ArchiveBucket", "Raw event archive", Ref(idArchive))
	set("KeyArn", "Encryption key", GetAtt(idKey, "Arn"))
	set("AlarmTopicArn", "Topic of the alarms", Ref(idAlarmTopic))
	set("SendEventsPolicyArn", "Attach to who sends events", Ref(idSendPolicy))
	set("ReadMetricsPolicyArn", "Attach to who reads metrics", Ref(idReadPolicy))
	set("DashboardUrl", "CloudWatch dashboard", Sub("https://${AWS::Region}.console.aws.amazon.com/cloudwatch/home?region=${AWS::Region}#dashboards:name=${"+idDashboard+"}"))
	for n := range v.ReadReplicas {
		set("ReplicaEndpoint"+itoa(n+1), "Read replica", GetAtt(replicaID(n), "Endpoint.Address"))
	}
	for _, f := range funcenv.Functions() {
		set(title(f.Name)+"FunctionName", "", Ref(functionID(f.Name)))
		set(title(f.Name)+"LogGroup", "", Ref(logGroupID(f.Name)))
	}
}
