package audit

import (
	"regexp"
	"slices"
	"strings"
)

// databaseVersions returns PostgreSQL's major versions with standard support on
// RDS.
func databaseVersions() []string { return []string{"15", "16", "17", "18"} }

func major(version string) string {
	out, _, _ := strings.Cut(version, ".")
	return out
}

func databaseEngine(v *View) []Problem {
	var out report
	for _, d := range v.of("AWS::RDS::DBInstance") {
		if d.Properties["SourceDBInstanceIdentifier"] != nil {
			continue // uses its source's
		}
		if text(d.Properties["Engine"]) != "postgres" || !slices.Contains(databaseVersions(), major(text(d.Properties["EngineVersion"]))) {
			out.add(d.ID, "%s %s is retired or unknown", text(d.Properties["Engine"]), text(d.Properties["EngineVersion"]))
		}
	}
	return out
}

// parameterGroups compares a group's family with the engine that uses it.
func parameterGroups(v *View) []Problem {
	var out report
	for _, d := range v.of("AWS::RDS::DBInstance") {
		group, ok := v.find(d.Properties["DBParameterGroupName"], "AWS::RDS::DBParameterGroup")
		want := text(d.Properties["Engine"]) + major(text(d.Properties["EngineVersion"]))
		if ok && d.Properties["EngineVersion"] != nil && text(group.Properties["Family"]) != want {
			out.add(group.ID, "family %s for %s, which is %s", text(group.Properties["Family"]), d.ID, want)
		}
	}
	for _, c := range v.of("AWS::ElastiCache::ReplicationGroup") {
		group, ok := v.find(c.Properties["CacheParameterGroupName"], "AWS::ElastiCache::ParameterGroup")
		want := text(c.Properties["Engine"]) + major(text(c.Properties["EngineVersion"]))
		if ok && text(group.Properties["CacheParameterGroupFamily"]) != want {
			out.add(group.ID, "family %s for %s, which is %s", text(group.Properties["CacheParameterGroupFamily"]), c.ID, want)
		}
	}
	return out
}

// databaseStorage checks gp3's limits: 20 to 65536 GiB; below 400 GiB neither
// IOPS nor throughput; growth of at least a tenth.
func databaseStorage(v *View) []Problem {
	var out report
	for _, d := range v.of("AWS::RDS::DBInstance") {
		size, most := number(d.Properties["AllocatedStorage"]), number(d.Properties["MaxAllocatedStorage"])
		if source, ok := v.find(d.Properties["SourceDBInstanceIdentifier"], "AWS::RDS::DBInstance"); ok {
			if number(source.Properties["MaxAllocatedStorage"]) != most {
				out.add(d.ID, "its source grows to %v GiB, it to %v: it would fill up and stop", number(source.Properties["MaxAllocatedStorage"]), most)
			}
			continue
		}
		if size < 20 || size > 65536 {
			out.add(d.ID, "%v GiB: gp3 is 20 to 65536", size)
		}
		if most != 0 && most < size*1.1 {
			out.add(d.ID, "grows from %v to %v GiB: RDS requires growth of at least a tenth", size, most)
		}
		if size < 400 && (d.Properties["Iops"] != nil || d.Properties["StorageThroughput"] != nil) {
			out.add(d.ID, "IOPS and throughput can't be set below 400 GiB")
		}
	}
	return out
}

var goodDatabaseName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,62}$`)

func databaseName(v *View) []Problem {
	var out report
	for _, d := range v.of("AWS::RDS::DBInstance") {
		name, user := text(d.Properties["DBName"]), text(d.Properties["MasterUsername"])
		if name != "" && (!goodDatabaseName.MatchString(name) || slices.Contains([]string{"admin", "postgres", "rdsadmin", "template0", "template1", "user"}, strings.ToLower(name))) {
			out.add(d.ID, "RDS rejects the database name %q", name)
		}
		if slices.Contains([]string{"admin", "rdsadmin", "user", "public", "rds_superuser", "rds_iam", "rds_replication", "rds_password"}, user) || strings.HasPrefix(user, "pg_") || len(user) > 16 {
			out.add(d.ID, "RDS rejects the master user's name %q", user)
		}
	}
	return out
}

func monitoringRole(v *View) []Problem {
	var out report
	for _, d := range v.of("AWS::RDS::DBInstance") {
		if on := number(d.Properties["MonitoringInterval"]) > 0; on != (d.Properties["MonitoringRoleArn"] != nil) {
			out.add(d.ID, "MonitoringInterval %q with the role %q", text(d.Properties["MonitoringInterval"]), text(d.Properties["MonitoringRoleArn"]))
		}
	}
	return out
}

// cacheSizes returns the sizes of ElastiCache's node families; "most" is large
// to 16xlarge.
func cacheSizes() map[string][]string {
	small := []string{"micro", "small", "medium"}
	most := []string{"large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge"}
	older := []string{"large", "xlarge", "2xlarge", "4xlarge", "12xlarge", "24xlarge"}
	return map[string][]string{
		"t3": small, "t4g": small, "m5": older, "r5": older, "m6g": most, "m7g": most, "r6g": most, "r7g": most,
		"r6gd": {"xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge"}, "c7gn": most,
	}
}

func cacheNodeType(v *View) []Problem {
	var out report
	for _, c := range v.of("AWS::ElastiCache::ReplicationGroup") {
		parts := strings.Split(text(c.Properties["CacheNodeType"]), ".")
		if len(parts) != 3 || parts[0] != "cache" || !slices.Contains(cacheSizes()[parts[1]], parts[2]) {
			out.add(c.ID, "unknown node type %s", text(c.Properties["CacheNodeType"]))
		}
	}
	return out
}

func cacheFailover(v *View) []Problem {
	var out report
	for _, c := range v.of("AWS::ElastiCache::ReplicationGroup") {
		failover, nodes := yes(c.Properties["AutomaticFailoverEnabled"]), len(v.nodes(c))
		if failover && nodes < 2 {
			out.add(c.ID, "fails over with %d node", nodes)
		}
		if yes(c.Properties["MultiAZEnabled"]) && !failover {
			out.add(c.ID, "several zones without failover")
		}
	}
	return out
}

// cacheUsers checks a difference between the engines: a user group for redis
// needs a user named default, one for valkey doesn't.
func cacheUsers(v *View) []Problem {
	var out report
	for _, g := range v.of("AWS::ElastiCache::UserGroup") {
		hasDefault := false
		for _, id := range list(g.Properties["UserIds"]) {
			u, ok := v.find(id, "AWS::ElastiCache::User")
			hasDefault = hasDefault || text(id) == "default" || ok && text(u.Properties["UserName"]) == "default"
		}
		if text(g.Properties["Engine"]) == "redis" && !hasDefault {
			out.add(g.ID, "a user group for redis needs a user named default")
		}
	}
	for _, u := range v.of("AWS::ElastiCache::User") {
		if text(at(u.Properties, "AuthenticationMode", "Type")) == "iam" && text(u.Properties["UserId"]) != text(u.Properties["UserName"]) {
			out.add(u.ID, "with IAM the id and the name must be the same")
		}
		if access := text(u.Properties["AccessString"]); !strings.HasPrefix(access, "on ") && !strings.HasPrefix(access, "off ") {
			out.add(u.ID, "the access string has neither on nor off, which means off")
		}
	}
	return out
}

func cacheEngine(v *View) []Problem {
	var out report
	versions := map[string][]string{"valkey": {"7.2", "8.0", "8.1", "8.2", "9.0"}, "redis": {"7.0", "7.1"}}
	for _, c := range v.of("AWS::ElastiCache::ReplicationGroup") {
		engine, version := text(c.Properties["Engine"]), text(c.Properties["EngineVersion"])
		if !slices.Contains(versions[engine], version) {
			out.add(c.ID, "%s %s is retired or unknown", engine, version)
		}
		if !yes(c.Properties["TransitEncryptionEnabled"]) || !yes(c.Properties["AtRestEncryptionEnabled"]) {
			out.add(c.ID, "is not encrypted in transit and at rest")
		}
	}
	return out
}
