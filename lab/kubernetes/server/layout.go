package server

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"

	"capi-mgmt/lab/kubernetes/agent"
	"capi-mgmt/lab/kubernetes/logging"
	"capi-mgmt/lab/kubernetes/options"
	"capi-mgmt/lab/kubernetes/pki"
)

// layout is where one server keeps its files, k3s's places below the data folder, and the authorities they come from.
type layout struct {
	root        string // DATA-DIR/server
	tls         string
	credentials string
	agent       string // DATA-DIR/agent

	serverCA        *pki.Authority // signs the API server's certificate
	clientCA        *pki.Authority // signs client certificates; the same as serverCA in a kubeadm cluster
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
	for _, dir := range []string{l.root, l.tls, l.credentials, l.agent, filepath.Join(root, "db")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
	}
	host := o.BindAddress
	if net.ParseIP(host).IsUnspecified() {
		host = "127.0.0.1"
	}
	l.url = "https://" + net.JoinHostPort(host, strconv.Itoa(o.Port))
	if err := l.authorities(); err != nil {
		return nil, err
	}
	if err := l.leaves(o); err != nil {
		return nil, err
	}
	if err := pki.EnsureToken(root, o.Token, l.serverCA); err != nil {
		return nil, err
	}
	if err := pki.EnsureServiceAccountKey(l.key("service")); err != nil {
		return nil, err
	}
	var err error
	if l.encryption, err = pki.EnsureEncryption(filepath.Join(l.credentials, "encryption-config.json"), o.SecretsEncryption); err != nil {
		return nil, err
	}
	if l.encryption != "" && !o.SecretsEncryption {
		logging.Infof("secrets encryption stays on: %s exists", l.encryption)
	}
	return l, l.kubeconfigs(o)
}

// authorities makes k3s's three. The agent's folder has copies of the two that a node trusts.
func (l *layout) authorities() (err error) {
	if l.requestHeaderCA, err = pki.EnsureAuthority(l.tls, "request-header-ca"); err != nil {
		return err
	}
	if l.serverCA, err = pki.EnsureAuthority(l.tls, "server-ca"); err != nil {
		return err
	}
	if l.clientCA, err = pki.EnsureAuthority(l.tls, "client-ca"); err != nil {
		return err
	}
	return errors.Join(pki.WriteFile(filepath.Join(l.agent, "server-ca.crt"), l.serverCA.PEM, 0o644),
		pki.WriteFile(filepath.Join(l.agent, "client-ca.crt"), l.clientCA.PEM, 0o644))
}

func (l *layout) leaves(o *options.Server) error {
	names := append([]string{
		"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc." + o.ClusterDomain,
		"localhost", "127.0.0.1", "::1", o.AdvertiseAddress, o.ServiceAddress(1), o.NodeExternalIP, o.NodeName,
	}, o.TLSNames...)
	if ip := net.ParseIP(o.BindAddress); !ip.IsUnspecified() {
		names = append(names, o.BindAddress)
	}
	masters := []string{"system:masters"}
	serves, calls := x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth
	for _, leaf := range []pki.Leaf{
		{Authority: l.serverCA, Name: "serving-kube-apiserver", CommonName: "kube-apiserver", Names: names, Usage: serves},
		{Authority: l.clientCA, Name: "client-admin", CommonName: "system:admin", Organizations: masters, Usage: calls},
		{Authority: l.clientCA, Name: "client-controller", CommonName: "system:kube-controller-manager", Usage: calls},
		{Authority: l.clientCA, Name: "client-scheduler", CommonName: "system:kube-scheduler", Usage: calls},
		{Authority: l.clientCA, Name: "client-kube-apiserver", CommonName: "system:apiserver", Organizations: masters, Usage: calls},
		{Authority: l.requestHeaderCA, Name: "client-auth-proxy", CommonName: "system:auth-proxy", Usage: calls},
	} {
		if err := leaf.Ensure(l.tls); err != nil {
			return fmt.Errorf("certificate %s: %w", leaf.Name, err)
		}
	}
	for _, leaf := range []pki.Leaf{
		{Authority: l.serverCA, Name: "serving-kubelet", CommonName: o.NodeName, Names: []string{o.NodeName, "localhost", "127.0.0.1", o.NodeAddress, o.NodeExternalIP}, Usage: serves},
		{Authority: l.clientCA, Name: "client-kubelet", CommonName: "system:node:" + o.NodeName, Organizations: []string{"system:nodes"}, Usage: calls},
		{Authority: l.clientCA, Name: "client-kube-proxy", CommonName: "system:kube-proxy", Usage: calls},
	} {
		if err := leaf.Ensure(l.agent); err != nil {
			return fmt.Errorf("certificate %s: %w", leaf.Name, err)
		}
	}
	return nil
}

func (l *layout) kubeconfigs(o *options.Server) error {
	for dir, files := range map[string][]pki.Kubeconfig{
		l.tls: {
			{Path: o.Kubeconfig, Server: l.url, User: "default", Leaf: "client-admin", Mode: o.KubeconfigMode},
			{Path: l.kubeconfig("admin"), Server: l.url, User: "admin", Leaf: "client-admin", Mode: 0o600},
			{Path: l.kubeconfig("controller"), Server: l.url, User: "controller", Leaf: "client-controller", Mode: 0o600},
			{Path: l.kubeconfig("scheduler"), Server: l.url, User: "scheduler", Leaf: "client-scheduler", Mode: 0o600},
		},
		l.agent: {
			{Path: filepath.Join(l.agent, "kubelet.kubeconfig"), Server: l.url, User: "kubelet", Leaf: "client-kubelet", Mode: 0o600},
			{Path: filepath.Join(l.agent, "kubeproxy.kubeconfig"), Server: l.url, User: "kube-proxy", Leaf: "client-kube-proxy", Mode: 0o600},
		},
	} {
		for _, file := range files {
			if err := file.Write(dir, l.serverCA); err != nil {
				return fmt.Errorf("kubeconfig %s: %w", file.Path, err)
			}
		}
	}
	return nil
}
