package controllers

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"sort"
	"strconv"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	bootstrapv1 "sigs.k8s.io/cluster-api/api/bootstrap/kubeadm/v1beta2"
	controlplanev1 "sigs.k8s.io/cluster-api/api/controlplane/kubeadm/v1beta2"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
)

// specHashAnnotation remembers, on a control plane Machine, the kubeadm configuration it was made with.
const specHashAnnotation = "controlplane.cluster.x-k8s.io/kubeadm-config-hash"

// controlPlaneController makes a cluster's certificates, kubeconfig and control plane Machines, one after another.
// Upstream analogue: Cluster API's kubeadm control plane provider.
type controlPlaneController struct{ *base }

func (c controlPlaneController) reconcile(ctx context.Context, request ctrl.Request) (time.Duration, error) {
	k := &controlplanev1.KubeadmControlPlane{}
	if err := c.Get(ctx, request.NamespacedName, k); err != nil {
		return 0, client.IgnoreNotFound(err)
	}
	cluster, err := c.clusterOf(ctx, k)
	if err != nil || cluster == nil || paused(cluster, k) {
		return time.Second, err // no owner yet: the Cluster's controller sets it
	}
	e := c.edit(k)
	controllerutil.AddFinalizer(k, controlplanev1.KubeadmControlPlaneFinalizer)
	machines, err := c.ownedMachines(ctx, k, "KubeadmControlPlane")
	if err != nil {
		return 0, err
	}
	if !k.DeletionTimestamp.IsZero() {
		return c.delete(ctx, e, k, cluster, machines)
	}
	by := owner(k, controlplanev1.GroupVersion.WithKind("KubeadmControlPlane"), true)
	if err := c.ensureCertificates(ctx, cluster, by); err != nil { // while the infrastructure is being made: keys take time
		return 0, err
	}
	provisioned := cluster.Status.Initialization.InfrastructureProvisioned
	if provisioned == nil || !*provisioned || cluster.Spec.ControlPlaneEndpoint.Host == "" {
		c.status(ctx, k, cluster, machines)
		return backstop, e.save(ctx)
	}
	if err := c.ensureKubeconfig(ctx, cluster, by); err != nil {
		return 0, err
	}
	if err := e.save(ctx); err != nil { // the finalizer first, then Machines
		return 0, err
	}
	after, failure := c.scale(ctx, k, cluster, machines)
	if machines, err = c.ownedMachines(ctx, k, "KubeadmControlPlane"); err != nil {
		return 0, err
	}
	if err := c.observe(ctx, k, cluster, machines); err != nil {
		return 0, err
	}
	c.status(ctx, k, cluster, machines)
	if err := e.save(ctx); err != nil {
		return 0, err
	}
	if failure != nil && apierrors.IsConflict(failure) {
		return 0, failure
	}
	if failure != nil {
		c.event(k, true, "ControlPlaneUnhealthy", "%v", failure)
		return 0, failure
	}
	if after == 0 && !isTrue(k, clusterv1.AvailableCondition) {
		after = c.pace.poll(ctx)
	}
	if after == 0 {
		after = time.Minute // certificates grow old
	}
	return after, nil
}

// specHash covers the kubeadm configuration; version and infrastructure template are compared by themselves.
func specHash(k *controlplanev1.KubeadmControlPlane) string {
	data, _ := json.Marshal(k.Spec.KubeadmConfigSpec)
	h := fnv.New64a()
	_, _ = h.Write(data)
	return strconv.FormatUint(h.Sum64(), 16)
}

// outdated says why a Machine does not match the control plane's specification any more, or nothing.
func (c controlPlaneController) outdated(ctx context.Context, k *controlplanev1.KubeadmControlPlane, m *clusterv1.Machine) (string, error) {
	if m.Spec.Version != k.Spec.Version {
		return fmt.Sprintf("* Version %s, %s required", m.Spec.Version, k.Spec.Version), nil
	}
	if m.Annotations[specHashAnnotation] != specHash(k) {
		return "* KubeadmConfig is not up-to-date", nil
	}
	if after := k.Spec.Rollout.After; !after.IsZero() && after.Time.Before(time.Now()) && m.CreationTimestamp.Before(&after) {
		return "* KubeadmControlPlane spec.rolloutAfter expired", nil
	}
	if days := k.Spec.Rollout.Before.CertificatesExpiryDays; days > 0 && !m.Status.CertificatesExpiryDate.IsZero() &&
		time.Until(m.Status.CertificatesExpiryDate.Time) < time.Duration(days)*24*time.Hour {
		return "* Certificates will expire soon, rollout due to KubeadmControlPlane spec.rolloutBefore.certificatesExpiryDays", nil
	}
	infrastructure, err := c.referenced(ctx, m.Namespace, m.Spec.InfrastructureRef)
	if apierrors.IsNotFound(err) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	if from := infrastructure.GetAnnotations()[clusterv1.TemplateClonedFromNameAnnotation]; from != k.Spec.MachineTemplate.Spec.InfrastructureRef.Name {
		return fmt.Sprintf("* %s is not up-to-date", m.Spec.InfrastructureRef.Kind), nil
	}
	return "", nil
}

// scale takes at most one step: replace an unhealthy Machine, create one, or delete one. The next step waits until the
// control plane is healthy, because etcd's quorum would not survive otherwise.
func (c controlPlaneController) scale(ctx context.Context, k *controlplanev1.KubeadmControlPlane, cluster *clusterv1.Cluster, machines []clusterv1.Machine) (time.Duration, error) {
	var old []*clusterv1.Machine
	for i := range machines {
		why, err := c.outdated(ctx, k, &machines[i])
		if err != nil {
			return 0, err
		}
		if why != "" {
			old = append(old, &machines[i])
		}
		if err := c.setUpToDate(ctx, &machines[i], why == "", why); err != nil {
			return 0, err
		}
	}
	wanted, have := int(value(k.Spec.Replicas)), len(machines)
	if k.Spec.Replicas == nil {
		wanted = 1
	}
	for i := range machines { // deletion of one Machine at a time
		if !machines[i].DeletionTimestamp.IsZero() {
			return c.pace.poll(ctx), nil
		}
	}
	for i := range machines {
		if needsRemediation(&machines[i]) {
			if have <= 1 {
				return 0, fmt.Errorf("KCP can't remediate Machine %s: it is the only control plane Machine", machines[i].Name)
			}
			return c.pace.poll(ctx), c.deleteMachine(ctx, k, &machines[i], "unhealthy")
		}
	}
	if have == 0 {
		if wanted == 0 {
			return 0, nil
		}
		return c.pace.poll(ctx), c.create(ctx, k, cluster)
	}
	initialized := k.Status.Initialization.ControlPlaneInitialized
	if (initialized == nil || !*initialized) && len(old) == have {
		// Upstream waits for a health check or an operator here. A template that was wrong from the first (no such
		// flavor) and has been put right should not need one.
		return c.pace.poll(ctx), c.deleteMachine(ctx, k, old[0], "not up-to-date, and the control plane was never initialized")
	}
	if !c.healthy(ctx, machines) {
		return c.pace.poll(ctx), nil
	}
	surge, err := intstr.GetScaledValueFromIntOrPercent(intstr.ValueOrDefault(k.Spec.Rollout.Strategy.RollingUpdate.MaxSurge, intstr.FromInt32(1)), max(wanted, 1), true)
	if err != nil {
		return 0, err
	}
	switch {
	case len(old) > 0 && surge > 0 && have < wanted+surge:
		return c.pace.poll(ctx), c.create(ctx, k, cluster)
	case len(old) > 0 && (surge == 0 || have > wanted):
		return c.pace.poll(ctx), c.deleteMachine(ctx, k, oldest(old), "not up-to-date")
	case have < wanted:
		return c.pace.poll(ctx), c.create(ctx, k, cluster)
	case have > wanted:
		all := make([]*clusterv1.Machine, len(machines))
		for i := range machines {
			all[i] = &machines[i]
		}
		return c.pace.poll(ctx), c.deleteMachine(ctx, k, oldest(all), "scaling down")
	}
	return 0, nil
}

func oldest(machines []*clusterv1.Machine) *clusterv1.Machine {
	sort.SliceStable(machines, func(i, j int) bool { return machines[i].CreationTimestamp.Before(&machines[j].CreationTimestamp) })
	for _, m := range machines {
		if _, marked := m.Annotations[clusterv1.DeleteMachineAnnotation]; marked {
			return m
		}
	}
	return machines[0]
}

// healthy: every Machine's Node is ready and its pods have had the time to start.
func (c controlPlaneController) healthy(ctx context.Context, machines []clusterv1.Machine) bool {
	for i := range machines {
		m := &machines[i]
		if !m.Status.NodeRef.IsDefined() || !isTrue(m, clusterv1.MachineNodeReadyCondition) || c.pace.left(ctx, string(m.UID), stepHealthy) > 0 {
			return false
		}
	}
	return true
}

// create makes one control plane Machine with its KubeadmConfig and infrastructure.
func (c controlPlaneController) create(ctx context.Context, k *controlplanev1.KubeadmControlPlane, cluster *clusterv1.Cluster) error {
	name := k.Name + "-" + suffix()
	by := owner(k, controlplanev1.GroupVersion.WithKind("KubeadmControlPlane"), true)
	labels := merged(k.Spec.MachineTemplate.ObjectMeta.Labels, map[string]string{
		clusterv1.ClusterNameLabel: cluster.Name, clusterv1.MachineControlPlaneLabel: "", clusterv1.MachineControlPlaneNameLabel: k.Name,
	})
	annotations := merged(k.Spec.MachineTemplate.ObjectMeta.Annotations, map[string]string{specHashAnnotation: specHash(k)})
	notController := owner(k, controlplanev1.GroupVersion.WithKind("KubeadmControlPlane"), false)
	infrastructure, err := c.cloneTemplate(ctx, k.Namespace, k.Spec.MachineTemplate.Spec.InfrastructureRef, name, labels, annotations, notController)
	if err != nil {
		return fmt.Errorf("failed to clone infrastructure template: %w", err)
	}
	config := &bootstrapv1.KubeadmConfig{
		ObjectMeta: metav1.ObjectMeta{Namespace: k.Namespace, Name: name, Labels: labels, Annotations: annotations, OwnerReferences: []metav1.OwnerReference{notController}},
		Spec:       *k.Spec.KubeadmConfigSpec.DeepCopy(),
	}
	if err := c.Create(ctx, config); err != nil {
		return err
	}
	spec := k.Spec.MachineTemplate.Spec
	machine := &clusterv1.Machine{
		ObjectMeta: metav1.ObjectMeta{Namespace: k.Namespace, Name: name, Labels: labels, Annotations: annotations,
			OwnerReferences: []metav1.OwnerReference{by}, Finalizers: []string{clusterv1.MachineFinalizer}},
		Spec: clusterv1.MachineSpec{ClusterName: cluster.Name, Version: k.Spec.Version, InfrastructureRef: infrastructure, ReadinessGates: spec.ReadinessGates,
			Bootstrap: clusterv1.Bootstrap{ConfigRef: clusterv1.ContractVersionedObjectReference{APIGroup: bootstrapv1.GroupVersion.Group, Kind: "KubeadmConfig", Name: name}},
			Deletion: clusterv1.MachineDeletionSpec{NodeDrainTimeoutSeconds: spec.Deletion.NodeDrainTimeoutSeconds,
				NodeVolumeDetachTimeoutSeconds: spec.Deletion.NodeVolumeDetachTimeoutSeconds, NodeDeletionTimeoutSeconds: spec.Deletion.NodeDeletionTimeoutSeconds}},
	}
	if domains := controlPlaneDomains(cluster); len(domains) > 0 {
		machine.Spec.FailureDomain = domains[int(value(k.Status.Replicas))%len(domains)]
	}
	if err := c.Create(ctx, machine); err != nil {
		return err
	}
	c.event(k, false, "SuccessfulCreate", "Created Machine %s", name)
	return c.setUpToDate(ctx, machine, true, "") // else it would count as outdated until it is looked at again
}

func controlPlaneDomains(cluster *clusterv1.Cluster) []string {
	var out []string
	for _, domain := range cluster.Status.FailureDomains {
		if domain.ControlPlane != nil && *domain.ControlPlane {
			out = append(out, domain.Name)
		}
	}
	return out
}

// delete removes the Machines once no worker is left.
func (c controlPlaneController) delete(ctx context.Context, e *edit, k *controlplanev1.KubeadmControlPlane, cluster *clusterv1.Cluster, machines []clusterv1.Machine) (time.Duration, error) {
	all := &clusterv1.MachineList{}
	if err := c.List(ctx, all, client.InNamespace(k.Namespace)); err != nil {
		return 0, err
	}
	workers := 0
	for _, m := range all.Items {
		if _, controlPlane := m.Labels[clusterv1.MachineControlPlaneLabel]; !controlPlane && m.Spec.ClusterName == cluster.Name {
			workers++
		}
	}
	if workers > 0 {
		set(k, condition{clusterv1.DeletingCondition, metav1.ConditionTrue, "WaitingForWorkersDeletion", fmt.Sprintf("%d worker Machines left", workers)})
		return time.Second, e.save(ctx)
	}
	for i := range machines {
		if err := c.deleteMachine(ctx, k, &machines[i], "its control plane is being deleted"); err != nil {
			return 0, err
		}
	}
	if len(machines) == 0 {
		controllerutil.RemoveFinalizer(k, controlplanev1.KubeadmControlPlaneFinalizer)
		return 0, e.save(ctx)
	}
	set(k, condition{clusterv1.DeletingCondition, metav1.ConditionTrue, "WaitingForMachineDeletion", fmt.Sprintf("Deleting %d Machines", len(machines))})
	return c.pace.poll(ctx), e.save(ctx)
}
