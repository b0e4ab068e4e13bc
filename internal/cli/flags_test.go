package cli

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// TestNoVerbRedefinesACommonFlag checks that a common flag has one meaning: no verb has
// a flag of the same name or shorthand.
func TestNoVerbRedefinesACommonFlag(t *testing.T) {
	a := &App{Getenv: func(string) string { return "" }}
	root := a.command()
	for _, name := range []string{"env", "variables", "stack-name", "region", "profile", "output", "yes", "verbose", "no-color"} {
		if root.PersistentFlags().Lookup(name) == nil {
			t.Errorf("--%s isn't a common flag", name)
		}
	}
	verbs := 0
	var check func(cmd *cobra.Command)
	check = func(cmd *cobra.Command) {
		for _, sub := range cmd.Commands() {
			verbs++
			for _, flags := range []*pflag.FlagSet{sub.LocalNonPersistentFlags(), sub.PersistentFlags()} {
				flags.VisitAll(func(f *pflag.Flag) {
					if root.PersistentFlags().Lookup(f.Name) != nil {
						t.Errorf("%s: --%s is a common flag", sub.CommandPath(), f.Name)
					}
					if f.Shorthand != "" && root.PersistentFlags().ShorthandLookup(f.Shorthand) != nil {
						t.Errorf("%s: -%s is a common flag", sub.CommandPath(), f.Shorthand)
					}
				})
			}
			check(sub)
		}
	}
	check(root)
	if verbs < 15 {
		t.Errorf("%d verbs", verbs)
	}
}

// TestOneWriter checks that every verb writes through ui.Writer: it may use the streams
// directly only to detect terminals and to pass them to a child process.
func TestOneWriter(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	stream := regexp.MustCompile(`\b(os\.Std(out|err)|\w+\.Std(out|err))\b`)
	allowed := regexp.MustCompile(`(terminal|columns)\(a\.Std(out|err)\)|ui\.NewWriter\(a\.Std(out|err)\)|Out: w\.app\.Stdout, Log: w\.app\.Stderr|\}\{keys, a\.Stdout\}`)
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for n, line := range strings.Split(string(text), "\n") {
			if !strings.HasPrefix(strings.TrimSpace(line), "//") && stream.MatchString(allowed.ReplaceAllString(line, "")) {
				t.Errorf("%s:%d: %s", file, n+1, strings.TrimSpace(line))
			}
		}
	}
}
