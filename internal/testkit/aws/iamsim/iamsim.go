// Package iamsim judges requests by IAM policies with a public simulator, which knows
// IAM's actions, the resources of each action, and conditions: the npm package
// @cloud-copilot/iam-simulate, at the version in package-lock.json.
package iamsim

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/streamctl/streamctl/internal/testkit/must"
)

//go:embed simulate.cjs
var script []byte

// Account and Region are those of each request.
type Account struct{ Number, Region string }

// Request is a call to judge.
type Request struct {
	// Action is IAM's name, such as s3:GetObject.
	Action string `json:"action"`
	// Resources are ARNs; those that don't fit the action are ignored.
	Resources []string `json:"resources"`
	// Context are condition keys and values.
	Context map[string]string `json:"context"`
	// From describes the origin of the request, for messages.
	From string `json:"-"`
}

// Try is the judgment of an action on one resource.
type Try struct {
	Resource string `json:"resource"`
	// Generated reports whether the resource has only the form of the action's
	// resources, because no given one fits.
	Generated bool   `json:"generated"`
	Result    string `json:"result"`
}

// Verdict is the judgment of a request.
type Verdict struct {
	Request
	// Exists reports whether IAM has an action of this name.
	Exists bool  `json:"exists"`
	Tried  []Try `json:"tried"`
}

// Allowed reports whether the action is allowed on each of its resources.
func (v Verdict) Allowed() bool {
	return v.Exists && len(v.Tried) > 0 && !slices.ContainsFunc(v.Tried, func(t Try) bool { return t.Result != "Allowed" })
}

func (v Verdict) String() string {
	if !v.Exists {
		return fmt.Sprintf("%s (%s): IAM has no such action", v.Action, v.From)
	}
	var tried []string
	for _, t := range v.Tried {
		tried = append(tried, t.Resource+" "+t.Result)
	}
	return fmt.Sprintf("%s (%s): %s", v.Action, v.From, strings.Join(tried, ", "))
}

// Judge judges each request by documents that are attached to one identity. The test is
// skipped without the simulator, unless it is a required tool.
func Judge(t testing.TB, account Account, documents [][]byte, requests []Request) []Verdict {
	t.Helper()
	program := must.Have(t, "iam-simulate", "scripts/setup installs it, with Node.js")
	path := filepath.Join(t.TempDir(), "simulate.cjs")
	if err := os.WriteFile(path, script, 0o600); err != nil {
		t.Fatal(err)
	}
	raw := make([]json.RawMessage, len(documents))
	for i, d := range documents {
		raw[i] = d
	}
	for i := range requests {
		if requests[i].Resources == nil {
			requests[i].Resources = []string{}
		}
	}
	input, err := json.Marshal(map[string]any{"documents": raw, "account": account.Number, "region": account.Region, "requests": requests})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, path)
	var errs bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(input), &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("simulate: %v: %s", err, errs.String())
	}
	var verdicts []Verdict
	if err := json.Unmarshal(out, &verdicts); err != nil || len(verdicts) != len(requests) {
		t.Fatalf("simulate: %v, %d verdicts of %d requests: %.300s", err, len(verdicts), len(requests), out)
	}
	for i := range verdicts {
		verdicts[i].Request = requests[i]
	}
	return verdicts
}
