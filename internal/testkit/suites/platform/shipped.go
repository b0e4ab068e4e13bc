package platform

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"

	"github.com/streamctl/streamctl/internal/artifact"
)

// Emulator runs the released programs on Linux machines of other architectures.
const Emulator = "qemu-aarch64-static"

// NeedsEmulator reports whether this machine can't run the released programs
// natively. Outside Linux the emulator doesn't exist either.
func NeedsEmulator() bool { return runtime.GOOS != "linux" || runtime.GOARCH != "arm64" }

// RunShipped makes functions run from the uploaded zips, from now on, instead
// of this machine's builds; with Emulator if NeedsEmulator.
func (p *Platform) RunShipped() {
	p.mu.Lock()
	p.shipped = true
	p.mu.Unlock()
	p.Fake.EndEnvironments()
}

func (p *Platform) runsShipped() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.shipped
}

// shippedProgram unpacks the program from the zip of a code key, and returns
// the path of the executable: the program itself, or a script that runs it with
// the emulator.
func (p *Platform) shippedProgram(codeKey string) (string, error) {
	archive, err := p.uploaded(codeKey)
	if err != nil {
		return "", err
	}
	function, err := functionOf(codeKey)
	if err != nil {
		return "", err
	}
	if key := artifact.New(function, archive).Key(); key != codeKey {
		return "", fmt.Errorf("read %s: the zip's digest makes it %s", codeKey, key)
	}
	program, err := Unpack(archive)
	if err != nil {
		return "", fmt.Errorf("unpack %s: %w", codeKey, err)
	}
	dir, err := os.MkdirTemp(p.dir, "shipped-"+function+"-")
	if err != nil {
		return "", fmt.Errorf("unpack %s: %w", codeKey, err)
	}
	path := filepath.Join(dir, "bootstrap")
	if err := writeProgram(path, program); err != nil || !NeedsEmulator() {
		return path, err
	}
	emulator, err := exec.LookPath(Emulator)
	if err != nil {
		return "", fmt.Errorf("emulate %s: %w", function, err)
	}
	start := filepath.Join(dir, "start")
	return start, writeProgram(start, fmt.Appendf(nil, "#!/bin/sh\nexec '%s' \"${0%%/*}/bootstrap\"\n", emulator))
}

// uploaded returns the object of a code key from any bucket.
func (p *Platform) uploaded(codeKey string) ([]byte, error) {
	objects := p.Fake.Objects()
	for _, bucket := range objects.Buckets() {
		if slices.Contains(objects.Keys(bucket), codeKey) {
			return objects.Get(bucket, codeKey)
		}
	}
	return nil, fmt.Errorf("read %s: not in any bucket", codeKey)
}

// Unpack returns the program in a function's zip.
func Unpack(archive []byte) (_ []byte, err error) {
	z, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		return nil, err
	}
	file, err := z.Open("bootstrap")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	return io.ReadAll(file)
}

// writeProgram writes a file that can be executed immediately: a child process
// forked in the meantime would hold it open for writing, and Linux does not
// execute such a file.
func writeProgram(path string, content []byte) error {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	return os.WriteFile(path, content, 0o755)
}
