package audit

import (
	"fmt"
	"slices"
	"strings"

	"github.com/streamctl/streamctl/internal/testkit/aws/fake/cfn"
)

// need is a target that a function in the VPC must reach.
type need struct {
	// store is the logical id of a database or cache.
	store string
	// service is an AWS service such as s3; action and resource are the call.
	service, action, resource string
}

func (n need) String() string {
	if n.store != "" {
		return n.store
	}
	return n.action + " on " + n.resource
}

// elsewhere returns the services whose calls a function's role allows but that
// don't leave through the VPC: Lambda or another service makes them, or they
// are signed locally.
func elsewhere() []string { return []string{"logs", "xray", "ec2", "kms"} }

// polled returns the calls that an event source mapping makes with the
// function's role, from Lambda's own network.
func (v *View) polled(function cfn.Resource, action, resource string) bool {
	for _, m := range v.of("AWS::Lambda::EventSourceMapping") {
		if f, ok := v.function(m.Properties["FunctionName"]); !ok || f.ID != function.ID {
			continue
		}
		source := strings.SplitN(text(m.Properties["EventSourceArn"]), ":", 4)
		if len(source) == 4 && strings.HasPrefix(action, source[2]+":") {
			return true
		}
		failed := text(at(m.Properties, "DestinationConfig", "OnFailure", "Destination"))
		if failed != "" && (resource == failed || strings.HasPrefix(resource, failed+"/aws/lambda/")) {
			return true
		}
	}
	return false
}

// needs returns what a function must reach according to its permissions and its
// role in the stack.
func (v *View) needs(function cfn.Resource) []need {
	if known, ok := v.needed[function.ID]; ok {
		return known
	}
	var out []need
	role, _ := v.role(function)
	for _, s := range v.grants(role) {
		for _, action := range s.actions {
			service, _, _ := strings.Cut(action, ":")
			for _, resource := range s.resources {
				if s.effect != "Allow" || slices.Contains(elsewhere(), service) || v.polled(function, action, resource) {
					continue
				}
				switch service {
				case "rds-db", "elasticache":
					if store, ok := v.store(resource); ok {
						out = append(out, need{store: store.ID})
					}
				default:
					out = append(out, need{service: service, action: action, resource: sample(resource)})
				}
			}
		}
	}
	for _, r := range v.all() {
		if f, ok := v.function(r.Properties["ServiceToken"]); ok && cfn.IsCustom(r.Type) && f.ID == function.ID {
			out = append(out, need{service: "s3", action: "s3:PutObject", resource: v.answers()})
		}
	}
	v.needed[function.ID] = slices.Compact(out)
	return v.needed[function.ID]
}

// answers is the bucket to which a custom resource sends its response; its name
// contains the region without dashes.
func (v *View) answers() string {
	return "arn:" + v.stack.Partition + ":s3:::cloudformation-custom-resource-response-" + strings.ReplaceAll(v.stack.Region, "-", "") + "/answer"
}

// store returns the database or cache that a login's ARN refers to.
func (v *View) store(arn string) (cfn.Resource, bool) {
	for _, r := range v.stores() {
		id := v.physicalID(r)
		if r.Type == "AWS::RDS::DBInstance" {
			id = text(v.value(r, "DbiResourceId"))
		}
		if strings.Contains(arn, ":"+id+"/") || strings.HasSuffix(arn, ":"+id) {
			return r, true
		}
	}
	return cfn.Resource{}, false
}

func (v *View) stores() []cfn.Resource {
	return v.of("AWS::RDS::DBInstance", "AWS::ElastiCache::ReplicationGroup")
}

// storeAccess returns a store's groups and port.
func storeAccess(r cfn.Resource) (groups []string, port int) {
	if r.Type == "AWS::RDS::DBInstance" {
		groups, port = texts(r.Properties["VPCSecurityGroups"]), 5432
	} else {
		groups, port = texts(r.Properties["SecurityGroupIds"]), 6379
	}
	if p := int(number(r.Properties["Port"])); p != 0 {
		port = p
	}
	return groups, port
}

// reaches follows each function from its subnets and groups to its needs, and
// finds rules that lead elsewhere.
func reaches(v *View) []Problem {
	var out report
	for _, f := range v.of("AWS::Lambda::Function") {
		needs := v.needs(f)
		configured(v, f, needs, &out)
		groups := texts(at(f.Properties, "VpcConfig", "SecurityGroupIds"))
		if len(groups) == 0 {
			for _, n := range needs {
				if n.store != "" {
					out.add(f.ID, "needs %s and is not in the VPC", n)
				}
			}
			continue
		}
		for _, n := range needs {
			if why := v.blocked(f, groups, n); why != "" {
				out.add(f.ID, "doesn't reach %s: %s", n, why)
			}
		}
		for _, g := range groups {
			for _, r := range v.egress(g) {
				if !slices.ContainsFunc(needs, func(n need) bool { return v.serves(r, n) }) {
					out.add(f.ID, "can reach a target that it doesn't need, by %s: %s", r.resource, target(v, r))
				}
			}
		}
	}
	return out
}

// configured finds a function whose environment refers to a store that it may
// not log in to.
func configured(v *View, f cfn.Resource, needs []need, out *report) {
	environment := texts(at(f.Properties, "Environment", "Variables"))
	for _, s := range v.stores() {
		attribute := "PrimaryEndPoint.Address"
		if s.Type == "AWS::RDS::DBInstance" {
			attribute = "Endpoint.Address"
		}
		named := strings.Contains(strings.Join(environment, " "), text(v.value(s, attribute)))
		if named && !slices.Contains(needs, need{store: s.ID}) {
			out.add(f.ID, "its environment has %s, but it may not log in to it", s.ID)
		}
	}
}

func target(v *View, r rule) string {
	to := r.block + r.prefixList
	if r.group != "" {
		to = v.whose(r.group)
	}
	return fmt.Sprintf("%s %d-%d to %s", r.protocol, r.from, r.to, to)
}

// serves reports whether an egress rule is for a need.
func (v *View) serves(r rule, n need) bool {
	if n.store == "" {
		return n.service == "s3" && r.prefixList != "" && r.lets(443) || n.service != "s3" && r.group != "" && r.lets(443)
	}
	groups, port := storeAccess(v.Resources[n.store])
	return slices.Contains(groups, r.group) && r.lets(port)
}

// blocked explains why a function can't reach its need; empty if it can.
func (v *View) blocked(f cfn.Resource, groups []string, n need) string {
	leaves := false
	for _, g := range groups {
		leaves = leaves || slices.ContainsFunc(v.egress(g), func(r rule) bool { return v.serves(r, n) })
	}
	if !leaves {
		return "no rule lets it out"
	}
	if n.store == "" {
		return v.throughEndpoint(f, n)
	}
	into, port := storeAccess(v.Resources[n.store])
	for _, g := range into {
		if slices.ContainsFunc(v.ingress(g), func(r rule) bool { return r.lets(port) && slices.Contains(groups, r.group) }) {
			return ""
		}
	}
	return "no rule lets it in"
}

// throughEndpoint explains why a call doesn't pass the service's endpoint.
func (v *View) throughEndpoint(f cfn.Resource, n need) string {
	for _, e := range v.of("AWS::EC2::VPCEndpoint") {
		if !strings.HasSuffix(text(e.Properties["ServiceName"]), "."+n.service) {
			continue
		}
		if text(e.Properties["VpcEndpointType"]) == "Gateway" {
			for _, subnet := range texts(at(f.Properties, "VpcConfig", "SubnetIds")) {
				table, ok := v.routeTable(subnet)
				if !ok {
					return v.whose(subnet) + " has no route table of its own"
				}
				if !slices.Contains(texts(e.Properties["RouteTableIds"]), table) {
					return v.whose(table) + " has no route to " + e.ID
				}
			}
		}
		document := e.Properties["PolicyDocument"]
		if document == nil || slices.ContainsFunc(statements(document), func(s statement) bool {
			return s.effect == "Allow" && s.condition == nil && s.covers(n.action, n.resource)
		}) {
			return ""
		}
		return "the policy of " + e.ID + " doesn't allow it"
	}
	return "no endpoint exists for " + n.service
}

// endpointPolicies finds statements of endpoints that no function needs.
func endpointPolicies(v *View) []Problem {
	var out report
	var needs []need
	for _, f := range v.of("AWS::Lambda::Function") {
		if at(f.Properties, "VpcConfig") != nil {
			needs = append(needs, v.needs(f)...)
		}
	}
	for _, e := range v.of("AWS::EC2::VPCEndpoint") {
		if e.Properties["PolicyDocument"] == nil {
			out.add(e.ID, "has no policy, so it allows everything")
		}
		for _, s := range statements(e.Properties["PolicyDocument"]) {
			if text(s.principal) != "*" {
				out.add(e.ID, "a statement for %s: an endpoint's policy must apply to all principals", text(s.principal))
			}
			for _, resource := range s.resources {
				for _, action := range s.actions {
					one := statement{actions: []string{action}, resources: []string{resource}}
					wide := strings.HasSuffix(action, "*") || resource == "*" || strings.HasSuffix(resource, ":::*")
					if wide || !slices.ContainsFunc(needs, func(n need) bool { return one.covers(n.action, n.resource) }) {
						out.add(e.ID, "allows %s on %s, which no function needs", action, resource)
					}
				}
			}
		}
	}
	return out
}

// storesAreClosed finds everything that can reach a store without being a
// function that needs it.
func storesAreClosed(v *View) []Problem {
	var out report
	for _, s := range v.stores() {
		data := s.ID // a replica has its source's data, and so its clients
		if source, ok := v.find(s.Properties["SourceDBInstanceIdentifier"], "AWS::RDS::DBInstance"); ok {
			data = source.ID
		}
		groups, port := storeAccess(s)
		if len(groups) == 0 {
			out.add(s.ID, "is in the VPC's default group")
		}
		for _, g := range groups {
			for _, r := range v.ingress(g) {
				if r.group == "" || !r.lets(port) {
					out.add(s.ID, "lets in %s, by %s", target(v, r), r.resource)
					continue
				}
				for _, member := range v.members(r.group) {
					if member.Type != "AWS::Lambda::Function" || !slices.Contains(v.needs(member), need{store: data}) {
						out.add(s.ID, "lets in %s, which doesn't need it, by %s", member.ID, r.resource)
					}
				}
			}
		}
	}
	return out
}

// members returns the resources in a security group.
func (v *View) members(group string) []cfn.Resource {
	var out []cfn.Resource
	for _, r := range v.all() {
		in := append(texts(r.Properties["SecurityGroupIds"]), texts(r.Properties["VPCSecurityGroups"])...)
		in = append(in, texts(at(r.Properties, "VpcConfig", "SecurityGroupIds"))...)
		if slices.Contains(in, group) {
			out = append(out, r)
		}
	}
	return out
}
