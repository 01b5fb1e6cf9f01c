package pki

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	certutil "k8s.io/client-go/util/cert"
	kubeadm "k8s.io/kubernetes/cmd/kubeadm/app/apis/kubeadm"
	"k8s.io/kubernetes/cmd/kubeadm/app/util/pkiutil"
)

// leafLifetime and leafRenewal are k3s's: a year, renewed at a start within the last 120 days.
const (
	leafLifetime = 365 * 24 * time.Hour
	leafRenewal  = 120 * 24 * time.Hour
)

// Leaf describes a certificate for one purpose.
type Leaf struct {
	Authority     *Authority
	Name          string // file name without .crt and .key
	CommonName    string
	Organizations []string
	Names         []string // subject alternative names: host names and addresses, mixed
	Usage         x509.ExtKeyUsage
}

// Ensure keeps dir/name.crt and .key as they are when they fit the description and live long enough, else makes new ones.
// The certificate file also holds the authority's certificate.
func (leaf Leaf) Ensure(dir string) error {
	if leaf.fits(dir) {
		return nil
	}
	config := &pkiutil.CertConfig{
		Config: certutil.Config{
			CommonName: leaf.CommonName, Organization: leaf.Organizations, Usages: []x509.ExtKeyUsage{leaf.Usage},
			NotBefore: time.Now().Add(-time.Minute).UTC(),
		},
		NotAfter:            time.Now().Add(leafLifetime).UTC(),
		EncryptionAlgorithm: kubeadm.EncryptionAlgorithmECDSAP256,
	}
	for _, name := range leaf.Names {
		if ip := net.ParseIP(name); ip != nil {
			config.AltNames.IPs = append(config.AltNames.IPs, ip)
		} else {
			config.AltNames.DNSNames = append(config.AltNames.DNSNames, name)
		}
	}
	certificate, key, err := pkiutil.NewCertAndKey(leaf.Authority.certificate, leaf.Authority.key, config)
	if err != nil {
		return err
	}
	return errors.Join(pkiutil.WriteKey(dir, leaf.Name, key),
		pkiutil.WriteCertBundle(dir, leaf.Name, []*x509.Certificate{certificate, leaf.Authority.certificate}))
}

// fits says whether the files match each other, are from this authority, carry every name and are not about to expire.
func (leaf Leaf) fits(dir string) bool {
	pair, err := tls.LoadX509KeyPair(pkiutil.PathsForCertAndKey(dir, leaf.Name))
	if err != nil {
		return false
	}
	refused := func(name string) bool { return pair.Leaf.VerifyHostname(name) != nil }
	return pair.Leaf.Subject.CommonName == leaf.CommonName && !slices.ContainsFunc(leaf.Names, refused) &&
		pkiutil.VerifyCertChain(pair.Leaf, nil, leaf.Authority.certificate) == nil &&
		pkiutil.ValidateCertPeriod(pair.Leaf, leafRenewal) == nil
}

// Kubeconfig writes a kubeconfig with everything inline: the leaf's files in dir, and the authority of the API server at a
// URL. k3s's administrator is called "default" as everything else in it.
func (leaf Leaf) Kubeconfig(dir, path, url, user string, server *Authority, mode os.FileMode) error {
	certPath, keyPath := pkiutil.PathsForCertAndKey(dir, leaf.Name)
	certPEM, unreadable := os.ReadFile(certPath)
	keyPEM, err := os.ReadFile(keyPath)
	if err := errors.Join(unreadable, err); err != nil {
		return err
	}
	config := clientcmdapi.NewConfig()
	config.Clusters["default"] = &clientcmdapi.Cluster{Server: url, CertificateAuthorityData: server.PEM()}
	config.AuthInfos[user] = &clientcmdapi.AuthInfo{ClientCertificateData: certPEM, ClientKeyData: keyPEM}
	config.Contexts["default"] = &clientcmdapi.Context{Cluster: "default", AuthInfo: user}
	config.CurrentContext = "default"
	content, err := clientcmd.Write(*config)
	if err != nil {
		return err
	}
	// The folder of the administrator's (/etc/rancher/k3s) is readable by all, as k3s makes it.
	return errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), WriteFile(path, content, mode))
}
