package options

import (
	"net"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// withoutEffect are k3s's options that concern parts this server does not have. They are accepted so that a real
// configuration file works here too.
var withoutEffect = struct{ values, switches []string }{
	values:   []string{"flannel-backend", "flannel-iface", "kube-cloud-controller-manager-arg", "snapshotter", "tls-san-security", "log"},
	switches: []string{"disable-network-policy", "disable-cloud-controller", "disable-helm-controller", "debug", "selinux", "embedded-registry"},
}

// newFlags declares k3s's flags, with k3s's defaults and environment variables.
func newFlags(v *Server) *pflag.FlagSet {
	f := pflag.NewFlagSet("k3s server", pflag.ContinueOnError)
	f.SortFlags = false
	host, _ := os.Hostname()
	network := func(value *net.IPNet, name, fallback, usage string) {
		_, parsed, _ := net.ParseCIDR(fallback)
		f.IPNetVar(value, name, *parsed, usage)
	}

	f.StringP("config", "c", fromEnv("K3S_CONFIG_FILE", "/etc/rancher/k3s/config.yaml"), "YAML configuration file (and FILE.d/*.yaml)")
	f.StringVarP(&v.DataDir, "data-dir", "d", DataDir(), "folder to hold state")
	f.StringVarP(&v.Kubeconfig, "write-kubeconfig", "o", fromEnv("K3S_KUBECONFIG_OUTPUT", DefaultKubeconfig), "write the administrator's kubeconfig to this file")
	f.String("write-kubeconfig-mode", fromEnv("K3S_KUBECONFIG_MODE", "600"), "mode of the kubeconfig, octal")
	f.StringSliceVar(&v.TLSNames, "tls-san", nil, "additional host name or address in the server's certificate (repeatable)")
	f.StringSliceVar(&v.Disabled, "disable", nil, "packaged components not to deploy")
	f.BoolVar(&v.SecretsEncryption, "secrets-encryption", false, "encrypt Secrets at rest")
	f.IPVar(&v.BindAddress, "bind-address", net.IPv4zero, "address the API server listens on")
	f.IPVar(&v.AdvertiseAddress, "advertise-address", nil, "address the API server tells others (default: the bind address, or that of the machine's way out)")
	f.Uint16Var(&v.Port, "https-listen-port", 6443, "port of the API server")
	network(&v.ClusterCIDR, "cluster-cidr", "10.42.0.0/16", "pod network")
	network(&v.ServiceCIDR, "service-cidr", "10.43.0.0/16", "service network")
	f.StringVar(&v.ClusterDomain, "cluster-domain", "cluster.local", "cluster domain")
	f.StringVar(&v.NodeName, "node-name", fromEnv("K3S_NODE_NAME", strings.ToLower(host)), "node name")
	f.IPVarP(&v.NodeAddress, "node-ip", "i", nil, "node address (default: the advertise address)")
	f.StringSliceVar(&v.NodeLabels, "node-label", nil, "node labels, key=value")
	f.StringSliceVar(&v.NodeTaints, "node-taint", nil, "node taints, key=value:Effect")
	f.StringArrayVar(&v.APIServerArguments, "kube-apiserver-arg", nil, "further kube-apiserver flag, name=value (repeatable)")
	f.StringArrayVar(&v.ControllerManagerArguments, "kube-controller-manager-arg", nil, "further kube-controller-manager flag, name=value (repeatable)")
	f.StringArrayVar(&v.SchedulerArguments, "kube-scheduler-arg", nil, "further kube-scheduler flag, name=value (repeatable)")

	f.StringArrayVar(&v.KubeletArguments, "kubelet-arg", nil, "further kubelet flag, name=value (repeatable)")
	f.StringArrayVar(&v.ProxyArguments, "kube-proxy-arg", nil, "further kube-proxy flag, name=value (repeatable)")
	f.StringVar(&v.PrivateRegistry, "private-registry", "/etc/rancher/k3s/registries.yaml", "file of registries: mirrors, authorities, passwords")
	f.BoolVar(&v.DisableAgent, "disable-agent", false, "run no node: the API server and the controllers only")

	for _, name := range withoutEffect.values {
		f.StringArray(name, nil, "accepted, no effect")
	}
	for _, name := range withoutEffect.switches {
		f.Bool(name, false, "accepted, no effect")
	}
	return f
}

func fromEnv(name, fallback string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return fallback
}

func supported(flags *pflag.FlagSet) string {
	var names []string
	flags.VisitAll(func(flag *pflag.Flag) { names = append(names, "--"+flag.Name) })
	slices.Sort(names)
	return strings.Join(names, " ")
}
