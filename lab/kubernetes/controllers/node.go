package controllers

import (
	"context"
	"crypto/sha256"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	infrav1 "sigs.k8s.io/cluster-api-provider-openstack/api/v1beta1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// nodeVersionAnnotation tells the node loop of the cluster's API server which kubelet version the Node reports.
const nodeVersionAnnotation = "lab.capi-mgmt/kubelet-version"

// registerNode does what the kubelet on the machine would: it makes the Node with what the cloud provider knows, and its
// first status. The node loop in the cluster's API server keeps the Node ready from then on.
func registerNode(ctx context.Context, remote client.Client, o *infrav1.OpenStackMachine, machine *clusterv1.Machine) error {
	address := internalAddress(o.Status.Addresses)
	labels := map[string]string{
		"kubernetes.io/hostname": o.Name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64",
		"beta.kubernetes.io/os": "linux", "beta.kubernetes.io/arch": "amd64",
	}
	if flavor := deref(o.Spec.Flavor); flavor != "" {
		labels["node.kubernetes.io/instance-type"] = flavor
	}
	if zone := machine.Spec.FailureDomain; zone != "" {
		labels["topology.kubernetes.io/zone"] = zone
	}
	spec := corev1.NodeSpec{ProviderID: *o.Spec.ProviderID}
	if isControlPlane(o) {
		labels["node-role.kubernetes.io/control-plane"] = ""
		labels["node.kubernetes.io/exclude-from-external-load-balancers"] = ""
		spec.Taints = []corev1.Taint{{Key: "node-role.kubernetes.io/control-plane", Effect: corev1.TaintEffectNoSchedule}}
	}
	node := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: o.Name, Labels: labels, Annotations: map[string]string{
			nodeVersionAnnotation: machine.Spec.Version, "alpha.kubernetes.io/provided-node-ip": address,
		}},
		Spec: spec,
	}
	if err := remote.Create(ctx, node); apierrors.IsAlreadyExists(err) {
		known := &corev1.Node{}
		if err := remote.Get(ctx, client.ObjectKeyFromObject(node), known); err != nil {
			return err
		}
		if known.Spec.ProviderID != spec.ProviderID {
			return fmt.Errorf("a Node of that name belongs to %s", known.Spec.ProviderID)
		}
		node = known
	} else if err != nil {
		return err
	}
	if len(node.Status.Conditions) > 0 {
		return nil // the node loop has taken over
	}
	before := node.DeepCopy()
	moment := now()
	for _, c := range []corev1.NodeCondition{
		{Type: corev1.NodeMemoryPressure, Status: corev1.ConditionFalse, Reason: "KubeletHasSufficientMemory", Message: "kubelet has sufficient memory available"},
		{Type: corev1.NodeDiskPressure, Status: corev1.ConditionFalse, Reason: "KubeletHasNoDiskPressure", Message: "kubelet has no disk pressure"},
		{Type: corev1.NodePIDPressure, Status: corev1.ConditionFalse, Reason: "KubeletHasSufficientPID", Message: "kubelet has sufficient PID available"},
		{Type: corev1.NodeReady, Status: corev1.ConditionTrue, Reason: "KubeletReady", Message: "kubelet is posting ready status"},
	} {
		c.LastHeartbeatTime, c.LastTransitionTime = moment, moment
		node.Status.Conditions = append(node.Status.Conditions, c)
	}
	node.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: address}, {Type: corev1.NodeHostName, Address: o.Name}}
	sum := fmt.Sprintf("%x", sha256.Sum256([]byte(spec.ProviderID)))
	node.Status.NodeInfo = corev1.NodeSystemInfo{KubeletVersion: machine.Spec.Version, ContainerRuntimeVersion: "containerd://2.2.1", OSImage: "Ubuntu 24.04 LTS",
		KernelVersion: "6.8.0-lab", OperatingSystem: "linux", Architecture: "amd64", MachineID: sum[:32], SystemUUID: sum[:32], BootID: sum[32:64]}
	capacity := corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("2"), corev1.ResourceMemory: resource.MustParse("8Gi"), corev1.ResourcePods: resource.MustParse("110"),
		corev1.ResourceEphemeralStorage: resource.MustParse("100Gi")}
	node.Status.Capacity, node.Status.Allocatable = capacity, capacity
	return remote.Status().Patch(ctx, node, client.MergeFrom(before))
}
