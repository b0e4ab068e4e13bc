package pgserver

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/streamctl/streamctl/internal/local/daemon"
)

// cluster is a data folder with what runs it.
type cluster struct {
	dir     string
	bin     string
	account *daemon.Account
}

func findBinaries(dir string) (string, error) {
	if dir != "" {
		if _, err := os.Stat(filepath.Join(dir, "postgres")); err != nil {
			return "", fmt.Errorf("find postgres: %w", err)
		}
		return dir, nil
	}
	// initdb beside it is what tells a server's folder from a client's.
	path, err := daemon.Find("initdb", []string{
		"/usr/lib/postgresql/*/bin",
		"/usr/pgsql-*/bin",
		"/opt/homebrew/opt/postgresql@*/bin",
		"/usr/local/opt/postgresql@*/bin",
	}, []string{"apt-get install postgresql", "brew install postgresql@16"})
	if notFound := (*daemon.NotFoundError)(nil); errors.As(err, &notFound) {
		notFound.Program = "postgres"
	}
	if err != nil {
		return "", err
	}
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return "", fmt.Errorf("find postgres: %w", err)
	}
	return filepath.Dir(path), nil
}

// environment is what a server or initdb sees: nothing of the caller's PG*
// variables, and messages in English.
func environment() []string {
	env := slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "PG") || strings.HasPrefix(v, "LC_") || strings.HasPrefix(v, "LANG")
	})
	return append(env, "LC_ALL=C")
}

func (c cluster) data() string         { return filepath.Join(c.dir, "data") }
func (c cluster) passwordFile() string { return filepath.Join(c.dir, "password") }

func (c cluster) password() (string, error) {
	b, err := os.ReadFile(c.passwordFile())
	if err != nil {
		return "", fmt.Errorf("read superuser's password: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}

// prepare makes sure that the folder holds an initialised cluster.
func (c cluster) prepare(ctx context.Context, template string) error {
	if err := daemon.PrivateDir(c.dir, c.account); err != nil {
		return err
	}
	made, err := os.ReadFile(filepath.Join(c.data(), "PG_VERSION"))
	if err == nil {
		return c.checkVersion(ctx, strings.TrimSpace(string(made)))
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("check data folder: %w", err)
	}
	if template == "" {
		return c.initialise(ctx)
	}
	kept, err := c.keep(ctx, template)
	if err != nil {
		return err
	}
	if err := os.CopyFS(c.data(), os.DirFS(filepath.Join(kept, "data"))); err != nil {
		return fmt.Errorf("copy template: %w", err)
	}
	if err := os.Chmod(c.data(), 0o700); err != nil {
		return fmt.Errorf("copy template: %w", err)
	}
	password, err := os.ReadFile(filepath.Join(kept, "password"))
	if err != nil {
		return fmt.Errorf("copy template: %w", err)
	}
	if err := os.WriteFile(c.passwordFile(), password, 0o600); err != nil {
		return fmt.Errorf("copy template: %w", err)
	}
	return daemon.GiveTree(c.dir, c.account)
}

// keep makes the template when it isn't there. Several processes may do so at
// a time: each initialises a folder of its own, one wins the rename.
func (c cluster) keep(ctx context.Context, template string) (string, error) {
	name := strings.NewReplacer("/", "_", "\\", "_").Replace(c.bin)
	kept := filepath.Join(template, strings.Trim(name, "_"))
	if _, err := os.Stat(kept); err == nil {
		return kept, nil
	}
	if err := daemon.PrivateDir(template, c.account); err != nil {
		return "", err
	}
	fresh, err := os.MkdirTemp(template, "new-")
	if err != nil {
		return "", fmt.Errorf("make template: %w", err)
	}
	n := cluster{dir: fresh, bin: c.bin, account: c.account}
	if err := daemon.PrivateDir(fresh, c.account); err != nil {
		return "", err
	}
	if err := n.initialise(ctx); err != nil {
		return "", errors.Join(err, os.RemoveAll(fresh))
	}
	if err := os.Rename(fresh, kept); err != nil {
		if _, statErr := os.Stat(kept); statErr != nil {
			return "", fmt.Errorf("keep template: %w", err)
		}
		return kept, os.RemoveAll(fresh)
	}
	return kept, nil
}

func (c cluster) initialise(ctx context.Context) error {
	if err := os.WriteFile(c.passwordFile(), []byte(rand.Text()+"\n"), 0o600); err != nil {
		return fmt.Errorf("write superuser's password: %w", err)
	}
	if err := daemon.GiveTree(c.passwordFile(), c.account); err != nil {
		return err
	}
	out, err := daemon.Run(ctx, daemon.Spec{
		Path: filepath.Join(c.bin, "initdb"),
		Args: []string{
			"--pgdata", c.data(), "--username", Superuser, "--pwfile", c.passwordFile(),
			"--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-sync", "--no-instructions",
		},
		Env: environment(), Dir: c.dir, Account: c.account,
	})
	if err != nil {
		return fmt.Errorf("%w\n%s", err, tail(string(out), 10))
	}
	return nil
}

func (c cluster) arguments(o Options, port int) []string {
	args := []string{
		"-D", c.data(), "-p", strconv.Itoa(port),
		"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "timezone=UTC", "-c", "logging_collector=off",
	}
	if o.Volatile {
		args = append(args, "-c", "fsync=off", "-c", "full_page_writes=off")
	}
	names := make([]string, 0, len(o.Settings))
	for name := range o.Settings {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		args = append(args, "-c", name+"="+o.Settings[name])
	}
	return args
}
