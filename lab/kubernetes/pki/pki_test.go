package pki

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/util/keyutil"
)

// place puts an authority of the operator's own into a folder, as k3s's custom CA certificates are, and loads it.
func place(dir, name string, certPEM, keyPEM []byte) (*Authority, error) {
	certPath, keyPath := filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key")
	if err := errors.Join(os.WriteFile(certPath, certPEM, 0o644), os.WriteFile(keyPath, keyPEM, 0o600)); err != nil {
		return nil, err
	}
	return EnsureAuthority(dir, name)
}

func pemOf(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// given makes an RSA authority in PEM.
func given(t *testing.T) (certPEM, keyPEM []byte) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "kubernetes"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(10, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return pemOf("CERTIFICATE", der), pemOf("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key))
}

func TestAuthorityIsKept(t *testing.T) {
	dir := t.TempDir()
	first, err := EnsureAuthority(dir, "server-ca")
	if err != nil {
		t.Fatal(err)
	}
	second, err := EnsureAuthority(dir, "server-ca")
	if err != nil {
		t.Fatal(err)
	}
	if string(first.PEM()) != string(second.PEM()) {
		t.Error("a second start made a new authority")
	}
	info, err := os.Stat(first.KeyPath)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("key file: mode %v, error %v; want 0600", info.Mode(), err)
	}
}

func TestGivenAuthority(t *testing.T) {
	certPEM, keyPEM := given(t)
	_, otherKey := given(t)
	ecDir := t.TempDir()
	pkcs8 := func() []byte {
		key, err := keyutil.ParsePrivateKeyPEM(keyPEM)
		if err != nil {
			t.Fatal(err)
		}
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		return pemOf("PRIVATE KEY", der)
	}()
	ec, err := EnsureAuthority(ecDir, "ec")
	if err != nil {
		t.Fatal(err)
	}
	ecKey, err := os.ReadFile(ec.KeyPath)
	if err != nil {
		t.Fatal(err)
	}
	leaf := Leaf{Authority: ec, Name: "leaf", CommonName: "leaf", Usage: x509.ExtKeyUsageClientAuth}
	if err := leaf.Ensure(ecDir); err != nil {
		t.Fatal(err)
	}
	leafPEM, _ := os.ReadFile(filepath.Join(ecDir, "leaf.crt"))
	leafKey, _ := os.ReadFile(filepath.Join(ecDir, "leaf.key"))
	for _, test := range []struct {
		name      string
		cert, key []byte
		want      string
	}{
		{"PKCS 1", certPEM, keyPEM, ""},
		{"PKCS 8", certPEM, pkcs8, ""},
		{"elliptic curve", ec.PEM(), ecKey, ""},
		{"another's key", certPEM, otherKey, "doesn't match"},
		{"no PEM", []byte("x"), keyPEM, "couldn't load"},
		{"a leaf", leafPEM, leafKey, "not a CA"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			authority, err := place(dir, "ca", test.cert, test.key)
			if err == nil {
				err = Leaf{Authority: authority, Name: "leaf", CommonName: "leaf", Usage: x509.ExtKeyUsageClientAuth}.Ensure(dir)
			}
			if (err == nil) != (test.want == "") || (err != nil && !strings.Contains(err.Error(), test.want)) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func TestLeafIsRenewedOnlyWhenItNoLongerFits(t *testing.T) {
	dir := t.TempDir()
	certPEM, keyPEM := given(t)
	authority, err := place(dir, "ca", certPEM, keyPEM)
	if err != nil {
		t.Fatal(err)
	}
	leaf := Leaf{Authority: authority, Name: "serving", CommonName: "kube-apiserver", Names: []string{"10.0.0.1", "seed.lab"}, Usage: x509.ExtKeyUsageServerAuth}
	content := func(l Leaf) string {
		t.Helper()
		if err := l.Ensure(dir); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(filepath.Join(dir, "serving.crt"))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	first := content(leaf)
	if content(leaf) != first {
		t.Error("an unchanged description made a new certificate")
	}
	more := leaf
	more.Names = append(more.Names, "203.0.113.9")
	second := content(more)
	if second == first {
		t.Error("a further address did not make a new certificate")
	}
	if content(leaf) != second {
		t.Error("one name less made a new certificate; the old one still fits")
	}
	if err := os.Rename(filepath.Join(dir, "ca.key"), filepath.Join(dir, "serving.key")); err != nil {
		t.Fatal(err)
	}
	if content(more) == second {
		t.Error("a key that does not belong to it was kept: a start killed while it made a new one")
	}
	second = content(more)
	otherCert, otherKey := given(t)
	if more.Authority, err = place(dir, "ca", otherCert, otherKey); err != nil {
		t.Fatal(err)
	}
	if content(more) == second {
		t.Error("another authority did not make a new certificate")
	}
}

func TestTokenIsKept(t *testing.T) {
	dir := t.TempDir()
	authority, err := EnsureAuthority(dir, "server-ca")
	if err != nil {
		t.Fatal(err)
	}
	token := func() string {
		if err := EnsureToken(dir, authority); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(filepath.Join(dir, "token"))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	first := token()
	if !strings.HasPrefix(first, "K10") || !strings.Contains(first, "::server:") {
		t.Errorf("token has not k3s's form: %d characters", len(first))
	}
	if token() != first {
		t.Error("another token")
	}
}

func TestEncryptionStaysOn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "encryption-config.json")
	if used, err := EnsureEncryption(path, false); used != "" || err != nil {
		t.Fatalf("not asked for: %q, %v", used, err)
	}
	if used, err := EnsureEncryption(path, true); used != path || err != nil {
		t.Fatalf("asked for: %q, %v", used, err)
	}
	first, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if used, err := EnsureEncryption(path, false); used != path || err != nil {
		t.Errorf("no longer asked for: %q, %v; Secrets could not be read any more", used, err)
	}
	if second, _ := os.ReadFile(path); string(second) != string(first) {
		t.Error("the key changed")
	}
	var parsed struct {
		Resources []struct{ Resources []string }
	}
	if err := json.Unmarshal(first, &parsed); err != nil || parsed.Resources[0].Resources[0] != "secrets" {
		t.Errorf("content: %v, %v", parsed, err)
	}
}

func TestKubeconfig(t *testing.T) {
	dir := t.TempDir()
	authority, err := EnsureAuthority(dir, "ca")
	if err != nil {
		t.Fatal(err)
	}
	leaf := Leaf{Authority: authority, Name: "admin", CommonName: "a", Usage: x509.ExtKeyUsageClientAuth}
	path := filepath.Join(dir, "folder", "k3s.yaml")
	if err := errors.Join(leaf.Ensure(dir), leaf.Kubeconfig(dir, path, "https://10.0.0.1:6443", "default", authority, 0o600)); err != nil {
		t.Fatal(err)
	}
	config, err := clientcmd.BuildConfigFromFlags("", path)
	if err != nil {
		t.Fatal(err)
	}
	if config.Host != "https://10.0.0.1:6443" || string(config.CAData) != string(authority.PEM()) || len(config.KeyData) == 0 {
		t.Errorf("host %s, CA or key missing", config.Host)
	}
}
