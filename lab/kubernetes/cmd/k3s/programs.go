package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"capi-mgmt/lab/kubernetes/agent"
	"capi-mgmt/lab/kubernetes/version"

	_ "github.com/containerd/containerd/v2/cmd/containerd/builtins"
	"github.com/containerd/containerd/v2/cmd/containerd/command"
	ctr "github.com/containerd/containerd/v2/cmd/ctr/app"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

// programs are what this executable is besides k3s, by the name it is called by or by the command after `k3s`.
// Each takes its arguments from os.Args, its own name first.
var programs = map[string]func(){
	"containerd": func() { end("containerd", command.App().Run(os.Args)) },
	"ctr":        runCtr,
	"crictl":     runCrictl,
	"kubectl":    runKubectl,
	"kubelet":    func() { os.Exit(cli.Run(kubelet.NewKubeletCommand(context.Background()))) },
	"kube-proxy": func() { os.Exit(cli.Run(proxy.NewProxyCommand())) },
}

// commands are the programs that people call, `k3s NAME`.
var commands = []string{"kubectl", "crictl", "ctr"}

// runCtr is ctr on k3s's containerd and the kubelet's images and containers.
func runCtr() {
	defaults("CONTAINERD_ADDRESS", agent.Socket)
	defaults("CONTAINERD_NAMESPACE", "k8s.io")
	end("ctr", ctr.New().Run(os.Args))
}

// runCrictl becomes the crictl that this executable carries, told of k3s's containerd.
func runCrictl() {
	dataDir := os.Getenv("K3S_DATA_DIR")
	if dataDir == "" {
		dataDir = "/var/lib/rancher/k3s"
	}
	if _, err := os.Stat(agent.CrictlConfig(dataDir)); err == nil {
		defaults("CRI_CONFIG_FILE", agent.CrictlConfig(dataDir))
	}
	program := filepath.Join(agent.Programs(dataDir), "crictl")
	err := syscall.Exec(program, os.Args, os.Environ())
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%s is not there: no k3s server has run on this machine", program)
	}
	end("crictl", err)
}

func defaults(name, value string) {
	if os.Getenv(name) == "" {
		os.Setenv(name, value)
	}
}

func end(name string, err error) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %s\n", name, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// reportUpstream makes kubectl tell its version as upstream's does, without k3s's suffix; the node's programs tell k3s's.
func reportUpstream() {
	if err := version.Report(version.Upstream()); err != nil {
		fail(err)
	}
}
