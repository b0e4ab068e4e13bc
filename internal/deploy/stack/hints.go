package stack

import "github.com/streamctl/streamctl/internal/pattern"

// hint is advice for the messages that match a pattern.
type hint struct {
	says *pattern.Pattern
	do   string
}

func when(says, do string) hint { return hint{pattern.New(`(?i)` + says), do} }

// hints are for the messages that people meet most, the more particular first.
var hints = []hint{
	// Permissions and credentials
	when(`expired ?token|security token .*expired`, "log in again (`aws sso login`), then run the same command again"),
	when(`permissions error performing a tagging operation`, "the credentials may not set tags on that resource: `streamctl doctor --print-policy` prints what a deploy needs"),
	when(`not authorized to perform|access ?denied|UnauthorizedOperation`, "the credentials lack that permission: `streamctl doctor --print-policy` prints what a deploy needs"),
	when(`requires capabilities`, "add --capabilities CAPABILITY_NAMED_IAM; `streamctl deploy` does"),
	when(`rate exceeded|throttl`, "AWS throttled the call: run the same command again"),
	// Early validation
	when(`NAME_CONFLICT|NameConflict|resource .*already exists.*(validation|AWS::EarlyValidation)|ResourceExistenceCheck`, "a resource of that name exists, from an earlier stack or another owner: rename or delete it, then run the same command again"),
	when(`PropertyValidation|unsupported property|extraneous key|required key \[|property .*(syntax|is not valid)`, "`streamctl validate` lists the problems of the variables; if it lists none, this version of streamctl renders a property that AWS rejects: update it"),
	when(`EarlyValidation`, "`aws cloudformation describe-events --stack-name …` lists the findings of early validation"),
	// Network
	when(`maximum number of VPCs`, "delete an unused VPC, or ask for more: `aws service-quotas request-service-quota-increase --service-code vpc --quota-code L-F678F1CE --desired-value 10`"),
	when(`CIDR.*(conflict|overlap)|overlaps? with`, "choose another VpcCidr"),
	when(`network ?interfaces? associated with the lambda|has a dependent object|DependencyViolation|has dependencies and cannot be deleted`,
		"delete its users first; Lambda deletes its own network interfaces within 20 to 40 minutes: then run the same `streamctl destroy` again"),
	when(`no available (ip|addresses)|InsufficientFreeAddresses`, "the subnets are full: choose a larger VpcCidr (a new stack), or fewer shards and replicas"),
	// The database
	when(`password authentication failed`, "the database's password isn't the stack's: `streamctl deploy --change-password` sets it"),
	when(`MasterUserPassword|not a valid password`, "choose a password of 8 to 128 printable characters, none of / \" @ ' \\ or space"),
	when(`MasterUsername .*reserved`, "choose another DatabaseUsername"),
	when(`InsufficientDBInstanceCapacity`, "AWS has no such instance free in these zones: choose another DatabaseInstanceClass, or try later"),
	when(`instance class|DBInstanceClass|does not support creating a DB instance`,
		"choose another DatabaseInstanceClass: `aws rds describe-orderable-db-instance-options --engine postgres --query 'OrderableDBInstanceOptions[].DBInstanceClass'` lists them"),
	when(`cannot find (version|upgrade)|EngineVersion`, "choose another DatabaseEngineVersion: `aws rds describe-db-engine-versions --engine postgres --query 'DBEngineVersions[].EngineVersion'`"),
	when(`(Instance|Storage)QuotaExceeded|DB ?instance quota`, "delete an unused instance, or ask for more: `aws service-quotas list-service-quotas --service-code rds`"),
	when(`DBSnapshotAlreadyExists|snapshot .*already exists`, "delete or rename that snapshot: `aws rds delete-db-snapshot --db-snapshot-identifier …`"),
	// The cache
	when(`InsufficientCacheClusterCapacity`, "AWS has no such node free in these zones: choose another CacheNodeType, or try later"),
	when(`NodeQuotaFor`, "delete an unused cache, or ask for more: `aws service-quotas list-service-quotas --service-code elasticache`"),
	when(`cache ?node ?type`, "choose another CacheNodeType, such as cache.t4g.small"),
	// The stream and the functions
	when(`shard.*(limit|quota)|(limit|quota).*shard`, "lower ShardCount, or ask for more: `aws service-quotas list-service-quotas --service-code kinesis`"),
	when(`UnreservedConcurrentExecution`, "take ReservedConcurrency out of Functions, or ask for more: `aws service-quotas request-service-quota-increase --service-code lambda --quota-code L-B99A9384 --desired-value 1000`"),
	when(`NoSuchKey|specified key does not exist|error occurred while GetObject`, "the functions' code isn't in the artifact bucket: `streamctl package` uploads it"),
	when(`failed to stabilize|did not receive a response|timed out waiting for .*custom resource|ServiceTimeout`,
		"the schema function did not respond: read its log group /aws/lambda/<stack>-schema; then run the same command again"),
	// The API
	when(`CloudWatch Logs role ARN must be set`, "set ApiGatewayAccountRole: create, or set the account's role yourself"),
	when(`certificate`, "DomainCertificateArn must be an issued certificate of this region: `aws acm list-certificates`"),
	// Buckets, keys, names
	when(`bucket.*not empty|BucketNotEmpty`, "`streamctl destroy` empties the bucket and continues; with --retain-archive it keeps it"),
	when(`BucketAlreadyExists|bucket name is not available`, "that bucket name is taken: set ArtifactBucket to another"),
	when(`(key|KMS).*(disabled|pending deletion|PendingDeletion)`, "the key must be enabled: `aws kms cancel-key-deletion` and `aws kms enable-key`"),
	when(`log group.*already exists|ResourceAlreadyExistsException.*log`, "a log group of an earlier stack exists: `aws logs delete-log-group --log-group-name …`, then run the same command again"),
	when(`already exists`, "a resource of that name exists, from an earlier stack or another owner: rename or delete it, then run the same command again"),
	// The stack itself
	when(`denied by stack policy|not allowed by stack policy`, "`streamctl deploy --allow-replace LOGICALID`, if that data may go"),
	when(`TerminationProtection is enabled`, "`streamctl destroy --lift-protection`, if everything may go"),
	when(`deletion ?protection`, "`streamctl destroy --lift-protection` lifts the database's protection too"),
	when(`exceeded.*(maximum|limit)|LimitExceeded|quota`, "a quota of the account is reached: `aws service-quotas list-service-quotas --service-code …` shows them"),
	when(`internal ?(failure|error)|service ?unavailable`, "AWS had trouble: run the same command again"),
	when(`must (match|be one of|contain)|failed to satisfy constraint|template (format )?error`, "`streamctl validate` lists the problems of the variables; with your own template, see the message"),
}

// HintFor returns advice for an error message of AWS; empty for an unknown one.
func HintFor(message string) string {
	for _, h := range hints {
		if h.says.MatchString(message) {
			return h.do
		}
	}
	return ""
}
