package config

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"

	"github.com/streamctl/streamctl/internal/testkit/aws/everyoption"
)

// accepts checks a variables file with the schema, as an editor does.
func accepts(t *testing.T, schema *jsonschema.Schema, text string) error {
	t.Helper()
	var value any
	if err := yaml.Unmarshal([]byte(text), &value); err != nil {
		t.Fatal(err)
	}
	encoded, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	if value == nil { // a file without keys
		encoded = []byte("{}")
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(encoded))
	if err != nil {
		t.Fatal(err)
	}
	return schema.Validate(doc)
}

// TestSchemaAgrees checks files with the schema and with Load.
func TestSchemaAgrees(t *testing.T) {
	schema, err := jsonschema.NewCompiler().Compile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	check := func(name, text string, valid bool) {
		t.Helper()
		_, loaded := Load(strings.NewReader(text), "variables.yaml", "")
		if got := accepts(t, schema, text); (got == nil) != valid || (loaded == nil) != valid {
			t.Errorf("%s: want valid %t\nschema: %v\nLoad: %v", name, valid, got, loaded)
		}
	}
	own, err := os.ReadFile("../../variables.yaml")
	if err != nil {
		t.Fatal(err)
	}
	check("variables.yaml", string(own), true)
	files, err := filepath.Glob("../../testdata/variables/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		check(path, string(text), true)
	}
	for _, o := range everyoption.List() {
		check(o.Name, o.Lines, true)
	}
	for _, text := range []string{
		"", "Environments:", "Environments: {staging: }", "Environments: {staging: {ShardCount: 2}}", "DatabaseEngineVersion: 17", "Account: 123456789012",
		"AlarmEmail: ''", "WebAcl: true", "ProjectName: 2026", "Functions: {query: {MemorySize: 0}}", "WarehouseRetentionDays: 0",
		"Tags: {Cost: 12, Team: a}", "EventTypes: []", "LogRetentionDays: 30", "StreamMode: ON_DEMAND\nShardCount: 0",
		"Metrics: [{Name: revenue, Sum: properties.amount}]", "ProcessorMapping: {BatchSize: 100}",
	} {
		check(text, text, true)
	}
	for _, text := range []string{
		"ShardCont: 2", "ShardCount: many", "ShardCount: 201", "ShardCount: 1.5", "Environment: test", "Environments: {test: {}}",
		"Environments: {staging: {ShardCount: 0x1000}}", "Environments: {staging: {Environment: staging}}", "AvailabilityZones: 4", "StreamMode: provisioned",
		"DatabaseEngineVersion: 12", "DatabaseUsername: 12", "Account: abc", "AlarmEmail: oncall", "WebAcl: maybe", "FlowLogs: 1",
		"Functions: {query: {MemorySize: 64}}", "Functions: {other: {}}", "Functions: {query: {Size: 1}}", "WarehouseRetentionDays: 5", "LogRetentionDays: 31",
		"Tags: [a]", "EventTypes: signup", "ReplayBuckets: [A_B]", "CorsAllowedOrigins: [www.example.com]", "Metrics: [{Name: Total}]", "Metrics: [{Nam: total}]",
		"ProcessorMapping: {BatchSize: 0}", "ProcessorMapping: {Retries: 1}", "ArchiveTransitionDays: {StandardIA: -1}", "DatabasePassword: short", "Region: {}",
	} {
		check(text, text, false)
	}
}

// TestSchemaHasEveryExample checks each commented key of variables.yaml with its
// example value.
func TestSchemaHasEveryExample(t *testing.T) {
	schema, err := jsonschema.NewCompiler().Compile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("../../variables.yaml")
	if err != nil {
		t.Fatal(err)
	}
	examples := regexp.MustCompile(`(?m)^# ([A-Z]\w+: *[^ \n].*)$`).FindAllStringSubmatch(string(text), -1)
	if len(examples) < 30 {
		t.Fatalf("only %d examples", len(examples))
	}
	for _, example := range examples {
		if strings.HasPrefix(example[1], "DatabasePassword") || strings.HasPrefix(example[1], "Metrics") || strings.HasPrefix(example[1], "Functions") || strings.HasPrefix(example[1], "WriteKeys:") {
			continue // a sentence, and examples of several lines
		}
		if err := accepts(t, schema, example[1]); err != nil {
			t.Errorf("%s: %v", example[1], err)
		}
	}
}
