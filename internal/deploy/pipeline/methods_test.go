package pipeline

import (
	"maps"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	gateway "github.com/aws/aws-sdk-go-v2/service/apigateway/types"
)

// TestMethodLimits closes the methods with limits of their own, and opens them again.
func TestMethodLimits(t *testing.T) {
	own := map[string]gateway.MethodSetting{}
	for _, path := range []string{"~1v1~1{proxy+}", "~1beacon~1{proxy+}"} {
		for _, verb := range []string{"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"} {
			own[path+"/"+verb] = gateway.MethodSetting{ThrottlingRateLimit: 2500, ThrottlingBurstLimit: 5000}
		}
	}
	const key = "~1v1~1{proxy+}/POST"
	own[key] = gateway.MethodSetting{ThrottlingRateLimit: 12.5, ThrottlingBurstLimit: 50} // by hand
	stage := &apigateway.GetStageOutput{Variables: map[string]string{}, MethodSettings: maps.Clone(own)}
	stage.MethodSettings[allMethods] = gateway.MethodSetting{}
	apply := func(patches []gateway.PatchOperation) map[string]string {
		out := map[string]string{}
		for _, p := range patches {
			if name, ok := strings.CutPrefix(aws.ToString(p.Path), "/variables/"); ok {
				stage.Variables[name] = aws.ToString(p.Value)
				continue
			}
			out[aws.ToString(p.Path)] = aws.ToString(p.Value)
		}
		return out
	}
	if isClosed(stage) {
		t.Error("a stage with an open method is closed")
	}
	closed := apply(closeMethods(stage))
	for key := range own {
		if closed["/"+key+"/throttling/rateLimit"] != "0" || closed["/"+key+"/throttling/burstLimit"] != "0" {
			t.Errorf("%s is open: %v", key, closed)
		}
		stage.MethodSettings[key] = gateway.MethodSetting{}
	}
	// API Gateway's pattern of a variable's value.
	value := regexp.MustCompile(`^[A-Za-z0-9\-._~:/?#&=,]{1,512}$`)
	for name, v := range stage.Variables {
		if !value.MatchString(v) {
			t.Errorf("%s: %q can't be a stage variable", name, v)
		}
	}
	if len(closed) != 2*len(own) || len(stage.Variables) != 3 || !isClosed(stage) || closeMethods(stage) != nil {
		t.Errorf("closed: %v, %v", closed, stage.Variables)
	}
	// One is opened by hand before the destroy is repeated: its new limits count.
	stage.MethodSettings[key] = gateway.MethodSetting{ThrottlingRateLimit: 7, ThrottlingBurstLimit: 8}
	own[key] = stage.MethodSettings[key]
	if again := apply(closeMethods(stage)); len(again) != 2 || len(methodMarks(stage)) != 4 {
		t.Errorf("closed again: %v, %v", again, stage.Variables)
	}
	opened := apply(openMethods(stage))
	if len(opened) != 2*len(own) {
		t.Errorf("opened: %v", opened)
	}
	for key, settings := range own {
		want := limits(key, "2500", "5000")
		if settings.ThrottlingRateLimit == 7 {
			want = limits(key, "7", "8")
		}
		for _, p := range want {
			if opened[aws.ToString(p.Path)] != aws.ToString(p.Value) {
				t.Errorf("%s is %s, want %s", aws.ToString(p.Path), opened[aws.ToString(p.Path)], aws.ToString(p.Value))
			}
		}
	}
	if openMethods(&apigateway.GetStageOutput{}) != nil {
		t.Error("a stage without variables has limits to restore")
	}
}
