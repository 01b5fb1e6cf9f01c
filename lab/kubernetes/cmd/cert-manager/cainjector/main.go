// Command cainjector is cert-manager's CA injector, with the flags of upstream that its chart sets.
package main

import (
	"os"
	"time"

	cainjectorconfig "github.com/cert-manager/cert-manager/internal/apis/config/cainjector"
	"github.com/cert-manager/cert-manager/internal/kube"
	certmanager "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	"github.com/cert-manager/cert-manager/pkg/controller/cainjector"
	logf "github.com/cert-manager/cert-manager/pkg/logs"
	"github.com/cert-manager/cert-manager/pkg/util"
	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	logsapi "k8s.io/component-base/logs/api/v1"
	"k8s.io/klog/v2"
	apiregistration "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

func main() {
	logf.InitLogs()
	defer logf.FlushLogs()
	if err := run(); err != nil {
		logf.Log.Error(err, "the CA injector ends")
		os.Exit(1)
	}
}

func run() error {
	configuration := cainjectorconfig.CAInjectorConfiguration{Logging: *logsapi.NewLoggingConfiguration()}
	leader := &configuration.LeaderElectionConfig
	pflag.StringVar(&configuration.KubeConfig, "kubeconfig", "", "kubeconfig outside of a pod")
	pflag.StringVar(&configuration.Namespace, "namespace", "", "the only namespace to take secrets from")
	pflag.BoolVar(&leader.Enabled, "leader-elect", true, "elect a leader")
	pflag.StringVar(&leader.Namespace, "leader-election-namespace", "kube-system", "namespace of the lease")
	pflag.DurationVar(&leader.LeaseDuration, "leader-election-lease-duration", time.Minute, "")
	pflag.DurationVar(&leader.RenewDeadline, "leader-election-renew-deadline", 40*time.Second, "")
	pflag.DurationVar(&leader.RetryPeriod, "leader-election-retry-period", 15*time.Second, "")
	pflag.StringVar(&configuration.MetricsListenAddress, "metrics-listen-address", "0.0.0.0:9402", "")
	logf.AddFlags(&configuration.Logging, pflag.CommandLine)
	pflag.Parse()
	if err := logf.ValidateAndApply(&configuration.Logging); err != nil {
		return err
	}
	ctrl.SetLogger(klog.Background())
	config, err := kube.BuildClientConfig("", configuration.KubeConfig)
	if err != nil {
		return err
	}
	config = util.RestConfigWithUserAgent(config, "cainjector") // its first part is the field manager of what is injected
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		clientgoscheme.AddToScheme, certmanager.AddToScheme, apiextensions.AddToScheme, apiregistration.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			return err
		}
	}
	options := ctrl.Options{
		Scheme:                        scheme,
		Metrics:                       metricsserver.Options{BindAddress: configuration.MetricsListenAddress},
		LeaderElection:                leader.Enabled,
		LeaderElectionID:              "cert-manager-cainjector-leader-election",
		LeaderElectionNamespace:       leader.Namespace,
		LeaderElectionReleaseOnCancel: true,
		LeaseDuration:                 &leader.LeaseDuration,
		RenewDeadline:                 &leader.RenewDeadline,
		RetryPeriod:                   &leader.RetryPeriod,
		// Secrets are watched by their metadata only, see RegisterAllInjectors.
		Client: client.Options{Cache: &client.CacheOptions{DisableFor: []client.Object{&corev1.Secret{}}}},
	}
	if configuration.Namespace != "" {
		options.Cache = cache.Options{DefaultNamespaces: map[string]cache.Config{configuration.Namespace: {}}}
	}
	manager, err := ctrl.NewManager(config, options)
	if err != nil {
		return err
	}
	ctx := ctrl.SetupSignalHandler()
	kinds := map[string]bool{}
	for _, kind := range []string{
		cainjector.MutatingWebhookConfigurationName, cainjector.ValidatingWebhookConfigurationName,
		cainjector.APIServiceName, cainjector.CustomResourceDefinitionName,
	} {
		kinds[kind] = true
	}
	err = cainjector.RegisterAllInjectors(ctx, manager, cainjector.SetupOptions{
		Namespace: configuration.Namespace, EnableCertificatesDataSource: true, EnabledReconcilersFor: kinds,
	})
	if err != nil {
		return err
	}
	return manager.Start(ctx)
}
