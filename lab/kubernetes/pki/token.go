package pki

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// EnsureToken keeps dir/token as k3s does: K10<sha256 of the server CA>::server:<secret>. Nobody can join with it here.
func EnsureToken(dir string, server *Authority) error {
	path := filepath.Join(dir, "token")
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return WriteFile(path, fmt.Appendf(nil, "K10%x::server:%s\n", sha256.Sum256(server.PEM()), rand.Text()), 0o600)
}
