// Package bundle carries programs inside k3s's executable: those whose main package cannot be linked. Upstream analogue: the
// data archive of k3s and its pkg/data.
package bundle

import (
	"crypto/sha256"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

//go:embed programs
var carried embed.FS

// Extract puts the programs into DIR/<hash of them>/bin unless they are there, and returns that folder. DIR/current leads to
// the one extracted last.
func Extract(dir string) (bin string, err error) { return extract(carried, dir) }

func extract(carried fs.FS, dir string) (bin string, err error) {
	programs, digest := map[string][]byte{}, sha256.New()
	names, _ := fs.Glob(carried, "programs/[a-z]*") // sorted; the read-me is none of them
	for _, name := range names {
		content, err := fs.ReadFile(carried, name)
		if err != nil {
			return "", err
		}
		programs[filepath.Base(name)] = content
		fmt.Fprintf(digest, "%s %d\n%s", name, len(content), content)
	}
	if len(programs) == 0 {
		return "", errors.New("this executable carries no programs")
	}
	name := fmt.Sprintf("%x", digest.Sum(nil))
	home, link := filepath.Join(dir, name), filepath.Join(dir, "current")
	if _, err := os.Stat(home); errors.Is(err, fs.ErrNotExist) {
		// Under another name first: an interrupted one is never taken for whole.
		temporary := filepath.Join(dir, ".unpacking")
		err := errors.Join(os.RemoveAll(temporary), os.MkdirAll(filepath.Join(temporary, "bin"), 0o755))
		for program, content := range programs {
			err = errors.Join(err, os.WriteFile(filepath.Join(temporary, "bin", program), content, 0o755))
		}
		if err != nil {
			return "", err
		}
		if err := os.Rename(temporary, home); err != nil {
			return "", err
		}
	}
	return filepath.Join(home, "bin"), errors.Join(os.RemoveAll(link), os.Symlink(name, link))
}
