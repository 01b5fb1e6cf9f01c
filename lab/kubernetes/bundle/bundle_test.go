package bundle

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func write(t *testing.T, path, content string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func TestProgramsTravelBehindTheExecutable(t *testing.T) {
	dir := t.TempDir()
	executable := write(t, filepath.Join(dir, "bare"), "ELF of k3s")
	programs := []string{write(t, filepath.Join(dir, "bridge"), "plugin 1"), write(t, filepath.Join(dir, "portmap"), "plugin 2")}
	first, second := filepath.Join(dir, "k3s"), filepath.Join(dir, "again")
	for _, output := range []string{first, second} {
		if err := Append(output, executable, programs); err != nil {
			t.Fatal(err)
		}
	}
	if read(t, first) != read(t, second) {
		t.Error("the same input gave other bytes")
	}
	if !strings.HasPrefix(read(t, first), "ELF of k3s") {
		t.Error("the executable is not in front")
	}
	data := filepath.Join(dir, "data")
	bin, err := Extract(first, data)
	if err != nil {
		t.Fatal(err)
	}
	if got := read(t, filepath.Join(bin, "portmap")); got != "plugin 2" {
		t.Errorf("portmap holds %q", got)
	}
	if info, err := os.Stat(filepath.Join(data, "current", "bin", "bridge")); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("current/bin/bridge: %v, %v", info, err)
	}
	write(t, filepath.Join(bin, "bridge"), "in use")
	if again, err := Extract(second, data); err != nil || again != bin || read(t, filepath.Join(bin, "bridge")) != "in use" {
		t.Errorf("the same programs were unpacked again: %s, %v", again, err)
	}
	write(t, programs[0], "plugin 3")
	if err := Append(second, executable, programs); err != nil {
		t.Fatal(err)
	}
	other, err := Extract(second, data)
	if err != nil || other == bin || read(t, filepath.Join(data, "current", "bin", "bridge")) != "plugin 3" {
		t.Errorf("other programs: %s, %v", other, err)
	}
}

func TestExecutableWithoutPrograms(t *testing.T) {
	if _, err := Extract("/proc/self/exe", t.TempDir()); err == nil || !strings.Contains(err.Error(), "carries no programs") {
		t.Errorf("got %v", err)
	}
}
