package controllers

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
)

// machineController joins a Machine's bootstrap config, infrastructure and Node. Upstream analogue: Cluster API's
// machine controller.
type machineController struct{ *base }

func (c machineController) reconcile(ctx context.Context, request ctrl.Request) (time.Duration, error) {
	machine := &clusterv1.Machine{}
	if err := c.Get(ctx, request.NamespacedName, machine); err != nil {
		return 0, client.IgnoreNotFound(err)
	}
	cluster, err := c.clusterOf(ctx, machine)
	if err != nil {
		return 0, err
	}
	if cluster == nil {
		return 2 * time.Second, nil
	}
	if paused(cluster, machine) {
		return 0, nil
	}
	e := c.edit(machine)
	controllerutil.AddFinalizer(machine, clusterv1.MachineFinalizer)
	setLabel(machine, clusterv1.ClusterNameLabel, cluster.Name)
	bootstrap, err := c.part(ctx, machine, machine.Spec.Bootstrap.ConfigRef)
	if err != nil {
		return 0, err
	}
	infrastructure, err := c.part(ctx, machine, machine.Spec.InfrastructureRef)
	if err != nil {
		return 0, err
	}
	if !machine.DeletionTimestamp.IsZero() {
		after, err := c.delete(ctx, cluster, machine, bootstrap, infrastructure)
		if err != nil {
			return 0, err
		}
		machine.Status.Phase = string(clusterv1.MachinePhaseDeleting)
		return after, e.save(ctx)
	}
	c.take(machine, bootstrap, infrastructure)
	node, looked := c.node(ctx, cluster, machine)
	c.conditions(machine, bootstrap, infrastructure, node, looked)
	if err := e.save(ctx); err != nil {
		return 0, err
	}
	if machine.Spec.ProviderID != "" && (node == nil || !isTrue(machine, clusterv1.MachineReadyCondition)) {
		return c.pace.poll(ctx), nil // the Node lives in another cluster, whose changes are not watched
	}
	if node != nil {
		return 30 * time.Second, nil
	}
	return backstop, nil
}

// part gets the object a Machine refers to and makes the Machine its owner. Nil when it is not there.
func (c machineController) part(ctx context.Context, machine *clusterv1.Machine, ref clusterv1.ContractVersionedObjectReference) (*unstructured.Unstructured, error) {
	if !ref.IsDefined() {
		return nil, nil
	}
	o, err := c.referenced(ctx, machine.Namespace, ref)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if machine.DeletionTimestamp.IsZero() {
		e := c.edit(o)
		setOwner(o, owner(machine, clusterv1.GroupVersion.WithKind("Machine"), true))
		setLabel(o, clusterv1.ClusterNameLabel, machine.Spec.ClusterName)
		if err := e.save(ctx); err != nil {
			return nil, err
		}
	}
	return o, nil
}

// take copies what the parts report into the Machine.
func (c machineController) take(machine *clusterv1.Machine, bootstrap, infrastructure *unstructured.Unstructured) {
	yes := true
	if bootstrap != nil {
		created, _, _ := unstructured.NestedBool(bootstrap.Object, "status", "initialization", "dataSecretCreated")
		if name, _, _ := unstructured.NestedString(bootstrap.Object, "status", "dataSecretName"); created && name != "" {
			machine.Spec.Bootstrap.DataSecretName = &name
			machine.Status.Initialization.BootstrapDataSecretCreated = &yes
		}
	}
	if infrastructure == nil {
		return
	}
	if ready, _, _ := unstructured.NestedBool(infrastructure.Object, "status", "ready"); !ready {
		return
	}
	if id, _, _ := unstructured.NestedString(infrastructure.Object, "spec", "providerID"); id != "" {
		machine.Spec.ProviderID = id
		machine.Status.Initialization.InfrastructureProvisioned = &yes
	}
	addresses, _, _ := unstructured.NestedSlice(infrastructure.Object, "status", "addresses")
	machine.Status.Addresses = nil
	for _, item := range addresses {
		if one, ok := item.(map[string]any); ok {
			machine.Status.Addresses = append(machine.Status.Addresses, clusterv1.MachineAddress{
				Type: clusterv1.MachineAddressType(fmt.Sprint(one["type"])), Address: fmt.Sprint(one["address"]),
			})
		}
	}
}

// node finds the Machine's Node in the cluster by provider ID. looked is false when the cluster did not answer: then
// nothing is known, in particular not that the Node is gone.
func (c machineController) node(ctx context.Context, cluster *clusterv1.Cluster, machine *clusterv1.Machine) (found *corev1.Node, looked bool) {
	if machine.Spec.ProviderID == "" {
		return nil, true
	}
	remote, err := c.workload.get(ctx, cluster)
	if err != nil {
		return nil, false
	}
	nodes := &corev1.NodeList{}
	if err := remote.List(ctx, nodes); err != nil {
		c.logf("nodes of cluster %s: %v", cluster.Name, err)
		return nil, false
	}
	for i := range nodes.Items {
		node := &nodes.Items[i]
		if node.Spec.ProviderID != machine.Spec.ProviderID {
			continue
		}
		if node.Annotations[clusterv1.MachineAnnotation] != machine.Name {
			before := node.DeepCopy()
			for key, value := range map[string]string{
				clusterv1.ClusterNameAnnotation: cluster.Name, clusterv1.ClusterNamespaceAnnotation: cluster.Namespace, clusterv1.MachineAnnotation: machine.Name,
			} {
				setAnnotation(node, key, value)
			}
			for key, value := range machine.Labels { // the prefixes Cluster API passes on
				if prefix, _, _ := strings.Cut(key, "/"); strings.HasPrefix(prefix, "node-role.kubernetes.io") || strings.HasSuffix(prefix, "node-restriction.kubernetes.io") || strings.HasSuffix(prefix, "node.cluster.x-k8s.io") {
					setLabel(node, key, value)
				}
			}
			if err := remote.Patch(ctx, node, client.MergeFrom(before)); err != nil {
				c.logf("node %s: %v", node.Name, err)
				return nil, false
			}
		}
		return node, true
	}
	return nil, true
}

// conditions sums up the parts. What was said of a Node stays while its cluster does not answer, as upstream keeps it for
// five minutes.
func (c machineController) conditions(machine *clusterv1.Machine, bootstrap, infrastructure *unstructured.Unstructured, node *corev1.Node, looked bool) {
	yes := func(b *bool) bool { return b != nil && *b }
	bootstrapped := machine.Spec.Bootstrap.DataSecretName != nil
	provisioned := yes(machine.Status.Initialization.InfrastructureProvisioned)
	infrastructureReady, problem := false, "Waiting for the infrastructure object to report readiness"
	if infrastructure == nil {
		problem = "The infrastructure object does not exist"
		if provisioned {
			problem = "The infrastructure object has been deleted while the Machine still exists"
		}
	} else {
		infrastructureReady, _, _ = unstructured.NestedBool(infrastructure.Object, "status", "ready")
		infrastructureReady = infrastructureReady && provisioned
		if c := infrastructureCondition(infrastructure); c.message != "" {
			problem = c.message
		}
	}
	nodeHealthy := condition{clusterv1.MachineNodeHealthyCondition, metav1.ConditionUnknown, "InspectionFailed", fmt.Sprintf("Waiting for a Node with spec.providerID %s to exist", machine.Spec.ProviderID)}
	nodeReady := condition{clusterv1.MachineNodeReadyCondition, nodeHealthy.status, nodeHealthy.reason, nodeHealthy.message}
	if node != nil {
		machine.Status.NodeRef = clusterv1.MachineNodeReference{Name: node.Name}
		machine.Status.NodeInfo = &node.Status.NodeInfo
		text := "Node Ready: not reported"
		ready := false
		for _, condition := range node.Status.Conditions {
			if condition.Type == corev1.NodeReady {
				ready = condition.Status == corev1.ConditionTrue
				text = "Node Ready: " + condition.Message
			}
		}
		nodeReady = yesNo(clusterv1.MachineNodeReadyCondition, ready, clusterv1.MachineNodeReadyReason, clusterv1.MachineNodeNotReadyReason, "* "+text)
		nodeHealthy = yesNo(clusterv1.MachineNodeHealthyCondition, ready, clusterv1.MachineNodeHealthyReason, clusterv1.MachineNodeNotHealthyReason, "* "+text)
	} else if machine.Status.NodeRef.IsDefined() && looked {
		text := fmt.Sprintf("Node %s has been deleted while the Machine still exists", machine.Status.NodeRef.Name)
		nodeReady.status, nodeReady.reason, nodeReady.message = metav1.ConditionFalse, clusterv1.MachineNodeDeletedReason, text
		nodeHealthy.status, nodeHealthy.reason, nodeHealthy.message = metav1.ConditionFalse, clusterv1.MachineNodeDeletedReason, text
	}
	set(machine,
		yesNo(clusterv1.MachineBootstrapConfigReadyCondition, bootstrapped, clusterv1.ReadyReason, clusterv1.NotReadyReason, "Waiting for the bootstrap data secret"),
		yesNo(clusterv1.MachineInfrastructureReadyCondition, infrastructureReady, clusterv1.ReadyReason, clusterv1.NotReadyReason, problem),
		condition{clusterv1.MachineDeletingCondition, metav1.ConditionFalse, clusterv1.MachineNotDeletingReason, ""},
		condition{clusterv1.PausedCondition, metav1.ConditionFalse, clusterv1.NotPausedReason, ""},
	)
	if looked || !machine.Status.NodeRef.IsDefined() {
		set(machine, nodeReady, nodeHealthy)
	}
	var bad []string
	for _, kind := range []string{clusterv1.MachineBootstrapConfigReadyCondition, clusterv1.MachineInfrastructureReadyCondition, clusterv1.MachineNodeHealthyCondition,
		clusterv1.MachineHealthCheckSucceededCondition, clusterv1.MachineOwnerRemediatedCondition} {
		found := meta.FindStatusCondition(machine.GetConditions(), kind)
		if found != nil && found.Status != metav1.ConditionTrue {
			bad = append(bad, fmt.Sprintf("* %s: %s", kind, strings.TrimPrefix(found.Message, "* ")))
		}
	}
	ready := len(bad) == 0
	set(machine, yesNo(clusterv1.MachineReadyCondition, ready, clusterv1.ReadyReason, clusterv1.NotReadyReason, strings.Join(bad, "\n")))
	// minReadySeconds is 0 in the charts here: a ready Machine is available at once.
	set(machine, yesNo(clusterv1.MachineAvailableCondition, ready, clusterv1.AvailableReason, clusterv1.NotReadyReason, "Waiting for the Machine to be ready"))
	setLegacy(machine, clusterv1.ReadyV1Beta1Condition, ready, clusterv1.NotReadyReason, strings.Join(bad, "\n"))
	setLegacy(machine, clusterv1.BootstrapReadyV1Beta1Condition, bootstrapped, "WaitingForDataSecret", "")
	setLegacy(machine, clusterv1.InfrastructureReadyV1Beta1Condition, infrastructureReady, clusterv1.WaitingForInfrastructureFallbackV1Beta1Reason, problem)
	setLegacy(machine, clusterv1.MachineNodeHealthyV1Beta1Condition, isTrue(machine, clusterv1.MachineNodeHealthyCondition), clusterv1.NotReadyReason, message(machine, clusterv1.MachineNodeHealthyCondition))

	phase := clusterv1.MachinePhasePending
	switch {
	case machine.Status.NodeRef.IsDefined() && provisioned:
		phase = clusterv1.MachinePhaseRunning
	case provisioned:
		phase = clusterv1.MachinePhaseProvisioned
	case bootstrapped:
		phase = clusterv1.MachinePhaseProvisioning
	}
	if machine.Status.Phase != string(phase) {
		machine.Status.LastUpdated = now()
	}
	machine.Status.Phase = string(phase)
	machine.Status.ObservedGeneration = machine.Generation
}

// delete drains the node, deletes infrastructure and bootstrap config, and at last the Node. While the whole cluster is
// being deleted nothing is done inside it, as upstream.
func (c machineController) delete(ctx context.Context, cluster *clusterv1.Cluster, machine *clusterv1.Machine, bootstrap, infrastructure *unstructured.Unstructured) (time.Duration, error) {
	say := func(reason, text string) {
		set(machine, condition{clusterv1.MachineDeletingCondition, metav1.ConditionTrue, reason, text})
	}
	set(machine, condition{clusterv1.MachineReadyCondition, metav1.ConditionFalse, clusterv1.NotReadyReason, "* Deleting: Machine deletion in progress"},
		condition{clusterv1.MachineAvailableCondition, metav1.ConditionFalse, clusterv1.NotAvailableReason, "* Deleting: Machine deletion in progress"})
	withCluster := !cluster.DeletionTimestamp.IsZero()
	if infrastructure != nil {
		if node := machine.Status.NodeRef.Name; node != "" && !withCluster && infrastructure.GetDeletionTimestamp().IsZero() {
			if err := c.drain(ctx, cluster, node); err != nil {
				c.logf("drain %s: %v", node, err)
			}
			if left := c.pace.left(ctx, string(machine.UID), stepDrain); left > 0 {
				say(clusterv1.MachineDeletingDrainingNodeReason, "Drain of Node "+node+" not completed yet")
				return left, nil
			}
		}
		if infrastructure.GetDeletionTimestamp().IsZero() {
			c.event(machine, false, "DeletingInfrastructure", "Deleting %s %s", infrastructure.GetKind(), infrastructure.GetName())
			if err := c.Delete(ctx, infrastructure); client.IgnoreNotFound(err) != nil {
				return 0, err
			}
		}
		say(clusterv1.MachineDeletingWaitingForInfrastructureDeletionReason, infrastructure.GetKind()+": "+infrastructureCondition(infrastructure).message)
		return backstop, nil
	}
	if bootstrap != nil {
		if bootstrap.GetDeletionTimestamp().IsZero() {
			if err := c.Delete(ctx, bootstrap); client.IgnoreNotFound(err) != nil {
				return 0, err
			}
		}
		say(clusterv1.MachineDeletingWaitingForBootstrapDeletionReason, "Waiting for "+bootstrap.GetKind())
		return backstop, nil
	}
	if node := machine.Status.NodeRef.Name; node != "" && !withCluster {
		if remote, err := c.workload.get(ctx, cluster); err == nil {
			if err := remote.Delete(ctx, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: node}}); client.IgnoreNotFound(err) != nil {
				say(clusterv1.MachineDeletingDeletingNodeReason, err.Error())
				return c.pace.poll(ctx), nil
			}
		}
	}
	say(clusterv1.MachineDeletingDeletionCompletedReason, "Deletion completed")
	controllerutil.RemoveFinalizer(machine, clusterv1.MachineFinalizer)
	return 0, nil
}

// drain cordons the node and evicts its pods, except those of DaemonSets.
func (c machineController) drain(ctx context.Context, cluster *clusterv1.Cluster, name string) error {
	remote, err := c.workload.get(ctx, cluster)
	if err != nil {
		return err
	}
	node := &corev1.Node{}
	if err := remote.Get(ctx, client.ObjectKey{Name: name}, node); err != nil {
		return client.IgnoreNotFound(err)
	}
	if !node.Spec.Unschedulable {
		before := node.DeepCopy()
		node.Spec.Unschedulable = true
		if err := remote.Patch(ctx, node, client.MergeFrom(before)); err != nil {
			return err
		}
	}
	pods := &corev1.PodList{}
	if err := remote.List(ctx, pods, client.MatchingFields{"spec.nodeName": name}); err != nil {
		return err
	}
	for i := range pods.Items {
		pod := &pods.Items[i]
		if by := metav1.GetControllerOf(pod); (by != nil && by.Kind == "DaemonSet") || !pod.DeletionTimestamp.IsZero() {
			continue
		}
		if err := remote.Delete(ctx, pod); client.IgnoreNotFound(err) != nil {
			return err
		}
	}
	return nil
}
