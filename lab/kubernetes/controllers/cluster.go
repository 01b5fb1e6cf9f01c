package controllers

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	controlplanev1 "sigs.k8s.io/cluster-api/api/controlplane/kubeadm/v1beta2"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
)

// clusterController joins the parts of a Cluster: it owns infrastructure and control plane, passes the endpoint from
// one to the other, sums up conditions, and deletes in order. Upstream analogue: Cluster API's cluster controller.
type clusterController struct{ *base }

func (c clusterController) reconcile(ctx context.Context, request ctrl.Request) (time.Duration, error) {
	cluster := &clusterv1.Cluster{}
	if err := c.Get(ctx, request.NamespacedName, cluster); err != nil {
		return 0, client.IgnoreNotFound(err)
	}
	e := c.edit(cluster)
	if paused(cluster, cluster) {
		set(cluster, condition{clusterv1.PausedCondition, metav1.ConditionTrue, clusterv1.PausedReason, "Cluster spec.paused is set to true"})
		return 0, e.save(ctx)
	}
	set(cluster, condition{clusterv1.PausedCondition, metav1.ConditionFalse, clusterv1.NotPausedReason, ""})
	controllerutil.AddFinalizer(cluster, clusterv1.ClusterFinalizer)
	setLabel(cluster, clusterv1.ClusterNameLabel, cluster.Name)

	parts, err := c.parts(ctx, cluster)
	if err != nil {
		return 0, err
	}
	if !cluster.DeletionTimestamp.IsZero() {
		done, err := c.delete(ctx, cluster, parts)
		if err != nil {
			return 0, err
		}
		if done {
			controllerutil.RemoveFinalizer(cluster, clusterv1.ClusterFinalizer)
		}
		cluster.Status.Phase = string(clusterv1.ClusterPhaseDeleting)
		c.conditions(ctx, cluster, parts)
		return 2 * time.Second, e.save(ctx)
	}
	if err := c.adopt(ctx, cluster, parts); err != nil {
		return 0, err
	}
	c.provision(cluster, parts)
	c.conditions(ctx, cluster, parts)
	if err := e.save(ctx); err != nil {
		return 0, err
	}
	if initialized := cluster.Status.Initialization.ControlPlaneInitialized; initialized != nil && *initialized && !isTrue(cluster, clusterv1.ClusterRemoteConnectionProbeCondition) {
		return c.pace.poll(ctx), nil
	}
	return backstop, nil // the connection to the cluster is probed as long as it lives
}

// clusterParts are the objects a Cluster is made of, as found.
type clusterParts struct {
	infrastructure *unstructured.Unstructured
	controlPlane   *controlplanev1.KubeadmControlPlane
	deployments    []clusterv1.MachineDeployment
	sets           []clusterv1.MachineSet
	machines       []clusterv1.Machine
	checks         []clusterv1.MachineHealthCheck
}

func (c clusterController) parts(ctx context.Context, cluster *clusterv1.Cluster) (*clusterParts, error) {
	p := &clusterParts{}
	if cluster.Spec.InfrastructureRef.IsDefined() {
		o, err := c.referenced(ctx, cluster.Namespace, cluster.Spec.InfrastructureRef)
		if err == nil {
			p.infrastructure = o
		} else if !apierrors.IsNotFound(err) {
			return nil, err
		}
	}
	if cluster.Spec.ControlPlaneRef.IsDefined() {
		o := &controlplanev1.KubeadmControlPlane{}
		err := c.Get(ctx, client.ObjectKey{Namespace: cluster.Namespace, Name: cluster.Spec.ControlPlaneRef.Name}, o)
		if err == nil {
			p.controlPlane = o
		} else if !apierrors.IsNotFound(err) {
			return nil, err
		}
	}
	deployments, sets, machines, checks := &clusterv1.MachineDeploymentList{}, &clusterv1.MachineSetList{}, &clusterv1.MachineList{}, &clusterv1.MachineHealthCheckList{}
	for _, list := range []client.ObjectList{deployments, sets, machines, checks} {
		if err := c.List(ctx, list, client.InNamespace(cluster.Namespace)); err != nil {
			return nil, err
		}
	}
	for _, o := range deployments.Items {
		if o.Spec.ClusterName == cluster.Name {
			p.deployments = append(p.deployments, o)
		}
	}
	for _, o := range sets.Items {
		if o.Spec.ClusterName == cluster.Name {
			p.sets = append(p.sets, o)
		}
	}
	for _, o := range machines.Items {
		if o.Spec.ClusterName == cluster.Name {
			p.machines = append(p.machines, o)
		}
	}
	for _, o := range checks.Items {
		if o.Spec.ClusterName == cluster.Name {
			p.checks = append(p.checks, o)
		}
	}
	return p, nil
}

// adopt makes the Cluster the owner of what it refers to; the other controllers act only on what is owned.
func (c clusterController) adopt(ctx context.Context, cluster *clusterv1.Cluster, p *clusterParts) error {
	reference := owner(cluster, clusterv1.GroupVersion.WithKind("Cluster"), true)
	adopt := func(o client.Object) error {
		e := c.edit(o)
		setOwner(o, reference)
		setLabel(o, clusterv1.ClusterNameLabel, cluster.Name)
		return e.save(ctx)
	}
	if p.infrastructure != nil {
		if err := adopt(p.infrastructure); err != nil {
			return err
		}
	}
	if p.controlPlane != nil {
		return adopt(p.controlPlane)
	}
	return nil
}

func (c clusterController) provision(cluster *clusterv1.Cluster, p *clusterParts) {
	yes := true
	phase := clusterv1.ClusterPhasePending
	if p.infrastructure != nil {
		phase = clusterv1.ClusterPhaseProvisioning
		if ready, _, _ := unstructured.NestedBool(p.infrastructure.Object, "status", "ready"); ready {
			host, _, _ := unstructured.NestedString(p.infrastructure.Object, "spec", "controlPlaneEndpoint", "host")
			port, _, _ := unstructured.NestedInt64(p.infrastructure.Object, "spec", "controlPlaneEndpoint", "port")
			if host != "" {
				cluster.Spec.ControlPlaneEndpoint = clusterv1.APIEndpoint{Host: host, Port: int32(port)}
				cluster.Status.Initialization.InfrastructureProvisioned = &yes
				phase = clusterv1.ClusterPhaseProvisioned
			}
			cluster.Status.FailureDomains = failureDomains(p.infrastructure)
		}
	}
	if p.controlPlane != nil {
		if initialized := p.controlPlane.Status.Initialization.ControlPlaneInitialized; initialized != nil && *initialized {
			cluster.Status.Initialization.ControlPlaneInitialized = &yes
		}
		cluster.Status.ControlPlane = &clusterv1.ClusterControlPlaneStatus{
			DesiredReplicas: p.controlPlane.Spec.Replicas, Replicas: p.controlPlane.Status.Replicas,
			UpToDateReplicas: p.controlPlane.Status.UpToDateReplicas, ReadyReplicas: p.controlPlane.Status.ReadyReplicas,
			AvailableReplicas: p.controlPlane.Status.AvailableReplicas,
		}
	}
	workers := &clusterv1.WorkersStatus{DesiredReplicas: new(int32), Replicas: new(int32), UpToDateReplicas: new(int32), ReadyReplicas: new(int32), AvailableReplicas: new(int32)}
	for _, d := range p.deployments {
		*workers.DesiredReplicas += value(d.Spec.Replicas)
		*workers.Replicas += value(d.Status.Replicas)
		*workers.UpToDateReplicas += value(d.Status.UpToDateReplicas)
		*workers.ReadyReplicas += value(d.Status.ReadyReplicas)
		*workers.AvailableReplicas += value(d.Status.AvailableReplicas)
	}
	cluster.Status.Workers = workers
	if cluster.Status.Phase != string(phase) {
		c.event(cluster, false, string(phase), "Cluster %s is %s", cluster.Name, phase)
	}
	cluster.Status.Phase = string(phase)
	cluster.Status.ObservedGeneration = cluster.Generation
}

// failureDomains takes the map of contract v1beta1.
func failureDomains(infrastructure *unstructured.Unstructured) []clusterv1.FailureDomain {
	domains, _, _ := unstructured.NestedMap(infrastructure.Object, "status", "failureDomains")
	var out []clusterv1.FailureDomain
	for _, name := range sortedKeys(domains) {
		domain, _ := domains[name].(map[string]any)
		controlPlane, _ := domain["controlPlane"].(bool)
		out = append(out, clusterv1.FailureDomain{Name: name, ControlPlane: &controlPlane})
	}
	return out
}

// delete takes the cluster apart: workers, then the control plane, then the infrastructure, each awaited.
func (c clusterController) delete(ctx context.Context, cluster *clusterv1.Cluster, p *clusterParts) (bool, error) {
	var left string
	remove := func(what string, o client.Object) error {
		left = fmt.Sprintf("* %s %s", what, o.GetName())
		if !o.GetDeletionTimestamp().IsZero() {
			return nil
		}
		c.event(cluster, false, "Deleting", "Deleting %s %s", what, o.GetName())
		return client.IgnoreNotFound(c.Delete(ctx, o, client.PropagationPolicy(metav1.DeletePropagationBackground)))
	}
	for i := range p.checks {
		if err := remove("MachineHealthCheck", &p.checks[i]); err != nil {
			return false, err
		}
	}
	for i := range p.deployments {
		if err := remove("MachineDeployment", &p.deployments[i]); err != nil {
			return false, err
		}
	}
	for i := range p.sets {
		if err := remove("MachineSet", &p.sets[i]); err != nil {
			return false, err
		}
	}
	workers := len(p.deployments) + len(p.sets)
	for i := range p.machines {
		if _, controlPlane := p.machines[i].Labels[clusterv1.MachineControlPlaneLabel]; controlPlane {
			continue
		}
		workers++
		if err := remove("Machine", &p.machines[i]); err != nil {
			return false, err
		}
	}
	if workers == 0 && p.controlPlane != nil {
		if err := remove("KubeadmControlPlane", p.controlPlane); err != nil {
			return false, err
		}
	}
	if workers == 0 && p.controlPlane == nil && len(p.machines) == 0 && p.infrastructure != nil {
		if err := remove(p.infrastructure.GetKind(), p.infrastructure); err != nil {
			return false, err
		}
	}
	if left == "" && len(p.machines) == 0 {
		return true, nil
	}
	set(cluster, condition{clusterv1.ClusterDeletingCondition, metav1.ConditionTrue, "WaitingForDeletion", "Waiting for deletion of " + left})
	return false, nil
}
