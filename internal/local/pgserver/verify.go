package pgserver

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5"

	"github.com/streamctl/streamctl/internal/local/daemon"
	"github.com/streamctl/streamctl/internal/local/durable"
)

// manifest describes a stopped server's folder: length and CRC-32C of every
// file by path, except the WAL, of which PostgreSQL needs and checks only the
// end.
type manifest map[string]fileSum

type fileSum struct {
	Size int64  `json:"size"`
	CRC  uint32 `json:"crc32c"`
}

func (c cluster) manifestFile() string { return filepath.Join(c.dir, "manifest.json") }

// sums reads all files of a stopped server. It follows no link out of the
// folder.
func (c cluster) sums() (m manifest, err error) {
	root, err := os.OpenRoot(c.data())
	if err != nil {
		return nil, fmt.Errorf("read PostgreSQL's files: %w", err)
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	m, table := manifest{}, crc32.MakeTable(crc32.Castagnoli)
	err = fs.WalkDir(root.FS(), ".", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case path == "pg_wal":
			return fs.SkipDir
		case !entry.Type().IsRegular():
			return nil
		}
		f, err := root.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
		if err != nil {
			return err
		}
		sum := crc32.New(table)
		size, err := io.Copy(sum, f)
		m[path] = fileSum{size, sum.Sum32()}
		return errors.Join(err, f.Close())
	})
	if err != nil {
		return nil, fmt.Errorf("read PostgreSQL's files: %w", err)
	}
	return m, nil
}

// writeManifest records the files of a server after a clean stop.
func (c cluster) writeManifest() error {
	m, err := c.sums()
	if err != nil {
		return err
	}
	text, err := durable.Seal(m)
	if err != nil {
		return fmt.Errorf("write manifest: %w", err)
	}
	return daemon.WriteFile(c.manifestFile(), text, nil)
}

// verify compares the files with the manifest of the last stop, if that was a
// clean one. It reports whether they are unchanged: otherwise the server has to
// check them.
func (c cluster) verify(ctx context.Context) (verified bool, err error) {
	text, err := daemon.ReadFile(c.manifestFile(), nil)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read manifest: %w", err)
	}
	var kept manifest
	if _, err := durable.Unseal(text, &kept); err != nil {
		return false, nil //nolint:nilerr // the manifest itself is damaged
	}
	now, err := c.sums()
	if err != nil {
		return false, err
	}
	var damage []string
	for path, want := range kept {
		got, ok := now[path]
		name := filepath.Join(c.data(), path)
		switch {
		case !ok:
			damage = append(damage, name+": missing")
		case got.Size != want.Size:
			damage = append(damage, fmt.Sprintf("%s: has %d bytes, but had %d when the server stopped", name, got.Size, want.Size))
		case got.CRC != want.CRC:
			damage = append(damage, name+": content changed after the server stopped")
		}
	}
	if len(damage) == 0 {
		return true, nil
	}
	control := filepath.Join("global", "pg_control")
	if got, ok := now[control]; ok && got != kept[control] && got.Size == kept[control].Size && c.validControl(ctx) {
		return false, nil // another program has run a server on the folder since
	}
	slices.Sort(damage)
	return false, &DamageError{Dir: c.dir, Files: damage}
}

// validControl reports whether the checksum of pg_control is valid.
func (c cluster) validControl(ctx context.Context) bool {
	out, err := c.tool(ctx, "pg_controldata", c.data())
	return err == nil && !strings.Contains(string(out), "WARNING")
}

func (c cluster) tool(ctx context.Context, program string, args ...string) ([]byte, error) {
	return daemon.Run(ctx, daemon.Spec{Path: filepath.Join(c.bin, program), Args: args, Env: daemon.Environment(), Dir: c.dir, Account: c.account, Orphaned: syscall.SIGKILL})
}

// verifyPages has PostgreSQL check every page of a stopped server. A folder of
// a version without checksums gets checksums.
func (c cluster) verifyPages(ctx context.Context) error {
	out, err := c.tool(ctx, "pg_checksums", "--check", "-D", c.data())
	if err != nil && strings.Contains(string(out), "checksums are not enabled") {
		out, err = c.tool(ctx, "pg_checksums", "--enable", "-D", c.data())
	}
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil // not every package contains the program
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return &DamageError{Dir: c.dir, Files: errorLines(string(out))}
}

// missingFiles lists the relations of every database whose file is missing.
func (s *Server) missingFiles(ctx context.Context, c cluster) (damage []string, err error) {
	names, err := s.column(ctx, "postgres", "SELECT datname::text FROM pg_database WHERE datallowconn")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		paths, err := s.column(ctx, name, `SELECT pg_relation_filepath(oid) FROM pg_class
			WHERE relkind IN ('r', 'i', 't', 'S', 'm') AND relpersistence <> 't' AND pg_stat_file(pg_relation_filepath(oid), true) IS NULL`)
		if err != nil {
			return nil, err
		}
		for _, path := range paths {
			damage = append(damage, filepath.Join(c.data(), path)+": missing")
		}
	}
	return damage, nil
}

func (s *Server) column(ctx context.Context, db, sql string) (values []string, err error) {
	conn, err := pgx.Connect(ctx, s.URL(Superuser, db))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	rows, err := conn.Query(ctx, sql)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// errorLines returns the lines of a program's output that report an error.
func errorLines(text string) []string {
	var lines []string
	for line := range strings.Lines(text) {
		for _, mark := range []string{"FATAL:", "PANIC:", "ERROR:", "error:", "could not", "HINT:", "DETAIL:"} {
			if strings.Contains(line, mark) {
				lines = append(lines, strings.TrimSpace(line))
				break
			}
		}
	}
	if len(lines) == 0 {
		lines = append(lines, tail(text, 5))
	}
	return lines
}

// damageWords occur in the log of a server that does not start because of its
// files.
var damageWords = [...]string{
	"could not open file", "could not read", "could not access", "could not find the database system", "could not locate", "could not stat file",
	"invalid", "incorrect checksum", "corrupt", "No such file", "bogus data", "syntax error in file", "configuration file", "unexpected", "not a valid", "could not open directory", "could not fsync",
	"incompatible with server", "incorrect resource manager", "missing", "terminated by signal",
}

// damageIn returns the damage reported in a server's log, or nil.
func (c cluster) damageIn(log string) error {
	lines := errorLines(log)
	for i, line := range lines {
		if strings.Contains(line, "control file") { // the server doesn't give its path
			lines[i] += " (" + filepath.Join(c.data(), "global", "pg_control") + ")"
		}
	}
	all := strings.Join(lines, "\n")
	if slices.ContainsFunc(damageWords[:], func(w string) bool { return strings.Contains(all, w) }) {
		return &DamageError{Dir: c.dir, Files: lines}
	}
	return nil
}
