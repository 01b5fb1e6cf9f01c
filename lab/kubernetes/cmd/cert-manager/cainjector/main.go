// Command cainjector is cert-manager's CA injector, with the flags of upstream that its chart sets.
package main

import (
	"errors"

	"github.com/cert-manager/cert-manager/lab/app"
	certmanager "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	"github.com/cert-manager/cert-manager/pkg/controller/cainjector"
	corev1 "k8s.io/api/core/v1"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	apiregistration "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

func main() {
	ctx, settings := app.Parse()
	scheme := runtime.NewScheme()
	app.Check(errors.Join(clientgoscheme.AddToScheme(scheme), certmanager.AddToScheme(scheme),
		apiextensions.AddToScheme(scheme), apiregistration.AddToScheme(scheme)))
	managing := ctrl.Options{
		Scheme: scheme, Metrics: metricsserver.Options{BindAddress: settings.Metrics},
		// Secrets are watched by their metadata only, see RegisterAllInjectors.
		Client: client.Options{Cache: &client.CacheOptions{DisableFor: []client.Object{&corev1.Secret{}}}},
	}
	settings.Lead(ctx, "cainjector", "cert-manager-cainjector-leader-election", managing, func(m ctrl.Manager) error {
		return cainjector.RegisterAllInjectors(ctx, m, cainjector.SetupOptions{
			EnableCertificatesDataSource: true,
			EnabledReconcilersFor: map[string]bool{
				cainjector.MutatingWebhookConfigurationName: true, cainjector.ValidatingWebhookConfigurationName: true,
				cainjector.APIServiceName: true, cainjector.CustomResourceDefinitionName: true,
			},
		})
	})
}
