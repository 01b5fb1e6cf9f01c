// Package pki makes and keeps the certificates, keys and kubeconfigs of one server.
// Upstream analogue: k3s's pkg/daemons/control/deps.
package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"time"
)

// Authority is a certificate authority with its key, kept in two files.
type Authority struct {
	Certificate *x509.Certificate
	Key         crypto.Signer
	PEM         []byte
	CertPath    string
	KeyPath     string
}

// EnsureAuthority loads dir/name.crt and .key, or makes a self-signed authority valid for ten years as k3s does.
func EnsureAuthority(dir, name string) (*Authority, error) {
	certPath, keyPath := pairPaths(dir, name)
	if exists(certPath) && exists(keyPath) {
		return loadAuthority(certPath, keyPath)
	}
	key, err := newKey(keyPath)
	if err != nil {
		return nil, err
	}
	begin := time.Now().Add(-time.Minute)
	template := &x509.Certificate{
		SerialNumber:          serialNumber(),
		Subject:               pkix.Name{CommonName: fmt.Sprintf("k3s-%s@%d", name, begin.Unix())},
		NotBefore:             begin,
		NotAfter:              begin.AddDate(10, 0, 0),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	if err := WriteFile(certPath, pemOf("CERTIFICATE", der), 0o644); err != nil {
		return nil, err
	}
	return loadAuthority(certPath, keyPath)
}

// EnsureServiceAccountKey makes an RSA key at path unless one is there.
func EnsureServiceAccountKey(path string) error {
	if exists(path) {
		return nil
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	return WriteFile(path, pemOf("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key)), 0o600)
}

// WriteFile writes through a temporary file, so that a kill never leaves half a key.
func WriteFile(path string, content []byte, mode os.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	temporary, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.tmp")
	if err != nil {
		return err
	}
	defer os.Remove(temporary.Name()) // gone already when all went well
	_, err = temporary.Write(content)
	err = errors.Join(err, temporary.Chmod(mode), temporary.Sync(), temporary.Close())
	if err != nil {
		return err
	}
	return os.Rename(temporary.Name(), path)
}

func loadAuthority(certPath, keyPath string) (*Authority, error) {
	certPEM, err := os.ReadFile(certPath)
	if err != nil {
		return nil, err
	}
	keyPEM, err := os.ReadFile(keyPath)
	if err != nil {
		return nil, err
	}
	authority, err := parseAuthority(certPEM, keyPEM)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", certPath, err)
	}
	authority.CertPath, authority.KeyPath = certPath, keyPath
	return authority, nil
}

func parseAuthority(certPEM, keyPEM []byte) (*Authority, error) {
	block, _ := pem.Decode(certPEM)
	if block == nil {
		return nil, errors.New("the CA certificate is not PEM")
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("CA certificate: %w", err)
	}
	if !certificate.IsCA {
		return nil, fmt.Errorf("certificate %q is not a CA", certificate.Subject.CommonName)
	}
	key, err := parseKey(keyPEM)
	if err != nil {
		return nil, fmt.Errorf("CA key: %w", err)
	}
	if !belongs(certificate, key) {
		return nil, errors.New("the CA key does not belong to the CA certificate")
	}
	return &Authority{Certificate: certificate, Key: key, PEM: certPEM}, nil
}

// parseKey reads the three PEM forms private keys come in: SEC 1, PKCS 1 (kubeadm, Cluster API) and PKCS 8.
func parseKey(keyPEM []byte) (crypto.Signer, error) {
	block, _ := pem.Decode(keyPEM)
	if block == nil {
		return nil, errors.New("not PEM")
	}
	switch block.Type {
	case "EC PRIVATE KEY":
		return x509.ParseECPrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		return x509.ParsePKCS1PrivateKey(block.Bytes)
	case "PRIVATE KEY":
		key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			return nil, err
		}
		if signer, ok := key.(crypto.Signer); ok {
			return signer, nil
		}
	}
	return nil, fmt.Errorf("%q is not a private key this server can use", block.Type)
}

// belongs says whether key is the private key of certificate.
func belongs(certificate *x509.Certificate, key crypto.Signer) bool {
	public, ok := certificate.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
	return ok && public.Equal(key.Public())
}

func newKey(path string) (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	return key, WriteFile(path, pemOf("EC PRIVATE KEY", der), 0o600)
}

func pairPaths(dir, name string) (certPath, keyPath string) {
	return filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key")
}

func pemOf(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func serialNumber() *big.Int {
	number, _ := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127)) // crypto/rand does not fail
	return number
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}
