package progress

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/streamctl/streamctl/internal/config"
	"github.com/streamctl/streamctl/internal/deploy/stack"
	"github.com/streamctl/streamctl/internal/stacktemplate"
	"github.com/streamctl/streamctl/internal/template"
	"github.com/streamctl/streamctl/internal/testkit/aws/everyoption"
	"github.com/streamctl/streamctl/internal/testkit/golden"
)

// TestMain has one time zone for the golden files.
func TestMain(m *testing.M) {
	time.Local = time.UTC
	os.Exit(m.Run())
}

// story is a recorded operation with a clock that the test sets.
type story struct {
	now     time.Time
	show    *Show
	text    bytes.Buffer
	objects bytes.Buffer
}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// tell starts a story with manual ticks.
func tell(o Options) *story {
	s := &story{now: noon}
	o.Log, o.Events, o.Now = &s.text, &s.objects, func() time.Time { return s.now }
	s.show = newShow(o)
	return s
}

// at sets the clock to seconds after the beginning.
func (s *story) at(seconds int) *story {
	s.now = noon.Add(time.Duration(seconds) * time.Second)
	return s
}

func (s *story) step(text string) {
	s.show.Report(stack.Event{Kind: stack.KindStep, Text: text})
}

func (s *story) is(id, kind, status, reason string) {
	physical := ""
	if strings.HasSuffix(status, "_COMPLETE") {
		physical = strings.ToLower(id)
	}
	s.show.Report(stack.Event{Kind: stack.KindResource, Time: s.now, LogicalID: id, Type: "AWS::" + kind, PhysicalID: physical, Status: status, Reason: reason})
}

func (s *story) stack(status string) { s.is("events", "CloudFormation::Stack", status, "") }

var expected = map[string]string{
	"Vpc": "AWS::EC2::VPC", "PrivateSubnetA": "AWS::EC2::Subnet", "EventStream": "AWS::Kinesis::Stream", "Key": "AWS::KMS::Key",
	"ArchiveBucket": "AWS::S3::Bucket", "Database": "AWS::RDS::DBInstance", "DatabaseParameters": "AWS::RDS::DBParameterGroup",
	"Cache": "AWS::ElastiCache::ReplicationGroup", "IngestFunction": "AWS::Lambda::Function", "QueryFunction": "AWS::Lambda::Function", "IngestRole": "AWS::IAM::Role",
	"Api": "AWS::ApiGateway::RestApi", "ApiLogGroup": "AWS::Logs::LogGroup", "ArchiveAlarm": "AWS::CloudWatch::Alarm",
}

// create reports a create that fails, and calls look between its phases.
func create(s *story, look func(title string)) {
	s.show.Expect("create", expected)
	s.step("creating stack events in 123456789012, us-east-1")
	look("begun")
	s.at(1).stack("CREATE_IN_PROGRESS")
	for _, id := range []string{"Vpc", "EventStream", "Key", "ArchiveBucket", "DatabaseParameters", "IngestRole", "Api", "ApiLogGroup"} {
		s.is(id, strings.TrimPrefix(expected[id], "AWS::"), "CREATE_IN_PROGRESS", "")
	}
	look("everything in parallel")
	s.at(20)
	for _, id := range []string{"Vpc", "EventStream", "Key", "ArchiveBucket", "DatabaseParameters", "IngestRole", "Api", "ApiLogGroup"} {
		s.is(id, strings.TrimPrefix(expected[id], "AWS::"), "CREATE_COMPLETE", "")
	}
	s.is("PrivateSubnetA", "EC2::Subnet", "CREATE_IN_PROGRESS", "")
	s.at(22).is("PrivateSubnetA", "EC2::Subnet", "CREATE_COMPLETE", "")
	s.is("Database", "RDS::DBInstance", "CREATE_IN_PROGRESS", "")
	s.at(25).is("Database", "RDS::DBInstance", "CREATE_IN_PROGRESS", "Resource creation Initiated")
	s.is("Cache", "ElastiCache::ReplicationGroup", "CREATE_IN_PROGRESS", "")
	s.at(205)
	look("long waits")
	s.is("IngestFunction", "Lambda::Function", "CREATE_IN_PROGRESS", "")
	s.is("QueryFunction", "Lambda::Function", "CREATE_IN_PROGRESS", "")
	s.at(210).is("QueryFunction", "Lambda::Function", "CREATE_FAILED", "Resource handler returned message: \"'MemorySize' value failed to satisfy constraint: Member must have value less than or equal to 3008 (Service: Lambda, Status Code: 400, Request ID: 7f6a\x1b[2J8a5b)\" (RequestToken: 51ad, HandlerErrorCode: InvalidRequest)")
	s.is("IngestFunction", "Lambda::Function", "CREATE_FAILED", "Resource creation cancelled")
	s.is("Database", "RDS::DBInstance", "CREATE_FAILED", "Resource creation cancelled")
	look("failed")
	s.at(211).stack("ROLLBACK_IN_PROGRESS")
	s.at(220).is("Database", "RDS::DBInstance", "DELETE_IN_PROGRESS", "")
	s.is("Vpc", "EC2::VPC", "DELETE_IN_PROGRESS", "")
	s.at(290).is("Vpc", "EC2::VPC", "DELETE_COMPLETE", "")
	look("undone")
	for _, id := range []string{"Database", "Cache", "QueryFunction", "IngestFunction"} {
		s.is(id, strings.TrimPrefix(expected[id], "AWS::"), "DELETE_COMPLETE", "")
	}
	s.at(311).stack("ROLLBACK_COMPLETE")
}

// TestGoldenTree draws the tree at fixed times, in windows of several sizes.
func TestGoldenTree(t *testing.T) {
	var out strings.Builder
	s := tell(Options{Quiet: true})
	look := func(title string) {
		for _, window := range [][2]int{{100, 40}, {60, 12}} {
			fmt.Fprintf(&out, "=== %s, %d s, %d × %d\n", title, int(s.now.Sub(noon).Seconds()), window[0], window[1])
			rows := s.show.state.tree(s.now, window[0], window[1], false)
			if len(rows) >= window[1] {
				t.Errorf("%s: %d lines in a window of %d", title, len(rows), window[1])
			}
			for _, r := range rows {
				if visible(r) >= window[0] {
					t.Errorf("%s: %d characters in a window of %d: %s", title, visible(r), window[0], r)
				}
				fmt.Fprintln(&out, r)
			}
		}
	}
	create(s, func(title string) {
		look(title)
		if title != "failed" {
			return
		}
		fmt.Fprintln(&out, "=== failed, with colors")
		for _, line := range s.show.state.tree(s.now, 80, 24, true) {
			fmt.Fprintf(&out, "%q\n", line)
		}
	})
	fmt.Fprintf(&out, "=== in the end\n%s", joined(s.show.state.summary(s.now)))
	s.at(400).show.Expect("delete", map[string]string{"Database": "AWS::RDS::DBInstance", "QueryFunction": "AWS::Lambda::Function", "DatabaseClientsGroup": "AWS::EC2::SecurityGroup"})
	s.step("emptying bucket archive")
	s.at(431)
	look("a step of ours")
	s.stack("DELETE_IN_PROGRESS")
	s.is("QueryFunction", "Lambda::Function", "DELETE_IN_PROGRESS", "")
	s.at(432).is("Database", "RDS::DBInstance", "DELETE_IN_PROGRESS", "")
	s.at(1000)
	look("deleting")
	s.is("QueryFunction", "Lambda::Function", "DELETE_COMPLETE", "")
	s.is("Database", "RDS::DBInstance", "DELETE_COMPLETE", "")
	s.at(1020).is("DatabaseClientsGroup", "EC2::SecurityGroup", "DELETE_FAILED", "resource sg-1 has a dependent object")
	s.stack("DELETE_FAILED")
	s.at(1030).stack("DELETE_IN_PROGRESS")
	s.is("DatabaseClientsGroup", "EC2::SecurityGroup", "DELETE_IN_PROGRESS", "")
	look("deleting again")
	s.at(1040).is("DatabaseClientsGroup", "EC2::SecurityGroup", "DELETE_COMPLETE", "")
	s.stack("DELETE_COMPLETE")
	fmt.Fprintf(&out, "=== in the end\n%s", joined(s.show.state.summary(s.now)))
	golden.Equal(t, "testdata/tree.golden", []byte(out.String()))
}

// TestGoldenLines prints the same story without a terminal.
func TestGoldenLines(t *testing.T) {
	s := tell(Options{})
	create(s, func(string) { s.show.tick() })
	s.show.Note("a note")
	s.show.Report(stack.Event{Kind: stack.KindWaiting, Text: "the mappings to reach the stream's end"})
	s.at(380).show.Report(stack.Event{Kind: stack.KindWaiting, Text: "the mappings to reach the stream's end"})
	s.show.tick()
	s.show.End()
	golden.Equal(t, "testdata/lines.golden", s.text.Bytes())
	golden.Equal(t, "testdata/events.golden", s.objects.Bytes())
}

// TestScreen keeps the tree at the bottom, redraws it at most five times per second,
// and removes all of it.
func TestScreen(t *testing.T) {
	width, height := 80, 24
	s := tell(Options{Size: func() (int, int) { return width, height }, Color: true})
	s.show.Expect("create", expected)
	s.step("creating stack events")
	s.at(1).stack("CREATE_IN_PROGRESS")
	s.is("Vpc", "EC2::VPC", "CREATE_IN_PROGRESS", "")
	if got := s.text.String(); got != "12:00:00  creating stack events\n" {
		t.Errorf("before it is drawn: %q", got)
	}
	s.show.tick()
	s.show.tick()
	const head = "Creating stack events: 0 of 14 resources, 0 s\n"
	if got := s.text.String(); strings.Count(got, head) != 1 || !strings.Contains(got, "\x1b[33m  ● \x1b[0mNetwork ") {
		t.Errorf("drawn: %q", got)
	}
	s.text.Reset()
	width = 24 // as if the window wrapped the lines
	s.at(2).show.tick()
	if got := s.text.String(); !strings.HasPrefix(got, "\r\x1b[12A\x1b[J") {
		t.Errorf("redrawn in a narrower window: %q", got)
	}
	s.text.Reset()
	width = 80
	resume := s.show.Pause()
	s.at(3).show.tick()
	if got := s.text.String(); got != "\r\x1b[10A\x1b[JCreating stack events: 0 of 14 resources, 1 s\n" {
		t.Errorf("paused: %q", got)
	}
	resume()
	s.text.Reset()
	s.show.tick()
	if got := s.text.String(); !strings.HasPrefix(got, "Creating stack events: 0 of 14 resources, 2 s\n") {
		t.Errorf("resumed: %q", got)
	}
	s.text.Reset()
	s.show.Note("a note")
	if got := s.text.String(); got != "\r\x1b[10A\x1b[Ja note\n" {
		t.Errorf("a note: %q", got)
	}
	s.show.tick()
	s.text.Reset()
	s.show.End()
	s.show.End()
	if got := s.text.String(); got != "\r\x1b[10A\x1b[JCreating stack events: 0 of 14 resources, 2 s so far\n  waiting for Vpc (creating since 12:00:01, 2 s)\n" {
		t.Errorf("ended: %q", got)
	}
}

// TestParts checks that every resource of a template is in the same part as in the
// template.
func TestParts(t *testing.T) {
	names := map[string]part{
		"Network": partNetwork, "Encryption": partOther, "Stream": partStream, "Archive": partArchive, "Warehouse": partWarehouse, "Cache": partCache,
		"Functions": partFunctions, "Migrations": partWarehouse, "Event sources": partFunctions, "API": partAPI, "Monitoring": partMonitoring,
	}
	v, err := config.Load(strings.NewReader(everyoption.All()), "variables.yaml", "production")
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []config.Variables{config.Default("development"), v} {
		built, err := template.Build(v, template.Options{})
		if err != nil {
			t.Fatal(err)
		}
		body, err := built.YAML()
		if err != nil {
			t.Fatal(err)
		}
		resources, err := stacktemplate.Parse(body)
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range built.Groups {
			for _, id := range g.Resources {
				want, known := names[g.Name]
				if got := partOf(id, resources[id].Type); known && got != want {
					t.Errorf("%s (%s) of %q is in %s", id, resources[id].Type, g.Name, got)
				} else if !known {
					t.Logf("%s: %s (%s) is in %s", g.Name, id, resources[id].Type, got)
				}
			}
		}
	}
}

func TestText(t *testing.T) {
	for d, want := range map[time.Duration]string{0: "0 s", 12999 * time.Millisecond: "12 s", 3 * time.Minute: "3 min", 192 * time.Second: "3 min 12 s", 64 * time.Minute: "1 h 4 min"} {
		if got := span(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
	if got := wrap("one two three four", 8, 2); len(got) != 2 || got[0] != "one two" || got[1] != "three f…" {
		t.Errorf("wrapped: %q", got)
	}
	if got := clip("wörter", 4); got != "wör…" {
		t.Errorf("clipped: %q", got)
	}
}
