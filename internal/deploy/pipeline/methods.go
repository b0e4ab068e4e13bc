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

// methodsMark begins the names of the stage variables with the limits of single methods
// before a destroy. Such a limit replaces that of all methods, so a destroy sets each to
// 0. A variable has the verbs with one path and the same limits: its value can have 512
// characters.
const methodsMark = "streamctlMethodsBefore"

// closeMethods returns the patches that let no request of a method with its own limits
// through, and remember these limits beside those of an earlier run.
func closeMethods(stage *apigateway.GetStageOutput) []gateway.PatchOperation {
	var patches []gateway.PatchOperation
	verbs := map[string][]string{} // by path and limits
	for _, key := range slices.Sorted(maps.Keys(stage.MethodSettings)) {
		settings := stage.MethodSettings[key]
		if key == allMethods || settings.ThrottlingRateLimit <= 0 {
			continue
		}
		patches = append(patches, limits(key, "0", "0")...)
		slash := strings.LastIndexByte(key, '/')
		before := base64.RawURLEncoding.EncodeToString([]byte(key[:max(slash, 0)])) + ":" +
			strconv.FormatFloat(settings.ThrottlingRateLimit, 'f', -1, 64) + ":" + strconv.Itoa(int(settings.ThrottlingBurstLimit))
		verbs[before] = append(verbs[before], key[slash+1:])
	}
	next := len(methodMarks(stage))
	for i, before := range slices.Sorted(maps.Keys(verbs)) {
		name := methodsMark + strconv.Itoa(next+i)
		patches = append(patches, patchReplace("/variables/"+name, before+":"+strings.Join(verbs[before], ",")))
	}
	return patches
}

// methodMarks returns the names of a stage's variables with limits of methods, in the
// order of their creation.
func methodMarks(stage *apigateway.GetStageOutput) []string {
	var names []string
	for i := 0; ; i++ {
		name := methodsMark + strconv.Itoa(i)
		if _, set := stage.Variables[name]; !set {
			return names
		}
		names = append(names, name)
	}
}

// openMethods returns the patches that restore the limits in a stage's variables.
func openMethods(stage *apigateway.GetStageOutput) []gateway.PatchOperation {
	var patches []gateway.PatchOperation
	for _, name := range methodMarks(stage) {
		parts := strings.Split(stage.Variables[name], ":")
		if len(parts) != 4 {
			continue
		}
		path, err := base64.RawURLEncoding.DecodeString(parts[0])
		if err != nil {
			continue
		}
		for _, verb := range strings.Split(parts[3], ",") {
			patches = append(patches, limits(string(path)+"/"+verb, parts[1], parts[2])...)
		}
	}
	return patches
}
