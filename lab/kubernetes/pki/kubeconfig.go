package pki

import (
	"os"
	"path/filepath"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// Kubeconfig describes a kubeconfig file with everything inline.
type Kubeconfig struct {
	Path   string
	Server string // URL of the API server
	User   string // name of the user entry; k3s's admin kubeconfig says "default" throughout
	Leaf   string // name of the client certificate in the certificate folder
	Mode   os.FileMode
}

// Write writes the file with the leaf's certificate and key out of dir. authority signed the API server's certificate.
func (k Kubeconfig) Write(dir string, authority *Authority) error {
	certPath, keyPath := pairPaths(dir, k.Leaf)
	certPEM, err := os.ReadFile(certPath)
	if err != nil {
		return err
	}
	keyPEM, err := os.ReadFile(keyPath)
	if err != nil {
		return err
	}
	config := clientcmdapi.NewConfig()
	config.Clusters["default"] = &clientcmdapi.Cluster{Server: k.Server, CertificateAuthorityData: authority.PEM}
	config.AuthInfos[k.User] = &clientcmdapi.AuthInfo{ClientCertificateData: certPEM, ClientKeyData: keyPEM}
	config.Contexts["default"] = &clientcmdapi.Context{Cluster: "default", AuthInfo: k.User}
	config.CurrentContext = "default"
	content, err := clientcmd.Write(*config)
	if err != nil {
		return err
	}
	// The folder of the admin kubeconfig (/etc/rancher/k3s) is readable by all, as k3s makes it.
	if err := os.MkdirAll(filepath.Dir(k.Path), 0o755); err != nil {
		return err
	}
	return WriteFile(k.Path, content, k.Mode)
}
