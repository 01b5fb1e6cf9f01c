// Package server runs a whole Kubernetes control plane in one process: kine, kube-apiserver, kube-controller-manager,
// kube-scheduler and the node loop. Upstream analogue: k3s's pkg/server and pkg/daemons/executor (embedded).
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

	"capi-mgmt/lab/kubernetes/conversion"
	"capi-mgmt/lab/kubernetes/logging"
	"capi-mgmt/lab/kubernetes/nodes"
	"capi-mgmt/lab/kubernetes/options"
	"capi-mgmt/lab/kubernetes/program"
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
	controllerLimit = 2 * time.Minute  // for nodes, or the default service account, after that
	programsStop    = 5 * time.Second  // how long each may take at the end; systemd gives 90 s in all
	componentsStop  = 12 * time.Second //
	apiServerStop   = 20 * time.Second //
	pollEvery       = 50 * time.Millisecond
)

// Additions is what a server gets from code that knows particular software.
type Additions struct {
	Programs []program.Program // act for containers
	Convert  conversion.Func   // converts custom resources between versions; nil: as conversion strategy None
}

// Run runs the server until SIGTERM or SIGINT, which end it without an error, or until a part of it fails.
func Run(o *options.Server, additions Additions) error {
	if err := run(o, additions); !errors.Is(err, errStopped) {
		return err
	}
	return nil
}

func run(o *options.Server, additions Additions) error {
	began := time.Now()
	logging.Infof("Starting k3s %s (%s)", version.Release, version.Commit)
	notify := newNotifier()
	if o.ControlPlane != nil {
		reportVersion(o.ControlPlane)
	}
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

	apiContext, stopAPIServer := context.WithCancel(context.Background())
	defer stopAPIServer()
	rest.SetDefaultWarningHandler(rest.NoWarnings{})
	runAPIServer, err := newAPIServer(apiContext, o, files, additions.Convert)
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
	loop := nodes.New(nodes.Settings{
		Server: o, Admin: admin, Client: client, Programs: additions.Programs, LogDir: files.logs,
		ServingCert: files.cert("serving-kubelet"), ServingKey: files.key("serving-kubelet"), ClientCA: files.clientCA.CertPath,
	})
	components := []<-chan struct{}{
		parts.start("kube-controller-manager", runManager),
		parts.start("kube-scheduler", runScheduler),
		parts.start("node loop", func() error { return loop.Run(componentContext) }),
	}
	defer func() {
		parts.stopping.Store(true)
		notify.send(daemon.SdNotifyStopping)
		loop.StopPrograms(programsStop)
		stopComponents()
		parts.awaitEnd("controllers", componentsStop, components...)
		stopAPIServer()
		parts.awaitEnd("kube-apiserver", apiServerStop, apiServer)
	}()
	if err := parts.await("controllers are at work", controllerLimit, func(ctx context.Context) bool {
		_, err := client.CoreV1().ServiceAccounts("default").Get(ctx, "default", metav1.GetOptions{})
		return err == nil && loop.Ready(ctx)
	}); err != nil {
		return err
	}
	notify.send(daemon.SdNotifyReady)
	logging.Infof("k3s is up and running after %s", time.Since(began).Round(time.Millisecond))
	return parts.wait()
}

// reportVersion makes a workload cluster say the version that was asked for, where this build can.
func reportVersion(plane *options.ControlPlane) {
	wanted := plane.KubernetesVersion
	if wanted == "" {
		wanted = version.Upstream()
	}
	if err := version.Report(wanted); err != nil {
		logging.Warnf("%v", err)
		if err := version.Report(version.Upstream()); err != nil {
			logging.Warnf("%v", err)
		}
	}
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
