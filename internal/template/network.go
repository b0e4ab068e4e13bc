package template

import (
	"github.com/awslabs/goformation/v7/cloudformation/ec2"

	"github.com/streamctl/streamctl/internal/config"
)

// Ports of the stores.
const (
	postgresPort = 5432
	redisPort    = 6379
	httpsPort    = 443
)

// subnetBits makes each subnet a /26: a /24 has room for four.
const subnetBits = 6

// addNetwork adds private subnets without any route to the internet: no gateway, no
// NAT, only the gateway endpoint for S3.
func (t *Template) addNetwork(v config.Variables) {
	t.group("Network")
	t.add(idVpc, &ec2.VPC{
		CidrBlock:          new(Ref(paramVpcCidr)),
		EnableDnsHostnames: new(true),
		Tags:               name(),
	})
	t.add(idRouteTable, &ec2.RouteTable{VpcId: Ref(idVpc)})
	for zone := range v.AvailabilityZones {
		t.add(subnetID(zone), &ec2.Subnet{
			VpcId:            Ref(idVpc),
			AvailabilityZone: new(Select(zone, Zones())),
			CidrBlock:        new(Select(zone, Cidr(Ref(paramVpcCidr), v.AvailabilityZones, subnetBits))),
		})
		t.add(associationID(zone), &ec2.SubnetRouteTableAssociation{
			RouteTableId: Ref(idRouteTable),
			SubnetId:     Ref(subnetID(zone)),
		})
	}
	allowed := append([]statement{
		// The responses of the schema function. The bucket belongs to AWS, and AWS
		// signs its presigned URL, so an account condition is not possible.
		{Action: "s3:PutObject", Resource: []string{responseBucket(), objects("quarantine/*")}},
	}, append(readArchive(), readOthers(v.ReplayBuckets)...)...)
	for i := range allowed {
		allowed[i].Principal = "*"
	}
	t.add(idS3Endpoint, &ec2.VPCEndpoint{
		VpcId:           Ref(idVpc),
		VpcEndpointType: new("Gateway"),
		ServiceName:     Sub("com.amazonaws.${AWS::Region}.s3"),
		RouteTableIds:   []string{Ref(idRouteTable)},
		PolicyDocument:  policy(allowed...),
	})
	t.addSecurityGroups(v)
}

// responseBucket is the ARN of the objects in CloudFormation's bucket for responses of
// custom resources, whose name ends in the region without hyphens.
func responseBucket() string {
	return SubWith("arn:${AWS::Partition}:s3:::cloudformation-custom-resource-response-${Region}/*",
		map[string]string{"Region": JoinList("", Split("-", Ref("AWS::Region")))})
}

// addSecurityGroups adds a group for each store and one for its clients. A function is
// in the client groups of the stores that it uses, so a pair of rules serves every
// function.
func (t *Template) addSecurityGroups(v config.Variables) {
	t.add(idDatabaseClients, closedGroup("Clients of the warehouse"))
	t.add(idCacheClients, closedGroup("Clients of the metrics cache"))
	t.add(idS3Clients, closedGroup("Clients of S3"))
	t.addStoreGroup(idDatabaseGroup, "Warehouse: PostgreSQL", idDatabaseClients, postgresPort)
	t.addStoreGroup(idCacheGroup, "Metrics cache: Redis", idCacheClients, redisPort)
	t.addEgress(idDatabaseEgress, idDatabaseClients, postgresPort, ec2.SecurityGroupEgress{DestinationSecurityGroupId: new(Ref(idDatabaseGroup))})
	t.addEgress(idCacheEgress, idCacheClients, redisPort, ec2.SecurityGroupEgress{DestinationSecurityGroupId: new(Ref(idCacheGroup))})
	t.addEgress(idS3Egress, idS3Clients, httpsPort, ec2.SecurityGroupEgress{DestinationPrefixListId: new(t.s3PrefixList(v))})
}

// addStoreGroup allows a store's clients to connect. Their egress is a separate rule,
// because groups that refer to each other are a cycle.
func (t *Template) addStoreGroup(id, description, clients string, port int) {
	group := closedGroup(description)
	group.SecurityGroupIngress = []ec2.SecurityGroup_Ingress{{
		SourceSecurityGroupId: new(Ref(clients)),
		IpProtocol:            "tcp", FromPort: new(port), ToPort: new(port),
	}}
	t.add(id, group)
}

func (t *Template) addEgress(id, clients string, port int, rule ec2.SecurityGroupEgress) {
	rule.GroupId = Ref(clients)
	rule.IpProtocol, rule.FromPort, rule.ToPort = "tcp", new(port), new(port)
	t.add(id, &rule)
}

// closedGroup returns a security group that allows nothing. Its one egress rule is
// harmless; without any, EC2 adds one that allows everything. The description can't be
// changed later without a replacement. Ref returns the id, as for every group with a
// VpcId.
func closedGroup(description string) *ec2.SecurityGroup {
	return &ec2.SecurityGroup{
		GroupDescription:    description,
		VpcId:               new(Ref(idVpc)),
		SecurityGroupEgress: []ec2.SecurityGroup_Egress{{CidrIp: new("127.0.0.1/32"), IpProtocol: "-1"}},
	}
}

// egressOf returns the client groups of a function and their rules, for its
// destinations inside the VPC. Nothing refers to a rule, so resources that need it
// depend on it explicitly.
func egressOf(function string) (groups, rules []string) {
	add := func(group, rule string) {
		groups = append(groups, Ref(group))
		rules = append(rules, rule)
	}
	if usesDatabase(function) {
		add(idDatabaseClients, idDatabaseEgress)
	}
	if usesCache(function) {
		add(idCacheClients, idCacheEgress)
	}
	if usesS3(function) {
		add(idS3Clients, idS3Egress)
	}
	return groups, rules
}

func subnetRefs(v config.Variables) []string {
	var refs []string
	for zone := range v.AvailabilityZones {
		refs = append(refs, Ref(subnetID(zone)))
	}
	return refs
}
