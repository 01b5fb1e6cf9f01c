package server

import (
	"context"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strconv"
	"strings"

	"capi-mgmt/lab/kubernetes/options"

	"github.com/spf13/pflag"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	cliflag "k8s.io/component-base/cli/flag"
	logsapi "k8s.io/component-base/logs/api/v1"
	apiapp "k8s.io/kubernetes/cmd/kube-apiserver/app"
	apioptions "k8s.io/kubernetes/cmd/kube-apiserver/app/options"
)

// parse gives a component its arguments. further are the operator's name=value ones; they come last and so win.
func parse(component string, sets cliflag.NamedFlagSets, arguments, further []string) error {
	flags := pflag.NewFlagSet(component, pflag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.SetNormalizeFunc(cliflag.WordSepNormalizeFunc)
	for _, set := range sets.FlagSets {
		flags.AddFlagSet(set)
	}
	for _, argument := range further {
		arguments = append(arguments, "--"+strings.TrimPrefix(argument, "--"))
	}
	if err := flags.Parse(arguments); err != nil {
		return fmt.Errorf("%s: %w", component, err)
	}
	return nil
}

func apiServerArguments(o *options.Server, l *layout) []string {
	issuer := "https://kubernetes.default.svc." + o.ClusterDomain
	reconciler := "lease"
	if net.ParseIP(o.AdvertiseAddress).IsLoopback() {
		reconciler = "none" // Endpoints may not hold a loopback address: the write would fail for ever
	}
	arguments := []string{
		"--advertise-address=" + o.AdvertiseAddress, "--bind-address=" + o.BindAddress, "--secure-port=" + strconv.Itoa(o.Port),
		"--etcd-servers=unix://" + datastoreSocket, "--storage-backend=etcd3", "--etcd-compaction-interval=0",
		"--allow-privileged=true", "--anonymous-auth=false", "--authorization-mode=Node,RBAC", "--profiling=false",
		"--service-account-issuer=" + issuer, "--api-audiences=" + issuer + ",k3s",
		"--service-account-key-file=" + l.key("service"), "--service-account-signing-key-file=" + l.key("service"),
		"--service-cluster-ip-range=" + o.ServiceCIDR, "--service-node-port-range=30000-32767",
		"--tls-cert-file=" + l.cert("serving-kube-apiserver"), "--tls-private-key-file=" + l.key("serving-kube-apiserver"),
		"--client-ca-file=" + l.clientCA.CertPath,
		"--requestheader-client-ca-file=" + l.requestHeaderCA.CertPath, "--requestheader-allowed-names=system:auth-proxy",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-", "--requestheader-group-headers=X-Remote-Group",
		"--requestheader-username-headers=X-Remote-User",
		"--proxy-client-cert-file=" + l.cert("client-auth-proxy"), "--proxy-client-key-file=" + l.key("client-auth-proxy"),
		"--kubelet-certificate-authority=" + l.serverCA.CertPath,
		"--kubelet-client-certificate=" + l.cert("client-kube-apiserver"), "--kubelet-client-key=" + l.key("client-kube-apiserver"),
		"--kubelet-preferred-address-types=InternalIP,ExternalIP,Hostname",
		"--enable-bootstrap-token-auth=true", "--enable-admission-plugins=NodeRestriction", "--endpoint-reconciler-type=" + reconciler,
		"--cert-dir=" + filepath.Join(l.tls, "temporary-certs"),
	}
	if l.encryption != "" {
		arguments = append(arguments, "--encryption-provider-config="+l.encryption)
	}
	return arguments
}

// newAPIServer configures kube-apiserver and gives the function that runs it until its context ends.
//
// Its command's constructor is of no use here: it and the other components' commands each install a signal handler, which
// panics the second time. So this does what app.Run does, step by step.
func newAPIServer(ctx context.Context, o *options.Server, l *layout) (run func(context.Context) error, err error) {
	serverOptions := apioptions.NewServerRunOptions()
	if err := parse("kube-apiserver", serverOptions.Flags(), apiServerArguments(o, l), o.APIServerArguments); err != nil {
		return nil, err
	}
	if err := serverOptions.GenericServerRunOptions.ComponentGlobalsRegistry.Set(); err != nil {
		return nil, err
	}
	if err := logsapi.ValidateAndApply(serverOptions.Logs, utilfeature.DefaultFeatureGate); err != nil { // once per process
		return nil, err
	}
	completed, err := serverOptions.Complete(ctx)
	if err != nil {
		return nil, err
	}
	if errs := completed.Validate(); len(errs) > 0 {
		return nil, fmt.Errorf("kube-apiserver: %v", errs)
	}
	config, err := apiapp.NewConfig(completed)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) error {
		completed, err := config.Complete()
		if err != nil {
			return err
		}
		chain, err := apiapp.CreateServerChain(completed)
		if err != nil {
			return err
		}
		prepared, err := chain.PrepareRun()
		if err != nil {
			return err
		}
		return prepared.Run(ctx)
	}, nil
}
