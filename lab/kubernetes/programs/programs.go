// Package programs are what k3s' executable is besides k3s: the control plane's and the node's programs, and those that people
// call. Upstream analogue: the links in k3s's data folder.
package programs

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"capi-mgmt/lab/kubernetes/agent"
	"capi-mgmt/lab/kubernetes/options"

	_ "github.com/containerd/containerd/v2/cmd/containerd/builtins"
	"github.com/containerd/containerd/v2/cmd/containerd/command"
	ctr "github.com/containerd/containerd/v2/cmd/ctr/app"
	"github.com/spf13/cobra"
	_ "k8s.io/client-go/plugin/pkg/client/auth"
	"k8s.io/component-base/cli"
	"k8s.io/component-base/logs"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	"k8s.io/component-base/version"
	"k8s.io/kubectl/pkg/cmd"
	"k8s.io/kubectl/pkg/cmd/util"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	manager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

// components are programs with Kubernetes' own main.
var components = map[string]func() *cobra.Command{
	"kube-apiserver":          apiserver.NewAPIServerCommand,
	"kube-controller-manager": manager.NewControllerManagerCommand,
	"kube-scheduler":          func() *cobra.Command { return scheduler.NewSchedulerCommand() },
	"kubelet":                 func() *cobra.Command { return kubelet.NewKubeletCommand(context.Background()) },
	"kube-proxy":              proxy.NewProxyCommand,
}

// others take their arguments from os.Args, the own name first.
var others = map[string]func() error{
	"containerd": func() error { return command.App().Run(os.Args) },
	"kubectl":    runKubectl,
	"ctr":        runCtr,
	"crictl":     runCrictl,
}

// Run becomes the program that the executable is called as, and returns where that is none of them.
func Run() {
	name := filepath.Base(os.Args[0])
	if component, ok := components[name]; ok {
		os.Exit(cli.Run(component()))
	}
	other, ok := others[name]
	if !ok {
		return
	}
	if err := other(); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %s\n", name, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// runKubectl has k3s's kubeconfig as its default, as in k3s, and tells its version as upstream's does, without k3s's suffix.
func runKubectl() error {
	release, _, _ := strings.Cut(version.Get().GitVersion, "+")
	if err := version.SetDynamicVersion(release); err != nil {
		return err
	}
	home, _ := os.UserHomeDir()
	_, noOwn := os.Stat(filepath.Join(home, ".kube", "config"))
	// Opened and not only looked at: k3s's file is root's, and another user must get his own.
	file, err := os.Open(options.DefaultKubeconfig)
	if err == nil {
		file.Close()
	}
	if err == nil || noOwn != nil {
		setDefault("KUBECONFIG", options.DefaultKubeconfig)
	}
	_, _ = logs.GlogSetter(cmd.GetLogVerbosity(os.Args))
	if err := cli.RunNoErrOutput(cmd.NewDefaultKubectlCommand()); err != nil {
		util.CheckErr(err)
	}
	return nil
}

// runCtr is ctr on k3s's containerd and the kubelet's images and containers.
func runCtr() error {
	setDefault("CONTAINERD_ADDRESS", agent.Socket)
	setDefault("CONTAINERD_NAMESPACE", "k8s.io")
	return ctr.New().Run(os.Args)
}

// runCrictl becomes the crictl that this executable carries, told of k3s's containerd.
func runCrictl() error {
	setDefault("CRI_CONFIG_FILE", agent.CrictlConfig(options.DataDir()))
	program := filepath.Join(agent.Programs(options.DataDir()), "crictl")
	return fmt.Errorf("%s, which a server leaves there: %w", program, syscall.Exec(program, os.Args, os.Environ()))
}

func setDefault(name, value string) {
	if os.Getenv(name) == "" {
		os.Setenv(name, value)
	}
}
