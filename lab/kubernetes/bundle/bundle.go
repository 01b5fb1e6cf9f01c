// Package bundle carries programs inside k3s's executable: those whose main package cannot be linked.
// Upstream analogue: the data archive of k3s and its pkg/data.
package bundle

import (
	"archive/zip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Append writes executable with the programs behind it, as a zip archive, to output. The same input gives the same bytes.
func Append(output, executable string, programs []string) (err error) {
	file, err := os.OpenFile(output, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if err := copyFile(file, executable); err != nil {
		return err
	}
	offset, err := file.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	archive := zip.NewWriter(file)
	archive.SetOffset(offset)
	for _, program := range programs {
		header := &zip.FileHeader{Name: filepath.Base(program), Method: zip.Deflate}
		header.SetMode(0o755)
		entry, err := archive.CreateHeader(header)
		if err != nil {
			return err
		}
		if err := copyFile(entry, program); err != nil {
			return err
		}
	}
	return archive.Close()
}

// Extract puts the programs of an executable into DIR/<hash of them>/bin unless they are there, and returns that folder.
// DIR/current leads to the one extracted last.
func Extract(executable, dir string) (bin string, err error) {
	archive, err := zip.OpenReader(executable)
	if err != nil {
		return "", fmt.Errorf("%s carries no programs: %w", executable, err)
	}
	defer archive.Close()
	digest := sha256.New()
	for _, entry := range archive.File {
		fmt.Fprintf(digest, "%s %d %d\n", entry.Name, entry.CRC32, entry.UncompressedSize64)
	}
	name := fmt.Sprintf("%x", digest.Sum(nil))
	home := filepath.Join(dir, name)
	if _, err := os.Stat(home); errors.Is(err, fs.ErrNotExist) {
		// Under another name first: an interrupted one is never taken for whole.
		temporary := filepath.Join(dir, ".unpacking")
		if err := errors.Join(os.RemoveAll(temporary), os.CopyFS(filepath.Join(temporary, "bin"), archive)); err != nil {
			return "", err
		}
		if err := os.Rename(temporary, home); err != nil {
			return "", err
		}
	}
	link := filepath.Join(dir, "current")
	return filepath.Join(home, "bin"), errors.Join(os.RemoveAll(link+".new"), os.Symlink(name, link+".new"), os.Rename(link+".new", link))
}

func copyFile(to io.Writer, path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = io.Copy(to, file)
	return err
}
