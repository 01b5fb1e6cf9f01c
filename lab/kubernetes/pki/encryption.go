package pki

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
)

// EnsureEncryption gives the path of the API server's encryption configuration, or "" for none.
// The content is k3s's default: aescbc for secrets, identity behind it. A file that exists is used even when encryption
// is not asked for: without it the Secrets written before could not be read any more.
func EnsureEncryption(path string, asked bool) (string, error) {
	if exists(path) {
		return path, nil
	}
	if !asked {
		return "", nil
	}
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		return "", err
	}
	type object = map[string]any
	content, err := json.Marshal(object{
		"kind":       "EncryptionConfiguration",
		"apiVersion": "apiserver.config.k8s.io/v1",
		"resources": []any{object{
			"resources": []string{"secrets"},
			"providers": []any{
				object{"aescbc": object{"keys": []any{object{"name": "aescbckey", "secret": base64.StdEncoding.EncodeToString(key)}}}},
				object{"identity": object{}},
			},
		}},
	})
	if err != nil {
		return "", err
	}
	return path, WriteFile(path, content, 0o600)
}
