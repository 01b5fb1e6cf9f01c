package bundle

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
)

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func TestProgramsTravelInTheExecutable(t *testing.T) {
	data := t.TempDir()
	programs := fstest.MapFS{"programs/bridge": {Data: []byte("plugin 1")}, "programs/portmap": {Data: []byte("plugin 2")}, "programs/README.md": {}}
	bin, err := extract(programs, data)
	if err != nil {
		t.Fatal(err)
	}
	if got := read(t, filepath.Join(bin, "portmap")); got != "plugin 2" {
		t.Errorf("portmap holds %q", got)
	}
	if info, err := os.Stat(filepath.Join(data, "current", "bin", "bridge")); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("current/bin/bridge: %v, %v", info, err)
	}
	if entries, err := os.ReadDir(bin); err != nil || len(entries) != 2 {
		t.Errorf("%v, %v", entries, err)
	}
	if err := os.WriteFile(filepath.Join(bin, "bridge"), []byte("in use"), 0o755); err != nil {
		t.Fatal(err)
	}
	if again, err := extract(programs, data); err != nil || again != bin || read(t, filepath.Join(bin, "bridge")) != "in use" {
		t.Errorf("the same programs were unpacked again: %s, %v", again, err)
	}
	programs["programs/bridge"] = &fstest.MapFile{Data: []byte("plugin 3")}
	other, err := extract(programs, data)
	if err != nil || other == bin || read(t, filepath.Join(data, "current", "bin", "bridge")) != "plugin 3" {
		t.Errorf("other programs: %s, %v", other, err)
	}
}

func TestExecutableWithoutPrograms(t *testing.T) {
	if _, err := Extract(t.TempDir()); err == nil || !strings.Contains(err.Error(), "carries no programs") {
		t.Errorf("got %v", err)
	}
}
