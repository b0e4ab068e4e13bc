package fake

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"github.com/streamctl/streamctl/internal/testkit/aws/fake/cfn"
)

// ec2Kinds declares Amazon EC2's types.
func ec2Kinds() map[string]kind {
	rule := kind{Kind: cfn.Kind{
		Required:   []string{"GroupId", "IpProtocol"},
		CreateOnly: []string{"GroupId", "IpProtocol", "FromPort", "ToPort", "CidrIp", "CidrIpv6", "SourceSecurityGroupId", "SourcePrefixListId", "DestinationSecurityGroupId", "DestinationPrefixListId"},
	}, id: prefixed("sgr-"), attributes: map[string]string{"Id": "{id}"}, check: checkRule}
	return map[string]kind{
		"AWS::EC2::VPC": {
			id: prefixed("vpc-"), check: checkVPC, remove: removeVPC, create: createVPC,
			attributes: map[string]string{"VpcId": "{id}", "CidrBlock": "", "DefaultSecurityGroup": "", "DefaultNetworkAcl": "", "CidrBlockAssociations": ""},
		},
		"AWS::EC2::Subnet": {
			id: prefixed("subnet-"), check: checkSubnet, remove: removeSubnet,
			create: func(_ context.Context, _ *account, r cfn.Request) (map[string]any, error) {
				return map[string]any{"AvailabilityZone": str(r.Properties, "AvailabilityZone"), "CidrBlock": str(r.Properties, "CidrBlock"), "VpcId": str(r.Properties, "VpcId")}, nil
			},
			attributes: map[string]string{"SubnetId": "{id}", "AvailabilityZone": "", "CidrBlock": "", "VpcId": "", "NetworkAclAssociationId": ""},
		},
		"AWS::EC2::RouteTable": {
			id:    prefixed("rtb-"),
			check: existing("VpcId", "AWS::EC2::VPC", "The vpc ID '%s' does not exist"), attributes: map[string]string{"RouteTableId": "{id}"},
		},
		"AWS::EC2::SubnetRouteTableAssociation": {
			id:    prefixed("rtbassoc-"),
			check: existing("SubnetId", "AWS::EC2::Subnet", "The subnet ID '%s' does not exist"), attributes: map[string]string{"Id": "{id}"},
		},
		"AWS::EC2::VPCEndpoint": {
			id:    prefixed("vpce-"),
			check: existing("VpcId", "AWS::EC2::VPC", "The vpc ID '%s' does not exist"), attributes: map[string]string{"Id": "{id}", "CreationTimestamp": "", "DnsEntries": "", "NetworkInterfaceIds": ""},
		},
		"AWS::EC2::SecurityGroup": {
			id:         prefixed("sg-"),
			attributes: map[string]string{"GroupId": "{id}", "Id": "{id}", "VpcId": ""}, remove: removeGroup,
		},
		"AWS::EC2::SecurityGroupIngress": rule,
		"AWS::EC2::SecurityGroupEgress":  rule,
		"AWS::EC2::FlowLog":              flowLogKind(),
	}
}

// existing checks that a property refers to an existing resource.
func existing(property, resourceType, message string) func(*account, cfn.Request) error {
	return func(f *account, r cfn.Request) error {
		id := str(r.Properties, property)
		if _, ok := f.registry.find(resourceType, id); !ok {
			return handlerError("Ec2", 400, fmt.Sprintf(message, id), "NotFound")
		}
		return nil
	}
}

func checkVPC(_ *account, r cfn.Request) error {
	block := str(r.Properties, "CidrBlock")
	prefix, err := netip.ParsePrefix(block)
	if err != nil || prefix.Bits() < 16 || prefix.Bits() > 28 {
		return handlerError("Ec2", 400, "The CIDR '"+block+"' is invalid.", "InvalidRequest")
	}
	return nil
}

func createVPC(_ context.Context, _ *account, r cfn.Request) (map[string]any, error) {
	return map[string]any{
		"CidrBlock": str(r.Properties, "CidrBlock"), "DefaultSecurityGroup": prefixed("sg-")(r), "DefaultNetworkAcl": prefixed("acl-")(r),
	}, nil
}

func removeVPC(_ context.Context, f *account, r cfn.Request) error {
	for _, p := range f.registry.list("") {
		if p.kind != r.Type && str(p.props, "VpcId") == r.PhysicalID {
			return handlerError("Ec2", 400, "The vpc '"+r.PhysicalID+"' has dependencies and cannot be deleted.", "InvalidRequest")
		}
	}
	return nil
}

// removeGroup rejects the deletion while a rule, a function, a store or a
// network interface uses the group.
func removeGroup(_ context.Context, f *account, r cfn.Request) error {
	if len(f.interfaces.in([]string{r.PhysicalID}, nil)) > 0 {
		return handlerError("Ec2", 400, "resource "+r.PhysicalID+" has a dependent object", "InvalidRequest")
	}
	for _, p := range f.registry.list("") {
		uses := str(p.props, "SourceSecurityGroupId") == r.PhysicalID || str(p.props, "DestinationSecurityGroupId") == r.PhysicalID ||
			slices.Contains(items(child(p.props, "VpcConfig"), "SecurityGroupIds"), r.PhysicalID) ||
			slices.Contains(items(p.props, "VPCSecurityGroups"), r.PhysicalID) || slices.Contains(items(p.props, "SecurityGroupIds"), r.PhysicalID)
		if uses {
			return handlerError("Ec2", 400, "resource "+r.PhysicalID+" has a dependent object", "InvalidRequest")
		}
	}
	return nil
}

func checkSubnet(f *account, r cfn.Request) error {
	block := str(r.Properties, "CidrBlock")
	vpc, ok := f.registry.find("AWS::EC2::VPC", str(r.Properties, "VpcId"))
	if !ok {
		return handlerError("Ec2", 400, "The vpc ID '"+str(r.Properties, "VpcId")+"' does not exist", "NotFound")
	}
	own, err := netip.ParsePrefix(block)
	whole, wholeErr := netip.ParsePrefix(str(vpc.props, "CidrBlock"))
	if err != nil || wholeErr != nil || own.Bits() < whole.Bits() || own.Bits() > 28 || !whole.Contains(own.Addr()) {
		return handlerError("Ec2", 400, "The CIDR '"+block+"' is invalid.", "InvalidRequest")
	}
	if zone := str(r.Properties, "AvailabilityZone"); zone != "" && !slices.Contains(f.zones(), zone) {
		return handlerError("Ec2", 400, "Value ("+zone+") for parameter availabilityZone is invalid. Subnets can currently only be created in the following availability zones: "+fmt.Sprint(f.zones()), "InvalidRequest")
	}
	for _, other := range f.registry.list("AWS::EC2::Subnet") {
		taken, err := netip.ParsePrefix(str(other.props, "CidrBlock"))
		if err == nil && other.id != r.PhysicalID && str(other.props, "VpcId") == vpc.id && taken.Overlaps(own) {
			return handlerError("Ec2", 400, "The CIDR '"+block+"' conflicts with another subnet", "AlreadyExists")
		}
	}
	return nil
}

// checkRule requires a known group, exactly one peer, and a unique rule.
func checkRule(f *account, r cfn.Request) error {
	if _, ok := f.registry.find("AWS::EC2::SecurityGroup", str(r.Properties, "GroupId")); !ok {
		return handlerError("Ec2", 400, "The security group '"+str(r.Properties, "GroupId")+"' does not exist", "NotFound")
	}
	var peers int
	for _, peer := range []string{"CidrIp", "CidrIpv6", "SourceSecurityGroupId", "SourcePrefixListId", "DestinationSecurityGroupId", "DestinationPrefixListId"} {
		if str(r.Properties, peer) != "" {
			peers++
		}
	}
	if peers != 1 {
		return handlerError("Ec2", 400, "Exactly one of the peers of a rule must be given", "InvalidRequest")
	}
	text := func(p map[string]any) string {
		return fmt.Sprint(str(p, "GroupId"), str(p, "IpProtocol"), str(p, "FromPort"), str(p, "ToPort"), str(p, "CidrIp"),
			str(p, "SourceSecurityGroupId"), str(p, "SourcePrefixListId"), str(p, "DestinationSecurityGroupId"), str(p, "DestinationPrefixListId"))
	}
	for _, other := range f.registry.list(r.Type) {
		if other.id != r.PhysicalID && text(other.props) == text(r.Properties) {
			return handlerError("Ec2", 400, "the specified rule already exists", "AlreadyExists")
		}
	}
	return nil
}
