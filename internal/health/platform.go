// Package health declares which alarms and metrics describe the platform, and combines
// their values into a report. It calls nothing: the values come from CloudWatch
// (stackmetrics) or from the meters of a local platform.
package health

import (
	"strconv"
	"strings"
	"time"
)

// Platform are the parts of a stack that publish metrics. A part that the stack does not
// have is empty, and has no metrics.
type Platform struct {
	// Stack is the dimension of the functions' own metrics, and the name of the API.
	Stack string
	// API reports whether there is a REST API.
	API bool
	// Stream and Database are the names of the stream and of the database instance.
	Stream, Database string
	// Replicas are the read replicas.
	Replicas []string
	// CacheNodes are the members of the cache's replication group.
	CacheNodes []string
	// ProcessorMapping is the id of the processor's event source mapping.
	ProcessorMapping string
	// Functions are in the order of the template.
	Functions []Function
	// DatabaseBursts and CacheBursts report classes with CPU credits.
	DatabaseBursts, CacheBursts bool
	// Alarms are the physical names of the alarms, by logical id.
	Alarms map[string]string
}

// Function is a Lambda function.
type Function struct {
	// Name is the function's name in package contract, ID its name in AWS.
	Name, ID string
	// Timeout is 0 if it is unknown.
	Timeout time.Duration
}

// Resource is a resource of a stack that exists.
type Resource struct {
	LogicalID, Type, PhysicalID string
	// Properties are the scalar properties of the template.
	Properties map[string]string
}

// Logical ids and types that this package knows from the template; a test compares them.
const (
	typeAlarm    = "AWS::CloudWatch::Alarm"
	idDatabase   = "Database"
	idProcessor  = "ProcessorMapping"
	functionPart = "Function"
)

// PlatformOf finds the platform's parts among the resources of a stack.
func PlatformOf(stack string, resources []Resource) Platform {
	p := Platform{Stack: stack, Alarms: map[string]string{}}
	for _, r := range resources {
		switch r.Type {
		case "AWS::ApiGateway::RestApi":
			p.API = true
		case "AWS::Kinesis::Stream":
			p.Stream = r.PhysicalID
		case "AWS::RDS::DBInstance":
			if r.LogicalID != idDatabase {
				p.Replicas = append(p.Replicas, r.PhysicalID)
				continue
			}
			p.Database = r.PhysicalID
			p.DatabaseBursts = strings.HasPrefix(r.Properties["DBInstanceClass"], "db.t")
		case "AWS::ElastiCache::ReplicationGroup":
			nodes, err := strconv.Atoi(r.Properties["NumCacheClusters"])
			if err != nil {
				nodes = 1 // every group has a first node
			}
			for n := range nodes {
				p.CacheNodes = append(p.CacheNodes, r.PhysicalID+"-"+threeDigits(n+1))
			}
			p.CacheBursts = strings.HasPrefix(r.Properties["CacheNodeType"], "cache.t")
		case "AWS::Lambda::EventSourceMapping":
			if r.LogicalID == idProcessor {
				p.ProcessorMapping = r.PhysicalID
			}
		case "AWS::Lambda::Function":
			name, ok := strings.CutSuffix(r.LogicalID, functionPart)
			if !ok {
				continue
			}
			f := Function{Name: strings.ToLower(name), ID: r.PhysicalID}
			if seconds, err := strconv.Atoi(r.Properties["Timeout"]); err == nil {
				f.Timeout = time.Duration(seconds) * time.Second
			}
			p.Functions = append(p.Functions, f)
		case typeAlarm:
			p.Alarms[r.LogicalID] = r.PhysicalID
		}
	}
	return p
}

func threeDigits(n int) string {
	text := strconv.Itoa(n)
	return strings.Repeat("0", max(0, 3-len(text))) + text
}
