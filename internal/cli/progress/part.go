package progress

import "strings"

// part is a part of the platform. The order is that of the display.
type part int

const (
	partNetwork part = iota
	partStream
	partArchive
	partWarehouse
	partCache
	partFunctions
	partAPI
	partMonitoring
	partOther
	parts // number of parts
)

func (p part) String() string {
	return [...]string{"Network", "Stream", "Archive", "Warehouse", "Cache", "Functions", "API", "Monitoring", "Other"}[p]
}

// services maps a service to the part that all its resources belong to.
var services = map[string]part{
	"EC2": partNetwork, "Kinesis": partStream, "S3": partArchive, "RDS": partWarehouse, "ElastiCache": partCache,
	"Lambda": partFunctions, "Events": partFunctions, "IAM": partFunctions, "Logs": partFunctions,
	"ApiGateway": partAPI, "ApiGatewayV2": partAPI, "WAFv2": partAPI, "CertificateManager": partAPI, "Route53": partAPI,
	"CloudWatch": partMonitoring, "SNS": partMonitoring,
}

// prefixes decide for services that serve several parts: roles, log groups and
// permissions belong to the part that uses them.
var prefixes = []struct {
	id   string
	part part
}{
	{"Api", partAPI}, {"SendEventsPolicy", partAPI}, {"ReadMetricsPolicy", partAPI}, {"IngestPermission", partAPI}, {"IngestClientsPermission", partAPI}, {"IngestBeaconPermission", partAPI}, {"QueryPermission", partAPI},
	{"WebAcl", partAPI}, {"FlowLog", partNetwork}, {"ArchiveReplication", partArchive}, {"DatabaseMonitoring", partWarehouse}, {"Migrations", partWarehouse},
}

// partOf returns a resource's part, by its type and logical id.
func partOf(id, kind string) part {
	service := strings.TrimPrefix(kind, "AWS::")
	service, _, _ = strings.Cut(service, "::")
	p, known := services[service]
	if known && p != partFunctions {
		return p
	}
	for _, x := range prefixes {
		if strings.HasPrefix(id, x.id) {
			return x.part
		}
	}
	if known {
		return p
	}
	return partOther
}

// typicalDuration is the usual duration of an operation on a resource type; empty
// for short ones.
func typicalDuration(kind, status string) string {
	op, _, _ := strings.Cut(status, "_")
	switch op + " " + strings.TrimPrefix(kind, "AWS::") {
	case "CREATE RDS::DBInstance", "UPDATE RDS::DBInstance":
		return "10 to 20 min"
	case "DELETE RDS::DBInstance":
		return "5 to 15 min, with the last snapshot"
	case "CREATE ElastiCache::ReplicationGroup", "UPDATE ElastiCache::ReplicationGroup":
		return "8 to 15 min"
	case "DELETE ElastiCache::ReplicationGroup":
		return "5 to 15 min"
	case "CREATE Lambda::Function":
		return "1 to 2 min"
	case "DELETE Lambda::Function":
		return "5 to 40 min, until AWS has released its network interfaces"
	case "DELETE EC2::SecurityGroup", "DELETE EC2::Subnet":
		return "up to 40 min, until AWS has released the functions' network interfaces"
	case "CREATE CertificateManager::Certificate":
		return "minutes after its DNS record exists"
	}
	return ""
}
