package audit

import (
	"slices"
	"strings"
)

// duty is what a service other than Lambda does with a role.
type duty struct {
	// must is what it calls; may is what it calls where something is on.
	must, may []string
	// managed is AWS's own policy for it, which it wants instead.
	managed string
}

// duties are by the service that takes the role. What a function calls is
// recorded while it runs, and compared with its role there.
func duties() map[string]duty {
	return map[string]duty{
		// What replication must have is on certain resources, and checked there.
		"s3.amazonaws.com": {may: []string{"s3:GetReplicationConfiguration", "s3:ListBucket", "s3:GetObjectVersionForReplication", "s3:GetObjectVersionAcl", "s3:GetObjectVersionTagging",
			"s3:GetObjectRetention", "s3:GetObjectLegalHold", "s3:ReplicateObject", "s3:ReplicateDelete", "s3:ReplicateTags", "kms:Decrypt", "kms:Encrypt"}},
		"vpc-flow-logs.amazonaws.com":  {must: []string{"logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams", "logs:DescribeLogGroups"}},
		"apigateway.amazonaws.com":     {managed: "service-role/AmazonAPIGatewayPushToCloudWatchLogs"},
		"monitoring.rds.amazonaws.com": {managed: "service-role/AmazonRDSEnhancedMonitoringRole"},
	}
}

// serviceRoles finds roles of services that allow more or less than the service
// calls. A service says nothing of a permission it lacks, or says it in a place
// where nobody looks.
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
