// Command release writes the files of a release that are generated from the source: the
// functions' code, which the program embeds, man pages, completions and licenses.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"github.com/streamctl/streamctl/internal/artifact"
	"github.com/streamctl/streamctl/internal/cli"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/release/licenses"
)

func main() {
	out := flag.String("out", "bin/release", "folder for man pages, completions and licenses; its content is replaced")
	code := flag.String("code", "internal/artifact/released/embedded", "folder for the functions' code; its content is replaced")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *out, *code); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out, code string) error {
	root, err := artifact.FindSource(".")
	if err != nil {
		return err
	}
	var folders []error
	for _, dir := range []string{code, out, filepath.Join(out, "man"), filepath.Join(out, "completions")} {
		if dir == code || dir == out {
			folders = append(folders, os.RemoveAll(dir))
		}
		folders = append(folders, os.MkdirAll(dir, 0o755))
	}
	if err := errors.Join(folders...); err != nil {
		return fmt.Errorf("create folders: %w", err)
	}
	date, err := commitDate(ctx, root)
	if err != nil {
		return err
	}
	app := cli.App{Getenv: func(string) string { return "" }}
	return errors.Join(
		functions(ctx, root, code),
		manPages(app.Command(), date, filepath.Join(out, "man")),
		completions(app.Command(), filepath.Join(out, "completions")),
		thirdParty(ctx, root, filepath.Join(out, "THIRD_PARTY_LICENSES")))
}

// commitDate returns the date of the last commit, so that a second release of the same
// commit has the same bytes.
func commitDate(ctx context.Context, root string) (time.Time, error) {
	cmd := exec.CommandContext(ctx, "git", "log", "-1", "--format=%ct")
	cmd.Dir = root
	text, err := cmd.Output()
	if err != nil {
		return time.Time{}, fmt.Errorf("read date of the commit: %w", err)
	}
	seconds, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("read date of the commit: %w", err)
	}
	return time.Unix(seconds, 0).UTC(), nil
}

func functions(ctx context.Context, root, out string) error {
	var names []string
	for _, f := range contract.Functions() {
		names = append(names, f.Name)
	}
	builder := artifact.Builder{Root: root, OS: "linux", Arch: "arm64", Environ: os.Environ()}
	artifacts, _, err := builder.Build(ctx, names)
	if err != nil {
		return err
	}
	var bundle bytes.Buffer
	index, err := artifact.WriteBundle(&bundle, artifacts)
	if err != nil {
		return err
	}
	err = errors.Join(
		os.WriteFile(filepath.Join(out, "functions.zst"), bundle.Bytes(), 0o644),
		os.WriteFile(filepath.Join(out, "index.json"), index, 0o644))
	if err != nil {
		return fmt.Errorf("write functions: %w", err)
	}
	return nil
}

// manPages writes a page for each command.
func manPages(cmd *cobra.Command, date time.Time, dir string) error {
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() && !sub.IsAdditionalHelpTopicCommand() {
			if err := manPages(sub, date, dir); err != nil {
				return err
			}
		}
	}
	cmd.SetOut(io.Discard)
	cmd.SetErr(io.Discard)
	cmd.InitDefaultHelpCmd()
	cmd.DisableAutoGenTag = true
	cmd.Long = strings.ReplaceAll(cmd.Long, "\n  ", "\n      ") // examples, as code in Markdown
	if err := cmd.Help(); err != nil {                          // hides the common flags that the command rejects
		return fmt.Errorf("write man page: %w", err)
	}
	name := strings.ReplaceAll(cmd.CommandPath(), " ", "-")
	f, err := os.Create(filepath.Join(dir, name+".1"))
	if err != nil {
		return fmt.Errorf("write man page: %w", err)
	}
	header := &doc.GenManHeader{Title: strings.ToUpper(name), Section: "1", Date: &date, Source: "streamctl", Manual: "streamctl"}
	if err := errors.Join(doc.GenMan(cmd, header, f), f.Close()); err != nil {
		return fmt.Errorf("write man page %s: %w", name, err)
	}
	return nil
}

func completions(root *cobra.Command, dir string) error {
	err := errors.Join(
		root.GenBashCompletionFileV2(filepath.Join(dir, "streamctl.bash"), true),
		root.GenZshCompletionFile(filepath.Join(dir, "_streamctl")),
		root.GenFishCompletionFile(filepath.Join(dir, "streamctl.fish"), true),
		root.GenPowerShellCompletionFileWithDesc(filepath.Join(dir, "streamctl.ps1")))
	if err != nil {
		return fmt.Errorf("write completions: %w", err)
	}
	return nil
}

func thirdParty(ctx context.Context, root, path string) error {
	platforms := []string{"linux/amd64", "linux/arm64", "darwin/amd64", "darwin/arm64", "windows/amd64", "windows/arm64"}
	modules, err := licenses.Modules(ctx, root, artifact.Module, platforms, []string{"./cmd/streamctl", "./functions/..."})
	if err != nil {
		return err
	}
	texts, err := licenses.Of(modules)
	if err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("write licenses: %w", err)
	}
	return errors.Join(licenses.Write(f, texts), f.Close())
}
