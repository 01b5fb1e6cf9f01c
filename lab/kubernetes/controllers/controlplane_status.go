package controllers

import (
	"context"
	"fmt"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	controlplanev1 "sigs.k8s.io/cluster-api/api/controlplane/kubeadm/v1beta2"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// podConditions are what the real controller learns from the static pods of each control plane node.
var podConditions = []string{
	controlplanev1.KubeadmControlPlaneMachineAPIServerPodHealthyCondition,
	controlplanev1.KubeadmControlPlaneMachineControllerManagerPodHealthyCondition,
	controlplanev1.KubeadmControlPlaneMachineSchedulerPodHealthyCondition,
	controlplanev1.KubeadmControlPlaneMachineEtcdPodHealthyCondition,
	controlplanev1.KubeadmControlPlaneMachineEtcdMemberHealthyCondition,
}

// observe looks into the cluster: initialized is when its API server answers and a control plane node has registered.
func (c controlPlaneController) observe(ctx context.Context, k *controlplanev1.KubeadmControlPlane, cluster *clusterv1.Cluster, machines []clusterv1.Machine) error {
	for i := range machines {
		m := &machines[i]
		ready := m.DeletionTimestamp.IsZero() && isTrue(m, clusterv1.MachineNodeReadyCondition) && c.pace.left(ctx, string(m.UID), stepHealthy) == 0
		e := c.edit(m)
		for _, kind := range podConditions {
			status := condition{kind, metav1.ConditionUnknown, "InspectionFailed", "Waiting for the Node to be ready"}
			if ready {
				status = condition{kind, metav1.ConditionTrue, "Healthy", ""}
				if strings.HasSuffix(kind, "PodHealthy") {
					status.reason = "Running"
				}
			}
			set(m, status)
		}
		if ready && m.Status.CertificatesExpiryDate.IsZero() { // kubeadm's serving certificates live a year
			m.Status.CertificatesExpiryDate = metav1.NewTime(m.CreationTimestamp.Add(clientLife))
		}
		if err := e.save(ctx); err != nil {
			return err
		}
	}
	if initialized := k.Status.Initialization.ControlPlaneInitialized; initialized != nil && *initialized {
		return nil
	}
	remote, err := c.workload.get(ctx, cluster)
	if err != nil {
		return nil //nolint:nilerr // the API server is not there yet; the conditions say so
	}
	for i := range machines {
		if machines[i].Status.NodeRef.IsDefined() && c.pace.left(ctx, string(k.UID), stepInit) == 0 {
			if err := c.kubeadmAddons(ctx, remote, k, cluster); err != nil {
				return err
			}
			yes := true
			k.Status.Initialization.ControlPlaneInitialized = &yes
			c.event(k, false, "Initialized", "Control plane of cluster %s answers at %s", cluster.Name, endpoint(cluster))
			return nil
		}
	}
	return nil
}

// kubeadmAddons leaves in the cluster what kubeadm init does: its configuration, kube-proxy and CoreDNS.
func (c controlPlaneController) kubeadmAddons(ctx context.Context, remote client.Client, k *controlplanev1.KubeadmControlPlane, cluster *clusterv1.Cluster) error {
	configuration, err := yaml.Marshal(kubeadmDocument("ClusterConfiguration", k.Spec.KubeadmConfigSpec.ClusterConfiguration, map[string]any{
		"clusterName": cluster.Name, "controlPlaneEndpoint": endpoint(cluster), "kubernetesVersion": k.Spec.Version,
	}))
	if err != nil {
		return err
	}
	proxy := workloadSpec{kind: "DaemonSet", namespace: metav1.NamespaceSystem, name: "kube-proxy", image: "registry.k8s.io/kube-proxy:" + k.Spec.Version}
	dns := workloadSpec{kind: "Deployment", namespace: metav1.NamespaceSystem, name: "coredns", image: "registry.k8s.io/coredns/coredns:v1.14.2", replicas: 2}
	objects := []client.Object{&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespaceSystem, Name: "kubeadm-config"}, Data: map[string]string{"ClusterConfiguration": string(configuration)}}}
	if _, skip := k.Annotations[controlplanev1.SkipKubeProxyAnnotation]; !skip {
		objects = append(objects, proxy.object(nil))
	}
	if _, skip := k.Annotations[controlplanev1.SkipCoreDNSAnnotation]; !skip {
		objects = append(objects, dns.object(nil))
	}
	for _, o := range objects {
		if err := remote.Create(ctx, o); err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("%T %s: %w", o, o.GetName(), err)
		}
	}
	return nil
}

// upgradeProxy follows a new version in kube-proxy's image once every Machine has it, as upstream does after a rollout.
func (c controlPlaneController) upgradeProxy(ctx context.Context, k *controlplanev1.KubeadmControlPlane, cluster *clusterv1.Cluster) error {
	remote, err := c.workload.get(ctx, cluster)
	if err != nil {
		return err
	}
	set := &appsv1.DaemonSet{}
	if err := remote.Get(ctx, client.ObjectKey{Namespace: metav1.NamespaceSystem, Name: "kube-proxy"}, set); err != nil {
		return client.IgnoreNotFound(err)
	}
	image := "registry.k8s.io/kube-proxy:" + k.Spec.Version
	if len(set.Spec.Template.Spec.Containers) == 0 || set.Spec.Template.Spec.Containers[0].Image == image {
		return nil
	}
	before := set.DeepCopy()
	set.Spec.Template.Spec.Containers[0].Image = image
	return remote.Patch(ctx, set, client.MergeFrom(before))
}

func (c controlPlaneController) status(ctx context.Context, k *controlplanev1.KubeadmControlPlane, cluster *clusterv1.Cluster, machines []clusterv1.Machine) {
	n := count(machines)
	wanted := value(k.Spec.Replicas)
	k.Status.Replicas, k.Status.ReadyReplicas, k.Status.AvailableReplicas, k.Status.UpToDateReplicas = &n.replicas, &n.ready, &n.available, &n.upToDate
	k.Status.Selector = selectorText(metav1.LabelSelector{MatchLabels: map[string]string{clusterv1.ClusterNameLabel: cluster.Name, clusterv1.MachineControlPlaneLabel: ""}})
	k.Status.ObservedGeneration = k.Generation
	k.Status.Version = lowestVersion(machines)
	initialized := k.Status.Initialization.ControlPlaneInitialized != nil && *k.Status.Initialization.ControlPlaneInitialized

	// A machine joins etcd with its node and is taken out of it before it goes.
	members, healthy := int32(0), int32(0)
	for i := range machines {
		if m := &machines[i]; m.Status.NodeRef.IsDefined() && m.DeletionTimestamp.IsZero() {
			members++
			if isTrue(m, controlplanev1.KubeadmControlPlaneMachineEtcdMemberHealthyCondition) {
				healthy++
			}
		}
	}
	quorum := members/2 + 1
	enough := initialized && healthy >= quorum
	certificates := cluster.Spec.ControlPlaneEndpoint.Host != ""
	outdated := n.replicas - n.upToDate
	inspected := fmt.Sprintf("%d of %d members healthy, at least %d required", healthy, members, quorum)
	set(k,
		yesNo(controlplanev1.KubeadmControlPlaneInitializedCondition, initialized, "Initialized", "NotInitialized", "Waiting for the first control plane Machine"),
		yesNo(controlplanev1.KubeadmControlPlaneCertificatesAvailableCondition, certificates, "Available", "InternalError", "Waiting for Cluster spec.controlPlaneEndpoint"),
		yesNo(controlplanev1.KubeadmControlPlaneEtcdClusterHealthyCondition, initialized && healthy == members, "Healthy", "NotHealthy", inspected),
		yesNo(controlplanev1.KubeadmControlPlaneControlPlaneComponentsHealthyCondition, initialized && healthy == members, "Healthy", "NotHealthy", inspected),
		yesNo(clusterv1.AvailableCondition, enough && k.DeletionTimestamp.IsZero(), clusterv1.AvailableReason, clusterv1.NotAvailableReason, notAvailable(initialized, inspected)),
		allMachines(clusterv1.MachinesReadyCondition, clusterv1.MachineReadyCondition, "Ready", machines),
		allMachines(clusterv1.MachinesUpToDateCondition, clusterv1.MachineUpToDateCondition, "UpToDate", machines),
		happening(clusterv1.RollingOutCondition, outdated > 0, fmt.Sprintf("Rolling out %d not up-to-date replicas", outdated)),
		happening(clusterv1.ScalingUpCondition, n.replicas < wanted, fmt.Sprintf("Scaling up from %d to %d replicas", n.replicas, wanted)),
		happening(clusterv1.ScalingDownCondition, n.replicas > wanted, fmt.Sprintf("Scaling down from %d to %d replicas", n.replicas, wanted)),
		remediating(machines),
		condition{clusterv1.DeletingCondition, metav1.ConditionFalse, clusterv1.NotDeletingReason, ""},
		condition{clusterv1.PausedCondition, metav1.ConditionFalse, clusterv1.NotPausedReason, ""},
	)
	if initialized && outdated == 0 && n.replicas == wanted {
		if err := c.upgradeProxy(ctx, k, cluster); err != nil {
			c.logf("kube-proxy: %v", err)
		}
	}
	for kind, from := range map[clusterv1.ConditionType]string{
		clusterv1.ReadyV1Beta1Condition:                              clusterv1.AvailableCondition,
		controlplanev1.AvailableV1Beta1Condition:                     clusterv1.AvailableCondition,
		controlplanev1.MachinesReadyV1Beta1Condition:                 clusterv1.MachinesReadyCondition,
		controlplanev1.MachinesSpecUpToDateV1Beta1Condition:          clusterv1.MachinesUpToDateCondition,
		controlplanev1.CertificatesAvailableV1Beta1Condition:         controlplanev1.KubeadmControlPlaneCertificatesAvailableCondition,
		controlplanev1.EtcdClusterHealthyV1Beta1Condition:            controlplanev1.KubeadmControlPlaneEtcdClusterHealthyCondition,
		controlplanev1.ControlPlaneComponentsHealthyV1Beta1Condition: controlplanev1.KubeadmControlPlaneControlPlaneComponentsHealthyCondition,
	} {
		setLegacy(k, kind, isTrue(k, from), clusterv1.NotReadyReason, message(k, from))
	}
	setLegacy(k, controlplanev1.ResizedV1Beta1Condition, n.replicas == wanted, "ScalingUp", fmt.Sprintf("Scaling from %d to %d replicas", n.replicas, wanted))
	of := k.Status.Deprecated.V1Beta1
	of.ReadyReplicas, of.UpdatedReplicas, of.UnavailableReplicas = n.ready, n.upToDate, max(0, wanted-n.ready)
}

func notAvailable(initialized bool, inspected string) string {
	if !initialized {
		return "Control plane not yet initialized"
	}
	return "* " + inspected
}

func lowestVersion(machines []clusterv1.Machine) string {
	lowest := ""
	for _, m := range machines {
		if lowest == "" || versionLess(m.Spec.Version, lowest) {
			lowest = m.Spec.Version
		}
	}
	return lowest
}

// versionLess compares vX.Y.Z by number.
func versionLess(a, b string) bool {
	parse := func(v string) [3]int {
		var out [3]int
		_, _ = fmt.Sscanf(strings.TrimPrefix(v, "v"), "%d.%d.%d", &out[0], &out[1], &out[2])
		return out
	}
	x, y := parse(a), parse(b)
	for i := range x {
		if x[i] != y[i] {
			return x[i] < y[i]
		}
	}
	return false
}
