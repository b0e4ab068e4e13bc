package audit

import (
	"slices"
	"strings"
)

// duty describes the calls that a service other than Lambda makes with a role.
type duty struct {
	// must lists its required calls; may lists calls that an option requires.
	must, may []string
	// managed is AWS's own policy to use instead.
	managed string
}

// duties returns the duties by service principal. Calls of functions are
// recorded at run time instead and compared with their roles there.
func duties() map[string]duty {
	return map[string]duty{
		// The actions that replication requires apply to specific resources;
		// the check replication covers them.
		"s3.amazonaws.com": {may: []string{"s3:GetReplicationConfiguration", "s3:ListBucket", "s3:GetObjectVersionForReplication", "s3:GetObjectVersionAcl", "s3:GetObjectVersionTagging",
			"s3:GetObjectRetention", "s3:GetObjectLegalHold", "s3:ReplicateObject", "s3:ReplicateDelete", "s3:ReplicateTags", "kms:Decrypt", "kms:Encrypt"}},
		"vpc-flow-logs.amazonaws.com":  {must: []string{"logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams", "logs:DescribeLogGroups"}},
		"apigateway.amazonaws.com":     {managed: "service-role/AmazonAPIGatewayPushToCloudWatchLogs"},
		"monitoring.rds.amazonaws.com": {managed: "service-role/AmazonRDSEnhancedMonitoringRole"},
	}
}

// serviceRoles finds service roles that allow more or less than the service
// calls. A service does not report a missing permission, or reports it where it
// is rarely noticed.
func serviceRoles(v *View) []Problem {
	var out report
	known := duties()
	for _, role := range v.of("AWS::IAM::Role") {
		for _, s := range statements(role.Properties["AssumeRolePolicyDocument"]) {
			for _, service := range s.services() {
				d, ok := known[service]
				if !ok {
					continue
				}
				var allowed []string
				for _, g := range v.grants(role) {
					allowed = append(allowed, g.actions...)
				}
				for _, action := range allowed {
					if !slices.Contains(slices.Concat(d.must, d.may), action) {
						out.add(role.ID, "may %s, which %s never calls", action, service)
					}
				}
				for _, action := range d.must {
					if !slices.Contains(allowed, action) {
						out.add(role.ID, "may not %s, which %s calls", action, service)
					}
				}
				managed := texts(role.Properties["ManagedPolicyArns"])
				if d.managed != "" && !slices.ContainsFunc(managed, func(arn string) bool { return strings.HasSuffix(arn, ":policy/"+d.managed) }) {
					out.add(role.ID, "lacks %s", d.managed)
				}
			}
		}
	}
	return out
}
