package template

import (
	"github.com/streamctl/streamctl/internal/config"
	"github.com/streamctl/streamctl/internal/contract"
)

// Outputs that locate the running pipeline.
const (
	OutputAlarmTopic = "AlarmTopicArn"
	OutputAPI        = "ApiGatewayId"
	OutputStageURL   = "ApiGatewayUrl"
	OutputStream     = "StreamName"
	OutputArchive    = "ArchiveBucket"
)

// ConsumerOutputs are the outputs with the names of the functions that consume the
// stream, by the logical id of their event source mapping.
func ConsumerOutputs() map[string]string {
	return map[string]string{idProcessorSource: functionOutput(contract.FuncProcessor), idArchiverSource: functionOutput(contract.FuncArchiver)}
}

func functionOutput(function string) string { return title(function) + "FunctionName" }

// addOutputs adds the outputs for people and scripts. An output has a description if
// its name is not enough.
func (t *Template) addOutputs(v config.Variables) {
	host := "${" + idApi + "}.execute-api.${AWS::Region}.${AWS::URLSuffix}/" + stageName
	set := func(name, description, value string) {
		t.Outputs[name] = Output{Description: description, Value: value}
	}
	set(OutputAPI, "", Ref(idApi))
	set(OutputStageURL, "", Sub(host))
	endpoint := Sub("https://" + host)
	if v.DomainName != "" {
		endpoint = "https://" + v.DomainName
		set("DomainTarget", "Target of the domain's DNS record", GetAtt(idDomain, "RegionalDomainName"))
	}
	set("ApiEndpoint", "", endpoint)
	set(OutputStream, "", Ref(idStream))
	set("DatabaseEndpoint", "", GetAtt(idDatabase, "Endpoint.Address"))
	set("DatabasePort", "", GetAtt(idDatabase, "Endpoint.Port"))
	set("DatabaseName", "", contract.DatabaseName)
	set("CacheEndpoint", "", GetAtt(idCache, "PrimaryEndPoint.Address"))
	set(OutputArchive, "", Ref(idArchive))
	set("KeyArn", "", GetAtt(idKey, "Arn"))
	set(OutputAlarmTopic, "", Ref(idAlarmTopic))
	set("SendEventsPolicyArn", "", Ref(idSendPolicy))
	set("ReadMetricsPolicyArn", "", Ref(idReadPolicy))
	set("SqlPolicyArn", "", Ref(idSQLPolicy))
	set("OperatorPolicyArn", "", Ref(idOperatorPolicy))
	set("DashboardUrl", "", Sub("https://"+consoleHost(v.Region)+"/cloudwatch/home?region=${AWS::Region}#dashboards:name=${"+idDashboard+"}"))
	for n := range v.ReadReplicas {
		set("ReplicaEndpoint"+itoa(n+1), "", GetAtt(replicaID(n), "Endpoint.Address"))
	}
	for _, f := range contract.Functions() {
		set(functionOutput(f.Name), "", Ref(FunctionID(f.Name)))
		set(title(f.Name)+"LogGroup", "", Ref(logGroupID(f.Name)))
	}
}
