package agent

import (
	"strings"

	"capi-mgmt/lab/kubernetes/options"

	"sigs.k8s.io/yaml"
)

// kubeletConfig is k3s's drop-in of the kubelet's configuration. An operator's own files beside it win.
func (n *Node) kubeletConfig() ([]byte, error) {
	o := n.options
	resolvConf, err := n.resolvConf("/etc/resolv.conf")
	if err != nil {
		return nil, err
	}
	config := table{
		"apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
		"authentication": table{
			"anonymous": table{"enabled": false}, "webhook": table{"enabled": true}, "x509": table{"clientCAFile": n.path("client-ca.crt")},
		},
		"authorization": table{"mode": "Webhook"},
		"tlsCertFile":   n.path("serving-kubelet.crt"), "tlsPrivateKeyFile": n.path("serving-kubelet.key"),
		"clusterDomain": o.ClusterDomain, "clusterDNS": []string{o.ServiceAddress(10)}, "resolvConf": resolvConf,
		"containerRuntimeEndpoint": "unix://" + Socket, "staticPodPath": n.path("pod-manifests"),
		"volumePluginDir": n.path("libexec", "kubernetes", "kubelet-plugins", "volume", "exec"),
		"providerID":      "k3s://" + o.NodeName, "cgroupDriver": "cgroupfs", "failSwapOn": false, "serializeImagePulls": false,
		"evictionHard":           table{"imagefs.available": "5%", "nodefs.available": "5%"},
		"evictionMinimumReclaim": table{"imagefs.available": "10%", "nodefs.available": "10%"},
	}
	if n.host.systemd {
		config["cgroupDriver"] = "systemd"
	}
	if n.host.groupsV1 {
		config["failCgroupV1"] = false
	}
	if n.host.sharedDisks {
		config["evictionHard"] = table{"imagefs.available": "5%", "nodefs.available": "0%", "nodefs.inodesFree": "0%"}
	}
	return yaml.Marshal(config)
}

// KubeletArguments are the kubelet's.
func (n *Node) KubeletArguments() []string {
	o := n.options
	labels := append([]string{"node.kubernetes.io/instance-type=k3s"}, o.NodeLabels...)
	return options.Arguments([]string{
		"--config-dir=" + n.path("etc", "kubelet.conf.d"), "--kubeconfig=" + n.path("kubelet.kubeconfig"),
		"--hostname-override=" + o.NodeName, "--node-ip=" + o.NodeAddress.String(),
		"--node-labels=" + strings.Join(labels, ","), "--register-with-taints=" + strings.Join(o.NodeTaints, ","),
	}, o.KubeletArguments)
}

// ProxyArguments are kube-proxy's. They leave the kernel's connection tracking alone, as k3s does: only the first network
// namespace may set it.
func (n *Node) ProxyArguments() []string {
	o := n.options
	return options.Arguments([]string{
		"--kubeconfig=" + n.path("kubeproxy.kubeconfig"), "--hostname-override=" + o.NodeName, "--proxy-mode=iptables",
		"--cluster-cidr=" + o.ClusterCIDR.String(), "--healthz-bind-address=127.0.0.1",
		"--conntrack-max-per-core=0", "--conntrack-tcp-timeout-established=0s", "--conntrack-tcp-timeout-close-wait=0s",
	}, o.ProxyArguments)
}
