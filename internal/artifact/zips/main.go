// Command zips writes the functions' code for a release, one zip per function.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"

	"github.com/streamctl/streamctl/internal/artifact"
	"github.com/streamctl/streamctl/internal/contract"
)

func main() {
	out := flag.String("out", "", "folder for the zips")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *out); err != nil {
		fmt.Fprintln(os.Stderr, "zips:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out string) error {
	root, err := artifact.FindSource(".")
	if err != nil {
		return err
	}
	var names []string
	for _, f := range contract.Functions() {
		names = append(names, f.Name)
	}
	builder := artifact.Builder{Root: root, OS: "linux", Arch: "arm64", Environ: os.Environ()}
	artifacts, _, err := builder.Build(ctx, names)
	if err != nil {
		return err
	}
	for _, a := range artifacts {
		if err := os.WriteFile(filepath.Join(out, a.Function+".zip"), a.Zip, 0o644); err != nil {
			return fmt.Errorf("write %s: %w", a.Function, err)
		}
	}
	return nil
}
