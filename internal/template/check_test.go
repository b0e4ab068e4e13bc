package template

import (
	"strings"
	"testing"

	"github.com/awslabs/goformation/v7/cloudformation/kinesis"
	"github.com/awslabs/goformation/v7/cloudformation/sns"

	"github.com/streamctl/streamctl/internal/config"
)

// TestCheck adds one wrong reference at a time.
func TestCheck(t *testing.T) {
	for _, tt := range []struct {
		name   string
		plant  func(*Template)
		report string
	}{
		{"ref", topic(Ref("EventStraem")), "Ref EventStraem: no such parameter or resource"},
		{"pseudo parameter", topic(Ref("AWS::Account")), "Ref AWS::Account: no such pseudo parameter"},
		{"attribute", topic(GetAtt(idStream, "StreamArn")), "GetAtt EventStream.StreamArn: AWS::Kinesis::Stream has no such attribute"},
		{"attribute of nothing", topic(GetAtt("Straem", "Arn")), "GetAtt Straem.Arn: no such resource"},
		{"sub", topic(Sub("${AWS::StackName}-${Straem}")), "Ref Straem: no such parameter or resource"},
		{"sub attribute", topic(Sub("${EventStream.Name}")), "has no such attribute"},
		{"sub in join", topic(Join("-", "a", Ref("Straem"))), "Ref Straem"},
		{"mapping", topic(FindInMap("Zones", "a", "b")), "FindInMap Zones: no such mapping"},
		{"depends on", func(t *Template) {
			t.add("Planted", &kinesis.Stream{AWSCloudFormationDependsOn: []string{"Straem"}})
		}, "DependsOn Straem: no such resource"},
		{"twice", func(t *Template) { t.add(idStream, &kinesis.Stream{}) }, "EventStream: added twice"},
		{"put together", topic("prefix-" + Ref(idStream)), "an intrinsic was concatenated with text"},
		{"suffix", topic(Ref(idStream) + "-suffix"), "an intrinsic was concatenated with text"},
		{"output", func(t *Template) { t.Outputs["Planted"] = Output{Value: Ref("Straem")} }, "Outputs: Ref Straem"},
		{"parameter", func(t *Template) { t.Parameters["Unused"] = Parameter{Type: "String"} }, "parameter Unused: not used"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			built, err := Build(config.Default(config.Production), Options{})
			if err != nil {
				t.Fatal(err)
			}
			tt.plant(built)
			text := ""
			for _, err := range append(built.errs, built.check()) {
				if err != nil {
					text += err.Error() + "\n"
				}
			}
			if !strings.Contains(text, tt.report) {
				t.Errorf("got %q, want %q in it", text, tt.report)
			}
		})
	}
}

// topic sets a value in a resource.
func topic(value string) func(*Template) {
	return func(t *Template) { t.add("Planted", &sns.Topic{DisplayName: &value}) }
}

func TestOldYAMLIsQuoted(t *testing.T) {
	for _, s := range []string{"yes", "No", "on", "OFF", "y", "n", "10:30", "1:20:30.5"} {
		if text(s).Style == 0 {
			t.Errorf("%q is plain", s)
		}
	}
	for _, s := range []string{"yesterday", "logs:CreateLogStream", "Allow", "arn:aws:s3:::x"} {
		if text(s).Style != 0 {
			t.Errorf("%q is quoted", s)
		}
	}
}

// TestDeploymentIsOfTheAPI changes the API itself, which gives another deployment.
func TestDeploymentIsOfTheAPI(t *testing.T) {
	built, err := Build(config.Default(config.Production), Options{})
	if err != nil {
		t.Fatal(err)
	}
	first := built.addDeployment([]string{idApi, idApiPostEvents})
	built.resources[idApiPostEvents]["Properties"].(tree)["AuthorizationType"] = "NONE"
	if second := built.addDeployment([]string{idApi, idApiPostEvents}); first == second {
		t.Errorf("a changed method made no new deployment: %s", first)
	}
}
