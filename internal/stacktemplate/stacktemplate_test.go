package stacktemplate_test

import (
	"maps"
	"testing"

	"github.com/streamctl/streamctl/internal/stacktemplate"
)

func TestParse(t *testing.T) {
	for name, body := range map[string]string{
		"YAML": "Resources:\n  Archive:\n    Type: AWS::S3::Bucket\n    DeletionPolicy: Retain\n    Properties:\n      ObjectLockEnabled: true\n      BucketName: !Sub '${AWS::StackName}-a'\n      Tags: [{Key: a, Value: b}]\n  Topic: {Type: AWS::SNS::Topic}\n",
		"JSON": `{"Resources": {"Archive": {"Type": "AWS::S3::Bucket", "DeletionPolicy": "Retain", "Properties": {"ObjectLockEnabled": true, "BucketName": {"Fn::Sub": "a"}, "Tags": []}}, "Topic": {"Type": "AWS::SNS::Topic"}}}`,
	} {
		resources, err := stacktemplate.Parse([]byte(body))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if want := map[string]string{"Archive": "AWS::S3::Bucket", "Topic": "AWS::SNS::Topic"}; !maps.Equal(stacktemplate.Types(resources), want) {
			t.Errorf("%s: types %v", name, stacktemplate.Types(resources))
		}
		a := resources["Archive"]
		if a.DeletionPolicy != "Retain" || a.Properties["ObjectLockEnabled"] != "true" || a.Properties["Tags"] != "" {
			t.Errorf("%s: %+v", name, a)
		}
	}
	if _, err := stacktemplate.Parse([]byte("Resources: [")); err == nil {
		t.Error("accepted half a template")
	}
}
