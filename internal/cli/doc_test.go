package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/streamctl/streamctl/internal/testkit/golden"
)

// TestGoldenCommandLine generates docs/cli.md from the commands and the types of their
// results, and fails if the page differs.
func TestGoldenCommandLine(t *testing.T) {
	a := &App{Getenv: func(string) string { return "" }}
	root := a.command()
	var b bytes.Buffer
	b.WriteString("# Command line\n\nThis page is generated from the commands; `make golden` writes it. `streamctl VERB --help` has the\nexplanations and examples.\n\n" +
		"Results are written to standard output, everything else to standard error. With `--output json` a result is one\n" +
		"JSON document with the keys below; with `--output yaml` it has the same keys. `deploy`, `destroy` and\n`status --follow` write one JSON object per line instead, of which the last contains the result\n([progress output](progress-output.md)). Later versions may add keys. A key marked *optional* is left out if it has no value.\n\n" +
		"Exit codes: 0 done · 1 failed, or a network that fails · 2 usage · 3 invalid variables or template ·\n4 credentials or permission · 5 stack operation failed · 6 canceled or declined · 7 another operation is running ·\n8 finished, but something remains.\n\n## Common flags\n\n")
	flagTable(&b, root.PersistentFlags())
	for _, v := range verbs() {
		cmd, _, err := root.Find([]string{v.build(a).Name()})
		if err != nil {
			t.Fatal(err)
		}
		for _, cmd := range append([]*cobra.Command{cmd}, cmd.Commands()...) {
			fmt.Fprintf(&b, "\n## %s\n\n%s.\n\n    %s\n\n", strings.TrimPrefix(cmd.CommandPath(), "streamctl "), strings.TrimSuffix(cmd.Short, "."), cmd.UseLine())
			if len(cmd.Commands()) > 0 {
				continue
			}
			fmt.Fprintf(&b, "Common flags: `--%s`. Formats: %s.\n", strings.Join(append(v.flags, "no-color"), "`, `--"), alternatives(v.formats))
			if cmd.LocalNonPersistentFlags().HasFlags() {
				b.WriteString("\n")
				flagTable(&b, cmd.LocalNonPersistentFlags())
			}
			for _, r := range v.results {
				if strings.HasPrefix(cmd.CommandPath(), "streamctl "+strings.Split(r.Call, " --")[0]) {
					resultTable(&b, r)
				}
			}
		}
	}
	golden.Equal(t, "../../docs/cli.md", b.Bytes())
}

func flagTable(b *bytes.Buffer, flags *pflag.FlagSet) {
	b.WriteString("| flag | meaning |\n| --- | --- |\n")
	flags.VisitAll(func(f *pflag.Flag) {
		name := "`--" + f.Name + "`"
		if f.Shorthand != "" {
			name += ", `-" + f.Shorthand + "`"
		}
		kind, usage := pflag.UnquoteUsage(f)
		if kind != "" {
			name = strings.TrimSuffix(name, "`") + " " + kind + "`"
		}
		if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "[]" && f.DefValue != "0" && f.DefValue != "0s" {
			usage += " (default: " + f.DefValue + ")"
		}
		fmt.Fprintf(b, "| %s | %s |\n", name, strings.ReplaceAll(usage, "|", `\|`))
	})
}

func resultTable(b *bytes.Buffer, r result) {
	if text, ok := r.Of.(string); ok {
		fmt.Fprintf(b, "\nResult of `%s`: %s.\n", r.Call, text)
		return
	}
	kind, list := reflect.TypeOf(r.Of), ""
	if kind.Kind() == reflect.Slice {
		kind, list = kind.Elem(), "a list of objects with "
	}
	fmt.Fprintf(b, "\nResult of `%s`: %sthese keys.\n\n| key | type |\n| --- | --- |\n", r.Call, list)
	keys(b, kind, "")
}

// keys writes a line per key of a struct as encoding/json writes it.
func keys(b *bytes.Buffer, kind reflect.Type, above string) {
	for f := range kind.Fields() {
		tag, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if tag == "-" || !f.IsExported() && !f.Anonymous {
			continue
		}
		of := f.Type
		if of.Kind() == reflect.Pointer {
			of = of.Elem()
		}
		if f.Anonymous && tag == "" {
			keys(b, of, above)
			continue
		}
		if tag == "" {
			tag = f.Name
		}
		name, inner := jsonType(of)
		if strings.Contains(options, "omitempty") || strings.Contains(options, "omitzero") {
			name += ", optional"
		}
		fmt.Fprintf(b, "| `%s%s` | %s |\n", above, tag, name)
		if inner != nil {
			keys(b, inner, above+tag+".")
		}
	}
}

// jsonType returns the name of a JSON type; inner are the keys of an object.
func jsonType(of reflect.Type) (name string, inner reflect.Type) {
	switch {
	case of == reflect.TypeFor[time.Time]():
		return "time, RFC 3339", nil
	case of == reflect.TypeFor[json.Number]():
		return "number", nil
	case of == reflect.TypeFor[json.RawMessage]():
		return "any value", nil
	case of == reflect.TypeFor[time.Duration]():
		return "number of nanoseconds", nil
	}
	switch of.Kind() {
	case reflect.String:
		return "text", nil
	case reflect.Bool:
		return "true or false", nil
	case reflect.Pointer:
		return jsonType(of.Elem())
	case reflect.Slice, reflect.Array:
		name, inner = jsonType(of.Elem())
		return "list: " + name, inner
	case reflect.Map:
		name, inner = jsonType(of.Elem())
		return "object by name: " + name, inner
	case reflect.Struct:
		return "object", of
	}
	return "number", nil
}
