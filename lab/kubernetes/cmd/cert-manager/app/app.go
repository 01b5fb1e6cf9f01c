// Package app is what the mains of cert-manager's programs share: upstream's flags that the chart sets, and a manager that
// works while it leads.
package app

import (
	"context"
	"os"
	"time"

	logf "github.com/cert-manager/cert-manager/pkg/logs"
	"github.com/cert-manager/cert-manager/pkg/util"
	"github.com/spf13/pflag"
	logsapi "k8s.io/component-base/logs/api/v1"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
)

// Settings are the flags that a Lead needs.
type Settings struct {
	// Metrics is the address of /metrics; 0: none.
	Metrics                           string
	namespace                         string
	lease, renewDeadline, retryPeriod time.Duration
}

// Check ends the program where there is an error.
func Check(err error) {
	if err != nil {
		logf.Log.Error(err, "the program ends")
		logf.FlushLogs()
		os.Exit(1)
	}
}

// Parse reads the flags, logging's among them, and gives the context that ends when the program is to.
func Parse() (context.Context, Settings) {
	var s Settings
	pflag.StringVar(&s.Metrics, "metrics-listen-address", "0.0.0.0:9402", "address of /metrics; 0: none")
	pflag.StringVar(&s.namespace, "leader-election-namespace", "kube-system", "namespace of the lease")
	pflag.DurationVar(&s.lease, "leader-election-lease-duration", time.Minute, "")
	pflag.DurationVar(&s.renewDeadline, "leader-election-renew-deadline", 40*time.Second, "")
	pflag.DurationVar(&s.retryPeriod, "leader-election-retry-period", 15*time.Second, "")
	logging := logsapi.NewLoggingConfiguration()
	logf.AddFlags(logging, pflag.CommandLine)
	pflag.Parse()
	logf.InitLogs()
	Check(logf.ValidateAndApply(logging))
	ctrl.SetLogger(klog.Background())
	return logf.NewContext(ctrl.SetupSignalHandler(), logf.Log), s
}

// Lead runs what setup adds to a manager, while this program holds the lease.
func (s Settings) Lead(ctx context.Context, component, lease string, options ctrl.Options, setup func(ctrl.Manager) error) {
	// The first part of the user agent is the field manager of what is applied.
	config := util.RestConfigWithUserAgent(ctrl.GetConfigOrDie(), component)
	options.LeaderElection, options.LeaderElectionReleaseOnCancel = true, true
	options.LeaderElectionID, options.LeaderElectionNamespace = lease, s.namespace
	options.LeaseDuration, options.RenewDeadline, options.RetryPeriod = &s.lease, &s.renewDeadline, &s.retryPeriod
	m, err := ctrl.NewManager(config, options)
	Check(err)
	Check(setup(m))
	Check(m.Start(ctx))
}
