// Package operator is the main of a program that reconciles objects of the cluster it runs in.
package operator

import (
	"fmt"
	"os"

	"github.com/go-logr/logr/funcr"
	corev1 "k8s.io/api/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

// Main runs what setup adds to the manager until it is asked to end; an error is told and ends the program with code 1.
// Secrets are read when needed: a role may let a controller read those that it knows by name, not list all. Where
// KUBERNETES_NAMESPACE is set, only objects of that namespace are watched.
func Main(setup func(ctrl.Manager) error) {
	ctrl.SetLogger(funcr.New(func(prefix, args string) { fmt.Fprintln(os.Stderr, prefix, args) }, funcr.Options{LogTimestamp: true}))
	options := ctrl.Options{
		Metrics: metricsserver.Options{BindAddress: "0"},
		Client:  client.Options{Cache: &client.CacheOptions{DisableFor: []client.Object{&corev1.Secret{}}}},
	}
	if namespace := os.Getenv("KUBERNETES_NAMESPACE"); namespace != "" {
		options.Cache.DefaultNamespaces = map[string]cache.Config{namespace: {}}
	}
	m, err := ctrl.NewManager(ctrl.GetConfigOrDie(), options)
	if err == nil {
		err = setup(m)
	}
	if err == nil {
		err = m.Start(ctrl.SetupSignalHandler())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
