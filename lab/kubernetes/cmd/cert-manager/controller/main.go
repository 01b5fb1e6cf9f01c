// Command controller is cert-manager's controller with the issuers CA and SelfSigned, and the flags of upstream that its chart
// sets. Upstream's has five issuers: ACME's links three clouds' SDKs, and Venafi's is served by no proxy.
package main

import (
	"context"
	"net"
	"time"

	_ "github.com/cert-manager/cert-manager/internal/controller/feature" // registers the gates
	"github.com/cert-manager/cert-manager/lab/app"
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
	_ "github.com/cert-manager/cert-manager/pkg/issuer/ca"
	_ "github.com/cert-manager/cert-manager/pkg/issuer/selfsigned"
	logf "github.com/cert-manager/cert-manager/pkg/logs"
	"github.com/spf13/pflag"
	"golang.org/x/sync/errgroup"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

// workers of each controller, upstream's default.
const workers = 5

func main() {
	options := controller.ContextOptions{KubernetesAPIQPS: 20, KubernetesAPIBurst: 50}
	options.CertificateRequestMinimumBackoffDuration, options.CertificateRequestMaximumBackoffDuration = time.Hour, 32*time.Hour
	pflag.StringVar(&options.ClusterResourceNamespace, "cluster-resource-namespace", "kube-system", "namespace of what ClusterIssuers use")
	pflag.BoolVar(&options.EnableOwnerRef, "enable-certificate-owner-ref", false, "a Certificate owns its Secret")
	pflag.String("acme-http01-solver-image", "", "without effect: there is no ACME issuer")
	pflag.Int("max-concurrent-challenges", 60, "without effect, as above")
	ctx, settings := app.Parse()
	managing := ctrl.Options{
		HealthProbeBindAddress: ":9403", LivenessEndpointName: "/livez",
		Metrics: metricsserver.Options{BindAddress: "0"}, // cert-manager serves its own
	}
	settings.Lead(ctx, "controller", "cert-manager-controller", managing, func(m ctrl.Manager) error {
		factory, err := controller.NewContextFactory(ctx, options)
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
		listener, err := net.Listen("tcp", settings.Metrics)
		if err != nil {
			return err
		}
		go root.Metrics.NewServer(listener).Serve(listener)
		if err := m.AddHealthzCheck("ping", healthz.Ping); err != nil {
			return err
		}
		return m.Add(manager.RunnableFunc(func(ctx context.Context) error { return work(ctx, root, factory) }))
	})
}

// work runs every controller that is linked in.
func work(ctx context.Context, root *controller.Context, factory *controller.ContextFactory) error {
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
