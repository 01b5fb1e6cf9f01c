// Command webhook is cert-manager's admission webhook, with upstream's flags.
package main

import (
	"github.com/cert-manager/cert-manager/internal/webhook"
	_ "github.com/cert-manager/cert-manager/internal/webhook/feature" // registers the gates
	"github.com/cert-manager/cert-manager/lab/app"
	logf "github.com/cert-manager/cert-manager/pkg/logs"
	"github.com/cert-manager/cert-manager/pkg/util/feature"
	"github.com/cert-manager/cert-manager/pkg/webhook/options"
	"github.com/spf13/pflag"
	ctrl "sigs.k8s.io/controller-runtime"
)

func main() {
	configuration, err := options.NewWebhookConfiguration()
	app.Check(err)
	options.AddConfigFlags(pflag.CommandLine, configuration)
	pflag.Parse()
	logf.InitLogs()
	defer logf.FlushLogs()
	app.Check(logf.ValidateAndApply(&configuration.Logging))
	app.Check(feature.DefaultMutableFeatureGate.SetFromMap(configuration.FeatureGates))
	server, err := webhook.NewCertManagerWebhookServer(logf.Log.WithName("webhook"), *configuration)
	app.Check(err)
	app.Check(server.Run(ctrl.SetupSignalHandler()))
}
