package pipeline

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	gateway "github.com/aws/aws-sdk-go-v2/service/apigateway/types"
)

// TestMethodLimits closes the methods with limits of their own, and opens them again.
func TestMethodLimits(t *testing.T) {
	const key = "~1v1~1{proxy+}/ANY"
	stage := &apigateway.GetStageOutput{MethodSettings: map[string]gateway.MethodSetting{
		allMethods: {ThrottlingRateLimit: 100, ThrottlingBurstLimit: 200},
		key:        {ThrottlingRateLimit: 12.5, ThrottlingBurstLimit: 50},
	}}
	values := func(patches []gateway.PatchOperation) map[string]string {
		out := map[string]string{}
		for _, p := range patches {
			out[aws.ToString(p.Path)] = aws.ToString(p.Value)
		}
		return out
	}
	closed := values(closeMethods(stage))
	if len(closed) != 3 || closed["/"+key+"/throttling/rateLimit"] != "0" || closed["/"+key+"/throttling/burstLimit"] != "0" {
		t.Errorf("closed: %v", closed)
	}
	opened := values(openMethods(closed["/variables/"+methodsMark]))
	if len(opened) != 2 || opened["/"+key+"/throttling/rateLimit"] != "12.5" || opened["/"+key+"/throttling/burstLimit"] != "50" {
		t.Errorf("opened: %v", opened)
	}
	stage.MethodSettings[allMethods] = gateway.MethodSetting{}
	if isClosed(stage) {
		t.Error("a stage with an open method is closed")
	}
	stage.MethodSettings[key] = gateway.MethodSetting{}
	if !isClosed(stage) || closeMethods(stage) != nil || openMethods("") != nil {
		t.Error("a closed stage is open")
	}
}
