package localrun_test

import (
	"context"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/streamctl/streamctl/internal/testkit/must"
	"github.com/streamctl/streamctl/internal/testkit/suites/localrun"
)

// Accounts of these tests: the user nobody, because initdb needs a user name,
// and an unused user id.
const (
	developer = 65_534
	stranger  = 54_322
)

// as returns a command that runs as another account, without the test's
// environment.
func as(ctx context.Context, uid uint32, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.Env = "/", []string{"PATH=" + os.Getenv("PATH"), "PGCONNECT_TIMEOUT=5"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	return cmd
}

// TestAnotherAccount starts local as root and as an ordinary user, and tries
// everything that another account of the machine could reach.
func TestAnotherAccount(t *testing.T) {
	must.Accounts(t)
	for name, uid := range map[string]uint32{"local of root": 0, "local of a developer": developer} {
		t.Run(name, func(t *testing.T) {
			dir := workDir(t)
			if err := os.Chown(dir, int(uid), int(uid)); err != nil {
				t.Fatal(err)
			}
			l := program.Start(t, localrun.Spec{Dir: dir, UID: uid, GID: uid, Env: []string{"HOME=" + dir}})
			if sent := <-send(t, dir, "--url", l.API, "--count", "500"); sent.Accepted != 500 {
				t.Fatalf("sent %+v", sent)
			}
			l.Settle(t, 500, patience)
			postgresIsClosed(t, l)
			redisIsClosed(t, l)
			filesAreClosed(t, l.DataDir)
			noSecretsInProcesses(t, l)
		})
	}
}

// postgresIsClosed tries to log in as each role without a password, and repeats
// a past attack that ran a program as the developer.
func postgresIsClosed(t *testing.T, l *localrun.Local) {
	t.Helper()
	psql := must.Have(t, "psql", "scripts/setup installs it with PostgreSQL")
	u, err := url.Parse(l.Database)
	if err != nil {
		t.Fatal(err)
	}
	for _, role := range []string{"postgres", "streamctl_owner", "streamctl_loader", "streamctl_reader", u.User.Username(), "rds_superuser"} {
		for _, host := range []string{"127.0.0.1", "localhost", "::1", "/tmp", "/var/run/postgresql", filepath.Join(l.DataDir, "postgres")} {
			cmd := as(t.Context(), stranger, psql, "-w", "-h", host, "-p", u.Port(), "-U", role, "analytics", "-c", "create table attacked(x text)",
				"-c", "grant pg_execute_server_program to streamctl_owner", "-c", "copy attacked from program 'id'")
			if out, err := cmd.CombinedOutput(); err == nil || strings.Contains(string(out), "COPY") {
				t.Errorf("%s at %s was let in: %s", role, host, out)
			}
		}
	}
	// The printed command works.
	out, err := exec.CommandContext(t.Context(), "/bin/sh", "-c", l.Psql+" -w -tA -c 'select count(*) from events'").CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "500" {
		t.Errorf("%s: %v, %s", l.Psql, err, out)
	}
	if strings.Contains(l.Psql, password(t, l.Database)) {
		t.Errorf("the printed command contains the password")
	}
}

func password(t *testing.T, target string) string {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	p, _ := u.User.Password()
	if p == "" {
		t.Fatalf("no password in %s", u.Redacted())
	}
	return p
}

// redisIsClosed tries commands that read, and commands that make a server write
// files.
func redisIsClosed(t *testing.T, l *localrun.Local) {
	t.Helper()
	cli := must.Have(t, "redis-cli", "scripts/setup installs it with Redis")
	for _, args := range [][]string{{"ping"}, {"keys", "*"}, {"config", "set", "dir", "/tmp"}, {"info"}, {"-a", "", "ping"}} {
		out, err := as(t.Context(), stranger, cli, append([]string{"-p", port(l.Redis)}, args...)...).CombinedOutput()
		if err == nil && !strings.Contains(string(out), "NOAUTH") {
			t.Errorf("redis-cli %v: %s", args, out)
		}
	}
	out, err := exec.CommandContext(t.Context(), "/bin/sh", "-c", l.RedisCLI+" ping").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "PONG") || strings.Contains(l.RedisCLI, password(t, l.Redis)) {
		t.Errorf("%s: %v, %s", l.RedisCLI, err, out)
	}
}

// filesAreClosed tries as another account to open every file, list every folder
// and write into it.
func filesAreClosed(t *testing.T, dir string) {
	t.Helper()
	var script strings.Builder
	n := 0
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if os.IsNotExist(err) {
			return nil // PostgreSQL removes files
		}
		if err != nil {
			return err
		}
		n++
		quoted := "'" + path + "'"
		if entry.IsDir() {
			fmt.Fprintf(&script, "ls %s/ && echo LISTED %s\ntouch %s/x && echo WRITTEN %s\n", quoted, quoted, quoted, quoted)
		} else {
			fmt.Fprintf(&script, "head -c1 %s && echo READ %s\n: >> %s && echo WRITTEN %s\n", quoted, quoted, quoted, quoted)
		}
		return nil
	})
	if err != nil || n < 50 {
		t.Fatalf("%d files: %v", n, err)
	}
	cmd := as(t.Context(), stranger, "/bin/bash", "-s")
	cmd.Stdin = strings.NewReader(script.String())
	out, _ := cmd.Output() // each line of it must fail
	if len(out) > 0 {
		t.Errorf("another account reaches files:\n%.2000s", out)
	}
	info, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm()&0o007 != 0 {
		t.Errorf("%s has mode %s", dir, info.Mode())
	}
}

// noSecretsInProcesses searches for passwords in arguments, which every account
// can read, in the servers' environments, and in the logs.
func noSecretsInProcesses(t *testing.T, l *localrun.Local) {
	t.Helper()
	state, err := os.ReadFile(filepath.Join(l.DataDir, "postgres", "password"))
	if err != nil {
		t.Fatal(err)
	}
	secrets := []string{password(t, l.Database), password(t, l.Redis), strings.TrimSpace(string(state))}
	texts := map[string]string{"the log": l.Log()}
	for _, pattern := range []string{"/proc/[0-9]*/cmdline", filepath.Join(l.DataDir, "*", "server.log")} {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err == nil { // the process may have ended
				texts[path] = string(text)
			}
		}
	}
	for _, name := range []string{"postgres", l.RedisServer} {
		path := "/proc/" + strconv.Itoa(processOf(t, name, l.PID())) + "/environ"
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		texts[path] = string(text)
	}
	for where, text := range texts {
		for _, secret := range secrets {
			if strings.Contains(text, secret) {
				t.Errorf("%s contains a password", where)
			}
		}
	}
}

// TestLinksOfTheServersAccount replaces files of root's stopped local by links,
// as PostgreSQL's account could in a folder of an older version, and starts it
// as root: the links' targets are neither changed nor read.
func TestLinksOfTheServersAccount(t *testing.T) {
	must.Accounts(t)
	dir := workDir(t)
	l := program.Start(t, localrun.Spec{Dir: dir})
	data := l.DataDir
	if err := l.Stop(); err != nil {
		t.Fatal(err)
	}
	account, err := os.Stat(filepath.Join(data, "postgres", "data"))
	if err != nil {
		t.Fatal(err)
	}
	owner := account.Sys().(*syscall.Stat_t)
	give := func(path string) {
		t.Helper()
		if err := os.Lchown(path, int(owner.Uid), int(owner.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	give(filepath.Join(data, "postgres"))
	for _, name := range []string{
		"server.log", "pg_hba.conf", "password", "password.new", "pg_hba.conf.new", "initdb-password", "data/postmaster.pid", "data/PG_VERSION", "data/pg_hba.conf",
	} {
		for _, link := range []struct {
			kind string
			make func(target, path string) error
		}{{"symbolic", os.Symlink}, {"hard", os.Link}} {
			t.Run(link.kind+" link at "+name, func(t *testing.T) {
				victim := filepath.Join(dir, "victim")
				const content = "root's secret\n"
				if err := os.WriteFile(victim, []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
				path := filepath.Join(data, "postgres", name)
				saved, err := os.ReadFile(path)
				had := err == nil
				if had {
					if err := os.Remove(path); err != nil {
						t.Fatal(err)
					}
				}
				if err := link.make(victim, path); err != nil {
					t.Fatal(err)
				}
				again, err := program.Try(t, localrun.Spec{Dir: dir})
				said := fmt.Sprint(err)
				if err == nil {
					said = again.Log()
					if err := again.Stop(); err != nil {
						t.Error(err)
					}
				}
				if strings.Contains(said, "secret") {
					t.Errorf("the link's target was read: %s", said)
				}
				text, err := os.ReadFile(victim)
				info, statErr := os.Stat(victim)
				if err != nil || statErr != nil || string(text) != content || info.Mode().Perm() != 0o600 || info.Sys().(*syscall.Stat_t).Uid != 0 {
					t.Errorf("the link's target was changed: %q %v, %v", text, info, err)
				}
				if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
					t.Fatal(err)
				}
				if had {
					if err := os.WriteFile(path, saved, 0o600); err != nil {
						t.Fatal(err)
					}
					give(path)
				}
			})
		}
	}
}
