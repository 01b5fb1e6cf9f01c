// Package server runs a whole Kubernetes control plane in one process: kine, kube-apiserver, kube-controller-manager,
// kube-scheduler, with the node's programs as its children. Upstream analogue: k3s's pkg/server and pkg/daemons/executor (embedded).
package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"capi-mgmt/lab/kubernetes/logging"
	"capi-mgmt/lab/kubernetes/options"
	"capi-mgmt/lab/kubernetes/version"

	"github.com/coreos/go-systemd/v22/daemon"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// datastoreSocket is relative to DATA-DIR/server, the working directory, because a socket's path may have 107 bytes at most.
const datastoreSocket = "kine.sock"

const (
	apiServerLimit  = 3 * time.Minute  // to become ready; a start takes 3 s, on a machine busy with builds far more
	controllerLimit = 3 * time.Minute  // for the node to be Ready, and the default service account, after that
	nodeStop        = 12 * time.Second // how long each may take at the end; systemd gives 90 s in all
	componentsStop  = 12 * time.Second //
	apiServerStop   = 20 * time.Second //
	pollEvery       = 50 * time.Millisecond
)

// Run runs the server until SIGTERM or SIGINT, which end it without an error, or until a part of it fails.
func Run(o *options.Server) error {
	if err := run(o); !errors.Is(err, errStopped) {
		return err
	}
	return nil
}

func run(o *options.Server) error {
	began := time.Now()
	logging.Infof("Starting k3s %s (%s)", version.Release, version.Commit)
	notify := newNotifier()
	unlock, err := lock(o)
	if err != nil {
		return err
	}
	defer unlock()
	if err := checkAddresses(o); err != nil {
		return err
	}
	files, err := prepare(o)
	if err != nil {
		return err
	}
	if err := os.Chdir(files.root); err != nil {
		return err
	}
	parts := newParts(began)
	stopDatastore, err := startDatastore(files)
	if err != nil {
		return fmt.Errorf("datastore: %w", err)
	}
	defer stopDatastore()

	node, err := startNode(o, parts)
	if err != nil {
		return err
	}
	defer node.stop(parts)

	apiContext, stopAPIServer := context.WithCancel(context.Background())
	defer stopAPIServer()
	rest.SetDefaultWarningHandler(rest.NoWarnings{})
	runAPIServer, err := newAPIServer(apiContext, o, files)
	if err != nil {
		return err
	}
	apiServer := parts.start("kube-apiserver", func() error { return runAPIServer(apiContext) })

	admin, err := clientcmd.BuildConfigFromFlags("", files.kubeconfig("admin"))
	if err != nil {
		return err
	}
	admin.QPS, admin.Burst = 200, 400
	client, err := kubernetes.NewForConfig(admin)
	if err != nil {
		return err
	}
	if err := parts.await("kube-apiserver is ready", apiServerLimit, func(ctx context.Context) bool {
		return client.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).Error() == nil
	}); err != nil {
		return err
	}

	componentContext, stopComponents := context.WithCancel(context.Background())
	defer stopComponents()
	runManager, err := newControllerManager(componentContext, o, files)
	if err != nil {
		return err
	}
	runScheduler, err := newScheduler(componentContext, o, files)
	if err != nil {
		return err
	}
	components := []<-chan struct{}{
		parts.start("kube-controller-manager", runManager),
		parts.start("kube-scheduler", runScheduler),
		parts.start("deploy controller", func() error { return deploy(componentContext, o, admin) }),
	}
	defer func() {
		parts.stopping.Store(true)
		notify.send(daemon.SdNotifyStopping)
		node.stop(parts)
		stopComponents()
		parts.awaitEnd("controllers", componentsStop, components...)
		stopAPIServer()
		parts.awaitEnd("kube-apiserver", apiServerStop, apiServer)
	}()
	if err := node.join(parts); err != nil {
		return err
	}
	if err := parts.await("the node is Ready and controllers are at work", controllerLimit, func(ctx context.Context) bool {
		_, err := client.CoreV1().ServiceAccounts("default").Get(ctx, "default", metav1.GetOptions{})
		return err == nil && node.ready(ctx, client)
	}); err != nil {
		return err
	}
	notify.send(daemon.SdNotifyReady)
	logging.Infof("k3s is up and running after %s", time.Since(began).Round(time.Millisecond))
	return parts.wait()
}

// lock makes this process the only server of its data folder. The kernel lets go of the lock when the process dies.
func lock(o *options.Server) (unlock func(), err error) {
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
	return func() { _ = file.Close() }, nil
}

// checkAddresses finds out early what would otherwise end in a time-out: the port taken, or loopback down as it is in a new
// network namespace (the API server dials itself there).
func checkAddresses(o *options.Server) error {
	address := net.JoinHostPort(o.BindAddress, strconv.Itoa(o.Port))
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("cannot listen on %s: %w", address, err)
	}
	defer listener.Close()
	local := net.JoinHostPort("127.0.0.1", strconv.Itoa(o.Port))
	if ip := net.ParseIP(o.BindAddress); !ip.IsUnspecified() {
		local = address
	}
	connection, err := net.DialTimeout("tcp", local, 2*time.Second)
	if err != nil {
		return fmt.Errorf("cannot reach the own address %s (is the loopback interface up in this network namespace?): %w", local, err)
	}
	return connection.Close()
}

func ending() <-chan os.Signal {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	return signals
}
