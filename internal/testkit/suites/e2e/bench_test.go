package e2e_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/streamctl/streamctl/internal/pause"
	"github.com/streamctl/streamctl/internal/testkit/bench"
)

// BenchmarkNoChange compares a deploy without changes with that of the AWS CLI,
// with the same template and AWS stand-in.
func BenchmarkNoChange(b *testing.B) {
	w := newWorkplace(b, "")
	w.variables("StackName: nochange\n")
	w.streamctl("deploy", "--env", "development").want(0)
	template := w.aws("cloudformation", "get-template", "--stack-name", "nochange", "--query", "TemplateBody", "--output", "text").want(0)
	if err := os.WriteFile(w.dir+"/main.yaml", []byte(strings.TrimSuffix(template.stdout, "\n")), 0o644); err != nil {
		b.Fatal(err)
	}
	took := func(run func() result, says string) time.Duration {
		began := time.Now()
		run().want(0).says(says)
		return time.Since(began)
	}
	var ours, theirs []time.Duration
	for b.Loop() {
		ours = append(ours, took(func() result { return w.streamctl("deploy", "--env", "development") }, "No change"))
		if err := pause.For(b.Context(), time.Second); err != nil { // its change set has a name with the time in seconds, and stays
			b.Fatal(err)
		}
		theirs = append(theirs, took(func() result {
			return w.run("aws", "cloudformation", "deploy", "--stack-name", "nochange", "--template-file", "main.yaml", "--capabilities", "CAPABILITY_NAMED_IAM",
				"--tags", "Environment=development", "Project=real-time-event-streaming-analytics-platform", "--no-fail-on-empty-changeset")
		}, "No changes to deploy"))
	}
	bench.Report(b, "deploy",
		bench.Figure{Name: "`streamctl deploy` without a change", Unit: "ms", Samples: bench.Milliseconds(ours)},
		bench.Figure{Name: "`aws cloudformation deploy` without a change", Unit: "ms", Samples: bench.Milliseconds(theirs)},
		bench.Figure{Name: "times faster", Samples: bench.Ratios(theirs, ours), Goal: 10, AtLeast: true})
	w.streamctl("destroy", "--env", "development", "--yes").want(0)
}
