package controllers

import (
	"context"
	"fmt"
	"sort"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
)

// machineSetController keeps as many Machines of one template as asked. Upstream analogue: Cluster API's machineset
// controller.
type machineSetController struct{ *base }

func (c machineSetController) reconcile(ctx context.Context, request ctrl.Request) (time.Duration, error) {
	s := &clusterv1.MachineSet{}
	if err := c.Get(ctx, request.NamespacedName, s); err != nil {
		return 0, client.IgnoreNotFound(err)
	}
	cluster, err := c.clusterOf(ctx, s)
	if err != nil {
		return 0, err
	}
	if cluster == nil {
		return 2 * time.Second, nil
	}
	if paused(cluster, s) {
		return 0, nil
	}
	e := c.edit(s)
	controllerutil.AddFinalizer(s, clusterv1.MachineSetFinalizer)
	machines, err := c.ownedMachines(ctx, s, "MachineSet")
	if err != nil {
		return 0, err
	}
	if !s.DeletionTimestamp.IsZero() {
		for i := range machines {
			if err := c.deleteMachine(ctx, s, &machines[i], "its MachineSet is being deleted"); err != nil {
				return 0, err
			}
		}
		if len(machines) == 0 {
			controllerutil.RemoveFinalizer(s, clusterv1.MachineSetFinalizer)
		}
		return time.Second, e.save(ctx)
	}
	if err := e.save(ctx); err != nil { // the finalizer first, then Machines
		return 0, err
	}
	if err := c.remediate(ctx, s, machines); err != nil {
		return 0, err
	}
	failure := c.scale(ctx, s, machines)
	if machines, err = c.ownedMachines(ctx, s, "MachineSet"); err != nil {
		return 0, err
	}
	c.status(s, machines)
	if err := e.save(ctx); err != nil {
		return 0, err
	}
	return 0, failure
}

// ownedMachines lists the Machines whose controlling owner is o, by name.
func (b *base) ownedMachines(ctx context.Context, o client.Object, kind string) ([]clusterv1.Machine, error) {
	list := &clusterv1.MachineList{}
	if err := b.List(ctx, list, client.InNamespace(o.GetNamespace())); err != nil {
		return nil, err
	}
	var out []clusterv1.Machine
	for _, m := range list.Items {
		if by := metav1.GetControllerOf(&m); by != nil && by.Kind == kind && by.UID == o.GetUID() {
			out = append(out, m)
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	return out, nil
}

// deleteMachine asks for a Machine's deletion, once.
func (b *base) deleteMachine(ctx context.Context, by client.Object, m *clusterv1.Machine, why string) error {
	if !m.DeletionTimestamp.IsZero() {
		return nil
	}
	b.event(by, false, "SuccessfulDelete", "Deleted Machine %s: %s", m.Name, why)
	return client.IgnoreNotFound(b.Delete(ctx, m))
}

// remediate deletes Machines that a MachineHealthCheck gave up on.
func (c machineSetController) remediate(ctx context.Context, s *clusterv1.MachineSet, machines []clusterv1.Machine) error {
	for i := range machines {
		if needsRemediation(&machines[i]) {
			if err := c.deleteMachine(ctx, s, &machines[i], "unhealthy"); err != nil {
				return err
			}
		}
	}
	return nil
}

func needsRemediation(m *clusterv1.Machine) bool {
	owner := meta.FindStatusCondition(m.GetConditions(), clusterv1.MachineOwnerRemediatedCondition)
	return owner != nil && owner.Status == metav1.ConditionFalse && m.DeletionTimestamp.IsZero()
}

// scale creates Machines that are missing, all at once, or deletes those that are too many.
func (c machineSetController) scale(ctx context.Context, s *clusterv1.MachineSet, machines []clusterv1.Machine) error {
	var live []clusterv1.Machine
	for _, m := range machines {
		if m.DeletionTimestamp.IsZero() {
			live = append(live, m)
		}
	}
	wanted := int(value(s.Spec.Replicas))
	for i := len(live); i < wanted; i++ {
		if err := c.create(ctx, s); err != nil {
			c.event(s, true, "FailedCreate", "Failed to create Machine: %v", err)
			set(s, condition{clusterv1.MachineSetScalingUpCondition, metav1.ConditionTrue, clusterv1.ScalingUpReason, err.Error()})
			return err
		}
	}
	if len(live) <= wanted {
		return nil
	}
	sort.SliceStable(live, func(i, j int) bool {
		return deletionPriority(&live[i], s.Spec.Deletion.Order) > deletionPriority(&live[j], s.Spec.Deletion.Order)
	})
	for i := range live[:len(live)-wanted] {
		if err := c.deleteMachine(ctx, s, &live[i], "scaling down"); err != nil {
			return err
		}
	}
	return nil
}

// deletionPriority: Machines marked for deletion go first, then those not healthy, then by the order asked for.
func deletionPriority(m *clusterv1.Machine, order clusterv1.MachineSetDeletionOrder) float64 {
	if _, marked := m.Annotations[clusterv1.DeleteMachineAnnotation]; marked {
		return 1e12
	}
	if !isTrue(m, clusterv1.MachineReadyCondition) {
		return 1e11
	}
	age := time.Since(m.CreationTimestamp.Time).Seconds()
	switch order {
	case clusterv1.OldestMachineSetDeletionOrder:
		return age
	case clusterv1.NewestMachineSetDeletionOrder:
		return -age
	}
	return 0
}

// create makes a Machine with its bootstrap config and infrastructure, all of one name.
func (c machineSetController) create(ctx context.Context, s *clusterv1.MachineSet) error {
	name := s.Name + "-" + suffix()
	kind := clusterv1.GroupVersion.WithKind("MachineSet")
	labels := merged(s.Spec.Template.Labels, map[string]string{clusterv1.ClusterNameLabel: s.Spec.ClusterName, clusterv1.MachineSetNameLabel: s.Name})
	machine := &clusterv1.Machine{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.Namespace, Name: name, Labels: labels, Annotations: merged(s.Spec.Template.Annotations),
			OwnerReferences: []metav1.OwnerReference{owner(s, kind, true)}, Finalizers: []string{clusterv1.MachineFinalizer}},
		Spec: *s.Spec.Template.Spec.DeepCopy(),
	}
	machine.Spec.ClusterName = s.Spec.ClusterName
	by := owner(s, kind, false)
	if ref := s.Spec.Template.Spec.Bootstrap.ConfigRef; ref.IsDefined() {
		made, err := c.cloneTemplate(ctx, s.Namespace, ref, name, labels, s.Spec.Template.Annotations, by)
		if err != nil {
			return err
		}
		machine.Spec.Bootstrap.ConfigRef = made
	}
	made, err := c.cloneTemplate(ctx, s.Namespace, s.Spec.Template.Spec.InfrastructureRef, name, labels, s.Spec.Template.Annotations, by)
	if err != nil {
		return err
	}
	machine.Spec.InfrastructureRef = made
	if err := c.Create(ctx, machine); err != nil {
		return err
	}
	c.event(s, false, "SuccessfulCreate", "Created Machine %s", name)
	return c.setUpToDate(ctx, machine, true, "") // only the newest MachineSet of a deployment grows
}

// machineCounts are the numbers that a set, a deployment and a control plane report.
type machineCounts struct{ replicas, ready, available, upToDate int32 }

func count(machines []clusterv1.Machine) machineCounts {
	n := machineCounts{}
	for i := range machines {
		n.replicas++
		for kind, counter := range map[string]*int32{clusterv1.MachineReadyCondition: &n.ready, clusterv1.MachineAvailableCondition: &n.available, clusterv1.MachineUpToDateCondition: &n.upToDate} {
			if isTrue(&machines[i], kind) {
				*counter++
			}
		}
	}
	return n
}

func (c machineSetController) status(s *clusterv1.MachineSet, machines []clusterv1.Machine) {
	n := count(machines)
	s.Status.Replicas, s.Status.ReadyReplicas, s.Status.AvailableReplicas, s.Status.UpToDateReplicas = &n.replicas, &n.ready, &n.available, &n.upToDate
	s.Status.Selector = selectorText(s.Spec.Selector)
	s.Status.ObservedGeneration = s.Generation
	wanted := value(s.Spec.Replicas)
	set(s,
		allMachines(clusterv1.MachineSetMachinesReadyCondition, clusterv1.MachineReadyCondition, "Ready", machines),
		allMachines(clusterv1.MachineSetMachinesUpToDateCondition, clusterv1.MachineUpToDateCondition, "UpToDate", machines),
		happening(clusterv1.MachineSetScalingUpCondition, n.replicas < wanted, fmt.Sprintf("Scaling up from %d to %d replicas", n.replicas, wanted)),
		happening(clusterv1.MachineSetScalingDownCondition, n.replicas > wanted, fmt.Sprintf("Scaling down from %d to %d replicas", n.replicas, wanted)),
		remediating(machines),
		condition{clusterv1.MachineSetDeletingCondition, metav1.ConditionFalse, clusterv1.NotDeletingReason, ""},
	)
	setLegacy(s, clusterv1.MachinesReadyV1Beta1Condition, n.ready == n.replicas, clusterv1.NotReadyReason, message(s, clusterv1.MachineSetMachinesReadyCondition))
}

// remediating is True while a Machine waits for its owner to replace it.
func remediating(machines []clusterv1.Machine) condition {
	var names []string
	for i := range machines {
		if c := meta.FindStatusCondition(machines[i].GetConditions(), clusterv1.MachineOwnerRemediatedCondition); c != nil && c.Status == metav1.ConditionFalse {
			names = append(names, machines[i].Name)
		}
	}
	return happening(clusterv1.RemediatingCondition, len(names) > 0, "Machines "+strings.Join(names, ", ")+" are being replaced")
}

// setUpToDate writes a Machine's UpToDate condition, which belongs to the Machine's owner.
func (b *base) setUpToDate(ctx context.Context, m *clusterv1.Machine, yes bool, why string) error {
	e := b.edit(m)
	set(m, yesNo(clusterv1.MachineUpToDateCondition, yes, clusterv1.MachineUpToDateReason, clusterv1.MachineNotUpToDateReason, why))
	return e.save(ctx)
}

func selectorText(s metav1.LabelSelector) string {
	selector, err := metav1.LabelSelectorAsSelector(&s)
	if err != nil {
		return ""
	}
	return selector.String()
}
