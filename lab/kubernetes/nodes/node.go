package nodes

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"capi-mgmt/lab/kubernetes/logging"
	"capi-mgmt/lab/kubernetes/version"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

const (
	statusInterval = 5 * time.Minute  // kubelet's nodeStatusReportFrequency
	leaseInterval  = 10 * time.Second // kubelet's: a quarter of the lease's duration
	leaseSeconds   = 40
	kubeletPort    = 10250 // what a real node says; the API server does not dial it here
	retryInterval  = 500 * time.Millisecond
)

// defaultCapacity is a node's when whoever made the Node object did not say. Nothing enforces it but the scheduler.
var defaultCapacity = corev1.ResourceList{
	corev1.ResourceCPU: resource.MustParse("8"), corev1.ResourceMemory: resource.MustParse("16Gi"),
	corev1.ResourcePods: resource.MustParse("110"), corev1.ResourceEphemeralStorage: resource.MustParse("100Gi"),
}

// Ready says whether this server's own node is Ready and can take pods. A workload cluster starts without nodes.
func (l *Loop) Ready(ctx context.Context) bool {
	if l.Server.ControlPlane != nil {
		return l.nodes.HasSynced()
	}
	node, err := l.Client.CoreV1().Nodes().Get(ctx, l.Server.NodeName, metav1.GetOptions{})
	if err != nil || node.Spec.PodCIDR == "" {
		return false
	}
	if slices.ContainsFunc(node.Spec.Taints, func(t corev1.Taint) bool { return t.Key == corev1.TaintNodeNotReady }) {
		return false
	}
	return slices.ContainsFunc(node.Status.Conditions, func(c corev1.NodeCondition) bool {
		return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue && !c.LastHeartbeatTime.Before(&l.booted)
	})
}

// registerNode makes k3s's own node, or brings its labels up to date.
func (l *Loop) registerNode(ctx context.Context) error {
	name := l.Server.NodeName
	labels := map[string]string{
		"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64",
		"beta.kubernetes.io/os": "linux", "beta.kubernetes.io/arch": "amd64",
		"node.kubernetes.io/instance-type": "k3s", "beta.kubernetes.io/instance-type": "k3s",
		"node-role.kubernetes.io/control-plane": "true",
	}
	for _, label := range l.Server.NodeLabels {
		key, value, _ := strings.Cut(label, "=")
		labels[key] = value
	}
	var taints []corev1.Taint
	for _, taint := range l.Server.NodeTaints {
		pair, effect, _ := strings.Cut(taint, ":")
		key, value, _ := strings.Cut(pair, "=")
		taints = append(taints, corev1.Taint{Key: key, Value: value, Effect: corev1.TaintEffect(effect)})
	}
	annotations := map[string]string{"k3s.io/internal-ip": l.Server.NodeAddress, "k3s.io/hostname": name}
	nodes := l.Client.CoreV1().Nodes()
	_, err := nodes.Create(ctx, &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels, Annotations: annotations},
		Spec:       corev1.NodeSpec{ProviderID: "k3s://" + name, Taints: taints},
	}, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		patch, marshalError := json.Marshal(map[string]any{"metadata": map[string]any{"labels": labels, "annotations": annotations}})
		if marshalError != nil {
			return marshalError
		}
		_, err = nodes.Patch(ctx, name, types.StrategicMergePatchType, patch, metav1.PatchOptions{})
	}
	return err
}

// syncNode writes the node's status when it differs from what it should be, or is older than statusInterval.
func (l *Loop) syncNode(ctx context.Context, node *corev1.Node) (time.Duration, error) {
	if !l.plays(node.Name) || node.DeletionTimestamp != nil || node.Annotations[AnnotationKubeletStopped] == "true" {
		return 0, nil
	}
	old := node.Status.DeepCopy()
	now := metav1.Now()
	message := node.Annotations[AnnotationNotReady]
	heartbeat := metav1.Time{}
	for _, condition := range conditionsOf(message) {
		i := slices.IndexFunc(node.Status.Conditions, func(c corev1.NodeCondition) bool { return c.Type == condition.Type })
		if i < 0 {
			condition.LastHeartbeatTime, condition.LastTransitionTime = now, now
			node.Status.Conditions = append(node.Status.Conditions, condition)
			continue
		}
		current := node.Status.Conditions[i]
		condition.LastHeartbeatTime, condition.LastTransitionTime = current.LastHeartbeatTime, current.LastTransitionTime
		if current.Status != condition.Status {
			condition.LastTransitionTime = now
		}
		node.Status.Conditions[i] = condition
		heartbeat = current.LastHeartbeatTime
	}
	l.describe(node)
	age := now.Sub(heartbeat.Time)
	current := age < statusInterval && !heartbeat.Before(&l.booted)
	if current && equality.Semantic.DeepEqual(old, &node.Status) {
		return statusInterval - age, nil
	}
	for i := range node.Status.Conditions {
		node.Status.Conditions[i].LastHeartbeatTime = now
	}
	if _, err := l.Client.CoreV1().Nodes().UpdateStatus(ctx, node, metav1.UpdateOptions{}); err != nil {
		return 0, err
	}
	return statusInterval, nil
}

// conditionsOf gives the conditions of a node, which is Ready unless there is a message that says why not.
func conditionsOf(notReady string) []corev1.NodeCondition {
	ready := corev1.NodeCondition{Type: corev1.NodeReady, Status: corev1.ConditionTrue, Reason: "KubeletReady", Message: "kubelet is posting ready status"}
	if notReady != "" {
		ready.Status, ready.Reason, ready.Message = corev1.ConditionFalse, "KubeletNotReady", notReady
	}
	return []corev1.NodeCondition{
		{Type: corev1.NodeMemoryPressure, Status: corev1.ConditionFalse, Reason: "KubeletHasSufficientMemory", Message: "kubelet has sufficient memory available"},
		{Type: corev1.NodeDiskPressure, Status: corev1.ConditionFalse, Reason: "KubeletHasNoDiskPressure", Message: "kubelet has no disk pressure"},
		{Type: corev1.NodePIDPressure, Status: corev1.ConditionFalse, Reason: "KubeletHasSufficientPID", Message: "kubelet has sufficient PID available"},
		ready,
	}
}

// describe fills in what a kubelet says about its machine, keeping what is said already.
func (l *Loop) describe(node *corev1.Node) {
	status := &node.Status
	if l.Server.ControlPlane == nil {
		status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: l.Server.NodeAddress}, {Type: corev1.NodeHostName, Address: node.Name}}
		if l.Server.NodeExternalIP != "" {
			status.Addresses = append(status.Addresses, corev1.NodeAddress{Type: corev1.NodeExternalIP, Address: l.Server.NodeExternalIP})
		}
	} else if !slices.ContainsFunc(status.Addresses, func(a corev1.NodeAddress) bool { return a.Type == corev1.NodeHostName }) {
		status.Addresses = append(status.Addresses, corev1.NodeAddress{Type: corev1.NodeHostName, Address: node.Name})
	}
	status.DaemonEndpoints.KubeletEndpoint.Port = kubeletPort
	capacity := maps.Clone(defaultCapacity)
	maps.Copy(capacity, status.Capacity)
	status.Capacity = capacity
	if len(status.Allocatable) < len(capacity) {
		status.Allocatable = maps.Clone(capacity)
	}
	info := &status.NodeInfo
	keep := func(field *string, value string) {
		if *field == "" {
			*field = value
		}
	}
	if wanted := node.Annotations[AnnotationKubeletVersion]; wanted != "" {
		info.KubeletVersion = wanted
	} else if l.Server.ControlPlane == nil {
		info.KubeletVersion = version.Release // a newer binary on the same data is a newer kubelet
	} else if l.Server.ControlPlane.KubernetesVersion != "" {
		keep(&info.KubeletVersion, l.Server.ControlPlane.KubernetesVersion)
	}
	keep(&info.KubeletVersion, version.Upstream())
	keep(&info.ContainerRuntimeVersion, "containerd://2.2.0")
	keep(&info.OSImage, "Ubuntu 24.04 LTS")
	keep(&info.KernelVersion, "6.8.0-lab")
	keep(&info.OperatingSystem, "linux")
	keep(&info.Architecture, "amd64")
	keep(&info.MachineID, fmt.Sprintf("%x", sha256.Sum256([]byte(node.Name)))[:32])
	keep(&info.SystemUUID, string(node.UID))
	keep(&info.BootID, string(node.UID))
}

// removePodsOf deletes the pods of a node that is gone at once. The controller manager's garbage collector would, too, but
// only after holding back for 40 s.
func (l *Loop) removePodsOf(ctx context.Context, node string) error {
	if !l.plays(node) {
		return nil
	}
	for _, object := range l.pods.GetStore().List() {
		pod := object.(*corev1.Pod)
		if pod.Spec.NodeName != node {
			continue
		}
		l.programs.forget(pod.Namespace, pod.Name, &pod.UID)
		if err := l.deleteNow(ctx, pod); err != nil && !apierrors.IsNotFound(err) {
			return err
		}
	}
	return nil
}

// leaseHolder keeps the last lease written, so that a renewal is one request.
type leaseHolder struct {
	lease *coordinationv1.Lease
	due   time.Time
}

// keepLeases renews the lease of every node this loop plays, which is what tells the controller manager that it lives.
func (l *Loop) keepLeases(ctx context.Context) {
	for {
		pause := time.Second
		for _, object := range l.nodes.GetStore().List() {
			node := object.(*corev1.Node)
			if !l.plays(node.Name) || node.Annotations[AnnotationKubeletStopped] == "true" {
				continue
			}
			holder := l.leases[node.Name]
			if holder == nil {
				holder = &leaseHolder{}
				l.leases[node.Name] = holder
			}
			if time.Now().Before(holder.due) {
				continue
			}
			if err := l.renew(ctx, node, holder); err != nil {
				holder.lease = nil // read it anew
				pause = retryInterval
				if ctx.Err() == nil {
					logging.Warnf("lease of node %s: %v", node.Name, err)
				}
				continue
			}
			holder.due = time.Now().Add(leaseInterval)
		}
		for name := range l.leases {
			if _, exists, _ := l.nodes.GetStore().GetByKey(name); !exists {
				delete(l.leases, name)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

func (l *Loop) renew(ctx context.Context, node *corev1.Node, holder *leaseHolder) (err error) {
	leases := l.Client.CoordinationV1().Leases(corev1.NamespaceNodeLease)
	now, seconds := metav1.NowMicro(), int32(leaseSeconds)
	if holder.lease == nil {
		holder.lease, err = leases.Get(ctx, node.Name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			holder.lease, err = leases.Create(ctx, &coordinationv1.Lease{
				ObjectMeta: metav1.ObjectMeta{Name: node.Name, OwnerReferences: []metav1.OwnerReference{{APIVersion: "v1", Kind: "Node", Name: node.Name, UID: node.UID}}},
				Spec:       coordinationv1.LeaseSpec{HolderIdentity: &node.Name, LeaseDurationSeconds: &seconds, RenewTime: &now},
			}, metav1.CreateOptions{})
			return err
		} else if err != nil {
			return err
		}
	}
	lease := holder.lease.DeepCopy()
	lease.Spec.RenewTime = &now
	holder.lease, err = leases.Update(ctx, lease, metav1.UpdateOptions{})
	return err
}
