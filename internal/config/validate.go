package config

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/pattern"
)

var (
	environments     = []string{Production, Staging, Development}
	streamModes      = []string{StreamProvisioned, StreamOnDemand}
	accountRoles     = []string{AccountRoleCreate, AccountRoleExisting}
	accessModes      = []string{AccessModeStrict, AccessModeBasic}
	logRetentionDays = []int{1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653}

	projectName    = pattern.New(ProjectNamePattern)
	stackName      = pattern.New(`^[a-zA-Z][-a-zA-Z0-9]{0,39}$`)
	region         = pattern.New(`^[a-z]{2}(-[a-z]+)+-[0-9]$`)
	account        = pattern.New(`^[0-9]{12}$`)
	bucketName     = pattern.New(`^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$`)
	prefixList     = pattern.New(`^pl-[0-9a-f]{8,17}$`)
	email          = pattern.New(`^[A-Za-z0-9][A-Za-z0-9.!#$%&*+/=?^_{|}~-]*@[A-Za-z0-9.-]+\.[A-Za-z0-9-]+$`)
	cacheNodeType  = pattern.New(`^cache\.[a-z][a-z0-9]{1,5}\.(micro|small|medium|large|[0-9]{0,2}xlarge)$`)
	instanceClass  = pattern.New(InstanceClassPattern)
	masterUsername = pattern.New(UsernamePattern)
	masterPassword = pattern.New(PasswordPattern)
)

// maxDays bounds numbers of days without another bound: a hundred years. Subtracting it
// from the current time is far from an overflow.
const maxDays = 36500

// rules collects problems; each method checks one value.
type rules struct {
	problems []Problem
	// declare receives the limits of each key for the JSON schema; nil drops them.
	declare func(key string, l limit)
}

// limit is the part of a key's rule that does not depend on other keys.
type limit struct {
	// low and high bound a number; both are 0 without bounds.
	low, high int
	// zero reports whether 0 is valid too, or an empty text.
	zero bool
	// allowed are the valid values.
	allowed []string
	// pattern is a regular expression that a text matches.
	pattern string
	// items is the largest number of entries of a list or map; 0 has no limit.
	items int
}

// limits declares a key's limits without checking a value.
func (r *rules) limits(key string, l limit) {
	if r.declare != nil {
		r.declare(key, l)
	}
}

func (r *rules) add(key, format string, args ...any) {
	r.problems = append(r.problems, Problem{Key: key, What: fmt.Sprintf(format, args...)})
}

func (r *rules) between(key string, value, low, high int, unit string) {
	r.limits(key, limit{low: low, high: high})
	if value < low || value > high {
		r.add(key, "%d is outside %d to %d%s", value, low, high, unit)
	}
}

// zeroOr is between for a value that may also be 0, for its default.
func (r *rules) zeroOr(key string, value, low, high int, unit string) {
	if value != 0 {
		r.between(key, value, low, high, unit)
	}
	r.limits(key, limit{low: low, high: high, zero: true})
}

func (r *rules) oneOf(key, value string, allowed []string) {
	r.limits(key, limit{allowed: allowed})
	if !slices.Contains(allowed, value) {
		r.add(key, "%q: %s", value, oneOf(value, allowed))
	}
}

func (r *rules) matches(key, value string, pattern *pattern.Pattern, want string) {
	r.limits(key, limit{pattern: pattern.String()})
	if !pattern.MatchString(value) {
		r.add(key, "%q: want %s", value, want)
	}
}

// optional is matches for a value that may also be empty.
func (r *rules) optional(key, value string, pattern *pattern.Pattern, want string) {
	if value != "" {
		r.matches(key, value, pattern, want)
	}
	r.limits(key, limit{pattern: pattern.String(), zero: true})
}

func oneOf(value string, allowed []string) string {
	text := "want " + strings.Join(allowed[:len(allowed)-1], ", ") + " or " + allowed[len(allowed)-1]
	if i := slices.IndexFunc(allowed, func(a string) bool {
		return strings.EqualFold(a, value) || strings.HasPrefix(a, strings.ToLower(value))
	}); i >= 0 && value != "" {
		text += "; did you mean " + allowed[i] + "?"
	}
	return text
}

// problems returns all problems of the values, by key.
func (v Variables) problems() []Problem {
	r := &rules{}
	v.check(r)
	return r.problems
}

func (v Variables) check(r *rules) {
	r.oneOf("Environment", v.Environment, environments)
	r.matches("ProjectName", v.ProjectName, projectName, ProjectNameRule)
	if err := CheckCIDR(v.VpcCidr); err != nil {
		r.add("VpcCidr", "%q: %v", v.VpcCidr, err)
	}
	v.database(r)
	v.identity(r)
	v.stream(r)
	v.edge(r)
	v.metrics(r)
	alerts(v, r)
	v.eventTypes(r)
	insightProperties(r, v.InsightProperties)
	v.options(r)
}

func (v Variables) database(r *rules) {
	r.limits("DatabaseUsername", limit{pattern: UsernamePattern})
	if err := CheckUsername(v.DatabaseUsername); err != nil {
		r.add("DatabaseUsername", "%q: %v", v.DatabaseUsername, err)
	}
	r.limits("DatabasePassword", limit{pattern: PasswordPattern, zero: true})
	if v.DatabasePassword != "" {
		if err := CheckPassword(v.DatabasePassword); err != nil {
			r.add("DatabasePassword", "%v", err)
		}
	}
	r.matches("DatabaseInstanceClass", v.DatabaseInstanceClass, instanceClass, InstanceClassRule)
	r.oneOf("DatabaseEngineVersion", v.DatabaseEngineVersion, engineVersions())
	r.between("DatabaseStorageGiB", v.DatabaseStorageGiB, 20, 65536, " GiB")
	r.limits("DatabaseMaxStorageGiB", limit{low: 0, high: 65536})
	if m := v.DatabaseMaxStorageGiB; m != 0 && m*10 < v.DatabaseStorageGiB*11 {
		r.add("DatabaseMaxStorageGiB", "%d is less than 1.1 times DatabaseStorageGiB (%d); want at least %d, or 0 for storage that doesn't grow",
			m, v.DatabaseStorageGiB, (v.DatabaseStorageGiB*11+9)/10)
	} else if m > 65536 {
		r.between("DatabaseMaxStorageGiB", m, 0, 65536, " GiB")
	}
	r.between("BackupRetentionDays", v.BackupRetentionDays, 0, 35, " days")
	r.matches("CacheNodeType", v.CacheNodeType, cacheNodeType, "an ElastiCache node type such as cache.t4g.small")
	r.between("CacheNodes", v.CacheNodes, 1, 6, "")
	limit, shards, each := MaxConnections(v.DatabaseInstanceClass), v.ShardCount, v.ProcessorMapping.Parallelization
	if limit > 0 && shards <= 200 && each <= 10 && v.LoaderConnections() > limit*6/10 {
		r.add("ShardCount", "%d shards with %d batches each need %d database connections; %s gives about %d, of which 60 %% may load; want fewer shards or a larger DatabaseInstanceClass",
			shards, each, v.LoaderConnections(), v.DatabaseInstanceClass, limit)
	}
}

func (v Variables) identity(r *rules) {
	r.limits("StackName", limit{pattern: stackName.String()})
	if err := CheckStackName(v.StackName); err != nil {
		r.add("StackName", "%q: %v", v.StackName, err)
	}
	r.limits("Region", limit{pattern: region.String(), zero: true})
	if v.Region != "" {
		if err := CheckRegion(v.Region); err != nil {
			r.add("Region", "%q: %v", v.Region, err)
		}
	}
	r.optional("Account", v.Account, account, "the account's twelve digits, in quotes if they begin with 0")
	v.tags(r)
	r.optional("ArtifactBucket", v.ArtifactBucket, bucketName, "a bucket's name: 3 to 63 small letters, digits and hyphens")
	r.optional("S3PrefixListId", v.S3PrefixListId, prefixList, "a prefix list's id such as pl-63a5400a (`aws ec2 describe-managed-prefix-lists` lists them)")
}

// CheckRegion checks the form of a region's name. Only AWS knows whether it exists.
func CheckRegion(name string) error {
	if region.MatchString(name) {
		return nil
	}
	return errors.New("want a region such as us-east-1")
}

// CheckEmail checks an email address. Its characters need no quotes in YAML.
func CheckEmail(address string) error {
	if !email.MatchString(address) {
		return errors.New("want an address such as oncall@example.com")
	}
	return nil
}

// CheckStackName checks a stack's name.
func CheckStackName(name string) error {
	if stackName.MatchString(name) {
		return nil
	}
	return errors.New("want a letter, then letters, digits and hyphens, at most 40 characters")
}

func (v Variables) stream(r *rules) {
	r.limits("AvailabilityZones", limit{low: 2, high: 3})
	if v.AvailabilityZones != 2 && v.AvailabilityZones != 3 {
		r.add("AvailabilityZones", "%d: want 2 or 3", v.AvailabilityZones)
	}
	r.oneOf("StreamMode", v.StreamMode, streamModes)
	const maxShards = 200
	switch r.limits("ShardCount", limit{low: 1, high: maxShards, zero: true}); v.StreamMode {
	case StreamOnDemand:
		if v.ShardCount != 0 {
			r.add("ShardCount", "%d: an ON_DEMAND stream takes no ShardCount; remove it", v.ShardCount)
		}
	case StreamProvisioned:
		r.between("ShardCount", v.ShardCount, 1, maxShards, "")
	}
	r.between("StreamRetentionHours", v.StreamRetentionHours, 24, 8760, " hours")
	p, a := v.ProcessorMapping, v.ArchiverMapping
	r.between("ProcessorMapping.BatchSize", p.BatchSize, 1, 10000, " records")
	r.between("ProcessorMapping.WindowSeconds", p.WindowSeconds, 0, 300, " seconds")
	r.between("ProcessorMapping.Parallelization", p.Parallelization, 1, 10, "")
	r.limits("ProcessorMapping.RecordAgeSeconds", limit{low: 60, high: contract.MaxRecordAgeSeconds})
	oldest := min(v.StreamRetentionHours*3600, contract.MaxRecordAgeSeconds)
	if p.RecordAgeSeconds < 60 || p.RecordAgeSeconds > oldest {
		r.add("ProcessorMapping.RecordAgeSeconds", "%d is outside 60 to %d seconds: a record must be given up, and so kept in the bucket, before the stream forgets it (StreamRetentionHours %d)",
			p.RecordAgeSeconds, oldest, v.StreamRetentionHours)
	}
	r.between("ArchiverMapping.BatchSize", a.BatchSize, 1, 10000, " records")
	r.between("ArchiverMapping.WindowSeconds", a.WindowSeconds, 0, 300, " seconds")
	r.limits("ArchiverMapping.Parallelization", limit{low: 1, high: 1})
	if a.Parallelization != 1 {
		r.add("ArchiverMapping.Parallelization", "%d: the archive's object names need 1; remove it", a.Parallelization)
	}
	r.limits("ArchiverMapping.RecordAgeSeconds", limit{low: -1, high: -1})
	if a.RecordAgeSeconds != -1 {
		r.add("ArchiverMapping.RecordAgeSeconds", "%d: the archiver retries records without an age limit; remove it", a.RecordAgeSeconds)
	}
}

func (v Variables) edge(r *rules) {
	r.limits("LogRetentionDays", limit{allowed: strings.Fields(strings.Trim(fmt.Sprint(logRetentionDays), "[]"))})
	if !slices.Contains(logRetentionDays, v.LogRetentionDays) {
		r.add("LogRetentionDays", "%d: CloudWatch takes only %s", v.LogRetentionDays, strings.Trim(fmt.Sprint(logRetentionDays), "[]"))
	}
	r.limits("AlarmEmail", limit{pattern: email.String(), zero: true})
	if v.AlarmEmail != "" {
		if err := CheckEmail(v.AlarmEmail); err != nil {
			r.add("AlarmEmail", "%q: %v", v.AlarmEmail, err)
		}
	}
	r.between("ThrottleRate", v.ThrottleRate, 1, MaxRate, " requests per second")
	r.between("ThrottleBurst", v.ThrottleBurst, 1, 5000, " requests")
	r.oneOf("ApiGatewayAccountRole", v.ApiGatewayAccountRole, accountRoles)
	r.oneOf("ApiEndpointAccessMode", v.ApiEndpointAccessMode, accessModes)
	r.between("EventMaxAgeDays", v.EventMaxAgeDays, 1, 365, " days")
	const shortest = 37
	r.limits("WarehouseRetentionDays", limit{low: shortest, high: maxDays, zero: true})
	least := max(v.EventMaxAgeDays+(v.StreamRetentionHours+23)/24+1, shortest)
	if d := v.WarehouseRetentionDays; d > maxDays {
		r.add("WarehouseRetentionDays", "%d: want at most %d days, or 0 to keep all", d, maxDays)
	} else if d != 0 && d < least {
		r.add("WarehouseRetentionDays", "%d: want 0 to keep all, or at least %d, so that no event that is still accepted or on the stream is older", d, least)
	}
}

// CheckCIDR checks a VPC's address block.
func CheckCIDR(cidr string) error {
	p, err := netip.ParsePrefix(cidr)
	if err != nil || !p.Addr().Is4() {
		return errors.New("want an IPv4 block such as 10.0.0.0/16")
	}
	if p.Bits() < 16 || p.Bits() > 24 {
		return fmt.Errorf("/%d is outside /16 to /24", p.Bits())
	}
	if p.Masked() != p {
		return fmt.Errorf("has bits set after the prefix; want %s", p.Masked())
	}
	for _, private := range []string{"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"} {
		if netip.MustParsePrefix(private).Contains(p.Addr()) {
			return nil
		}
	}
	return errors.New("is a public block; want one inside 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16")
}
