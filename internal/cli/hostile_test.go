package cli_test

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cfn "github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"gopkg.in/yaml.v3"

	"github.com/streamctl/streamctl/internal/cli"
	"github.com/streamctl/streamctl/internal/cli/ui"
	"github.com/streamctl/streamctl/internal/pause"
	awsfake "github.com/streamctl/streamctl/internal/testkit/aws/fake"
)

const (
	hostile = "\x1b]0;owned\x07\x1b[2J\r\u202eevil\u2066\u009b31m\u200b\ufeff\U000e0041'; touch owned; '"
	formula = "=cmd|' /C calc'!A0"
)

// clean fails if a text could control a terminal or hides something.
func clean(t *testing.T, what, text string) {
	t.Helper()
	if shown := ui.Text(text); shown != text {
		t.Errorf("%s has hidden characters: %q", what, text)
	}
}

// TestHostileAnswers has the API return text that would control a terminal, in every
// part of a response or an error, in every format.
func TestHostileAnswers(t *testing.T) {
	body := map[string]any{
		"metric": "revenue", "from": "2026-01-01T00:00:00Z", "to": "2026-01-01T01:00:00Z", "stepSeconds": 3600, "source": "cache" + hostile, "by": []string{hostile},
		"points": []any{
			map[string]any{"at": "2026-01-01T00:00:00Z", "values": []string{hostile}, "eventType": hostile, "count": 1, "sum": -5},
			map[string]any{"at": "2026-01-01T00:00:00Z", "values": []string{formula}, "eventType": formula, "count": 2},
		},
	}
	status := http.StatusOK
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := body
		switch {
		case status != http.StatusOK:
			answer = map[string]any{"detail": hostile}
		case strings.HasSuffix(r.URL.Path, "/summary"):
			answer = map[string]any{"metric": "summary", "source": hostile, "events": 2, "byType": map[string]int{hostile: 1, formula: 1}}
		case strings.HasSuffix(r.URL.Path, "/users"):
			answer = map[string]any{"metric": "users", "source": hostile, "days": []any{map[string]any{"day": hostile, "users": 1}, map[string]any{"day": hostile}}}
		}
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(answer)
	}))
	defer server.Close()
	for _, metric := range []string{"revenue", "events", "users", "summary"} {
		for _, format := range []string{"text", "json", "yaml", "csv"} {
			code, out, said := runIn(t.Context(), nil, "query", metric, "-o", format, "--url", server.URL)
			if code != 0 {
				t.Errorf("%s as %s: %d %s", metric, format, code, said)
			}
			clean(t, metric+" as "+format, out+said)
			var got any
			var err error
			switch format {
			case "text":
				if !strings.Contains(out, `\x1b]0;owned\x07\x1b[2J\x0d\u202eevil\u2066\u009b31m\u200b\ufeff\U000e0041`) {
					t.Errorf("%s: %s", metric, out)
				}
				continue
			case "json":
				err = json.Unmarshal([]byte(out), &got)
			case "yaml":
				err = yaml.Unmarshal([]byte(out), &got)
			case "csv":
				rows, err := csv.NewReader(strings.NewReader(out)).ReadAll()
				if err != nil {
					t.Errorf("%s: %v", metric, err)
				}
				for _, cell := range strings.Split(fmt.Sprint(rows), " ") {
					if strings.HasPrefix(cell, "=") {
						t.Errorf("%s: a formula in %q", metric, rows)
					}
				}
				if metric == "revenue" && !strings.Contains(out, ",-5,") {
					t.Errorf("a number became text: %s", out)
				}
				continue
			}
			if exact := fmt.Sprint(got); err != nil || !strings.Contains(exact, hostile) {
				t.Errorf("%s as %s isn't exact: %v\n%q", metric, format, err, exact)
			}
		}
	}
	status = http.StatusBadRequest
	code, out, said := runIn(t.Context(), nil, "query", "revenue", "--url", server.URL)
	if code != 2 || !strings.Contains(said, `\u202eevil`) {
		t.Errorf("%d %s", code, said)
	}
	clean(t, "an error", out+said)
}

// TestHostileFiles has the same text in the names and the contents of files.
func TestHostileFiles(t *testing.T) {
	t.Chdir(t.TempDir())
	name := strings.ReplaceAll(hostile, "/", "") + ".ndjson"
	if err := os.WriteFile(name, []byte("{\"userId\": 1, \""+hostile[8:12]+"\": \"\u202e\"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("v.yaml", []byte("StackName: \"\\e[2J\\u202e\"\n\"\\e]0;x\\a\": 1\nTags: {a: \"\\u202e\\e\"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"send", name, "--url", "http://127.0.0.1:1", "--retry-for", "1ms"}, {"send", hostile, "--url", "http://127.0.0.1:1"}, {"query", hostile}, {hostile}, {"--" + hostile},
		{"validate", "--variables", "v.yaml"}, {"render", "--variables", "v.yaml"}, {"render", "--variables", hostile}, {"query", "events", "--url", hostile}, {"init", "--variables", "none/" + hostile},
		{"status", "-o", hostile}, {"send", "--user", hostile, "--type", hostile, "--properties", hostile},
	} {
		code, out, said := runIn(t.Context(), nil, args...)
		if code == 0 {
			t.Errorf("%q succeeded", args)
		}
		clean(t, fmt.Sprintf("%q", args), out+said)
	}
	if err := os.WriteFile("tags.yaml", []byte("Environment: development\nTags: {a: \"x\\u202ey\\u2028\"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"yaml", "json"} {
		if code, out, said := runIn(t.Context(), nil, "render", "--variables", "tags.yaml", "--format", format); code == 0 {
			clean(t, "a template as "+format, out)
		} else {
			clean(t, "the reason for the missing template", said)
		}
	}
}

// TestHostileOutputs has a stack whose outputs and description would control a terminal
// or a shell.
func TestHostileOutputs(t *testing.T) {
	fake := startStandIn(t, awsfake.Options{})
	dir := t.TempDir()
	t.Chdir(dir)
	if err := os.WriteFile("variables.yaml", []byte("StackName: shown\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	stacks := stacksOf(fake)
	value := strings.NewReplacer("\x1b", "", "\x07", "", "\r", "").Replace(hostile) + "100%d\\045\t\n" // XML has no ESC
	body, err := json.Marshal(map[string]any{"Resources": map[string]any{"Topic": map[string]any{"Type": "AWS::SNS::Topic"}},
		"Outputs": map[string]any{"Hostile": map[string]any{"Value": value}, "Path": map[string]any{"Value": "/nowhere"}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stacks.CreateStack(t.Context(), &cfn.CreateStackInput{StackName: aws.String("shown"), TemplateBody: aws.String(string(body))}); err != nil {
		t.Fatal(err)
	}
	if err := cfn.NewStackCreateCompleteWaiter(stacks, func(o *cfn.StackCreateCompleteWaiterOptions) { o.MinDelay, o.MaxDelay = time.Millisecond, time.Second }).
		Wait(t.Context(), &cfn.DescribeStacksInput{StackName: aws.String("shown")}, time.Minute); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"outputs"}, {"outputs", "Hostile"}, {"outputs", "-o", "json"}, {"outputs", "-o", "yaml"}, {"outputs", "-o", "env"}, {"status"}} {
		code, out, said := runIn(t.Context(), nil, args...)
		if code != 0 {
			t.Errorf("%q: %d %s", args, code, said)
		}
		clean(t, fmt.Sprint(args), out+said)
		var got map[string]string
		switch args[len(args)-1] {
		case "json":
			err = json.Unmarshal([]byte(out), &got)
		case "yaml":
			err = yaml.Unmarshal([]byte(out), &got)
		case "env":
			for _, shell := range []string{"sh", "bash"} {
				text, err := exec.CommandContext(t.Context(), shell, "-c", `eval "$1"; printf %s "$HOSTILE"; exec test "$PATH" != /nowhere`, shell, out).Output()
				if err != nil || string(text) != value {
					t.Errorf("%s: %q, %v\n%s", shell, text, err, out)
				}
			}
			continue
		default:
			continue
		}
		if err != nil || got["Hostile"] != value {
			t.Errorf("%q isn't exact: %v, %q", args, err, got["Hostile"])
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "owned")); err == nil {
		t.Error("an output ran a command")
	}
}

// TestFullDisk makes writes to standard output fail: that is an error of every command
// with a result; a closed pipe is an error without a message.
func TestFullDisk(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("variables.yaml", []byte("Environment: development\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"metric": "summary", "source": "cache", "events": 2, "byType": {"x": 2}}`)
	}))
	defer server.Close()
	for _, args := range [][]string{
		{"render"}, {"render", "--format", "json"}, {"validate"}, {"version"}, {"version", "-o", "json"}, {"version", "-o", "yaml"}, {"--help"}, {"init", "--variables", "new.yaml"},
		{"completion", "bash"}, {"query", "summary", "--url", server.URL}, {"query", "summary", "-o", "csv", "--url", server.URL}, {"query", "summary", "-o", "json", "--url", server.URL},
	} {
		full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		if err != nil {
			t.Skip("this system has no /dev/full")
		}
		var said strings.Builder
		app := cli.App{Stdin: strings.NewReader(""), Stdout: full, Stderr: &said, Getenv: os.Getenv, Environ: os.Environ}
		if code := app.Run(t.Context(), args); code != 1 || strings.Count(said.String(), syscall.ENOSPC.Error()) != 1 {
			t.Errorf("%q: code %d, %s", args, code, said.String())
		}
		if err := full.Close(); err != nil {
			t.Error(err)
		}
		said.Reset()
		_ = os.Remove("new.yaml")
		app = cli.App{Stdin: strings.NewReader(""), Stdout: closedPipe{}, Stderr: &said, Getenv: os.Getenv, Environ: os.Environ}
		if code := app.Run(t.Context(), args); code != 1 || strings.Contains(said.String(), "pipe") {
			t.Errorf("%q, closed pipe: code %d, %s", args, code, said.String())
		}
		_ = os.Remove("new.yaml")
	}
}

type closedPipe struct{}

func (closedPipe) Write([]byte) (int, error) { return 0, syscall.EPIPE }

// TestEveryVerbIsInterrupted interrupts each verb that reads the variables file
// while the file is a pipe without a writer, and query while the API is silent.
func TestEveryVerbIsInterrupted(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := syscall.Mkfifo("fifo", 0o600); err != nil {
		t.Fatal(err)
	}
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer silent.Close()
	hints := map[string]bool{}
	for _, args := range [][]string{
		{"validate"}, {"render"}, {"package"}, {"deploy"}, {"diff"}, {"status"}, {"status", "--follow"}, {"outputs"}, {"dashboard"}, {"destroy"}, {"local"}, {"doctor", "--print-policy"}, {"doctor"},
		{"send", "--count", "5"}, {"send", "--user", "u", "--type", "t"}, {"query", "summary"}, {"query", "summary", "--url", silent.URL}, {"query", "summary", "--url", silent.URL, "--sign"},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			if pause.For(t.Context(), 100*time.Millisecond) == nil {
				cancel()
			}
		}()
		began := time.Now()
		code, _, said := runIn(ctx, strings.NewReader(""), append(args, "--variables", "fifo")...)
		cancel()
		if code != 6 || !strings.Contains(said, "interrupted") || !strings.Contains(said, "hint: ") || time.Since(began) > 5*time.Second {
			t.Errorf("%q: code %d after %s\n%s", args, code, time.Since(began), said)
		}
		_, hint, _ := strings.Cut(said, "hint: ")
		hints[hint] = true
	}
	if len(hints) < 10 {
		t.Errorf("%d different hints", len(hints))
	}
}
