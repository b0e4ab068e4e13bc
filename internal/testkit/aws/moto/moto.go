// Package moto runs moto's server, a test AWS that provides Kinesis streams.
package moto

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/streamctl/streamctl/internal/local/daemon"
)

// Options configure moto.
type Options struct {
	// Dir is an existing private folder for the log and, if moto has to be
	// installed, for its virtual environment. If the folder is kept, the next
	// start needs no installation.
	Dir string
}

// Server is a running moto server.
type Server struct {
	// URL is the server's endpoint.
	URL string

	process *daemon.Process
	log     *os.File
}

// readyWithin is the server's start timeout: it is a Python program.
const readyWithin = 60 * time.Second

// Start starts moto on a free port of 127.0.0.1 and returns when it responds.
// ctx applies to the start only; call Stop to end the server.
func Start(ctx context.Context, o Options) (*Server, error) {
	path, err := find(ctx, o.Dir)
	if err != nil {
		return nil, err
	}
	port, err := daemon.FreePort(ctx)
	if err != nil {
		return nil, err
	}
	log, err := os.OpenFile(filepath.Join(o.Dir, "moto.log"), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open moto's log: %w", err)
	}
	s := &Server{URL: fmt.Sprintf("http://127.0.0.1:%d", port), log: log}
	s.process, err = daemon.Start(daemon.Spec{
		Path: path, Args: []string{"-H", "127.0.0.1", "-p", fmt.Sprint(port)}, Dir: o.Dir, Env: os.Environ(), Log: log, Orphaned: syscall.SIGKILL,
	})
	if err != nil {
		return nil, errors.Join(err, log.Close())
	}
	if err := s.ready(ctx); err != nil {
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		return nil, errors.Join(err, s.Stop(stop))
	}
	return s, nil
}

func (s *Server) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if s.answers(ctx) {
			return nil
		}
		select {
		case <-s.process.Done():
			text, err := os.ReadFile(s.log.Name())
			return errors.Join(fmt.Errorf("moto ended: %w\n%s", s.process.Err(), text), err)
		case <-ctx.Done():
			return fmt.Errorf("wait for moto: %w", context.Cause(ctx))
		case <-tick.C:
		}
	}
}

func (s *Server) answers(ctx context.Context) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/moto-api/", nil)
	if err != nil {
		return false
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	return res.Body.Close() == nil && res.StatusCode < http.StatusInternalServerError
}

// Stop stops the server. If ctx ends first, the server is killed.
func (s *Server) Stop(ctx context.Context) error {
	return errors.Join(s.process.Stop(ctx, syscall.SIGTERM), s.log.Close())
}

// find searches for moto_server in the PATH, in a pyenv, and in the folder's
// virtual environment, which it creates if Python and pip can.
func find(ctx context.Context, dir string) (string, error) {
	own := filepath.Join(dir, "moto-venv", "bin", "moto_server")
	candidates := []string{own}
	if path, err := exec.LookPath("moto_server"); err == nil {
		candidates = append([]string{path}, candidates...)
	}
	if home, err := os.UserHomeDir(); err == nil {
		candidates = append(candidates, filepath.Join(home, ".pyenv", "shims", "moto_server"))
	}
	for _, path := range candidates {
		// A pyenv shim may belong to a Python that isn't selected.
		if _, err := os.Stat(path); err == nil && exec.CommandContext(ctx, path, "--help").Run() == nil {
			return path, nil
		}
	}
	python, err := exec.LookPath("python3")
	if err != nil {
		return "", notFound(err)
	}
	venv := filepath.Join(dir, "moto-venv")
	for _, command := range [][]string{
		{python, "-m", "venv", venv},
		{filepath.Join(venv, "bin", "pip"), "install", "--quiet", "moto[server]==5.2.1"},
	} {
		if out, err := exec.CommandContext(ctx, command[0], command[1:]...).CombinedOutput(); err != nil {
			return "", notFound(fmt.Errorf("%s: %w: %s", strings.Join(command, " "), err, strings.TrimSpace(string(out))))
		}
	}
	return own, nil
}

// Python returns the Python that runs moto, which also has boto3. Dir is
// Options.Dir.
func Python(ctx context.Context, dir string) (string, error) {
	server, err := find(ctx, dir)
	if err != nil {
		return "", err
	}
	candidates := []string{filepath.Join(filepath.Dir(server), "python3")}
	if path, err := exec.LookPath("python3"); err == nil {
		candidates = append(candidates, path)
	}
	for _, path := range candidates {
		if exec.CommandContext(ctx, path, "-c", "import boto3").Run() == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("find the Python of %s: boto3 is in none of %s", server, strings.Join(candidates, ", "))
}

func notFound(err error) error {
	notFound := &daemon.NotFoundError{Program: "moto_server", Install: []string{"pip install 'moto[server]'"}}
	return fmt.Errorf("%w (%s): %w", notFound, notFound.Hint(), err)
}
