package controllers

import (
	"context"
	"fmt"
	"sort"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
)

// conditions sums up the parts in the Cluster's conditions, worst news first in each message.
func (c clusterController) conditions(ctx context.Context, cluster *clusterv1.Cluster, p *clusterParts) {
	deleting := !cluster.DeletionTimestamp.IsZero()
	infrastructure := infrastructureCondition(p.infrastructure)
	initialized := cluster.Status.Initialization.ControlPlaneInitialized != nil && *cluster.Status.Initialization.ControlPlaneInitialized
	list := []condition{
		infrastructure,
		yesNo(clusterv1.ClusterControlPlaneInitializedCondition, initialized, "Initialized", "NotInitialized", "Control plane not yet initialized"),
		c.probe(ctx, cluster, initialized),
	}

	var controlPlaneMachines, workerMachines []clusterv1.Machine
	for _, m := range p.machines {
		if _, controlPlane := m.Labels[clusterv1.MachineControlPlaneLabel]; controlPlane {
			controlPlaneMachines = append(controlPlaneMachines, m)
		} else {
			workerMachines = append(workerMachines, m)
		}
	}
	list = append(list,
		allMachines(clusterv1.ClusterControlPlaneMachinesReadyCondition, clusterv1.MachineReadyCondition, "Ready", controlPlaneMachines),
		allMachines(clusterv1.ClusterControlPlaneMachinesUpToDateCondition, clusterv1.MachineUpToDateCondition, "UpToDate", controlPlaneMachines),
		allMachines(clusterv1.ClusterWorkerMachinesReadyCondition, clusterv1.MachineReadyCondition, "Ready", workerMachines),
		allMachines(clusterv1.ClusterWorkerMachinesUpToDateCondition, clusterv1.MachineUpToDateCondition, "UpToDate", workerMachines),
	)

	controlPlane := condition{clusterv1.ClusterControlPlaneAvailableCondition, metav1.ConditionUnknown, "DoesNotExist", "The control plane object does not exist"}
	doing := map[string][]string{}
	note := func(kind, name string, o interface {
		GetConditions() []metav1.Condition
	}) {
		for _, what := range []string{clusterv1.RollingOutCondition, clusterv1.ScalingUpCondition, clusterv1.ScalingDownCondition, clusterv1.RemediatingCondition} {
			if isTrue(o, what) {
				doing[what] = append(doing[what], fmt.Sprintf("* %s %s: %s", kind, name, message(o, what)))
			}
		}
	}
	if p.controlPlane != nil {
		controlPlane = yesNo(clusterv1.ClusterControlPlaneAvailableCondition, isTrue(p.controlPlane, clusterv1.AvailableCondition),
			clusterv1.AvailableReason, clusterv1.NotAvailableReason, message(p.controlPlane, clusterv1.AvailableCondition))
		note("KubeadmControlPlane", p.controlPlane.Name, p.controlPlane)
	}
	var notAvailable []string
	for i := range p.deployments {
		d := &p.deployments[i]
		if !isTrue(d, clusterv1.AvailableCondition) {
			notAvailable = append(notAvailable, fmt.Sprintf("* MachineDeployment %s: %s", d.Name, message(d, clusterv1.AvailableCondition)))
		}
		note("MachineDeployment", d.Name, d)
	}
	workers := yesNo(clusterv1.ClusterWorkersAvailableCondition, len(notAvailable) == 0, clusterv1.AvailableReason, clusterv1.NotAvailableReason, strings.Join(notAvailable, "\n"))
	if len(p.deployments) == 0 {
		workers.reason = "NoWorkers"
	}
	list = append(list, controlPlane, workers)
	for _, what := range []string{clusterv1.RollingOutCondition, clusterv1.ScalingUpCondition, clusterv1.ScalingDownCondition, clusterv1.RemediatingCondition} {
		list = append(list, happening(what, len(doing[what]) > 0, strings.Join(doing[what], "\n")))
	}
	if !deleting {
		list = append(list, condition{clusterv1.ClusterDeletingCondition, metav1.ConditionFalse, clusterv1.NotDeletingReason, ""})
	}

	list = c.fault(ctx, cluster, list)
	list = append(list, available(list, deleting))
	list = c.fault(ctx, cluster, list)
	set(cluster, list...)
	ok := func(kind string) bool { return isTrue(cluster, kind) }
	setLegacy(cluster, clusterv1.ReadyV1Beta1Condition, ok(clusterv1.ClusterControlPlaneAvailableCondition) && infrastructure.status == metav1.ConditionTrue, controlPlane.reason, controlPlane.message)
	setLegacy(cluster, clusterv1.InfrastructureReadyV1Beta1Condition, infrastructure.status == metav1.ConditionTrue, infrastructure.reason, infrastructure.message)
	setLegacy(cluster, clusterv1.ControlPlaneReadyV1Beta1Condition, ok(clusterv1.ClusterControlPlaneAvailableCondition), controlPlane.reason, controlPlane.message)
	setLegacy(cluster, clusterv1.ControlPlaneInitializedV1Beta1Condition, initialized, clusterv1.WaitingForControlPlaneProviderInitializedV1Beta1Reason, "Waiting for control plane provider to indicate the control plane has been initialized")
}

// infrastructureCondition takes over what the infrastructure's Ready condition says.
func infrastructureCondition(o *unstructured.Unstructured) condition {
	c := condition{clusterv1.ClusterInfrastructureReadyCondition, metav1.ConditionFalse, "DoesNotExist", "The infrastructure object does not exist"}
	if o == nil {
		return c
	}
	c.reason, c.message = clusterv1.NotReadyReason, o.GetKind()+" status.ready is false"
	conditions, _, _ := unstructured.NestedSlice(o.Object, "status", "conditions")
	for _, item := range conditions {
		one, _ := item.(map[string]any)
		if one["status"] == "False" && one["message"] != nil {
			c.message = fmt.Sprintf("%v: %v", one["type"], one["message"])
			break
		}
	}
	if ready, _, _ := unstructured.NestedBool(o.Object, "status", "ready"); ready {
		c.status, c.reason, c.message = metav1.ConditionTrue, clusterv1.ReadyReason, ""
	}
	return c
}

// probe asks the cluster's API server.
func (c clusterController) probe(ctx context.Context, cluster *clusterv1.Cluster, initialized bool) condition {
	result := condition{clusterv1.ClusterRemoteConnectionProbeCondition, metav1.ConditionFalse, "ProbeFailed", "Remote connection not established yet"}
	if !initialized || !cluster.DeletionTimestamp.IsZero() {
		return result
	}
	if err := c.workload.probe(ctx, cluster); err != nil {
		result.message = err.Error()
		return result
	}
	return condition{result.kind, metav1.ConditionTrue, "ProbeSucceeded", ""}
}

// allMachines is True when every machine has the condition.
func allMachines(kind, of, reason string, machines []clusterv1.Machine) condition {
	if len(machines) == 0 {
		return condition{kind, metav1.ConditionTrue, "NoReplicas", ""}
	}
	var bad []string
	for i := range machines {
		if !isTrue(&machines[i], of) {
			bad = append(bad, fmt.Sprintf("* Machine %s: %s", machines[i].Name, message(&machines[i], of)))
		}
	}
	sort.Strings(bad)
	return yesNo(kind, len(bad) == 0, reason, "Not"+reason, strings.Join(bad, "\n"))
}

// available is Cluster API's summary of five conditions.
func available(list []condition, deleting bool) condition {
	var bad []string
	for _, c := range list {
		switch c.kind {
		case clusterv1.ClusterRemoteConnectionProbeCondition, clusterv1.ClusterInfrastructureReadyCondition,
			clusterv1.ClusterControlPlaneAvailableCondition, clusterv1.ClusterWorkersAvailableCondition:
			if c.status != metav1.ConditionTrue {
				bad = append(bad, fmt.Sprintf("* %s: %s", c.kind, strings.TrimPrefix(c.message, "* ")))
			}
		}
	}
	if deleting {
		bad = append(bad, "* Deleting: Cluster is deleting")
	}
	return yesNo(clusterv1.ClusterAvailableCondition, len(bad) == 0, clusterv1.AvailableReason, clusterv1.NotAvailableReason, strings.Join(bad, "\n"))
}

// fault keeps the condition that the profile names bad: those that tell of something going on are bad when True.
func (c clusterController) fault(ctx context.Context, cluster *clusterv1.Cluster, list []condition) []condition {
	faults := c.profile.get(ctx).Faults
	if faults.Condition == "" {
		return list
	}
	text := faults.Message
	if text == "" {
		text = "Failed as the lab's profile asks"
	}
	for i := range list {
		if list[i].kind != faults.Condition {
			continue
		}
		status := metav1.ConditionFalse
		switch faults.Condition {
		case clusterv1.RollingOutCondition, clusterv1.ScalingUpCondition, clusterv1.ScalingDownCondition, clusterv1.RemediatingCondition, clusterv1.ClusterDeletingCondition:
			status = metav1.ConditionTrue
		}
		list[i].status, list[i].reason, list[i].message = status, "Fault", text
		if known := meta.FindStatusCondition(cluster.GetConditions(), faults.Condition); known == nil || known.Reason != "Fault" {
			c.event(cluster, true, "Fault", "%s: %s", faults.Condition, text)
		}
	}
	return list
}

func sortedKeys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}

// value of a number that may not be set.
func value(n *int32) int32 {
	if n == nil {
		return 0
	}
	return *n
}
