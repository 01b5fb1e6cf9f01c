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
	"k8s.io/apimachinery/pkg/util/rand"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
)

// machineDeploymentController keeps a MachineSet for each template and moves Machines from old ones to the newest
// within maxSurge and maxUnavailable. Upstream analogue: Cluster API's machinedeployment controller.
type machineDeploymentController struct{ *base }

func (c machineDeploymentController) reconcile(ctx context.Context, request ctrl.Request) (time.Duration, error) {
	d := &clusterv1.MachineDeployment{}
	if err := c.Get(ctx, request.NamespacedName, d); err != nil {
		return 0, client.IgnoreNotFound(err)
	}
	cluster := &clusterv1.Cluster{}
	if err := c.Get(ctx, client.ObjectKey{Namespace: d.Namespace, Name: d.Spec.ClusterName}, cluster); apierrors.IsNotFound(err) {
		return 2 * time.Second, nil
	} else if err != nil {
		return 0, err
	}
	if paused(cluster, d) || (d.Spec.Paused != nil && *d.Spec.Paused) {
		return 0, nil
	}
	e := c.edit(d)
	controllerutil.AddFinalizer(d, clusterv1.MachineDeploymentFinalizer)
	setLabel(d, clusterv1.ClusterNameLabel, cluster.Name)
	setOwner(d, owner(cluster, clusterv1.GroupVersion.WithKind("Cluster"), false))
	sets, err := c.sets(ctx, d)
	if err != nil {
		return 0, err
	}
	if !d.DeletionTimestamp.IsZero() {
		for i := range sets {
			if sets[i].DeletionTimestamp.IsZero() {
				if err := c.Delete(ctx, &sets[i]); client.IgnoreNotFound(err) != nil {
					return 0, err
				}
			}
		}
		if len(sets) == 0 {
			controllerutil.RemoveFinalizer(d, clusterv1.MachineDeploymentFinalizer)
		}
		set(d, condition{clusterv1.MachineDeploymentDeletingCondition, metav1.ConditionTrue, clusterv1.DeletingReason, fmt.Sprintf("%d MachineSets to go", len(sets))})
		return time.Second, e.save(ctx)
	}
	if err := e.save(ctx); err != nil {
		return 0, err
	}
	current, old, err := c.current(ctx, d, sets)
	if err != nil {
		return 0, err
	}
	if err := c.roll(ctx, d, current, old); err != nil {
		return 0, err
	}
	if err := c.status(ctx, d, current, old); err != nil {
		return 0, err
	}
	return 0, e.save(ctx)
}

func (c machineDeploymentController) sets(ctx context.Context, d *clusterv1.MachineDeployment) ([]clusterv1.MachineSet, error) {
	list := &clusterv1.MachineSetList{}
	if err := c.List(ctx, list, client.InNamespace(d.Namespace)); err != nil {
		return nil, err
	}
	var out []clusterv1.MachineSet
	for _, s := range list.Items {
		if by := metav1.GetControllerOf(&s); by != nil && by.UID == d.UID {
			out = append(out, s)
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].CreationTimestamp.Before(&out[j].CreationTimestamp) })
	return out, nil
}

// templateHash covers what makes a Machine another one: version, templates and failure domain. Labels, annotations and
// time-outs are passed on in place, as upstream.
func templateHash(t clusterv1.MachineTemplateSpec) string {
	data, _ := json.Marshal(map[string]any{
		"version": t.Spec.Version, "infrastructure": t.Spec.InfrastructureRef, "bootstrap": t.Spec.Bootstrap.ConfigRef,
		"dataSecretName": t.Spec.Bootstrap.DataSecretName, "failureDomain": t.Spec.FailureDomain,
	})
	h := fnv.New32a()
	_, _ = h.Write(data)
	return rand.SafeEncodeString(strconv.FormatUint(uint64(h.Sum32()), 10))
}

// current finds or creates the MachineSet for the template as it is now.
func (c machineDeploymentController) current(ctx context.Context, d *clusterv1.MachineDeployment, sets []clusterv1.MachineSet) (*clusterv1.MachineSet, []clusterv1.MachineSet, error) {
	hash := templateHash(d.Spec.Template)
	after := d.Spec.Rollout.After
	var found *clusterv1.MachineSet
	var old []clusterv1.MachineSet
	for i := range sets {
		expired := !after.IsZero() && after.Time.Before(time.Now()) && sets[i].CreationTimestamp.Before(&after)
		if found == nil && templateHash(sets[i].Spec.Template) == hash && !expired && sets[i].DeletionTimestamp.IsZero() {
			found = &sets[i]
		} else {
			old = append(old, sets[i])
		}
	}
	labels := merged(d.Spec.Template.Labels, d.Spec.Selector.MatchLabels, map[string]string{
		clusterv1.ClusterNameLabel: d.Spec.ClusterName, clusterv1.MachineDeploymentNameLabel: d.Name,
	})
	if found != nil {
		e := c.edit(found)
		found.Spec.Template.Spec.Deletion = d.Spec.Template.Spec.Deletion
		found.Spec.Template.Annotations = d.Spec.Template.Annotations
		found.Spec.Template.Labels = merged(labels, map[string]string{clusterv1.MachineDeploymentUniqueLabel: found.Labels[clusterv1.MachineDeploymentUniqueLabel]})
		return found, old, e.save(ctx)
	}
	unique := hash + "-" + suffix()
	labels[clusterv1.MachineDeploymentUniqueLabel] = unique
	zero := int32(0)
	revision := strconv.Itoa(len(sets) + 1)
	template := *d.Spec.Template.DeepCopy()
	template.Labels = labels
	template.Spec.ClusterName = d.Spec.ClusterName
	made := &clusterv1.MachineSet{
		ObjectMeta: metav1.ObjectMeta{Namespace: d.Namespace, Name: d.Name + "-" + unique, Labels: labels,
			Annotations:     map[string]string{clusterv1.RevisionAnnotation: revision},
			OwnerReferences: []metav1.OwnerReference{owner(d, clusterv1.GroupVersion.WithKind("MachineDeployment"), true)},
			Finalizers:      []string{clusterv1.MachineSetFinalizer}},
		Spec: clusterv1.MachineSetSpec{ClusterName: d.Spec.ClusterName, Replicas: &zero, Template: template, Deletion: clusterv1.MachineSetDeletionSpec{Order: d.Spec.Deletion.Order},
			Selector: metav1.LabelSelector{MatchLabels: map[string]string{clusterv1.ClusterNameLabel: d.Spec.ClusterName, clusterv1.MachineDeploymentNameLabel: d.Name, clusterv1.MachineDeploymentUniqueLabel: unique}}},
	}
	if err := c.Create(ctx, made); err != nil {
		return nil, nil, err
	}
	setAnnotation(d, clusterv1.RevisionAnnotation, revision)
	c.event(d, false, "SuccessfulCreate", "Created MachineSet %s", made.Name)
	return made, old, nil
}

// limits resolves maxSurge (rounded up, default 1) and maxUnavailable (rounded down, default 0).
func limits(d *clusterv1.MachineDeployment) (surge, unavailable int32, err error) {
	strategy, wanted := d.Spec.Rollout.Strategy.RollingUpdate, int(value(d.Spec.Replicas))
	one, zero := intstr.FromInt32(1), intstr.FromInt32(0)
	s, err := intstr.GetScaledValueFromIntOrPercent(intstr.ValueOrDefault(strategy.MaxSurge, one), wanted, true)
	if err != nil {
		return 0, 0, err
	}
	u, err := intstr.GetScaledValueFromIntOrPercent(intstr.ValueOrDefault(strategy.MaxUnavailable, zero), wanted, false)
	if err != nil {
		return 0, 0, err
	}
	if s == 0 && u == 0 { // nothing could ever move
		u = 1
	}
	return int32(s), int32(u), nil
}

// roll decides the sizes of the MachineSets; the MachineSets do the rest.
func (c machineDeploymentController) roll(ctx context.Context, d *clusterv1.MachineDeployment, current *clusterv1.MachineSet, old []clusterv1.MachineSet) error {
	surge, unavailable, err := limits(d)
	if err != nil {
		return err
	}
	wanted := value(d.Spec.Replicas)
	oldSpec, oldLive, oldAvailable := int32(0), int32(0), int32(0)
	for i := range old {
		oldSpec += value(old[i].Spec.Replicas)
		oldLive += max(value(old[i].Status.Replicas), value(old[i].Spec.Replicas))
		oldAvailable += min(value(old[i].Status.AvailableReplicas), value(old[i].Spec.Replicas))
	}
	if oldSpec == 0 {
		if err := c.resize(ctx, d, current, wanted); err != nil {
			return err
		}
	} else if next := min(wanted, wanted+surge-oldLive); next > value(current.Spec.Replicas) {
		if err := c.resize(ctx, d, current, next); err != nil {
			return err
		}
	} else if value(current.Spec.Replicas) > wanted {
		if err := c.resize(ctx, d, current, wanted); err != nil {
			return err
		}
	}
	// Old Machines may go as far as enough available ones remain; ones that are not available may always go.
	spare := oldAvailable + value(current.Status.AvailableReplicas) - (wanted - unavailable)
	for i := range old {
		s := &old[i]
		size := value(s.Spec.Replicas)
		if size > 0 {
			broken := max(0, size-value(s.Status.AvailableReplicas))
			less := min(size, broken+max(0, spare))
			if less > 0 {
				spare -= max(0, less-broken)
				if err := c.resize(ctx, d, s, size-less); err != nil {
					return err
				}
			}
		} else if value(s.Status.Replicas) == 0 && s.DeletionTimestamp.IsZero() && len(old)-i > 1 {
			// One empty MachineSet is kept for the template before, as revisionHistoryLimit 1 did.
			if err := c.Delete(ctx, s); client.IgnoreNotFound(err) != nil {
				return err
			}
		}
	}
	return nil
}

func (c machineDeploymentController) resize(ctx context.Context, d *clusterv1.MachineDeployment, s *clusterv1.MachineSet, size int32) error {
	if value(s.Spec.Replicas) == size {
		return nil
	}
	c.event(d, false, "SuccessfulScale", "Scaled MachineSet %s from %d to %d", s.Name, value(s.Spec.Replicas), size)
	e := c.edit(s)
	s.Spec.Replicas = &size
	return e.save(ctx)
}

func (c machineDeploymentController) status(ctx context.Context, d *clusterv1.MachineDeployment, current *clusterv1.MachineSet, old []clusterv1.MachineSet) error {
	var machines []clusterv1.Machine
	outdated := 0
	for i, s := range append([]clusterv1.MachineSet{*current}, old...) {
		of, err := c.ownedMachines(ctx, &s, "MachineSet")
		if err != nil {
			return err
		}
		for j := range of {
			why := ""
			if i > 0 {
				outdated++
				why = fmt.Sprintf("* The template of MachineDeployment %s has changed", d.Name)
			}
			if err := c.setUpToDate(ctx, &of[j], i == 0, why); err != nil {
				return err
			}
		}
		machines = append(machines, of...)
	}
	n := count(machines)
	wanted := value(d.Spec.Replicas)
	_, unavailable, err := limits(d)
	if err != nil {
		return err
	}
	d.Status.Replicas, d.Status.ReadyReplicas, d.Status.AvailableReplicas, d.Status.UpToDateReplicas = &n.replicas, &n.ready, &n.available, &n.upToDate
	d.Status.Selector = selectorText(metav1.LabelSelector{MatchLabels: map[string]string{clusterv1.ClusterNameLabel: d.Spec.ClusterName, clusterv1.MachineDeploymentNameLabel: d.Name}})
	d.Status.ObservedGeneration = d.Generation
	if d.Status.Deprecated == nil {
		d.Status.Deprecated = &clusterv1.MachineDeploymentDeprecatedStatus{}
	}
	if d.Status.Deprecated.V1Beta1 == nil {
		d.Status.Deprecated.V1Beta1 = &clusterv1.MachineDeploymentV1Beta1DeprecatedStatus{}
	}
	of := d.Status.Deprecated.V1Beta1
	of.ReadyReplicas, of.AvailableReplicas, of.UpdatedReplicas, of.UnavailableReplicas = n.ready, n.available, n.upToDate, max(0, wanted-n.available)

	phase := clusterv1.MachineDeploymentPhaseRunning
	switch {
	case n.replicas < wanted || n.ready < wanted:
		phase = clusterv1.MachineDeploymentPhaseScalingUp
	case n.replicas > wanted:
		phase = clusterv1.MachineDeploymentPhaseScalingDown
	}
	d.Status.Phase = string(phase)
	set(d,
		yesNo(clusterv1.MachineDeploymentAvailableCondition, n.available >= wanted-unavailable, clusterv1.AvailableReason, clusterv1.NotAvailableReason,
			fmt.Sprintf("%d available replicas, at least %d required (spec.strategy.rollout.maxUnavailable is %d, spec.replicas is %d)", n.available, wanted-unavailable, unavailable, wanted)),
		allMachines(clusterv1.MachineDeploymentMachinesReadyCondition, clusterv1.MachineReadyCondition, "Ready", machines),
		allMachines(clusterv1.MachineDeploymentMachinesUpToDateCondition, clusterv1.MachineUpToDateCondition, "UpToDate", machines),
		happening(clusterv1.MachineDeploymentRollingOutCondition, outdated > 0, fmt.Sprintf("Rolling out %d not up-to-date replicas", outdated)),
		happening(clusterv1.MachineDeploymentScalingUpCondition, n.replicas < wanted, fmt.Sprintf("Scaling up from %d to %d replicas", n.replicas, wanted)),
		happening(clusterv1.MachineDeploymentScalingDownCondition, n.replicas > wanted, fmt.Sprintf("Scaling down from %d to %d replicas", n.replicas, wanted)),
		remediating(machines),
		condition{clusterv1.MachineDeploymentDeletingCondition, metav1.ConditionFalse, clusterv1.NotDeletingReason, ""},
		condition{clusterv1.PausedCondition, metav1.ConditionFalse, clusterv1.NotPausedReason, ""},
	)
	ready := isTrue(d, clusterv1.AvailableCondition)
	setLegacy(d, clusterv1.ReadyV1Beta1Condition, ready, clusterv1.NotReadyReason, message(d, clusterv1.AvailableCondition))
	setLegacy(d, clusterv1.MachineDeploymentAvailableV1Beta1Condition, ready, clusterv1.NotReadyReason, message(d, clusterv1.AvailableCondition))
	return nil
}
