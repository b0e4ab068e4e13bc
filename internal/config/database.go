package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/streamctl/streamctl/internal/contract"
)

// Patterns and rules that variables.yaml and the template's parameters share.
// CloudFormation matches a pattern with the whole value.
const (
	ProjectNamePattern = `^[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}$`
	ProjectNameRule    = "1 to 64 letters, digits, spaces and ._-, beginning with a letter or digit"

	// UsernamePattern is RDS's limit for a PostgreSQL master: 16 characters.
	UsernamePattern = `^[a-z][a-z0-9_]{0,15}$`
	UsernameRule    = "1 to 16 small letters, digits and underscores, beginning with a letter; no reserved words"

	// PasswordPattern is printable ASCII without / " @ ' \ and space.
	PasswordPattern = `^[!#-&(-.0-?A-\[\]-~]{8,128}$`
	PasswordRule    = `8 to 128 printable ASCII characters without / " @ ' \ or space`

	InstanceClassPattern = `^db\.(t3|t4g)\.(micro|small|medium|large|2?xlarge)$|^db\.(m5|m6g|m6i|m7g|m7i|m8g|r5|r6g|r6i|r7g|r7i|r8g)\.(large|(2|4|8|12|16|24)?xlarge)$`
	InstanceClassRule    = "an RDS class such as db.t3.medium or db.m7g.large"
)

// reservedUsernames are rejected by RDS or PostgreSQL as a master user, or are roles
// that the migrations create.
var reservedUsernames = []string{
	"admin", "all", "analyse", "analyze", "and", "any", "array", "as", "asc", "asymmetric", "authorization", "binary", "both", "case", "cast", "check",
	"collate", "column", "concurrently", "constraint", "create", "cross", "current_date", "current_role", "current_time", "current_user", "default",
	"deferrable", "desc", "distinct", "do", "else", "end", "except", "false", "fetch", "for", "foreign", "freeze", "from", "full", "grant", "group",
	"having", "ilike", "in", "initially", "inner", "intersect", "into", "is", "isnull", "join", "lateral", "leading", "left", "like", "limit",
	"localtime", "localtimestamp", "natural", "none", "not", "notnull", "null", "offset", "on", "only", "or", "order", "outer", "overlaps", "placing",
	"primary", "public", "references", "returning", "right", "select", "session_user", "similar", "some", "symmetric", "table", "tablesample", "then",
	"to", "trailing", "true", "union", "unique", "user", "using", "variadic", "verbose", "when", "where", "window", "with",
	"rdsadmin", "rdsrepladmin", "rds_superuser", "rds_iam", "rds_replication", "rds_password", "rdstopmgr", "rds_ad",
	contract.RoleOwner, contract.RoleLoader, contract.RoleReader, "streamctl_tables",
}

// CheckUsername checks the name of a database's master user.
func CheckUsername(name string) error {
	switch {
	case len(name) > 16:
		return fmt.Errorf("has %d characters; RDS takes at most 16", len(name))
	case strings.HasPrefix(name, "pg_"):
		return errors.New("names that begin with pg_ belong to PostgreSQL; want another, such as analytics_admin")
	case slices.Contains(reservedUsernames, strings.ToLower(name)):
		return errors.New("is a reserved word; want another, such as analytics_admin")
	case !masterUsername.MatchString(name):
		return errors.New("want " + UsernameRule)
	}
	return nil
}

// CheckPassword checks a master password. The error shows no part of it, except for
// one character that is not allowed.
func CheckPassword(password string) error {
	if n := len(password); n < 8 || n > 128 {
		return fmt.Errorf("has %d characters (not shown); want 8 to 128", n)
	}
	if i := strings.IndexAny(password, `/"@'\ `); i >= 0 {
		name := map[byte]string{' ': "a space"}[password[i]]
		if name == "" {
			name = "the character " + string(password[i])
		}
		return fmt.Errorf("holds %s (value not shown), which RDS or the template can't take; want %s", name, PasswordRule)
	}
	if !masterPassword.MatchString(password) {
		return errors.New("holds a character outside printable ASCII (value not shown); want " + PasswordRule)
	}
	return nil
}

// Engine is a supported major version of PostgreSQL on RDS.
type Engine struct {
	// Version is the major version, such as "17"; RDS chooses the minor version.
	Version string
	// Family is the family of its parameter groups.
	Family string
}

// Engines returns the supported versions, the oldest first. A later version needs only
// an entry here once RDS offers it.
func Engines() []Engine {
	return []Engine{{"16", "postgres16"}, {"17", "postgres17"}, {"18", "postgres18"}}
}

func engineVersions() (versions []string) {
	for _, e := range Engines() {
		versions = append(versions, e.Version)
	}
	return versions
}

// EngineFamily returns the parameter group family of a major version; empty for an
// unsupported one.
func EngineFamily(version string) string {
	for _, e := range Engines() {
		if e.Version == version {
			return e.Family
		}
	}
	return ""
}

// MaxConnections returns the approximate max_connections of an instance class, which
// RDS derives from the memory that it leaves to PostgreSQL; 0 for an unknown class.
func MaxConnections(class string) int {
	parts := strings.Split(class, ".")
	if len(parts) != 3 {
		return 0
	}
	bySize := map[string]int{"micro": 81, "small": 198, "medium": 413, "large": 856, "xlarge": 1700, "2xlarge": 3500}
	limit, known := bySize[parts[2]]
	if !known {
		return 5000
	}
	if strings.HasPrefix(parts[1], "r") {
		limit = min(limit*2, 5000)
	}
	return limit
}

// MemoryMiB returns the memory of an instance class in MiB; 0 for an unknown class.
func MemoryMiB(class string) int {
	parts := strings.Split(class, ".")
	if len(parts) != 3 {
		return 0
	}
	gib := map[string]int{"micro": 1, "small": 2, "medium": 4, "large": 8, "xlarge": 16, "2xlarge": 32, "4xlarge": 64,
		"8xlarge": 128, "12xlarge": 192, "16xlarge": 256, "24xlarge": 384}[parts[2]]
	if strings.HasPrefix(parts[1], "r") {
		gib *= 2
	}
	return gib << 10
}
