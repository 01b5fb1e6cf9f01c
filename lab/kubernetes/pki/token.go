package pki

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// EnsureToken keeps dir/token as k3s does: K10<sha256 of the server CA>::server:<secret>, with the link node-token. given is
// the operator's secret (plain or in that form) or "" for a random one; another than the one kept is refused, because k3s
// encrypts its bootstrap data with it.
func EnsureToken(dir, given string, server *Authority) error {
	path := filepath.Join(dir, "token")
	kept, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	prefix := fmt.Sprintf("K10%x::server:", sha256.Sum256(server.PEM()))
	token := prefix + strings.TrimPrefix(given, prefix) + "\n"
	switch {
	case len(kept) > 0 && (given == "" || bytes.Equal(kept, []byte(token))):
		return nil
	case len(kept) > 0:
		return fmt.Errorf("bootstrap data already found and encrypted with different token: the token given does not match %s", path)
	case given == "":
		token = prefix + rand.Text() + "\n"
	}
	_ = os.Symlink("token", filepath.Join(dir, "node-token")) // it may be there already
	return WriteFile(path, []byte(token), 0o600)
}
