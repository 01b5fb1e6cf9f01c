package server

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"capi-mgmt/lab/kubernetes/agent"
	"capi-mgmt/lab/kubernetes/options"
	"capi-mgmt/lab/kubernetes/pki"

	"k8s.io/client-go/util/keyutil"
)

// layout is where one server keeps its files, k3s's places below the data folder, and the authorities they come from.
type layout struct {
	root, tls, credentials string // DATA-DIR/server, and below it
	agent                  string // DATA-DIR/agent

	serverCA        *pki.Authority // signs the API server's certificate
	clientCA        *pki.Authority // signs client certificates
	requestHeaderCA *pki.Authority

	encryption string // path of the encryption configuration, or ""
	url        string // of the API server, for processes on this machine
}

func (l *layout) cert(name string) string { return filepath.Join(l.tls, name+".crt") }
func (l *layout) key(name string) string  { return filepath.Join(l.tls, name+".key") }
func (l *layout) kubeconfig(user string) string {
	return filepath.Join(l.credentials, user+".kubeconfig")
}

// prepare makes folders, certificates, keys and kubeconfigs, keeping what is there and still good.
func prepare(o *options.Server) (*layout, error) {
	root := filepath.Join(o.DataDir, "server")
	l := &layout{root: root, tls: filepath.Join(root, "tls"), credentials: filepath.Join(root, "cred"), agent: agent.Dir(o)}
	for _, dir := range []string{l.tls, l.credentials, l.agent, filepath.Join(root, "db"), filepath.Join(root, "manifests")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
	}
	host := "127.0.0.1"
	if !o.BindAddress.IsUnspecified() {
		host = o.BindAddress.String()
	}
	l.url = "https://" + net.JoinHostPort(host, strconv.Itoa(int(o.Port)))
	for name, authority := range map[string]**pki.Authority{
		"request-header-ca": &l.requestHeaderCA, "server-ca": &l.serverCA, "client-ca": &l.clientCA,
	} {
		var err error
		if *authority, err = pki.EnsureAuthority(l.tls, name); err != nil {
			return nil, err
		}
	}
	if err := l.certificates(o); err != nil {
		return nil, err
	}
	_, _, err := keyutil.LoadOrGenerateKeyFile(l.key("service"))
	encryption, failed := pki.EnsureEncryption(filepath.Join(l.credentials, "encryption-config.json"), o.SecretsEncryption)
	l.encryption = encryption
	return l, errors.Join(err, failed,
		pki.EnsureToken(root, l.serverCA),
		// The two that a node trusts.
		pki.WriteFile(filepath.Join(l.agent, "server-ca.crt"), l.serverCA.PEM(), 0o644),
		pki.WriteFile(filepath.Join(l.agent, "client-ca.crt"), l.clientCA.PEM(), 0o644))
}

// certificates makes the leaves and the kubeconfigs that hold them.
func (l *layout) certificates(o *options.Server) error {
	names := append([]string{
		"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc." + o.ClusterDomain,
		"localhost", "127.0.0.1", "::1", o.AdvertiseAddress.String(), o.ServiceAddress(1), o.NodeName,
	}, o.TLSNames...)
	if !o.BindAddress.IsUnspecified() {
		names = append(names, o.BindAddress.String())
	}
	ofNode := []string{o.NodeName, "localhost", "127.0.0.1", o.NodeAddress.String()}
	serving := func(name, commonName string, names []string) pki.Leaf {
		return pki.Leaf{Authority: l.serverCA, Name: name, CommonName: commonName, Names: names, Usage: x509.ExtKeyUsageServerAuth}
	}
	client := func(authority *pki.Authority, name, commonName string, organizations ...string) pki.Leaf {
		return pki.Leaf{Authority: authority, Name: name, CommonName: commonName, Organizations: organizations, Usage: x509.ExtKeyUsageClientAuth}
	}
	admin := client(l.clientCA, "client-admin", "system:admin", "system:masters")
	for _, one := range []struct {
		dir              string
		leaf             pki.Leaf
		user, kubeconfig string
	}{
		{l.tls, serving("serving-kube-apiserver", "kube-apiserver", names), "", ""},
		{l.tls, admin, "admin", l.kubeconfig("admin")},
		{l.tls, client(l.clientCA, "client-controller", "system:kube-controller-manager"), "controller", l.kubeconfig("controller")},
		{l.tls, client(l.clientCA, "client-scheduler", "system:kube-scheduler"), "scheduler", l.kubeconfig("scheduler")},
		{l.tls, client(l.clientCA, "client-kube-apiserver", "system:apiserver", "system:masters"), "", ""},
		{l.tls, client(l.requestHeaderCA, "client-auth-proxy", "system:auth-proxy"), "", ""},
		{l.agent, serving("serving-kubelet", o.NodeName, ofNode), "", ""},
		{l.agent, client(l.clientCA, "client-kubelet", "system:node:"+o.NodeName, "system:nodes"), "kubelet", filepath.Join(l.agent, "kubelet.kubeconfig")},
		{l.agent, client(l.clientCA, "client-kube-proxy", "system:kube-proxy"), "kube-proxy", filepath.Join(l.agent, "kubeproxy.kubeconfig")},
	} {
		err := one.leaf.Ensure(one.dir)
		if err == nil && one.kubeconfig != "" {
			err = one.leaf.Kubeconfig(one.dir, one.kubeconfig, l.url, one.user, l.serverCA, 0o600)
		}
		if err != nil {
			return fmt.Errorf("certificate %s: %w", one.leaf.Name, err)
		}
	}
	return admin.Kubeconfig(l.tls, o.Kubeconfig, l.url, "default", l.serverCA, o.KubeconfigMode)
}

// lock makes this process the only server of its data folder. The kernel lets go of the lock when the process dies.
func lock(o *options.Server) (unlock func() error, err error) {
	root := filepath.Join(o.DataDir, "server")
	if err := os.MkdirAll(root, 0o700); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(filepath.Join(root, ".lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("%s is in use by another k3s server", o.DataDir), file.Close())
	}
	return file.Close, nil
}
