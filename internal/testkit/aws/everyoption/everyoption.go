// Package everyoption lists the options of variables.yaml, for tests that
// render, check or deploy a template with each option.
package everyoption

import (
	"slices"
	"strings"
)

// Option turns on a setting that is off in production by default, or the
// reverse.
type Option struct {
	// Name is the golden file's.
	Name string
	// Lines are for a variables file.
	Lines string
	// Alone reports whether it can't be combined with all other options.
	Alone bool
}

// Replica is the bucket of the archive's copies; the test that deploys must
// create it, with versioning.
const Replica = "archive-copy"

// Replayed is the bucket of another stack's archive, which must exist too.
const Replayed = "old-archive"

// Domain is the API's domain name, which only one stack of an account can have.
const Domain = "events.example.com"

// ObjectLock is an option that only a new stack can have.
const ObjectLock = "object-lock"

// List returns every option, by name.
func List() []Option {
	return []Option{
		{Name: "account-role-existing", Lines: "ApiGatewayAccountRole: existing", Alone: true},
		{Name: "access-mode-basic", Lines: "ApiEndpointAccessMode: BASIC", Alone: true},
		{Name: "alerts", Lines: "Alerts:\n  - {Name: no_purchases, Value: purchase, Absent: true, WindowMinutes: 30, Severity: critical, Silence: [{From: '22:00', To: '06:00', Zone: Europe/Berlin}]}\n  - {Name: drop, DecreasePercent: 50, WindowMinutes: 60, MinEvents: 100, Severity: info}"},
		{Name: "alarm-email", Lines: "AlarmEmail: oncall@example.com"},
		{Name: "archive-replication", Lines: "ArchiveReplicationBucketArn: arn:aws:s3:::" + Replica + "\nArchiveReplicationKeyArn: arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"},
		{Name: "archive-transitions-deep", Lines: "ArchiveTransitionDays: {StandardIA: 30, GlacierIR: 90, DeepArchive: 365}"},
		{Name: "archive-transitions-off", Lines: "ArchiveTransitionDays: {StandardIA: 0, GlacierIR: 0}", Alone: true},
		{Name: "replay-buckets", Lines: "ReplayBuckets: [" + Replayed + "]\nReplayKeyArns: [arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555]"},
		{Name: "cache-one-node", Lines: "CacheNodes: 1", Alone: true},
		{Name: "cache-three-nodes", Lines: "CacheNodes: 3"},
		{Name: "write-keys", Lines: "WriteKeys:\n  - {Name: web, Hash: 47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU, Origins: ['https://www.example.com'], Rate: 50}\n  - {Name: server, Hash: n4bQgYhMfWWaL-qgxVrQFaO_TxsrC4Is0V1sFbDwCgg}\nPrivacy: {IpAddresses: truncate, DropProperties: [properties.traits.email], HonorDoNotTrack: true}"},
		{Name: "stream-formats", Lines: "StreamFormats: [amplify, event]", Alone: true},
		{Name: "hash-user-ids", Lines: "Privacy: {HashUserIds: true}", Alone: true},
		{Name: "cors-one-origin", Lines: "CorsAllowedOrigins: ['https://www.example.com']", Alone: true},
		{Name: "cors-two-origins", Lines: "CorsAllowedOrigins: ['https://www.example.com', 'https://app.example.com']"},
		{Name: "domain", Lines: "DomainName: " + Domain + "\nDomainCertificateArn: arn:aws:acm:us-east-1:123456789012:certificate/11111111-2222-3333-4444-555555555555\nDomainHostedZoneId: Z0123456789ABCDEFGHIJ"},
		{Name: "flow-logs", Lines: "FlowLogs: true"},
		{Name: "functions", Lines: "Functions:\n  processor: {MemorySize: 1024, Timeout: 120, ReservedConcurrency: 4}\n  ingest: {MemorySize: 256, Timeout: 20, ReservedConcurrency: 100, ProvisionedConcurrency: 2}\n  query: {ProvisionedConcurrency: 1}"},
		{Name: "metrics", Lines: "Metrics:\n  - {Name: revenue, EventType: purchase, Sum: properties.amount, Max: properties.amount, By: [properties.country]}\n  - {Name: visits, EventType: page_view, By: [properties.page, properties.country]}"},
		{Name: "event-types", Lines: "EventTypes: [signup, Order Completed]"},
		{Name: "insight-properties", Lines: "InsightProperties: [properties.country, properties.plan]"},
		{Name: ObjectLock, Lines: "ObjectLockDays: 30"},
		{Name: "on-demand", Lines: "StreamMode: ON_DEMAND", Alone: true},
		{Name: "permissions-boundary", Lines: "PermissionsBoundaryArn: arn:aws:iam::123456789012:policy/boundary"},
		{Name: "read-replicas", Lines: "ReadReplicas: 2"},
		{Name: "three-zones", Lines: "AvailabilityZones: 3"},
		{Name: "web-acl", Lines: "WebAcl: true"},
		{Name: "web-acl-existing", Lines: "WebAcl: arn:aws:wafv2:us-east-1:123456789012:regional/webacl/ours/11111111-2222-3333-4444-555555555555", Alone: true},
	}
}

// All returns every option that can be combined, except some by name, as lines
// for a variables file.
func All(but ...string) string {
	var lines []string
	for _, o := range List() {
		if !o.Alone && !slices.Contains(but, o.Name) {
			lines = append(lines, o.Lines)
		}
	}
	return strings.Join(lines, "\n") + "\n"
}
