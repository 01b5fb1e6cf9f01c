// Package agent configures k3s's own node: containerd, kubelet and kube-proxy. Upstream analogue: k3s's pkg/agent.
package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"capi-mgmt/lab/kubernetes/bundle"
	"capi-mgmt/lab/kubernetes/options"
	"capi-mgmt/lab/kubernetes/pki"

	"github.com/sirupsen/logrus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// Socket is where containerd listens, k3s's path.
const Socket = stateDir + "/containerd.sock"

// stateDir is containerd's own: what is gone after a boot.
const stateDir = "/run/k3s/containerd"

// Node is the machine as a node of the cluster: its configuration is written, its programs are in bin.
type Node struct {
	options *options.Server
	dir     string // DATA-DIR/agent
	bin     string
	host    host
	booted  metav1.Time
}

// Dir is the folder of the node's files below the data folder. Certificates and kubeconfigs are put there by the server.
func Dir(o *options.Server) string { return filepath.Join(o.DataDir, "agent") }

// CrictlConfig is the file that tells crictl where containerd is.
func CrictlConfig(dataDir string) string {
	return filepath.Join(dataDir, "agent", "etc", "crictl.yaml")
}

// Programs is the folder of the programs that this executable carries, as the last start left it.
func Programs(dataDir string) string { return filepath.Join(dataDir, "data", "current", "bin") }

// Prepare unpacks the programs, writes all configuration, and sets what the kernel needs for pods.
func Prepare(o *options.Server) (*Node, error) {
	bin, err := bundle.Extract(filepath.Join(o.DataDir, "data"))
	if err != nil {
		return nil, err
	}
	n := &Node{options: o, dir: Dir(o), bin: bin, host: examine(os.DirFS("/")), booted: metav1.Now().Rfc3339Copy()}
	logrus.Infof("this machine: %+v", n.host)
	registries, err := readRegistries(o.PrivateRegistry)
	if err != nil {
		return nil, err
	}
	hosts, err := registries.hosts()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.PrivateRegistry, err)
	}
	containerd, err := n.containerdConfig(registries)
	if err != nil {
		return nil, err
	}
	kubelet, err := n.kubeletConfig()
	if err != nil {
		return nil, err
	}
	err = os.RemoveAll(n.path("etc", "containerd", "certs.d")) // registries that are no longer named
	for host, content := range hosts {
		err = errors.Join(err, pki.WriteFile(n.path("etc", "containerd", "certs.d", host, "hosts.toml"), content, 0o600))
	}
	err = errors.Join(err,
		pki.WriteFile(n.path("etc", "containerd", "config.toml"), containerd, 0o600),
		pki.WriteFile(n.path("etc", "kubelet.conf.d", "00-k3s-defaults.conf"), kubelet, 0o600),
		pki.WriteFile(CrictlConfig(o.DataDir), []byte("runtime-endpoint: unix://"+Socket+"\n"), 0o644))
	for _, folder := range []string{n.path("pod-manifests"), n.path("etc", "cni", "net.d"), n.path("containerd")} {
		err = errors.Join(err, os.MkdirAll(folder, 0o700))
	}
	setKernel()
	return n, err
}

func (n *Node) path(parts ...string) string {
	return filepath.Join(append([]string{n.dir}, parts...)...)
}

// ContainerdReady says whether containerd answers the kubelet's interface.
func (n *Node) ContainerdReady(ctx context.Context) bool {
	connection, err := grpc.NewClient("unix://"+Socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return false
	}
	defer connection.Close()
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	_, err = runtimeapi.NewRuntimeServiceClient(connection).Version(ctx, &runtimeapi.VersionRequest{})
	return err == nil
}
