// Command webhook is cert-manager's admission webhook, with upstream's flags.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/cert-manager/cert-manager/internal/webhook"
	_ "github.com/cert-manager/cert-manager/internal/webhook/feature" // registers the gates
	logf "github.com/cert-manager/cert-manager/pkg/logs"
	"github.com/cert-manager/cert-manager/pkg/util/feature"
	"github.com/cert-manager/cert-manager/pkg/webhook/options"
	"github.com/spf13/pflag"
)

func main() {
	logf.InitLogs()
	defer logf.FlushLogs()
	if err := run(); err != nil {
		logf.Log.Error(err, "the webhook ends")
		os.Exit(1)
	}
}

func run() error {
	configuration, err := options.NewWebhookConfiguration()
	if err != nil {
		return err
	}
	options.AddConfigFlags(pflag.CommandLine, configuration)
	pflag.Parse()
	if err := logf.ValidateAndApply(&configuration.Logging); err != nil {
		return err
	}
	if err := feature.DefaultMutableFeatureGate.SetFromMap(configuration.FeatureGates); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	server, err := webhook.NewCertManagerWebhookServer(logf.Log.WithName("webhook"), *configuration)
	if err != nil {
		return err
	}
	return server.Run(ctx)
}
