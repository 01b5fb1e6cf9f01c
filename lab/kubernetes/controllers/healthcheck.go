package controllers

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// defaultNodeStartup is Cluster API's default for nodeStartupTimeout.
const defaultNodeStartup = 10 * time.Minute

// healthCheckController marks Machines that should be replaced: their node has been unhealthy for too long, never came,
// or their server is gone. The Machine's owner replaces it. Upstream analogue: Cluster API's machinehealthcheck controller.
type healthCheckController struct{ *base }

func (c healthCheckController) reconcile(ctx context.Context, request ctrl.Request) (time.Duration, error) {
	check := &clusterv1.MachineHealthCheck{}
	if err := c.Get(ctx, request.NamespacedName, check); err != nil {
		return 0, client.IgnoreNotFound(err)
	}
	cluster := &clusterv1.Cluster{}
	if err := c.Get(ctx, client.ObjectKey{Namespace: check.Namespace, Name: check.Spec.ClusterName}, cluster); err != nil {
		return 2 * time.Second, client.IgnoreNotFound(err)
	}
	if !check.DeletionTimestamp.IsZero() || paused(cluster, check) {
		return 0, nil
	}
	e := c.edit(check)
	setLabel(check, clusterv1.ClusterNameLabel, cluster.Name)
	setOwner(check, owner(cluster, clusterv1.GroupVersion.WithKind("Cluster"), false))
	selector, err := metav1.LabelSelectorAsSelector(&check.Spec.Selector)
	if err != nil {
		return 0, err
	}
	list := &clusterv1.MachineList{}
	if err := c.List(ctx, list, client.InNamespace(check.Namespace), client.MatchingLabelsSelector{Selector: selector}); err != nil {
		return 0, err
	}
	var targets, healthy int32
	var names []string
	bad := map[*clusterv1.Machine]string{}
	for i := range list.Items {
		m := &list.Items[i]
		if m.Spec.ClusterName != cluster.Name || !m.DeletionTimestamp.IsZero() {
			continue
		}
		targets++
		names = append(names, m.Name)
		if why := c.unhealthy(ctx, cluster, check, m); why != "" {
			bad[m] = why
		} else if isTrue(m, clusterv1.MachineNodeHealthyCondition) {
			healthy++
		}
	}
	allowed, err := remediations(check, targets, int32(len(bad)))
	if err != nil {
		return 0, err
	}
	for m, why := range bad {
		if err := c.mark(ctx, check, m, why, allowed >= 0); err != nil {
			return 0, err
		}
	}
	for i := range list.Items {
		m := &list.Items[i]
		if _, isBad := bad[m]; !isBad && m.DeletionTimestamp.IsZero() && m.Spec.ClusterName == cluster.Name {
			if err := c.mark(ctx, check, m, "", false); err != nil {
				return 0, err
			}
		}
	}
	left := max(0, allowed)
	check.Status.ExpectedMachines, check.Status.CurrentHealthy, check.Status.RemediationsAllowed, check.Status.Targets = &targets, &healthy, &left, names
	check.Status.ObservedGeneration = check.Generation
	set(check, yesNo(clusterv1.MachineHealthCheckRemediationAllowedCondition, allowed >= 0, "RemediationAllowed", "TooManyUnhealthy",
		fmt.Sprintf("Remediation is not allowed, the number of not started or unhealthy machines exceeds maxUnhealthy (total: %d, unhealthy: %d)", targets, len(bad))))
	return 10 * time.Second, e.save(ctx)
}

// remediations is how many more Machines may be replaced; below zero when too many are unhealthy already.
func remediations(check *clusterv1.MachineHealthCheck, targets, unhealthy int32) (int32, error) {
	limit := intstr.ValueOrDefault(check.Spec.Remediation.TriggerIf.UnhealthyLessThanOrEqualTo, intstr.FromString("100%"))
	most, err := intstr.GetScaledValueFromIntOrPercent(limit, int(targets), false)
	return int32(most) - unhealthy, err
}

// unhealthy says why a Machine should be replaced, or nothing.
func (c healthCheckController) unhealthy(ctx context.Context, cluster *clusterv1.Cluster, check *clusterv1.MachineHealthCheck, m *clusterv1.Machine) string {
	if _, forced := m.Annotations[clusterv1.RemediateMachineAnnotation]; forced {
		return "Marked for remediation via cluster.x-k8s.io/remediate-machine annotation"
	}
	infrastructure := meta.FindStatusCondition(m.GetConditions(), clusterv1.MachineInfrastructureReadyCondition)
	if infrastructure != nil && infrastructure.Status == metav1.ConditionFalse && m.Status.NodeRef.IsDefined() {
		return "Infrastructure: " + infrastructure.Message // it was there once, so it will not come back by itself
	}
	startup := defaultNodeStartup
	if seconds := check.Spec.Checks.NodeStartupTimeoutSeconds; seconds != nil {
		startup = time.Duration(*seconds) * time.Second
	}
	if !m.Status.NodeRef.IsDefined() {
		initialized := meta.FindStatusCondition(cluster.GetConditions(), clusterv1.ClusterControlPlaneInitializedCondition)
		if startup > 0 && initialized != nil && initialized.Status == metav1.ConditionTrue {
			began := initialized.LastTransitionTime.Time
			if m.CreationTimestamp.After(began) {
				began = m.CreationTimestamp.Time
			}
			if time.Since(began) > startup {
				return fmt.Sprintf("Node failed to report startup in %s", startup)
			}
		}
		return ""
	}
	remote, err := c.workload.get(ctx, cluster)
	if err != nil {
		return "" // with the API server away nothing is known about nodes
	}
	node := &corev1.Node{}
	if err := remote.Get(ctx, client.ObjectKey{Name: m.Status.NodeRef.Name}, node); err != nil {
		if client.IgnoreNotFound(err) == nil {
			return fmt.Sprintf("Node %s has been deleted", m.Status.NodeRef.Name)
		}
		return ""
	}
	for _, rule := range check.Spec.Checks.UnhealthyNodeConditions {
		for _, condition := range node.Status.Conditions {
			limit := time.Duration(value(rule.TimeoutSeconds)) * time.Second
			if condition.Type == rule.Type && condition.Status == rule.Status && time.Since(condition.LastTransitionTime.Time) > limit {
				return fmt.Sprintf("Condition %s on Node is reporting status %s for more than %s", rule.Type, rule.Status, limit)
			}
		}
	}
	return ""
}

// mark writes the Machine's health; one that may be replaced is handed to its owner.
func (c healthCheckController) mark(ctx context.Context, check *clusterv1.MachineHealthCheck, m *clusterv1.Machine, why string, replace bool) error {
	if _, skipped := m.Annotations[clusterv1.MachineSkipRemediationAnnotation]; skipped {
		return nil
	}
	known := meta.FindStatusCondition(m.GetConditions(), clusterv1.MachineHealthCheckSucceededCondition)
	if why == "" && known != nil && known.Status == metav1.ConditionTrue {
		return nil
	}
	e := c.edit(m)
	set(m, yesNo(clusterv1.MachineHealthCheckSucceededCondition, why == "", "HealthCheckSucceeded", "HealthCheckFailed", "Health check failed: "+why))
	if why == "" {
		list := m.GetConditions()
		meta.RemoveStatusCondition(&list, clusterv1.MachineOwnerRemediatedCondition)
		m.SetConditions(list)
	} else if replace {
		if known == nil || known.Status == metav1.ConditionTrue {
			c.event(m, true, "MachineMarkedUnhealthy", "Machine %s has been marked as unhealthy by %s: %s", m.Name, check.Name, why)
		}
		set(m, condition{clusterv1.MachineOwnerRemediatedCondition, metav1.ConditionFalse, clusterv1.MachineOwnerRemediatedWaitingForRemediationReason, "Waiting for remediation"})
	}
	return e.save(ctx)
}
