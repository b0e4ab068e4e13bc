package audit

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/streamctl/streamctl/internal/testkit/aws/fake/cfn"
)

// rule is a security group's rule, inline or a separate resource.
type rule struct {
	resource, protocol string
	from, to           int
	// One of these is set: another group, a prefix list, a block of addresses.
	group, prefixList, block string
}

func newRule(resource, side string, p any) rule {
	r := rule{
		resource: resource, protocol: text(at(p, "IpProtocol")), from: int(number(at(p, "FromPort"))), to: int(number(at(p, "ToPort"))),
		group: text(at(p, side+"SecurityGroupId")), prefixList: text(at(p, side+"PrefixListId")), block: text(at(p, "CidrIp")) + text(at(p, "CidrIpv6")),
	}
	return r
}

// harmless reports whether a rule only replaces the rule that EC2 adds to a
// group without rules.
func (r rule) harmless() bool { return r.block == "127.0.0.1/32" || r.block == "::1/128" }

func (r rule) lets(port int) bool { return r.protocol == "tcp" && r.from == port && r.to == port }

func (v *View) rules(group string, inline, kind, side string) []rule {
	var out []rule
	if g, ok := v.find(group, "AWS::EC2::SecurityGroup"); ok {
		for _, p := range list(g.Properties[inline]) {
			out = append(out, newRule(g.ID, side, p))
		}
	}
	for _, r := range v.of(kind) {
		if text(r.Properties["GroupId"]) == group {
			out = append(out, newRule(r.ID, side, r.Properties))
		}
	}
	return slices.DeleteFunc(out, rule.harmless)
}

func (v *View) egress(group string) []rule {
	return v.rules(group, "SecurityGroupEgress", "AWS::EC2::SecurityGroupEgress", "Destination")
}

func (v *View) ingress(group string) []rule {
	return v.rules(group, "SecurityGroupIngress", "AWS::EC2::SecurityGroupIngress", "Source")
}

// routeTable returns the route table associated with a subnet.
func (v *View) routeTable(subnet string) (string, bool) {
	for _, a := range v.of("AWS::EC2::SubnetRouteTableAssociation") {
		if text(a.Properties["SubnetId"]) == subnet {
			return text(a.Properties["RouteTableId"]), true
		}
	}
	return "", false
}

// noInternet finds every route out of the VPC; functions outside the VPC are
// exempt.
func noInternet(v *View) []Problem {
	var out report
	for _, r := range v.of("AWS::EC2::InternetGateway", "AWS::EC2::NatGateway", "AWS::EC2::EgressOnlyInternetGateway", "AWS::EC2::VPCPeeringConnection",
		"AWS::EC2::TransitGatewayAttachment", "AWS::EC2::VPCGatewayAttachment", "AWS::EC2::EIP", "AWS::EC2::Route") {
		out.add(r.ID, "%s leads out of the VPC", r.Type)
	}
	for _, r := range v.of("AWS::EC2::Subnet") {
		if yes(r.Properties["MapPublicIpOnLaunch"]) {
			out.add(r.ID, "gives its members public addresses")
		}
	}
	for _, r := range v.of("AWS::RDS::DBInstance") {
		if text(r.Properties["PubliclyAccessible"]) != "false" {
			out.add(r.ID, "PubliclyAccessible is not set to false")
		}
	}
	return out
}

// inlineEgress finds groups that EC2 would open: to a group without an inline
// egress rule it adds one that allows everything.
func inlineEgress(v *View) []Problem {
	var out report
	for _, g := range v.of("AWS::EC2::SecurityGroup") {
		if len(list(g.Properties["SecurityGroupEgress"])) == 0 {
			out.add(g.ID, "has no inline egress rule, so EC2 allows everything out")
		}
	}
	return out
}

// subnetsFit compares the subnets' blocks with their VPC's and with each other.
func subnetsFit(v *View) []Problem {
	var out report
	type placed struct {
		id, vpc string
		block   netip.Prefix
	}
	var taken []placed
	zones := map[string]bool{}
	for _, s := range v.of("AWS::EC2::Subnet") {
		vpc, ok := v.find(s.Properties["VpcId"], "AWS::EC2::VPC")
		own, err := netip.ParsePrefix(text(s.Properties["CidrBlock"]))
		whole, wholeErr := netip.ParsePrefix(text(vpc.Properties["CidrBlock"]))
		if !ok || err != nil || wholeErr != nil {
			out.add(s.ID, "block %q in %q", text(s.Properties["CidrBlock"]), text(vpc.Properties["CidrBlock"]))
			continue
		}
		if own.Bits() < whole.Bits() || !whole.Contains(own.Addr()) {
			out.add(s.ID, "%s is outside its VPC's %s", own, whole)
		}
		if own.Bits() > 28 || own.Bits() < 16 {
			out.add(s.ID, "%s is not a valid size for a subnet", own)
		}
		for _, other := range taken {
			if other.vpc == vpc.ID && other.block.Overlaps(own) {
				out.add(s.ID, "%s overlaps %s of %s", own, other.block, other.id)
			}
		}
		taken = append(taken, placed{s.ID, vpc.ID, own})
		zones[text(s.Properties["AvailabilityZone"])] = true
	}
	for _, g := range v.of("AWS::RDS::DBSubnetGroup") {
		if len(list(g.Properties["SubnetIds"])) < 2 || len(zones) < 2 {
			out.add(g.ID, "RDS needs subnets in two zones")
		}
	}
	return out
}

// belongs returns the properties that hold an id, with the types that the id
// may refer to.
func belongs() map[string][]string {
	return map[string][]string{
		"VpcId":                      {"AWS::EC2::VPC"},
		"SubnetId":                   {"AWS::EC2::Subnet"},
		"SubnetIds":                  {"AWS::EC2::Subnet"},
		"RouteTableId":               {"AWS::EC2::RouteTable"},
		"RouteTableIds":              {"AWS::EC2::RouteTable"},
		"SecurityGroupIds":           {"AWS::EC2::SecurityGroup"},
		"VPCSecurityGroups":          {"AWS::EC2::SecurityGroup"},
		"GroupId":                    {"AWS::EC2::SecurityGroup"},
		"SourceSecurityGroupId":      {"AWS::EC2::SecurityGroup"},
		"DestinationSecurityGroupId": {"AWS::EC2::SecurityGroup"},
		"DBSubnetGroupName":          {"AWS::RDS::DBSubnetGroup"},
		"DBParameterGroupName":       {"AWS::RDS::DBParameterGroup"},
		"CacheSubnetGroupName":       {"AWS::ElastiCache::SubnetGroup"},
		"CacheParameterGroupName":    {"AWS::ElastiCache::ParameterGroup"},
		"UserGroupIds":               {"AWS::ElastiCache::UserGroup"},
	}
}

// networkIDs finds ids of the wrong type, such as a group's id in place of a
// subnet's.
func networkIDs(v *View) []Problem {
	return misplaced(v, belongs(), func(cfn.Resource) bool { return true })
}

// misplaced finds values of another type than their property requires.
func misplaced(v *View, wanted map[string][]string, judged func(cfn.Resource) bool) []Problem {
	var out report
	for _, r := range v.all() {
		if !judged(r) {
			continue
		}
		visit(r.Properties, nil, func(_ []string, key string, value any) {
			types, ok := wanted[key]
			if !ok {
				return
			}
			for _, item := range list(value) {
				if _, found := v.find(item, types...); !found {
					out.add(r.ID, "%s wants %s, got %s", key, strings.Join(types, " or "), v.whose(item))
				}
			}
		})
	}
	return out
}
