// Command cluster-api-janitor-openstack deletes what the clusters of the management cluster that it runs in left behind
// in OpenStack. It reads upstream's CAPI_JANITOR_DEFAULT_VOLUMES_POLICY and CAPI_JANITOR_RETRY_DEFAULT_DELAY.
package main

import (
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/go-logr/logr/funcr"
	corev1 "k8s.io/api/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"capi-mgmt/lab/kubernetes/janitor"
)

func main() {
	ctrl.SetLogger(funcr.New(func(prefix, args string) { fmt.Fprintln(os.Stderr, prefix, args) }, funcr.Options{LogTimestamp: true}))
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	policy := os.Getenv("CAPI_JANITOR_DEFAULT_VOLUMES_POLICY")
	if policy == "" {
		policy = "delete"
	}
	seconds, err := strconv.Atoi(os.Getenv("CAPI_JANITOR_RETRY_DEFAULT_DELAY"))
	if err != nil || seconds < 1 {
		seconds = 60
	}
	m, err := ctrl.NewManager(ctrl.GetConfigOrDie(), ctrl.Options{
		Metrics: metricsserver.Options{BindAddress: "0"},
		// Its role lets it read the secrets that it knows by name, not list all.
		Client: client.Options{Cache: &client.CacheOptions{DisableFor: []client.Object{&corev1.Secret{}}}},
	})
	if err != nil {
		return err
	}
	r := &janitor.Reconciler{Client: m.GetClient(), VolumesPolicy: policy, Retry: time.Duration(seconds) * time.Second, Recorder: m.GetEventRecorder("capi-janitor")}
	if err := r.Setup(m); err != nil {
		return err
	}
	return m.Start(ctrl.SetupSignalHandler())
}
