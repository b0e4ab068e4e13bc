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
	"syscall"

	"github.com/jackc/pgx/v5"

	"github.com/streamctl/streamctl/internal/local/daemon"
	"github.com/streamctl/streamctl/internal/local/durable"
)

// cluster is a data folder with the binaries and the account that run it.
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
	// Search for initdb: client installations have no initdb.
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
	if path, err = filepath.EvalSymlinks(path); err != nil { // a folder in the PATH may contain links
		return "", fmt.Errorf("find postgres: %w", err)
	}
	return filepath.Dir(path), nil
}

func (c cluster) data() string         { return filepath.Join(c.dir, "data") }
func (c cluster) passwordFile() string { return filepath.Join(c.dir, "password") }
func (c cluster) rulesFile() string    { return filepath.Join(c.dir, "pg_hba.conf") }

// Account returns the user that runs the server when the caller is root; it
// must be able to traverse the folders above Options.Dir. For any other caller
// it is nil.
func Account() (*daemon.Account, error) { return daemon.Unprivileged("postgres", "nobody") }

// unfinished is the name prefix of folders in which initdb runs.
const unfinished = "init-"

// prepare makes sure that the folder holds an initialized cluster and reports
// whether it existed before. A cluster gets its final name only when it is
// complete; prepare removes the folders of interrupted starts.
func (c cluster) prepare(ctx context.Context, o Options) (existed bool, err error) {
	if err := daemon.OwnDir(c.dir, c.account); err != nil {
		return false, err
	}
	if err := c.endOrphans(ctx); err != nil {
		return false, err
	}
	left, err := filepath.Glob(filepath.Join(c.dir, unfinished+"*"))
	if err != nil {
		return false, fmt.Errorf("list folders: %w", err)
	}
	for _, dir := range left {
		if err := os.RemoveAll(dir); err != nil {
			return false, fmt.Errorf("remove the remains of an interrupted start: %w", err)
		}
	}
	if o.Unused {
		if err := c.discardUnusable(); err != nil {
			return false, err
		}
	}
	if _, err := os.Lstat(c.data()); err == nil {
		return true, c.check(ctx)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("check data folder: %w", err)
	}
	kept := ""
	if o.Template != "" {
		if kept, err = c.keep(ctx, o.Template); err != nil {
			return false, err
		}
	}
	if kept == "" {
		return false, c.initialize(ctx)
	}
	password, err := daemon.ReadFile(filepath.Join(kept, "password"), nil)
	if err != nil {
		return false, fmt.Errorf("copy template: %w", err)
	}
	if err := daemon.WriteFile(c.passwordFile(), password, nil); err != nil {
		return false, fmt.Errorf("copy template: %w", err)
	}
	// The server's account copies its own files, so that root opens none of its
	// files.
	return false, c.complete(func(fresh string) error {
		_, err := daemon.Run(ctx, daemon.Spec{
			Path: "/bin/cp", Args: []string{"-R", filepath.Join(kept, "data") + "/.", fresh}, Env: daemon.Environment(), Dir: "/", Account: c.account,
		})
		if err != nil {
			return fmt.Errorf("copy template: %w", err)
		}
		return nil
	})
}

// complete calls make to fill a folder of the server's account, and then
// renames the folder to the cluster's final name.
func (c cluster) complete(make func(fresh string) error) error {
	fresh, err := os.MkdirTemp(c.dir, unfinished)
	if err != nil {
		return fmt.Errorf("create data folder: %w", err)
	}
	if c.account != nil {
		if err := os.Lchown(fresh, c.account.UID, c.account.GID); err != nil {
			return fmt.Errorf("create data folder: %w", err)
		}
	}
	if err := make(fresh); err != nil {
		return errors.Join(err, os.RemoveAll(fresh))
	}
	if err := os.Rename(fresh, c.data()); err != nil {
		return fmt.Errorf("create data folder: %w", err)
	}
	return durable.SyncDir(c.dir)
}

// keep returns the template's path and creates the template if it is missing.
// It returns "" if the template's folder belongs to another user, who could
// have put anything into it. Several processes may call it concurrently: each
// initializes a folder of its own, and one wins the rename.
func (c cluster) keep(ctx context.Context, template string) (string, error) {
	if err := daemon.OwnDir(template, c.account); err != nil {
		var owner *daemon.OwnerError
		var kind *daemon.KindError
		if errors.As(err, &owner) || errors.As(err, &kind) {
			return "", nil
		}
		return "", err
	}
	name := strings.NewReplacer("/", "_", "\\", "_").Replace(c.bin)
	kept := filepath.Join(template, strings.Trim(name, "_"))
	if _, err := os.Lstat(kept); err == nil {
		return kept, nil
	}
	fresh, err := os.MkdirTemp(template, "new-")
	if err != nil {
		return "", fmt.Errorf("create template: %w", err)
	}
	n := cluster{dir: fresh, bin: c.bin, account: c.account}
	if err := daemon.OwnDir(fresh, c.account); err != nil {
		return "", err
	}
	if err := n.initialize(ctx); err != nil {
		return "", errors.Join(err, os.RemoveAll(fresh))
	}
	if err := os.Rename(fresh, kept); err != nil {
		if _, statErr := os.Lstat(kept); statErr != nil {
			return "", fmt.Errorf("keep template: %w", err)
		}
		return kept, os.RemoveAll(fresh)
	}
	return kept, nil
}

// initialize runs initdb. It passes the superuser's password in a file that
// only the server's account can read, and then removes the file.
func (c cluster) initialize(ctx context.Context) (err error) {
	password := rand.Text() + "\n"
	if err := daemon.WriteFile(c.passwordFile(), []byte(password), nil); err != nil {
		return err
	}
	handed := filepath.Join(c.dir, "initdb-password")
	f, err := daemon.CreateFile(handed)
	if err != nil {
		return fmt.Errorf("write superuser's password: %w", err)
	}
	defer func() { err = errors.Join(err, os.Remove(handed)) }()
	_, err = f.WriteString(password)
	if err == nil && c.account != nil {
		err = f.Chown(c.account.UID, c.account.GID)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write superuser's password: %w", err)
	}
	return c.complete(func(fresh string) error {
		out, err := daemon.Run(ctx, daemon.Spec{
			Path: filepath.Join(c.bin, "initdb"),
			Args: []string{
				"--pgdata", fresh, "--username", Superuser, "--pwfile", handed, "--data-checksums",
				"--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-sync", "--no-instructions",
			},
			Env: daemon.Environment(), Dir: c.dir, Account: c.account, Orphaned: syscall.SIGKILL,
		})
		if err != nil {
			return fmt.Errorf("%w\n%s", err, tail(string(out), 10))
		}
		return nil
	})
}

// rules is the content of pg_hba.conf: every login needs a password, from every
// address. The file belongs to the caller and lies outside the folder that the
// server's account can write to.
const rules = "local all all scram-sha-256\nhost all all 127.0.0.1/32 scram-sha-256\n"

func (c cluster) arguments(o Options, port int) []string {
	args := []string{
		"-D", c.data(), "-p", strconv.Itoa(port),
		"-c", "hba_file=" + c.rulesFile(), "-c", "password_encryption=scram-sha-256",
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

// closeOldRules replaces the login rules that an older version wrote into the
// data folder, some without a password. This server does not use them, but one
// started there manually would. The server itself writes the file, which it
// owns.
func (c cluster) closeOldRules(ctx context.Context, s *Server) (err error) {
	path := filepath.Join(c.data(), "pg_hba.conf")
	text, err := daemon.ReadFile(path, c.account)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !admitsAnyone(string(text)) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read old login rules: %w", err)
	}
	conn, err := pgx.Connect(ctx, s.URL(Superuser, "postgres"))
	if err != nil {
		return fmt.Errorf("replace old login rules: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	target, err := quoteLiteral(ctx, conn, path)
	if err != nil {
		return err
	}
	if _, err := conn.Exec(ctx, "COPY (VALUES ('local all all scram-sha-256'), ('host all all 127.0.0.1/32 scram-sha-256')) TO "+target); err != nil {
		return fmt.Errorf("replace old login rules: %w", err)
	}
	return nil
}

// admitsAnyone reports whether a rule of pg_hba.conf requires no password.
func admitsAnyone(rules string) bool {
	for line := range strings.Lines(rules) {
		fields := strings.Fields(line)
		if len(fields) > 0 && !strings.HasPrefix(fields[0], "#") && slices.Contains(fields, "trust") {
			return true
		}
	}
	return false
}
