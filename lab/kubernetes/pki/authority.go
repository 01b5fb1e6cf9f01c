// Package pki makes and keeps the certificates, keys and kubeconfigs of one server, with kubeadm's library.
// Upstream analogue: k3s's pkg/daemons/control/deps.
package pki

import (
	"crypto"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"time"

	certutil "k8s.io/client-go/util/cert"
	kubeadm "k8s.io/kubernetes/cmd/kubeadm/app/apis/kubeadm"
	"k8s.io/kubernetes/cmd/kubeadm/app/util/pkiutil"
)

// Authority is a certificate authority with its key, kept in two files.
type Authority struct {
	CertPath, KeyPath string
	certificate       *x509.Certificate
	key               crypto.Signer
}

// EnsureAuthority loads dir/name.crt and .key, or makes a self-signed authority valid for ten years as k3s does.
func EnsureAuthority(dir, name string) (a *Authority, err error) {
	a = &Authority{}
	a.CertPath, a.KeyPath = pkiutil.PathsForCertAndKey(dir, name)
	if _, missing := os.Stat(a.CertPath); missing == nil {
		a.certificate, a.key, err = pkiutil.TryLoadCertAndKeyFromDisk(dir, name)
		if err == nil && !a.certificate.IsCA {
			err = fmt.Errorf("the certificate in %s is not a CA", a.CertPath)
		}
		return a, err
	}
	a.certificate, a.key, err = pkiutil.NewCertificateAuthority(&pkiutil.CertConfig{
		Config:              certutil.Config{CommonName: fmt.Sprintf("k3s-%s@%d", name, time.Now().Unix())},
		EncryptionAlgorithm: kubeadm.EncryptionAlgorithmECDSAP256,
	})
	if err != nil {
		return nil, err
	}
	return a, pkiutil.WriteCertAndKey(dir, name, a.certificate, a.key)
}

// PEM is the certificate as files have it.
func (a *Authority) PEM() []byte { return pkiutil.EncodeCertPEM(a.certificate) }

// WriteFile writes beside the file first, so that a kill never leaves half a key.
func WriteFile(path string, content []byte, mode os.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(path+".new", content, mode); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
