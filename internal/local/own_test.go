package local

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// oldState is the state.json of a version without a marker.
const oldState = `{
  "format": 1,
  "password": "PASSWORD",
  "accessKeyId": "AKIALOCALABCDEFGHIJK",
  "secretAccessKey": "SECRET",
  "database": true
}`

// fill writes files into a new folder.
func fill(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// tree lists the files below a folder.
func tree(t *testing.T, dir string) []string {
	t.Helper()
	found := map[string]bool{}
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		found[path] = true
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return slices.Sorted(maps.Keys(found))
}

// TestResetAndStartRefuseForeignFolders runs --reset and a start on folders of
// other programs: both fail, list the content, and change nothing.
func TestResetAndStartRefuseForeignFolders(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"any state.json":                       {"state.json": "{}", "thesis.tex": "text"},
		"another program's state":              {"state.json": `{"version": 4, "resources": []}`, "main.tf": "x"},
		"a state with our format's number":     {"state.json": `{"format": 1}`, "photos/1.jpg": "x"},
		"a state with more fields than ours":   {"state.json": strings.Replace(oldState, "{", `{"more": 1,`, 1), "x": "x"},
		"a state that is not JSON":             {"state.json": "not JSON", "x": "x"},
		"keys of another maker":                {"state.json": strings.Replace(oldState, "AKIALOCAL", "AKIAREAL0", 1), "x": "x"},
		"a marker with another content":        {markerFile: "mine", "x": "x"},
		"folders with our names":               {"postgres/x": "x", "stream/x": "x", "archive/x": "x", "lock": ""},
		"a lock that holds something":          {"lock": "another program's"},
		"a state.json that is a newer version": {"state.json": `{"format": 2}`, "x": "x"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := fill(t, files)
			before := tree(t, dir)
			_, resetErr := Reset(dir)
			s, startErr := openState(dir)
			if startErr == nil {
				t.Error(s.close())
			}
			for _, err := range []error{resetErr, startErr} {
				if err == nil || !strings.Contains(err.Error(), "not a data folder of") || !strings.Contains(err.Error(), before[1][len(dir)+1:]) {
					t.Errorf("error is %v", err)
				}
			}
			if after := tree(t, dir); !slices.Equal(before, after) {
				t.Errorf("changed from %v to %v", before, after)
			}
			if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o755 {
				t.Errorf("its mode is %v, %v", info.Mode(), err)
			}
		})
	}
}

// TestResetRemovesOnlyItsOwn empties data folders of this and of an older
// version: other files stay and are listed, and links are not followed.
func TestResetRemovesOnlyItsOwn(t *testing.T) {
	for name, mark := range map[string]map[string]string{
		"with a marker": {markerFile: marker, "state.json": "damaged"}, "older": {"state.json": oldState},
	} {
		t.Run(name, func(t *testing.T) {
			files := map[string]string{
				"stream/stream.json": "{}", "postgres/data/PG_VERSION": "15", "archive/raw/x.gz": "x", "checkpoints/p.json": "{}", "damage-1.json": "{}",
				"lock": "", "notes.txt": "mine", "backup/archive/x": "mine",
			}
			maps.Copy(files, mark)
			dir := fill(t, files)
			outside := filepath.Join(t.TempDir(), "outside")
			if err := os.WriteFile(outside, []byte("mine"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.RemoveAll(filepath.Join(dir, "checkpoints")); err != nil {
				t.Fatal(err)
			}
			for _, link := range []string{"checkpoints", "archive/link", "redis"} {
				if err := os.Symlink(filepath.Dir(outside), filepath.Join(dir, link)); err != nil {
					t.Fatal(err)
				}
			}
			left, err := Reset(dir)
			if err != nil || !slices.Equal(left, []string{"backup", "notes.txt"}) {
				t.Errorf("left %v, %v", left, err)
			}
			want := []string{dir, dir + "/backup", dir + "/backup/archive", dir + "/backup/archive/x", dir + "/notes.txt"}
			if after := tree(t, dir); !slices.Equal(after, want) {
				t.Errorf("after it: %v", after)
			}
			if text, err := os.ReadFile(outside); err != nil || string(text) != "mine" {
				t.Errorf("a link was followed: %q, %v", text, err)
			}
		})
	}
}

// TestResetRefusesPlaces never empties certain folders, marked or not.
func TestResetRefusesPlaces(t *testing.T) {
	home := fill(t, map[string]string{markerFile: marker, "archive/x": "x"})
	work := fill(t, map[string]string{markerFile: marker, "archive/x": "x", "below/y": "y"})
	git := fill(t, map[string]string{markerFile: marker, ".git/HEAD": "x", "archive/x": "x"})
	plain := fill(t, map[string]string{markerFile: marker, "archive/x": "x"})
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(plain, link); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(plain, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("HOME", home)
	t.Chdir(filepath.Join(work, "below"))
	for dir, what := range map[string]string{
		"/": "working directory", home: "home folder", filepath.Dir(home): "home folder", filepath.Join(work, "below"): "working directory", work: "working directory",
		git: "git checkout", link: "symbolic link", file: "not a directory",
	} {
		if _, err := Reset(dir); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v, want %s", dir, err, what)
		}
	}
	for _, dir := range []string{home, work, git, plain} {
		if _, err := os.Stat(filepath.Join(dir, "archive", "x")); err != nil {
			t.Error(err)
		}
	}
	if left, err := Reset(filepath.Join(plain, "missing")); err != nil || left != nil {
		t.Errorf("a missing folder: %v, %v", left, err)
	}
}

// TestOldFolderIsUpgraded opens the folder of an older version: its secrets are
// kept, missing ones are created, and other users cannot enter it.
func TestOldFolderIsUpgraded(t *testing.T) {
	dir := fill(t, map[string]string{"state.json": oldState, "stream/stream.json": "{}"})
	var redis string
	for range 2 {
		s, err := openState(dir)
		if err != nil {
			t.Fatal(err)
		}
		if s.Password != "PASSWORD" || s.AccessKeyID != "AKIALOCALABCDEFGHIJK" || !s.Database || s.RedisPassword == "" || redis != "" && s.RedisPassword != redis {
			t.Errorf("%+v", s.kept)
		}
		redis = s.RedisPassword
		if err := s.close(); err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]os.FileMode{dir: 0o007, filepath.Join(dir, stateFile): 0o077, filepath.Join(dir, markerFile): 0o077} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm()&want != 0 {
			t.Errorf("%s has mode %v, %v", path, info.Mode(), err)
		}
	}
}

// TestInterruptedBeginning opens the remains of a first start that was
// interrupted between its files.
func TestInterruptedBeginning(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"nothing": {}, "lock": {"lock": ""}, "marker": {"lock": "", markerFile: marker}, "unfinished state": {"lock": "", markerFile: marker, "state.json.new": "{"},
	} {
		s, err := openState(fill(t, files))
		if err != nil || s.Password == "" || s.Database {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := s.close(); err != nil {
			t.Error(err)
		}
	}
}
