package pki

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// EnsureToken keeps dir/token as k3s does: K10<sha256 of the server CA>::server:<secret>, with links node-token and
// agent-token. given is the operator's secret (plain or in that form) or "" for a random one; another secret than the one kept
// is refused, because k3s encrypts its bootstrap data with it.
func EnsureToken(dir, given string, server *Authority) error {
	path := filepath.Join(dir, "token")
	kept, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	secret := given
	if at := strings.LastIndex(secret, "::"); strings.HasPrefix(secret, "K10") && at > 0 {
		_, secret, _ = strings.Cut(secret[at+2:], ":")
	}
	if secret == "" && len(kept) > 0 {
		return nil
	}
	if secret == "" {
		random := make([]byte, 16)
		if _, err := rand.Read(random); err != nil {
			return err
		}
		secret = hex.EncodeToString(random)
	}
	sum := sha256.Sum256(server.PEM)
	token := "K10" + hex.EncodeToString(sum[:]) + "::server:" + secret
	if len(kept) > 0 && strings.TrimSpace(string(kept)) != token {
		return fmt.Errorf("bootstrap data already found and encrypted with different token: the token given does not match %s", path)
	}
	if err := WriteFile(path, []byte(token+"\n"), 0o600); err != nil {
		return err
	}
	for _, name := range []string{"node-token", "agent-token"} {
		link := filepath.Join(dir, name)
		if err := os.Remove(link); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := os.Symlink(path, link); err != nil {
			return err
		}
	}
	return nil
}
