package audit_test

import (
	"strings"
	"testing"

	"github.com/streamctl/streamctl/internal/config"
)

// switches turn on what variables.yaml offers beside the defaults.
const switches = `
AlarmEmail: oncall@example.com
AvailabilityZones: 3
ArchiveReplicationBucketArn: arn:aws:s3:::replica-of-the-archive
ArchiveReplicationKeyArn: arn:aws:kms:eu-west-1:111122223333:key/0a1b2c3d
CacheNodes: 3
CorsAllowedOrigins: [https://app.example.com]
DomainName: events.example.com
DomainCertificateArn: arn:aws:acm:us-east-1:111122223333:certificate/0a1b2c3d
DomainHostedZoneId: Z0123456789ABC
FlowLogs: true
Functions: {ingest: {MemorySize: 1024, Timeout: 20, ReservedConcurrency: 100, ProvisionedConcurrency: 5}, processor: {ReservedConcurrency: 10}, query: {ProvisionedConcurrency: 1}}
ObjectLockDays: 30
PermissionsBoundaryArn: arn:aws:iam::111122223333:policy/boundary
ReadReplicas: 2
WebAcl: "true"
`

// everything is an environment with every option on.
func everything(t testing.TB, environment string) config.Variables {
	t.Helper()
	v, err := config.Load(strings.NewReader(switches), "everything.yaml", environment)
	if err != nil {
		t.Fatal(err)
	}
	return v
}
