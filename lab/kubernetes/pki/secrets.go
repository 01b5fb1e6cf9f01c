package pki

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
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

// encryption is k3s's default: aescbc for secrets, identity behind it.
const encryption = `{
  "kind": "EncryptionConfiguration", "apiVersion": "apiserver.config.k8s.io/v1",
  "resources": [{"resources": ["secrets"], "providers": [
    {"aescbc": {"keys": [{"name": "aescbckey", "secret": %q}]}},
    {"identity": {}}
  ]}]
}
`

// EnsureEncryption gives the path of the API server's encryption configuration, or "" for none. A file that exists is used
// even when encryption is not asked for: without it the Secrets written before could not be read any more.
func EnsureEncryption(path string, asked bool) (string, error) {
	_, err := os.Stat(path)
	if missing := errors.Is(err, fs.ErrNotExist); !missing {
		return path, err
	} else if !asked {
		return "", nil
	}
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	return path, WriteFile(path, fmt.Appendf(nil, encryption, base64.StdEncoding.EncodeToString(key)), 0o600)
}
