package pipeline

import (
	"encoding/base64"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	gateway "github.com/aws/aws-sdk-go-v2/service/apigateway/types"
)

// methodsMark is the stage variable with the limits of single methods before a destroy.
// Such a limit replaces that of all methods, so a destroy sets each to 0.
const methodsMark = "streamctlMethodsBefore"

// closeMethods returns the patches that let no request of a method with its own limits
// through, and remember these limits.
func closeMethods(stage *apigateway.GetStageOutput) []gateway.PatchOperation {
	var patches []gateway.PatchOperation
	var before []string
	for _, key := range slices.Sorted(maps.Keys(stage.MethodSettings)) {
		settings := stage.MethodSettings[key]
		if key == allMethods || settings.ThrottlingRateLimit <= 0 {
			continue
		}
		patches = append(patches, limits(key, "0", "0")...)
		before = append(before, base64.RawURLEncoding.EncodeToString([]byte(key))+":"+
			strconv.FormatFloat(settings.ThrottlingRateLimit, 'f', -1, 64)+":"+strconv.Itoa(int(settings.ThrottlingBurstLimit)))
	}
	if len(before) == 0 {
		return nil
	}
	return append(patches, patchReplace("/variables/"+methodsMark, strings.Join(before, ",")))
}

// openMethods returns the patches that restore the limits in a mark.
func openMethods(mark string) []gateway.PatchOperation {
	var patches []gateway.PatchOperation
	for _, one := range strings.Split(mark, ",") {
		parts := strings.Split(one, ":")
		if len(parts) != 3 {
			continue
		}
		if key, err := base64.RawURLEncoding.DecodeString(parts[0]); err == nil {
			patches = append(patches, limits(string(key), parts[1], parts[2])...)
		}
	}
	return patches
}
