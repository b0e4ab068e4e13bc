package config

import "github.com/streamctl/streamctl/internal/contract"

// Default returns an environment's defaults. An unknown environment gets production's.
func Default(environment string) Variables {
	v := Variables{
		Environment:           environment,
		ProjectName:           "real-time-event-streaming-analytics-platform",
		VpcCidr:               "10.0.0.0/16",
		DatabaseUsername:      "analytics_admin",
		DatabaseInstanceClass: "db.t3.medium",

		StackName:         StackName(environment),
		AvailabilityZones: 2,

		StreamMode:           StreamProvisioned,
		ShardCount:           1,
		StreamRetentionHours: 168,

		DatabaseEngineVersion: "17",
		DatabaseStorageGiB:    50,
		DatabaseMaxStorageGiB: 500,
		BackupRetentionDays:   7,

		CacheNodeType: "cache.t4g.small",
		CacheNodes:    1,

		LogRetentionDays: 90,

		ThrottleRate:          1000,
		ThrottleBurst:         2000,
		ApiGatewayAccountRole: AccountRoleCreate,
		ApiEndpointAccessMode: AccessModeStrict,

		EventMaxAgeDays:        30,
		WarehouseRetentionDays: 400,

		ArchiveTransitionDays: Transitions{StandardIA: 30, GlacierIR: 90},
		WebAcl:                WebAclNone,
	}
	archiveWindow := 60
	switch environment {
	case Development:
		v.DatabaseInstanceClass = "db.t4g.micro"
		v.DatabaseStorageGiB = 20
		v.DatabaseMaxStorageGiB = 0
		v.BackupRetentionDays = 1
		v.CacheNodeType = "cache.t4g.micro"
		v.LogRetentionDays = 7
		v.StreamRetentionHours = 24
		v.ArchiveTransitionDays = Transitions{}
		v.ThrottleRate = 100
		v.ThrottleBurst = 200
		archiveWindow = 5
	case Staging:
		v.LogRetentionDays = 30
		v.DatabaseDeletionProtection = true
	default:
		v.DatabaseMultiAz = true
		v.DatabaseDeletionProtection = true
		v.TerminationProtection = true
		v.CacheNodes = 2
	}
	v.ArchiverMapping = contract.ArchiverMapping(archiveWindow)
	v.ProcessorMapping = contract.ProcessorMapping(v.StreamRetentionHours)
	return v
}

// StackName returns an environment's default stack name.
func StackName(environment string) string {
	const base = "event-streaming-platform"
	if environment == Production || environment == "" {
		return base
	}
	return base + "-" + environment
}
