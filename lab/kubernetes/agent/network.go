package agent

import (
	"context"
	"fmt"
	"net"
	"slices"

	"capi-mgmt/lab/kubernetes/cni"

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
	if err := cni.Write(n.path("etc", "cni", "net.d", cni.File), node.Spec.PodCIDR, mtuOf(n.options.NodeAddress), true); err != nil {
		return false, err
	}
	const role = "node-role.kubernetes.io/control-plane"
	if node.Labels[role] != "true" {
		patch := fmt.Appendf(nil, `{"metadata": {"labels": {%q: "true"}}}`, role)
		if _, err := client.CoreV1().Nodes().Patch(ctx, node.Name, types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
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
