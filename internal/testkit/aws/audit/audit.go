package audit

import "fmt"

// Check is one property that a template must have.
type Check struct {
	Name string
	Find func(*View) []Problem
}

// Checks returns all checks. They are disjoint: a template with one fault fails
// one check.
func Checks() []Check {
	return []Check{
		{"functions reach what they must, and nothing else", reaches},
		{"stores let in their clients, and nothing else", storesAreClosed},
		{"no way to the internet", noInternet},
		{"endpoint policies allow what is needed, and nothing else", endpointPolicies},
		{"security groups have egress rules", inlineEgress},
		{"subnets lie in their VPC and don't overlap", subnetsFit},
		{"network ids name what they should", networkIDs},

		{"alarms read metrics that exist", alarmMetrics},
		{"alarms read metrics that are switched on", switchedOn},
		{"alarms can be evaluated", alarmWindows},
		{"alarms have an action", alarmActions},
		{"dashboards are readable", dashboards},

		{"mappings say where to begin", mappingStart},
		{"mappings give up where the role may write", onFailure},
		{"no concurrency is reserved by default", reservedConcurrency},
		{"functions have a runtime that isn't retired", runtimes},

		{"the database's engine is supported", databaseEngine},
		{"the parameter groups fit their engines", parameterGroups},
		{"the database's storage is valid in RDS", databaseStorage},
		{"the database's name is valid in RDS", databaseName},
		{"enhanced monitoring has its role", monitoringRole},
		{"the cache's node type exists", cacheNodeType},
		{"the cache has a node to fail over to", cacheFailover},
		{"the cache's user group has what its engine wants", cacheUsers},
		{"the cache's engine is supported", cacheEngine},

		{"principals and services exist", servicesExist},
		{"roles trust who uses them", trusted},
		{"services may do what they call, and nothing else", serviceRoles},
		{"role ARNs are ARNs of roles", roleARNs},
		{"bucket actions are granted on buckets", bucketActions},
		{"separate policies are waited for", separatePolicies},
		{"keys let in the services that use them", keyPolicies},
		{"secrets stay where they are needed", secretsStay},
		{"no dynamic reference outlives its value", dynamicReferences},

		{"API parts name what they should", apiIDs},
		{"deployments wait for their methods", deployments},
		{"preflight needs no signature, everything else does", authorization},
		{"ingest alone judges bodies", bodyModels},
		{"stages wait for the account's role", stages},
		{"web ACLs count where events may match", webACLs},

		{"custom resources can answer until the end", customResources},
		{"replication may read and write", replication},
		{"names fit", names},
		{"two stacks share no name", sharedNames},
		{"outputs say something", outputs},
	}
}

// Run returns each failed check's problems by its name.
func Run(v *View) map[string][]Problem {
	out := map[string][]Problem{}
	for _, c := range Checks() {
		if problems := c.Find(v); len(problems) > 0 {
			out[c.Name] = problems
		}
	}
	return out
}

// report collects problems.
type report []Problem

func (r *report) add(resource, format string, args ...any) {
	*r = append(*r, Problem{Resource: resource, What: fmt.Sprintf(format, args...)})
}
