package fake

import (
	"strings"

	"github.com/streamctl/streamctl/internal/testkit/aws/fake/cfn"
)

func flowLogKind() kind {
	return kind{
		id: prefixed("fl-"), check: checkFlowLog, attributes: map[string]string{"Id": "{id}"},
	}
}

// checkFlowLog requires an existing network, and a role and a log group to
// write to. EC2 accepts a missing group or role and then logs nothing; the fake
// rejects them, unless the role may create the group.
func checkFlowLog(f *account, r cfn.Request) error {
	p := r.Properties
	refuse := func(message string) error { return handlerError("Ec2", 400, message, "InvalidRequest") }
	id := str(p, "ResourceId")
	switch str(p, "ResourceType") {
	case "VPC":
		if _, ok := f.registry.find("AWS::EC2::VPC", id); !ok {
			return handlerError("Ec2", 400, "The vpc ID '"+id+"' does not exist", "NotFound")
		}
	case "Subnet":
		if _, ok := f.registry.find("AWS::EC2::Subnet", id); !ok {
			return handlerError("Ec2", 400, "The subnet ID '"+id+"' does not exist", "NotFound")
		}
	default:
		return refuse("the fake has flow logs of VPCs and subnets only")
	}
	if str(p, "TrafficType") == "" {
		return refuse("The request must contain the parameter trafficType")
	}
	if kind := str(p, "LogDestinationType"); kind != "" && kind != "cloud-watch-logs" {
		return refuse("the fake does not support flow logs to " + kind)
	}
	group := str(p, "LogGroupName")
	if _, after, ok := strings.Cut(str(p, "LogDestination"), ":log-group:"); ok {
		group = strings.TrimSuffix(after, ":*")
	}
	role := str(p, "DeliverLogsPermissionArn")
	switch {
	case group == "":
		return refuse("LogDestination can't be empty if LogGroupName is not provided.")
	case role == "":
		return refuse("DeliverLogsPermissionArn can't be empty if LogDestinationType is cloud-watch-logs.")
	}
	if _, ok := f.registry.find("AWS::IAM::Role", roleName(role)); !ok {
		return refuse("the fake rejects a flow log that logs nothing: missing role " + role)
	}
	if !f.logs.exists(group) && !f.lambda.mayCreateGroups(role) {
		return refuse("the fake rejects a flow log that logs nothing: missing log group " + group + ", which the role may not create")
	}
	for _, other := range f.registry.list(r.Type) {
		if other.id != r.PhysicalID && str(other.props, "ResourceId") == id && str(other.props, "TrafficType") == str(p, "TrafficType") &&
			str(other.props, "LogGroupName") == str(p, "LogGroupName") && str(other.props, "LogDestination") == str(p, "LogDestination") {
			return handlerError("Ec2", 400, "Error. There is an existing Flow Log with the same configuration and log destination.", "AlreadyExists")
		}
	}
	return nil
}
