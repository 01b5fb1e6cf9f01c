// Package server runs a whole Kubernetes server: kine, and the control plane's and the node's programs as processes of their
// own, this executable under other names. Upstream analogue: k3s's pkg/server and pkg/daemons.
package server

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"capi-mgmt/lab/kubernetes/agent"
	"capi-mgmt/lab/kubernetes/options"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/sirupsen/logrus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/component-base/version"
)

// datastoreSocket is relative to DATA-DIR/server, the working directory, because a socket's path may have 107 bytes at most.
const datastoreSocket = "kine.sock"

// startLimit is how long each step of a start may take; one takes seconds, on a machine busy with builds far more.
const startLimit = 3 * time.Minute

// Run runs the server until SIGTERM or SIGINT, which end it without an error, or until a part of it fails. A second signal
// ends it at once.
func Run(o *options.Server) error {
	runtime.LockOSThread() // the kernel sends the death signal when the thread ends that started the child
	asked, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	context.AfterFunc(asked, stop)
	ctx, fail := context.WithCancelCause(asked)
	err := run(o, &processes{ctx: ctx, fail: fail, began: time.Now()})
	if asked.Err() != nil {
		return nil
	}
	return err
}

func run(o *options.Server, p *processes) error {
	logrus.Infof("Starting k3s %s", version.Get().GitVersion)
	unlock, err := lock(o)
	if err != nil {
		return err
	}
	defer unlock()
	l, err := prepare(o)
	if err != nil {
		return err
	}
	if err := os.Chdir(l.root); err != nil {
		return err
	}
	stopDatastore, err := startDatastore(filepath.Join("db", "state.db"), datastoreSocket)
	if err != nil {
		return fmt.Errorf("datastore: %w", err)
	}
	defer stopDatastore()
	defer func() {
		_, _ = daemon.SdNotify(false, daemon.SdNotifyStopping) // there need not be a systemd
		p.stop()
	}()
	node, err := startContainerd(o, p)
	if err != nil {
		return err
	}
	client, err := startControlPlane(o, p, l)
	if err != nil {
		return err
	}
	go deploy(p.ctx, o, l)
	ready := func(context.Context, kubernetes.Interface) (bool, error) { return true, nil }
	if node != nil {
		if err := join(p, node); err != nil {
			return err
		}
		ready = node.Register
	}
	if err := p.await("the node is Ready and controllers are at work", startLimit, func(ctx context.Context) bool {
		if _, err := client.CoreV1().ServiceAccounts("default").Get(ctx, "default", metav1.GetOptions{}); err != nil {
			return false
		}
		is, err := ready(ctx, client)
		return err == nil && is // no Node yet, or one that somebody else changed meanwhile: asked again
	}); err != nil {
		return err
	}
	if _, err := daemon.SdNotify(false, daemon.SdNotifyReady); err != nil {
		return err
	}
	logrus.Infof("k3s is up and running after %s", time.Since(p.began).Round(time.Millisecond))
	<-p.ctx.Done()
	return context.Cause(p.ctx)
}

// startContainerd needs nothing of the control plane. Containers go on without it, and it finds them again.
func startContainerd(o *options.Server, p *processes) (*agent.Node, error) {
	if o.DisableAgent {
		return nil, nil
	}
	node, err := agent.Prepare(o)
	if err != nil {
		return nil, err
	}
	log, err := node.ContainerdLog()
	if err != nil {
		return nil, err
	}
	defer log.Close() // the process has it
	return node, p.start("containerd", node.ContainerdArguments(), func(c *exec.Cmd) {
		c.Env = append(c.Env, node.ContainerdEnvironment(c.Env)...)
		c.Stdout, c.Stderr = log, log
	})
}

// startControlPlane gives a client for the administrator.
func startControlPlane(o *options.Server, p *processes, l *layout) (kubernetes.Interface, error) {
	if err := p.start("kube-apiserver", apiServerArguments(o, l)); err != nil {
		return nil, err
	}
	admin, err := clientcmd.BuildConfigFromFlags("", l.kubeconfig("admin"))
	if err != nil {
		return nil, err
	}
	client, err := kubernetes.NewForConfig(admin)
	if err != nil {
		return nil, err
	}
	if err := p.await("kube-apiserver is ready", startLimit, func(ctx context.Context) bool {
		return client.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).Error() == nil
	}); err != nil {
		return nil, err
	}
	if err := p.start("kube-controller-manager", managerArguments(o, l)); err != nil {
		return nil, err
	}
	return client, p.start("kube-scheduler", schedulerArguments(o, l))
}

// join starts what talks to the API server.
func join(p *processes, node *agent.Node) error {
	if err := p.await("containerd is ready", startLimit, node.ContainerdReady); err != nil {
		return err
	}
	if err := p.start("kubelet", node.KubeletArguments()); err != nil {
		return err
	}
	return p.start("kube-proxy", node.ProxyArguments())
}
