// Command released checks a released program: in an empty folder, without Go, it
// renders, deploys to the stand-in for AWS, destroys, and runs the platform on this machine.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/streamctl/streamctl/internal/pause"
	"github.com/streamctl/streamctl/internal/testkit/suites/platform"
)

func main() {
	program := flag.String("program", "", "path of the released program")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *program); err != nil {
		fmt.Fprintln(os.Stderr, "released:", err)
		os.Exit(1)
	}
}

// release is a released program in an empty folder.
type release struct {
	program, dir string
	environment  []string
}

func run(ctx context.Context, program string) (err error) {
	scratch, err := os.MkdirTemp("", "streamctl-released-")
	if err != nil {
		return fmt.Errorf("create a folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	r := release{dir: filepath.Join(scratch, "empty")}
	if r.program, err = filepath.Abs(program); err != nil {
		return fmt.Errorf("find the program: %w", err)
	}
	if err := errors.Join(os.Chmod(scratch, 0o755), os.Mkdir(r.dir, 0o755)); err != nil { // PostgreSQL runs as another user
		return fmt.Errorf("create a folder: %w", err)
	}
	aws, err := platform.Start(ctx, platform.Options{Dir: scratch})
	if err != nil {
		return err
	}
	defer func() {
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		err = errors.Join(err, aws.Stop(stop))
	}()
	const withoutGo = "PATH=/usr/sbin:/usr/bin:/sbin:/bin"
	r.environment = append(aws.Environment(), withoutGo, "STREAMCTL_DATABASE_PASSWORD=released-Password-123")
	for _, args := range []string{
		"version", "init", "validate", "render", "deploy --env development --yes", "outputs --env development ApiGatewayUrl", "destroy --env development --yes",
	} {
		if _, err := r.streamctl(ctx, args); err != nil {
			return err
		}
	}
	return r.local(ctx)
}

// streamctl runs a verb and prints its result.
func (r release) streamctl(ctx context.Context, args string) (string, error) {
	began := time.Now()
	cmd := exec.CommandContext(ctx, r.program, strings.Fields(args)...)
	cmd.Dir, cmd.Env = r.dir, r.environment
	var out, story bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &story
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("streamctl %s: %w\n%s", args, err, story.String())
	}
	last := strings.Split(strings.TrimSpace(out.String()), "\n")
	fmt.Fprintf(os.Stdout, "$ streamctl %s\n%d lines in %.1f s, the last: %s\n", args, len(last), time.Since(began).Seconds(), last[len(last)-1])
	return out.String(), nil
}

// local sends an event to the platform on this machine and finds it.
func (r release) local(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, r.program, "local", "--port", "0", "--dashboard-port", "0", "-o", "json")
	cmd.Dir, cmd.Env = r.dir, r.environment
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	var story bytes.Buffer
	cmd.Stderr = &story
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return fmt.Errorf("start local: %w", err)
	}
	defer func() {
		interrupted := cmd.Process.Signal(os.Interrupt)
		if err = errors.Join(err, interrupted, cmd.Wait()); err != nil {
			err = fmt.Errorf("run local: %w\n%s", err, story.String())
		}
	}()
	url, err := address(out)
	if err != nil {
		return err
	}
	const event = `{"userId": "user123", "eventType": "page_view", "properties": {"page": "/dashboard"}}`
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/events", strings.NewReader(event))
	if err != nil {
		return fmt.Errorf("send an event: %w", err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("send an event: %w", err)
	}
	if err := answer.Body.Close(); err != nil || answer.StatusCode/100 != 2 {
		return fmt.Errorf("send an event: %s, %w", answer.Status, err)
	}
	for {
		text, err := r.streamctl(ctx, "query events --url "+url)
		if err == nil && strings.Contains(text, "page_view") {
			return nil
		}
		if err := pause.For(ctx, 500*time.Millisecond); err != nil {
			return fmt.Errorf("find the event: %w", err)
		}
	}
}

// address reads the API's address from the result of local.
func address(out io.Reader) (string, error) {
	var text []byte
	for b := make([]byte, 4096); ; {
		n, err := out.Read(b)
		text = append(text, b[:n]...)
		if found := regexp.MustCompile(`"api\w*": "(http[^"]+)"`).FindSubmatch(text); found != nil {
			return strings.TrimSuffix(string(found[1]), "/"), nil
		}
		if err != nil {
			return "", fmt.Errorf("read the result of local: %w: %s", err, text)
		}
	}
}
