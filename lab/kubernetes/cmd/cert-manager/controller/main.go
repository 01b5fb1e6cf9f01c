// Command controller is cert-manager's controller with the issuers CA and SelfSigned, and the flags of upstream that its chart
// sets. Upstream's has five issuers: ACME's links three clouds' SDKs, and Venafi's is served by no proxy.
package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	_ "github.com/cert-manager/cert-manager/internal/controller/feature" // registers the gates
	"github.com/cert-manager/cert-manager/pkg/controller"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificaterequests/approver"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificaterequests/ca"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificaterequests/selfsigned"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/issuing"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/keymanager"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/readiness"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/requestmanager"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/revisionmanager"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/trigger"
	_ "github.com/cert-manager/cert-manager/pkg/controller/clusterissuers"
	_ "github.com/cert-manager/cert-manager/pkg/controller/issuers"
	"github.com/cert-manager/cert-manager/pkg/healthz"
	_ "github.com/cert-manager/cert-manager/pkg/issuer/ca"
	_ "github.com/cert-manager/cert-manager/pkg/issuer/selfsigned"
	logf "github.com/cert-manager/cert-manager/pkg/logs"
	"github.com/spf13/pflag"
	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	logsapi "k8s.io/component-base/logs/api/v1"
)

type settings struct {
	controller.ContextOptions
	logging          *logsapi.LoggingConfiguration
	electionSpace    string
	election         leaderelection.LeaderElectionConfig
	metrics, healthz string
	workers          int
}

func flags() settings {
	s := settings{logging: logsapi.NewLoggingConfiguration()}
	s.KubernetesAPIQPS, s.KubernetesAPIBurst = 20, 50
	s.CertificateRequestMinimumBackoffDuration, s.CertificateRequestMaximumBackoffDuration = time.Hour, 32*time.Hour
	pflag.StringVar(&s.Kubeconfig, "kubeconfig", "", "kubeconfig outside of a pod")
	pflag.StringVar(&s.Namespace, "namespace", "", "the only namespace to look at")
	pflag.StringVar(&s.ClusterResourceNamespace, "cluster-resource-namespace", "kube-system", "namespace of what ClusterIssuers use")
	pflag.BoolVar(&s.EnableOwnerRef, "enable-certificate-owner-ref", false, "a Certificate owns its Secret")
	pflag.StringVar(&s.electionSpace, "leader-election-namespace", "kube-system", "namespace of the lease")
	pflag.DurationVar(&s.election.LeaseDuration, "leader-election-lease-duration", time.Minute, "")
	pflag.DurationVar(&s.election.RenewDeadline, "leader-election-renew-deadline", 40*time.Second, "")
	pflag.DurationVar(&s.election.RetryPeriod, "leader-election-retry-period", 15*time.Second, "")
	pflag.StringVar(&s.metrics, "metrics-listen-address", "0.0.0.0:9402", "")
	pflag.StringVar(&s.healthz, "internal-healthz-listen-address", "0.0.0.0:9403", "")
	pflag.IntVar(&s.workers, "concurrent-workers", 5, "workers of a controller")
	pflag.String("acme-http01-solver-image", "", "without effect: there is no ACME issuer")
	pflag.Int("max-concurrent-challenges", 60, "without effect, as above")
	logf.AddFlags(s.logging, pflag.CommandLine)
	pflag.Parse()
	return s
}

func main() {
	logf.InitLogs()
	defer logf.FlushLogs()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, flags()); err != nil && !errors.Is(err, context.Canceled) {
		logf.Log.Error(err, "the controller ends")
		logf.FlushLogs()
		os.Exit(1)
	}
}

func run(parent context.Context, s settings) error {
	if err := logf.ValidateAndApply(s.logging); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(parent)
	ctx = logf.NewContext(ctx, logf.Log, "controller")
	factory, err := controller.NewContextFactory(ctx, s.ContextOptions)
	if err != nil {
		return err
	}
	root, err := factory.Build()
	if err != nil {
		return err
	}
	certificates := root.SharedInformerFactory.Certmanager().V1()
	root.Metrics.SetupCertificateCollector(certificates.Certificates().Lister())
	root.Metrics.SetupIssuerCollector(certificates.Issuers().Lister())
	root.Metrics.SetupClusterIssuerCollector(certificates.ClusterIssuers().Lister())
	listener, err := net.Listen("tcp", s.metrics)
	if err != nil {
		return err
	}
	metrics := root.Metrics.NewServer(listener)
	group.Go(func() error { return ignoreClosed(metrics.Serve(listener)) })
	group.Go(func() error {
		<-ctx.Done()
		return metrics.Close()
	})
	health := healthz.NewServer(20 * time.Second)
	healthListener, err := net.Listen("tcp", s.healthz)
	if err != nil {
		return err
	}
	group.Go(func() error { return health.Start(ctx, healthListener) })
	group.Go(func() error {
		if err := lead(ctx, root, s, health.LeaderHealthzAdaptor); err != nil {
			return err
		}
		return work(ctx, root, factory, s.workers)
	})
	return group.Wait()
}

func ignoreClosed(err error) error {
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// lead returns when the lease is held. Losing it ends the program: another is the leader then.
func lead(ctx context.Context, root *controller.Context, s settings, watchdog *leaderelection.HealthzAdaptor) error {
	host, err := os.Hostname()
	if err != nil {
		return err
	}
	lock, err := resourcelock.New(resourcelock.LeasesResourceLock, s.electionSpace, "cert-manager-controller",
		nil, root.Client.CoordinationV1(), resourcelock.ResourceLockConfig{Identity: host + "-external-cert-manager-controller"})
	if err != nil {
		return err
	}
	elected := make(chan struct{})
	s.election.Lock, s.election.Name, s.election.WatchDog = lock, "cert-manager-controller", watchdog
	s.election.ReleaseOnCancel = true
	s.election.Callbacks = leaderelection.LeaderCallbacks{
		OnStartedLeading: func(context.Context) { close(elected) },
		OnStoppedLeading: func() {
			if ctx.Err() == nil {
				logf.Log.Info("leadership lost")
				logf.FlushLogs()
				os.Exit(1)
			}
		},
	}
	elector, err := leaderelection.NewLeaderElector(s.election)
	if err != nil {
		return err
	}
	go elector.Run(ctx)
	select {
	case <-elected:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// work runs every controller that is linked in.
func work(ctx context.Context, root *controller.Context, factory *controller.ContextFactory, workers int) error {
	group, ctx := errgroup.WithContext(ctx)
	for name, construct := range controller.Known() {
		instance, err := construct(factory)
		if err != nil {
			return err
		}
		logf.Log.Info("starting", "controller", name)
		group.Go(func() error { return instance.Run(workers, ctx) })
	}
	root.SharedInformerFactory.Start(ctx.Done())
	root.KubeSharedInformerFactory.Start(ctx.Done())
	return group.Wait()
}
