package controllers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	serverv1 "sigs.k8s.io/cluster-api-provider-openstack/api/v1alpha1"
	infrav1 "sigs.k8s.io/cluster-api-provider-openstack/api/v1beta1"
	clusterv1beta1 "sigs.k8s.io/cluster-api/api/core/v1beta1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
)

// openStackMachineController describes each Machine's server as an OpenStackServer, puts control plane machines behind
// the load balancer, and (in place of the machine's own kubelet) registers the Node. Upstream analogue: Cluster API
// Provider OpenStack's openstackmachine controller.
type openStackMachineController struct {
	*base
	clouds *cloudCache
}

func (c openStackMachineController) reconcile(ctx context.Context, request ctrl.Request) (time.Duration, error) {
	o := &infrav1.OpenStackMachine{}
	if err := c.Get(ctx, request.NamespacedName, o); err != nil {
		return 0, client.IgnoreNotFound(err)
	}
	machine := &clusterv1.Machine{}
	for _, reference := range o.OwnerReferences {
		if reference.Kind == "Machine" {
			if err := c.Get(ctx, client.ObjectKey{Namespace: o.Namespace, Name: reference.Name}, machine); client.IgnoreNotFound(err) != nil {
				return 0, err
			}
		}
	}
	cluster, err := c.clusterOf(ctx, o)
	if err != nil || cluster == nil || (machine.Name == "" && o.DeletionTimestamp.IsZero()) || paused(cluster, o) {
		return 0, err
	}
	infrastructure := &infrav1.OpenStackCluster{}
	if err := c.Get(ctx, client.ObjectKey{Namespace: o.Namespace, Name: cluster.Spec.InfrastructureRef.Name}, infrastructure); err != nil {
		return 2 * time.Second, client.IgnoreNotFound(err)
	}
	e := c.edit(o)
	if o.DeletionTimestamp.IsZero() && controllerutil.AddFinalizer(o, infrav1.MachineFinalizer) {
		if err := e.save(ctx); err != nil {
			return 0, err
		}
	}
	var after time.Duration
	var failure error
	if o.DeletionTimestamp.IsZero() {
		after, failure = c.provision(ctx, o, machine, cluster, infrastructure)
	} else {
		after, failure = c.delete(ctx, o, cluster, infrastructure)
	}
	var pause wait
	if failure != nil && !errors.As(failure, &pause) {
		c.event(o, true, "OpenStackError", "%v", failure)
		setInfra(&o.Status.Conditions, clusterv1beta1.ReadyCondition, false, clusterv1beta1.ConditionSeverityError, infrav1.OpenStackErrorReason, failure.Error())
	}
	if err := e.save(ctx); err != nil {
		return 0, err
	}
	return after, failure
}

func isControlPlane(o client.Object) bool {
	_, yes := o.GetLabels()[clusterv1.MachineControlPlaneLabel]
	return yes
}

func (c openStackMachineController) provision(ctx context.Context, o *infrav1.OpenStackMachine, machine *clusterv1.Machine, cluster *clusterv1.Cluster, infrastructure *infrav1.OpenStackCluster) (time.Duration, error) {
	waiting := func(reason, text string) (time.Duration, error) {
		setInfra(&o.Status.Conditions, infrav1.InstanceReadyCondition, false, clusterv1beta1.ConditionSeverityInfo, reason, text)
		setInfra(&o.Status.Conditions, clusterv1beta1.ReadyCondition, false, clusterv1beta1.ConditionSeverityInfo, reason, text)
		return backstop, nil
	}
	if !infrastructure.Status.Ready {
		return waiting(infrav1.WaitingForClusterInfrastructureReason, "Cluster infrastructure is not ready yet")
	}
	if machine.Spec.Bootstrap.DataSecretName == nil {
		return waiting(infrav1.WaitingForBootstrapDataReason, "Bootstrap data secret is not yet available")
	}
	server, err := c.server(ctx, o, machine, infrastructure)
	if err != nil {
		return 0, err
	}
	o.Status.InstanceID, o.Status.InstanceState, o.Status.Addresses = server.Status.InstanceID, server.Status.InstanceState, server.Status.Addresses
	for _, condition := range server.Status.Conditions {
		if condition.Type == infrav1.InstanceReadyCondition && condition.Status == corev1.ConditionFalse {
			setInfra(&o.Status.Conditions, condition.Type, false, condition.Severity, condition.Reason, condition.Message)
			setInfra(&o.Status.Conditions, clusterv1beta1.ReadyCondition, false, condition.Severity, condition.Reason, condition.Message)
			o.Status.Ready = false
		}
	}
	if !server.Status.Ready || server.Status.InstanceID == nil {
		return backstop, nil
	}
	id := "openstack:///" + *server.Status.InstanceID
	o.Spec.ProviderID = &id
	setInfra(&o.Status.Conditions, infrav1.InstanceReadyCondition, true, "", "", "")
	address := internalAddress(o.Status.Addresses)
	if isControlPlane(o) && loadBalanced(infrastructure) {
		cloud, err := c.clouds.get(ctx, c.Client, o.Namespace, infrastructure.Spec.IdentityRef)
		if err != nil {
			return 0, err
		}
		if err := cloud.ensureMember(ctx, infrastructure, cluster.Name, o.Name, address, false); err != nil {
			if pause := (wait{}); !errors.As(err, &pause) {
				setInfra(&o.Status.Conditions, infrav1.APIServerIngressReadyCondition, false, clusterv1beta1.ConditionSeverityError, infrav1.LoadBalancerMemberErrorReason, err.Error())
			}
			return 0, err
		}
		setInfra(&o.Status.Conditions, infrav1.APIServerIngressReadyCondition, true, "", "", "")
	}
	o.Status.Ready = true
	o.Status.Initialization = &infrav1.MachineInitialization{Provisioned: true}
	setInfra(&o.Status.Conditions, clusterv1beta1.ReadyCondition, true, "", "", "")
	return c.boot(ctx, o, machine, cluster)
}

func internalAddress(addresses []corev1.NodeAddress) string {
	for _, address := range addresses {
		if address.Type == corev1.NodeInternalIP {
			return address.Address
		}
	}
	return ""
}

// server finds or creates the OpenStackServer of the machine's name.
func (c openStackMachineController) server(ctx context.Context, o *infrav1.OpenStackMachine, machine *clusterv1.Machine, infrastructure *infrav1.OpenStackCluster) (*serverv1.OpenStackServer, error) {
	server := &serverv1.OpenStackServer{}
	err := c.Get(ctx, client.ObjectKeyFromObject(o), server)
	if !apierrors.IsNotFound(err) {
		return server, err
	}
	if o.Status.Ready { // it was there once
		return server, errors.New(infrav1.ServerUnexpectedDeletedMessage)
	}
	groups := slices.Clone(o.Spec.SecurityGroups)
	managed := infrastructure.Status.WorkerSecurityGroup
	if isControlPlane(o) {
		managed = infrastructure.Status.ControlPlaneSecurityGroup
	}
	if managed != nil {
		groups = append(groups, infrav1.SecurityGroupParam{ID: &managed.ID})
	}
	ports := o.Spec.Ports
	if len(ports) == 0 {
		port := infrav1.PortOpts{}
		for _, subnet := range infrastructure.Status.Network.Subnets {
			port.FixedIPs = append(port.FixedIPs, infrav1.FixedIP{Subnet: &infrav1.SubnetParam{ID: &subnet.ID}})
		}
		ports = []infrav1.PortOpts{port}
	}
	ports = slices.Clone(ports)
	for i := range ports { // a port says which network; without, it is the cluster's
		if ports[i].Network == nil {
			ports[i].Network = &infrav1.NetworkParam{ID: &infrastructure.Status.Network.ID}
		}
		if len(ports[i].SecurityGroups) == 0 {
			ports[i].SecurityGroups = groups
		}
	}
	identity := infrastructure.Spec.IdentityRef
	if o.Spec.IdentityRef != nil {
		identity = *o.Spec.IdentityRef
	}
	// Only those asked for, as upstream: Nova takes 60 characters, fewer than the resource name of a tenant's cluster has.
	tags := slices.Clone(infrastructure.Spec.Tags)
	for _, tag := range o.Spec.Tags {
		if !slices.Contains(tags, tag) {
			tags = append(tags, tag)
		}
	}
	made := &serverv1.OpenStackServer{
		ObjectMeta: metav1.ObjectMeta{Namespace: o.Namespace, Name: o.Name, Labels: merged(o.Labels),
			OwnerReferences: []metav1.OwnerReference{owner(o, infrav1.SchemeGroupVersion.WithKind("OpenStackMachine"), true)}},
		Spec: serverv1.OpenStackServerSpec{
			Flavor: o.Spec.Flavor, FlavorID: o.Spec.FlavorID, Image: o.Spec.Image, SSHKeyName: o.Spec.SSHKeyName, Ports: ports, IdentityRef: identity,
			SecurityGroups: groups, ServerGroup: o.Spec.ServerGroup, ServerMetadata: o.Spec.ServerMetadata, Tags: tags, ConfigDrive: o.Spec.ConfigDrive,
			RootVolume: o.Spec.RootVolume, AdditionalBlockDevices: o.Spec.AdditionalBlockDevices, FloatingIPPoolRef: o.Spec.FloatingIPPoolRef, Trunk: &o.Spec.Trunk,
			UserDataRef: &corev1.LocalObjectReference{Name: *machine.Spec.Bootstrap.DataSecretName}, SchedulerHintAdditionalProperties: o.Spec.SchedulerHintAdditionalProperties,
		},
	}
	if zone := machine.Spec.FailureDomain; zone != "" {
		made.Spec.AvailabilityZone = &zone
	}
	return made, c.Create(ctx, made)
}

// boot waits until the machine would have booted, and registers its Node as the kubelet would.
func (c openStackMachineController) boot(ctx context.Context, o *infrav1.OpenStackMachine, machine *clusterv1.Machine, cluster *clusterv1.Cluster) (time.Duration, error) {
	if machine.Status.NodeRef.IsDefined() {
		return time.Minute, nil // a Node that was deleted does not come back by itself
	}
	if left := c.pace.left(ctx, string(o.UID), stepJoin); left > 0 {
		return left, nil
	}
	if c.profile.get(ctx).Faults.Machine == "never-ready" {
		c.event(o, true, "Fault", "The machine's kubelet does not register, as the lab's profile asks")
		return 5 * time.Second, nil
	}
	remote, err := c.workload.get(ctx, cluster)
	if err != nil {
		return c.pace.poll(ctx), nil //nolint:nilerr // the API server starts with the first machine
	}
	if err := registerNode(ctx, remote, o, machine); err != nil {
		return 0, fmt.Errorf("register node %s: %w", o.Name, err)
	}
	return backstop, nil
}

func (c openStackMachineController) delete(ctx context.Context, o *infrav1.OpenStackMachine, cluster *clusterv1.Cluster, infrastructure *infrav1.OpenStackCluster) (time.Duration, error) {
	if isControlPlane(o) && loadBalanced(infrastructure) {
		cloud, err := c.clouds.get(ctx, c.Client, o.Namespace, infrastructure.Spec.IdentityRef)
		if err != nil {
			return 0, err
		}
		if err := cloud.ensureMember(ctx, infrastructure, cluster.Name, o.Name, "", true); err != nil {
			return 0, err
		}
	}
	server := &serverv1.OpenStackServer{}
	err := c.Get(ctx, client.ObjectKeyFromObject(o), server)
	if apierrors.IsNotFound(err) {
		controllerutil.RemoveFinalizer(o, infrav1.MachineFinalizer)
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	if server.DeletionTimestamp.IsZero() {
		if err := c.Delete(ctx, server); client.IgnoreNotFound(err) != nil {
			return 0, err
		}
	}
	return backstop, nil
}
