package config

import (
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/pattern"
)

// gatewaySeconds is API Gateway's timeout for a function, in seconds.
const gatewaySeconds = 29

// arnPattern matches the ARNs of a service in any partition.
func arnPattern(service, resource string) *pattern.Pattern {
	return pattern.New(`^arn:aws[a-z-]*:` + service + `:[a-z0-9-]*:([0-9]{12})?:` + resource + `$`)
}

// options checks the options that are off by default.
func (v Variables) options(r *rules) {
	r.between("ReadReplicas", v.ReadReplicas, 0, 5, "")
	if v.ReadReplicas > 0 && v.BackupRetentionDays == 0 {
		r.add("ReadReplicas", "%d: RDS makes replicas of a database with backups only; want BackupRetentionDays 1 or more", v.ReadReplicas)
	}
	v.archiveOptions(r)
	v.apiOptions(r)
	v.clients(r)
	v.functionOptions(r)
	r.optional("PermissionsBoundaryArn", v.PermissionsBoundaryArn, arnPattern("iam", "policy/.+"), "a policy's ARN such as arn:aws:iam::123456789012:policy/boundary")
}

func (v Variables) archiveOptions(r *rules) {
	t := v.ArchiveTransitionDays
	ladder := []struct {
		class       string
		days, least int
	}{{"StandardIA", t.StandardIA, 30}, {"GlacierIR", t.GlacierIR, 30}, {"DeepArchive", t.DeepArchive, 90}}
	before := 0
	for i, step := range ladder {
		r.limits("ArchiveTransitionDays."+step.class, limit{low: 0, high: maxDays})
		if step.days == 0 {
			continue
		}
		least := 1
		if i == 0 {
			least = 30 // S3's minimum for infrequent access
		} else if before > 0 {
			least = before + step.least
		}
		if step.days > maxDays {
			r.add("ArchiveTransitionDays."+step.class, "%d: want at most %d days, or 0 for never", step.days, maxDays)
		} else if step.days < least {
			r.add("ArchiveTransitionDays."+step.class, "%d: want 0 for never, or at least %d days", step.days, least)
		}
		before = step.days
	}
	bucketArn, keyArn := arnPattern("s3", "[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"), arnPattern("kms", "key/.+")
	r.optional("ArchiveReplicationBucketArn", v.ArchiveReplicationBucketArn, bucketArn, "a bucket's ARN such as arn:aws:s3:::archive-copy")
	if (v.ArchiveReplicationBucketArn == "") != (v.ArchiveReplicationKeyArn == "") {
		r.add("ArchiveReplicationKeyArn", "%q: want both ArchiveReplicationBucketArn and the key that encrypts the copies there, or neither", v.ArchiveReplicationKeyArn)
	} else {
		r.optional("ArchiveReplicationKeyArn", v.ArchiveReplicationKeyArn, keyArn, "a key's ARN such as arn:aws:kms:eu-west-1:123456789012:key/…")
	}
	r.limits("ReplayBuckets[]", limit{pattern: bucketName.String()})
	r.limits("ReplayKeyArns[]", limit{pattern: keyArn.String()})
	for _, name := range v.ReplayBuckets {
		if !bucketName.MatchString(name) {
			r.add("ReplayBuckets", "%q: want a bucket's name such as old-archive", name)
		}
	}
	for _, arn := range v.ReplayKeyArns {
		if !keyArn.MatchString(arn) {
			r.add("ReplayKeyArns", "%q: want a key's ARN such as arn:aws:kms:eu-west-1:123456789012:key/…", arn)
		}
	}
	r.between("ObjectLockDays", v.ObjectLockDays, 0, maxDays, " days")
}

var (
	origin     = pattern.New(`^https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?$`)
	domain     = pattern.New(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$`)
	hostedZone = pattern.New(`^Z[A-Z0-9]{5,31}$`)
)

func (v Variables) apiOptions(r *rules) {
	r.limits("CorsAllowedOrigins[]", limit{pattern: originPattern()})
	for _, o := range v.CorsAllowedOrigins {
		if err := CheckOrigin(o); err != nil {
			r.add("CorsAllowedOrigins", "%q: %v", o, err)
		}
		if o == "*" && len(v.CorsAllowedOrigins) > 1 {
			r.add("CorsAllowedOrigins", "\"*\": allows every origin; remove the other entries")
		}
	}
	webACL := pattern.New("^(" + WebAclOwn + "|" + WebAclNone + ")$|" + arnPattern("wafv2", "regional/webacl/.+").String())
	r.matches("WebAcl", v.WebAcl, webACL, "true, false, or a regional web ACL's ARN")
	certificate := arnPattern("acm", "certificate/.+")
	r.limits("DomainName", limit{pattern: domain.String(), zero: true})
	r.limits("DomainCertificateArn", limit{pattern: certificate.String(), zero: true})
	r.limits("DomainHostedZoneId", limit{pattern: hostedZone.String(), zero: true})
	if v.DomainName == "" {
		if v.DomainCertificateArn != "" || v.DomainHostedZoneId != "" {
			r.add("DomainName", "%q: missing, although other keys of the domain are set", v.DomainName)
		}
		return
	}
	r.matches("DomainName", v.DomainName, domain, "a name such as events.example.com")
	if !certificate.MatchString(v.DomainCertificateArn) {
		r.add("DomainCertificateArn", "%q: want the ARN of a certificate of the stack's region for DomainName", v.DomainCertificateArn)
	}
	if v.DomainHostedZoneId != "" {
		r.matches("DomainHostedZoneId", v.DomainHostedZoneId, hostedZone, "a Route 53 zone's id such as Z0123456789ABCDEFGHIJ")
	}
}

func (v Variables) functionOptions(r *rules) {
	named := v.Functions.named()
	for _, name := range sortedKeys(named) {
		s := named[name]
		key := "Functions." + name
		r.zeroOr(key+".MemorySize", s.MemorySize, 128, 10240, " MiB")
		// The database ends a statement after 40 s, or 15 s for queries. The function
		// must still run then to report it.
		shortest, longest := 15, 900
		switch name {
		case contract.FuncIngest:
			longest = gatewaySeconds - 1
		case contract.FuncQuery:
			shortest = 17 // a request of the API ends after 20 s in any case
		case contract.FuncProcessor, contract.FuncMaintenance:
			shortest = 45
		case contract.FuncSchema:
			shortest, longest = 60, 580 // CloudFormation waits for 600 s
		}
		r.zeroOr(key+".Timeout", s.Timeout, shortest, longest, " seconds")
		r.between(key+".ReservedConcurrency", s.ReservedConcurrency, 0, 1000, "")
		v.provisioned(r, key, name, s)
		if needed := v.ShardCount * v.ProcessorMapping.Parallelization; name == contract.FuncProcessor && s.ReservedConcurrency > 0 && s.ReservedConcurrency < needed {
			r.add(key+".ReservedConcurrency", "%d: %d shards with %d batches each need at least %d, or shards are not read",
				s.ReservedConcurrency, v.ShardCount, v.ProcessorMapping.Parallelization, needed)
		}
		if s.ReservedConcurrency == 1 && name == contract.FuncMaintenance {
			r.add(key+".ReservedConcurrency", "1: the minutely and the hourly task may overlap; want 2 or more")
		}
	}
}

// provisioned checks provisioned concurrency.
func (v Variables) provisioned(r *rules, key, name string, s FunctionSetting) {
	key += ".ProvisionedConcurrency"
	r.between(key, s.ProvisionedConcurrency, 0, 1000, "")
	switch {
	case s.ProvisionedConcurrency <= 0:
	case name != contract.FuncIngest && name != contract.FuncQuery:
		r.add(key, "%d: no caller waits for a cold start of %s; set it for ingest or query", s.ProvisionedConcurrency, name)
	case s.ReservedConcurrency > 0 && s.ProvisionedConcurrency > s.ReservedConcurrency:
		r.add(key, "%d: want at most ReservedConcurrency, %d", s.ProvisionedConcurrency, s.ReservedConcurrency)
	}
}
