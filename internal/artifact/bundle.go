package artifact

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// window is the distance over which the compression finds repetitions: more than the
// programs of all functions, which are largely alike. The decoder needs as much memory.
const window = 128 << 20

// bundled is the entry of a function in a bundle's index.
type bundled struct {
	Function string
	// SHA256 and Size are those of the zip.
	SHA256 string
	Size   int
	// Program is the length of the program, in bytes.
	Program int
}

// WriteBundle writes the programs of artifacts, compressed together, and returns the
// index that ReadBundle needs. It has half the size of the zips.
func WriteBundle(w io.Writer, artifacts []Artifact) (index []byte, err error) {
	compressed, err := zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithWindowSize(window), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, fmt.Errorf("write bundle: %w", err)
	}
	var entries []bundled
	for _, a := range artifacts {
		archive, err := a.Zip()
		if err != nil {
			return nil, fmt.Errorf("write bundle: %w", err)
		}
		program, err := unpack(archive)
		if err != nil {
			return nil, fmt.Errorf("write bundle: %s: %w", a.Function, err)
		}
		if _, err := compressed.Write(program); err != nil {
			return nil, fmt.Errorf("write bundle: %w", err)
		}
		entries = append(entries, bundled{a.Function, a.SHA256, a.Size, len(program)})
	}
	if err := compressed.Close(); err != nil {
		return nil, fmt.Errorf("write bundle: %w", err)
	}
	return json.Marshal(entries)
}

// ReadBundle returns the artifacts of a bundle. Digests and sizes come from the index;
// the programs are decompressed and packed when the first zip is needed.
func ReadBundle(index, bundle []byte) ([]Artifact, error) {
	var entries []bundled
	if err := json.Unmarshal(index, &entries); err != nil {
		return nil, fmt.Errorf("read bundle: %w", err)
	}
	programs := sync.OnceValues(func() (map[string][]byte, error) { return decompress(entries, bundle) })
	var out []Artifact
	for _, e := range entries {
		out = append(out, Artifact{Function: e.Function, SHA256: e.SHA256, Size: e.Size, zip: sync.OnceValues(func() ([]byte, error) {
			all, err := programs()
			if err != nil {
				return nil, err
			}
			archive, err := Pack(all[e.Function])
			if err != nil {
				return nil, err
			}
			if New(e.Function, archive).SHA256 != e.SHA256 {
				return nil, fmt.Errorf("unpack %s: %w", e.Function, errDamaged)
			}
			return archive, nil
		})})
	}
	return out, nil
}

var errDamaged = errors.New("the functions in this program are damaged; install it again")

func decompress(entries []bundled, bundle []byte) (map[string][]byte, error) {
	r, err := zstd.NewReader(bytes.NewReader(bundle), zstd.WithDecoderMaxWindow(window), zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, fmt.Errorf("unpack functions: %w", err)
	}
	defer r.Close()
	out := map[string][]byte{}
	for _, e := range entries {
		program := make([]byte, e.Program)
		if _, err := io.ReadFull(r, program); err != nil {
			return nil, fmt.Errorf("unpack %s: %w (%w)", e.Function, errDamaged, err)
		}
		out[e.Function] = program
	}
	return out, nil
}
