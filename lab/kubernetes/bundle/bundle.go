// Package bundle carries programs inside k3s's executable: those whose main package cannot be linked.
// Upstream analogue: the data archive of k3s and its pkg/data.
package bundle

import (
	"archive/zip"
	"crypto/sha256"
	"encoding/hex"
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
		entry, err := archive.Create(filepath.Base(program))
		if err != nil {
			return err
		}
		if err := copyFile(entry, program); err != nil {
			return err
		}
	}
	return archive.Close()
}

// Extract puts the programs of this process's executable into DIR/<hash of them>/bin unless they are there, and returns that
// folder. DIR/current leads to the one extracted last.
func Extract(dir string) (bin string, err error) {
	executable, err := os.Executable()
	if err != nil {
		return "", err
	}
	return extract(executable, dir)
}

func extract(executable, dir string) (bin string, err error) {
	archive, err := zip.OpenReader(executable)
	if err != nil {
		return "", fmt.Errorf("%s carries no programs: %w", executable, err)
	}
	defer archive.Close()
	digest := sha256.New()
	for _, entry := range archive.File {
		fmt.Fprintf(digest, "%s %d %d\n", entry.Name, entry.CRC32, entry.UncompressedSize64)
	}
	name := hex.EncodeToString(digest.Sum(nil))
	home := filepath.Join(dir, name)
	if _, err := os.Stat(home); errors.Is(err, fs.ErrNotExist) {
		if err := unpack(archive.File, dir, home); err != nil {
			return "", err
		}
	} else if err != nil {
		return "", err
	}
	return filepath.Join(home, "bin"), link(name, filepath.Join(dir, "current"))
}

// unpack makes the folder under another name first: an interrupted one is never taken for whole.
func unpack(entries []*zip.File, dir, home string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	temporary, err := os.MkdirTemp(dir, ".unpacking-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temporary)
	if err := errors.Join(os.Chmod(temporary, 0o755), os.Mkdir(filepath.Join(temporary, "bin"), 0o755)); err != nil {
		return err
	}
	for _, entry := range entries {
		if err := unpackFile(entry, filepath.Join(temporary, "bin", filepath.Base(entry.Name))); err != nil {
			return fmt.Errorf("%s: %w", entry.Name, err)
		}
	}
	return os.Rename(temporary, home)
}

func unpackFile(entry *zip.File, path string) (err error) {
	content, err := entry.Open()
	if err != nil {
		return err
	}
	defer content.Close()
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	_, err = io.Copy(file, content)
	return err
}

func link(target, path string) error {
	temporary := fmt.Sprintf("%s.%d", path, os.Getpid())
	if err := os.Symlink(target, temporary); err != nil {
		return err
	}
	return os.Rename(temporary, path)
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
