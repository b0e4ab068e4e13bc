package config_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/streamctl/streamctl/internal/config"
)

// TestYAMLTree uses aliases and merge keys in every place that has a value.
func TestYAMLTree(t *testing.T) {
	for _, tt := range []struct {
		name, text, environment string
		got                     func(config.Variables) any
		want                    string
	}{
		{"alias of a section", "Environments:\n  staging: &s {ShardCount: 4}\n  development: *s", config.Development, func(v config.Variables) any { return v.ShardCount }, "4"},
		{"merged section", "Environments:\n  staging: &s {ShardCount: 4, ThrottleRate: 7}\n  development: {<<: *s, ThrottleRate: 8}", config.Development, func(v config.Variables) any { return fmt.Sprint(v.ShardCount, v.ThrottleRate) }, "4 8"},
		{"merged after the own key", "Environments:\n  staging: &s {ShardCount: 4}\n  development: {ShardCount: 5, <<: *s}", config.Development, func(v config.Variables) any { return v.ShardCount }, "5"},
		{"several merged, the first wins", "Environments:\n  production: &p {ShardCount: 4}\n  staging: &s {ShardCount: 5, ThrottleRate: 9}\n  development: {<<: [*p, *s]}", config.Development, func(v config.Variables) any { return fmt.Sprint(v.ShardCount, v.ThrottleRate) }, "4 9"},
		{"merged tags", "Tags: &t {Team: a}\nEnvironments:\n  staging:\n    Tags: {<<: *t, Cost: b}", config.Staging, func(v config.Variables) any { return v.Tags }, "map[Cost:b Team:a]"},
		{"alias in a map", "ProjectName: &n abc\nTags: {Team: *n}", "", func(v config.Variables) any { return v.Tags }, "map[Team:abc]"},
		{"alias in a list", "ProjectName: &n abc\nEventTypes: [*n, x]", "", func(v config.Variables) any { return v.EventTypes }, "[abc x]"},
		{"alias of a list", "EventTypes: &l [abc]\nEnvironments: {staging: {EventTypes: *l}}", config.Staging, func(v config.Variables) any { return v.EventTypes }, "[abc]"},
		{"alias in a list of sections", "Metrics: [&m {Name: a}]\nEnvironments: {staging: {Metrics: [*m, {<<: *m, Name: b}]}}", config.Staging, func(v config.Variables) any { return len(v.Metrics) }, "2"},
		{"alias of the environment", "ProjectName: &e staging\nEnvironment: *e", "", func(v config.Variables) any { return v.Environment }, "staging"},
		{"end of the document", "---\nShardCount: 3\n...\n", "", func(v config.Variables) any { return v.ShardCount }, "3"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := fmt.Sprint(tt.got(load(t, tt.text, tt.environment))); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}

// TestYAMLTreeProblems reports the line of each problem.
func TestYAMLTreeProblems(t *testing.T) {
	var bomb strings.Builder
	bomb.WriteString("EventTypes: &a0 [x, x, x, x, x, x, x, x, x, x]\n")
	for i := range 9 {
		fmt.Fprintf(&bomb, "X%d: &a%d [*a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d]\n", i, i+1, i, i, i, i, i, i, i, i, i)
	}
	for _, tt := range []struct{ name, text, want string }{
		{"second document", "ShardCount: 1\n---\nShardCount: 2", "f:2: a second document begins here"},
		{"second document that is no YAML", "ShardCount: 1\n---\na: b: c", "f: not YAML"},
		{"tag twice", "Tags:\n  a: x\n  a: y", "f:3: Tags.a: given twice, first on line 2"},
		{"section twice", "Environments:\n  staging: {}\n  production: {}\n  staging: {}", "f:4: Environments.staging: given twice, first on line 2"},
		{"all sections twice", "Environments: {}\nEnvironments: {}", "f:2: Environments: given twice, first on line 1"},
		{"environment twice", "Environment: staging\nEnvironment: staging", "f:2: Environment: given twice"},
		{"in a section", "ProcessorMapping:\n  BatchSize: 1\n  BatchSize: 2", "f:3: ProcessorMapping.BatchSize: given twice"},
		{"in a list", "Metrics:\n  - Name: a\n    Name: b", "f:3: Metrics[0].Name: given twice"},
		{"password twice", "DatabasePassword: Secret-Password-1\nDatabasePassword: Secret-Password-2", "f:2: DatabasePassword: given twice"},
		{"alias of itself", "Tags: &t {a: *t}", "f:1: Tags.a: *t contains itself"},
		{"merge of no section", "ProjectName: &n x\nTags: {<<: *n}", "f:2: Tags.<<: want a section"},
		{"a key that is a list", "[a]: b", "f:1: want a key that is text"},
		{"many aliases", bomb.String(), "aliases make more than 100000 values"},
		{"wrong in a merged section", "Environments:\n  staging: &s {ShardCuont: 4}\n  development: {<<: *s}", "f:2: Environments.development.ShardCuont: unknown key; did you mean ShardCount?"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			began := time.Now()
			_, err := config.Load(strings.NewReader(tt.text), "f", "development")
			var invalid *config.InvalidError
			if !errors.As(err, &invalid) || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "Secret-Password") {
				t.Errorf("got %.300v\nwant %s", err, tt.want)
			}
			if took := time.Since(began); took > 2*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
}
