package template

import (
	"github.com/awslabs/goformation/v7/cloudformation/ec2"
	"github.com/awslabs/goformation/v7/cloudformation/iam"

	"github.com/streamctl/streamctl/internal/config"
)

// addFlowLogs logs connections that the security groups reject.
func (t *Template) addFlowLogs(v config.Variables) {
	t.add(idFlowLogGroup, t.logGroup(v, "/aws/vpc/${AWS::StackName}"))
	t.addRole(idFlowLogRole, &iam.Role{
		AssumeRolePolicyDocument: trust("vpc-flow-logs.amazonaws.com", ownAccount()),
		Policies: inline(
			statement{Action: []string{"logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"}, Resource: GetAtt(idFlowLogGroup, "Arn")},
			// This action does not support a narrower resource.
			statement{Action: "logs:DescribeLogGroups", Resource: "*"},
		),
	})
	t.add(idFlowLog, &ec2.FlowLog{
		ResourceId: Ref(idVpc), ResourceType: "VPC", TrafficType: new("REJECT"),
		LogDestinationType: new("cloud-watch-logs"), LogGroupName: new(Ref(idFlowLogGroup)),
		DeliverLogsPermissionArn: new(GetAtt(idFlowLogRole, "Arn")),
	})
}
