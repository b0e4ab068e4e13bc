package artifact_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/streamctl/streamctl/internal/artifact"
)

func TestBundle(t *testing.T) {
	var in []artifact.Artifact
	for _, name := range []string{"ingest", "query", "empty"} {
		program := []byte(nil)
		if name != "empty" {
			program = bytes.Repeat([]byte("program of "+name), 10_000)
		}
		archive, err := artifact.Pack(program)
		if err != nil {
			t.Fatal(err)
		}
		in = append(in, artifact.New(name, archive))
	}
	var bundle bytes.Buffer
	index, err := artifact.WriteBundle(&bundle, in)
	if err != nil {
		t.Fatal(err)
	}
	out, err := artifact.ReadBundle(index, bundle.Bytes())
	if err != nil || len(out) != len(in) {
		t.Fatal(len(out), err)
	}
	for i, a := range out {
		want, _ := in[i].Zip()
		archive, err := a.Zip()
		if err != nil || a.Key() != in[i].Key() || a.Function != in[i].Function || a.Size != len(archive) || !bytes.Equal(archive, want) {
			t.Errorf("%s: %d bytes, %v, key %s, want %d, %s", a.Function, len(archive), err, a.Key(), len(want), in[i].Key())
		}
	}
	for name, damaged := range map[string][]byte{"cut off": bundle.Bytes()[:bundle.Len()-8], "other bytes": []byte("not zstd")} {
		out, err := artifact.ReadBundle(index, damaged)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := out[1].Zip(); err == nil || !strings.Contains(err.Error(), "install it again") {
			t.Errorf("%s: %v", name, err)
		}
	}
	other := strings.Replace(string(index), out[0].SHA256, out[1].SHA256, 1)
	swapped, err := artifact.ReadBundle([]byte(other), bundle.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := swapped[0].Zip(); err == nil || !strings.Contains(err.Error(), "install it again") {
		t.Errorf("another digest: %v", err)
	}
	if _, err := artifact.ReadBundle([]byte("{"), nil); err == nil {
		t.Error("a broken index was accepted")
	}
}
