package server

import (
	"context"

	"capi-mgmt/lab/kubernetes/options"

	kcmapp "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	kcmoptions "k8s.io/kubernetes/cmd/kube-controller-manager/app/options"
	schedulerapp "k8s.io/kubernetes/cmd/kube-scheduler/app"
	scheduleroptions "k8s.io/kubernetes/cmd/kube-scheduler/app/options"
)

// newControllerManager configures kube-controller-manager and gives the function that runs it until ctx ends.
func newControllerManager(ctx context.Context, o *options.Server, l *layout) (run func() error, err error) {
	managerOptions, err := kcmoptions.NewKubeControllerManagerOptions()
	if err != nil {
		return nil, err
	}
	arguments := []string{
		"--kubeconfig=" + l.kubeconfig("controller"), "--leader-elect=false", "--profiling=false",
		"--secure-port=0", // so that the API's is the only port this process listens on, and servers can run side by side
		"--allocate-node-cidrs=true", "--cluster-cidr=" + o.ClusterCIDR, "--service-cluster-ip-range=" + o.ServiceCIDR,
		"--controllers=*,tokencleaner,-service,-route,-cloud-node-lifecycle", "--use-service-account-credentials=true",
		"--root-ca-file=" + l.serverCA.CertPath, "--service-account-private-key-file=" + l.key("service"),
		"--concurrent-namespace-syncs=10",
		// At the default of 20 requests a second, making a service account and token for each controller takes 4 s at the
		// first start.
		"--kube-api-qps=200", "--kube-api-burst=400",
	}
	for signer, authority := range map[string]*struct{ cert, key string }{
		"kube-apiserver-client": {l.clientCA.CertPath, l.clientCA.KeyPath}, "kubelet-client": {l.clientCA.CertPath, l.clientCA.KeyPath},
		"kubelet-serving": {l.serverCA.CertPath, l.serverCA.KeyPath}, "legacy-unknown": {l.serverCA.CertPath, l.serverCA.KeyPath},
	} {
		arguments = append(arguments, "--cluster-signing-"+signer+"-cert-file="+authority.cert, "--cluster-signing-"+signer+"-key-file="+authority.key)
	}
	known, off, aliases := kcmapp.KnownControllers(), kcmapp.ControllersDisabledByDefault(), kcmapp.ControllerAliases()
	if err := parse("kube-controller-manager", managerOptions.Flags(known, off, aliases), arguments, o.ControllerManagerArguments); err != nil {
		return nil, err
	}
	if err := managerOptions.ComponentGlobalsRegistry.Set(); err != nil {
		return nil, err
	}
	config, err := managerOptions.Config(ctx, known, off, aliases)
	if err != nil {
		return nil, err
	}
	return func() error { return kcmapp.Run(ctx, config.Complete()) }, nil
}

// newScheduler configures kube-scheduler and gives the function that runs it until ctx ends.
func newScheduler(ctx context.Context, o *options.Server, l *layout) (run func() error, err error) {
	schedulerOptions := scheduleroptions.NewOptions()
	arguments := []string{"--kubeconfig=" + l.kubeconfig("scheduler"), "--secure-port=0", "--leader-elect=false", "--profiling=false"}
	if err := parse("kube-scheduler", *schedulerOptions.Flags, arguments, o.SchedulerArguments); err != nil {
		return nil, err
	}
	if err := schedulerOptions.ComponentGlobalsRegistry.Set(); err != nil {
		return nil, err
	}
	config, scheduler, err := schedulerapp.Setup(ctx, schedulerOptions)
	if err != nil {
		return nil, err
	}
	return func() error { return schedulerapp.Run(ctx, config, scheduler) }, nil
}
