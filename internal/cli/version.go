package cli

import (
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// The linker sets these in a release (.goreleaser.yaml); elsewhere they are empty.
var releaseVersion, releaseCommit, releaseDate string

func newVersionCmd(a *App) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Show the version of this program.",
		RunE:  func(*cobra.Command, []string) error { return runVersion(a) },
	}
}

type version struct {
	Version string `json:"version"`
	// Commit and Date are empty in a program that was built without them.
	Commit   string `json:"commit,omitempty"`
	Date     string `json:"date,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func runVersion(a *App) error {
	v := program()
	return a.printResult(v, func() {
		built := v.Go + ", " + v.Platform
		if v.Commit != "" {
			built = "commit " + v.Commit + " of " + v.Date + ", " + built
		}
		a.printf("streamctl %s (%s)\n", v.Version, built)
	})
}

// program describes this program: by the linker's values in a release, and otherwise by
// those of the go command, which knows the version after `go install` of a version and
// the commit in a checkout.
func program() version {
	v := version{Version: releaseVersion, Commit: releaseCommit, Date: releaseDate, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if v.Version != "" {
		return v
	}
	v.Version = "(devel)"
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	if info.Main.Version != "" {
		v.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Commit = s.Value
		case "vcs.time":
			v.Date = s.Value
		}
	}
	return v
}

func programVersion() string { return program().Version }
