package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"os"
	"slices"

	"capi-mgmt/lab/kubernetes/pki"

	"github.com/sirupsen/logrus"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
)

// Register completes the Node that the kubelet made: it writes the pods' network, whose addresses the controllers give, and
// the role, which a kubelet may not give itself. It says whether the node is Ready with all that.
func (n *Node) Register(ctx context.Context, client kubernetes.Interface) (ready bool, err error) {
	node, err := client.CoreV1().Nodes().Get(ctx, n.options.NodeName, metav1.GetOptions{})
	if err != nil || node.Spec.PodCIDR == "" {
		return false, err
	}
	if err := n.writeNetwork(node.Spec.PodCIDR); err != nil {
		return false, err
	}
	const role = "node-role.kubernetes.io/control-plane"
	if node.Labels[role] != "true" {
		patch, err := json.Marshal(table{"metadata": table{
			"labels":      table{role: "true"},
			"annotations": table{"k3s.io/internal-ip": n.options.NodeAddress.String(), "k3s.io/hostname": n.options.NodeName},
		}})
		if err != nil {
			return false, err
		}
		if _, err := client.CoreV1().Nodes().Patch(ctx, node.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{}); err != nil {
			return false, err
		}
	}
	return isReady(node, n.booted), nil
}

// isReady says whether the kubelet of this start says that it is: what an earlier one said is still written down.
func isReady(node *corev1.Node, since metav1.Time) bool {
	notReady := func(taint corev1.Taint) bool { return taint.Key == corev1.TaintNodeNotReady }
	ready := func(c corev1.NodeCondition) bool {
		return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue && !c.LastHeartbeatTime.Before(&since)
	}
	return slices.ContainsFunc(node.Status.Conditions, ready) && !slices.ContainsFunc(node.Spec.Taints, notReady)
}

// writeNetwork writes the configuration of the pods' network: one bridge for one node's addresses. The name of the file and
// of the bridge are flannel's, as k3s has them.
func (n *Node) writeNetwork(podCIDR string) error {
	content, err := json.MarshalIndent(table{
		"cniVersion": "1.0.0", "name": "cbr0",
		"plugins": []table{
			{
				"type": "bridge", "bridge": "cni0", "mtu": mtuOf(n.options.NodeAddress), "hairpinMode": true, "isDefaultGateway": true,
				"forceAddress": true, "ipMasq": true,
				"ipam": table{"type": "host-local", "ranges": [][]table{{{"subnet": podCIDR}}}},
			},
			{"type": "portmap", "capabilities": table{"portMappings": true}},
		},
	}, "", "  ")
	if err != nil {
		return err
	}
	file := n.path("etc", "cni", "net.d", "10-flannel.conflist")
	if written, _ := os.ReadFile(file); bytes.Equal(written, content) {
		return nil
	}
	logrus.Infof("pod network %s", podCIDR)
	return pki.WriteFile(file, content, 0o600)
}

// mtuOf is the size of packets on the interface with the address, or 0, the plugin's default, where there is none.
func mtuOf(address net.IP) int {
	interfaces, _ := net.Interfaces()
	for _, device := range interfaces {
		addresses, _ := device.Addrs()
		for _, has := range addresses {
			if network, ok := has.(*net.IPNet); ok && network.IP.Equal(address) {
				return device.MTU
			}
		}
	}
	return 0
}
