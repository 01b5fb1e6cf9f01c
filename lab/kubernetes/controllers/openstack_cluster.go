package controllers

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/availabilityzones"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/subnets"
	infrav1 "sigs.k8s.io/cluster-api-provider-openstack/api/v1beta1"
	clusterv1beta1 "sigs.k8s.io/cluster-api/api/core/v1beta1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
)

// openStackClusterController makes what a cluster's machines share. Upstream analogue: Cluster API Provider OpenStack's
// openstackcluster controller.
type openStackClusterController struct {
	*base
	clouds *cloudCache
}

func (c openStackClusterController) reconcile(ctx context.Context, request ctrl.Request) (time.Duration, error) {
	o := &infrav1.OpenStackCluster{}
	if err := c.Get(ctx, request.NamespacedName, o); err != nil {
		return 0, client.IgnoreNotFound(err)
	}
	cluster, err := c.clusterOf(ctx, o)
	if err != nil || cluster == nil || paused(cluster, o) {
		return 0, err
	}
	e := c.edit(o)
	if o.DeletionTimestamp.IsZero() && controllerutil.AddFinalizer(o, infrav1.ClusterFinalizer) {
		if err := e.save(ctx); err != nil { // before the first OpenStack object
			return 0, err
		}
	}
	failure := c.work(ctx, o, cluster)
	var pause wait
	if failure != nil && !errors.As(failure, &pause) {
		c.event(o, true, "OpenStackError", "%v", failure)
		setInfra(&o.Status.Conditions, clusterv1beta1.ReadyCondition, false, clusterv1beta1.ConditionSeverityError, infrav1.OpenStackErrorReason, failure.Error())
	}
	if err := e.save(ctx); err != nil {
		return 0, err
	}
	if failure == nil && o.DeletionTimestamp.IsZero() {
		return 2 * time.Minute, nil // drift of allowed CIDRs, rules and the like
	}
	return 0, failure
}

func (c openStackClusterController) work(ctx context.Context, o *infrav1.OpenStackCluster, cluster *clusterv1.Cluster) error {
	if !o.DeletionTimestamp.IsZero() && !controllerutil.ContainsFinalizer(o, infrav1.ClusterFinalizer) {
		return nil // only others' finalizers are left
	}
	cloud, err := c.clouds.get(ctx, c.Client, o.Namespace, o.Spec.IdentityRef)
	if err != nil {
		return err
	}
	if !o.DeletionTimestamp.IsZero() {
		return c.delete(ctx, cloud, o, cluster)
	}
	fail := func(kind clusterv1beta1.ConditionType, reason string, err error) error {
		if pause := (wait{}); !errors.As(err, &pause) {
			setInfra(&o.Status.Conditions, kind, false, clusterv1beta1.ConditionSeverityError, reason, err.Error())
		}
		return err
	}
	done := func(kind clusterv1beta1.ConditionType) { setInfra(&o.Status.Conditions, kind, true, "", "", "") }

	network, all, err := cloud.networkFor(ctx, o, resourceName(o, cluster.Name))
	if err != nil {
		return fail(infrav1.NetworkReadyCondition, infrav1.NetworkReconcileFailedReason, err)
	}
	o.Status.Network = &infrav1.NetworkStatusWithSubnets{NetworkStatus: infrav1.NetworkStatus{Name: network.Name, ID: network.ID, Tags: network.Tags}}
	if len(all) == 0 {
		return fail(infrav1.NetworkReadyCondition, infrav1.SubnetReconcileFailedReason, errors.New("network "+network.ID+" has no subnet"))
	}
	for _, s := range all {
		o.Status.Network.Subnets = append(o.Status.Network.Subnets, infrav1.Subnet{Name: s.Name, ID: s.ID, CIDR: s.CIDR, Tags: s.Tags})
	}
	external, err := cloud.externalNetwork(ctx, o)
	if err != nil {
		return fail(infrav1.NetworkReadyCondition, infrav1.NetworkReconcileFailedReason, err)
	}
	if external != nil {
		o.Status.ExternalNetwork = &infrav1.NetworkStatus{Name: external.Name, ID: external.ID, Tags: external.Tags}
	}
	done(infrav1.NetworkReadyCondition)
	if err := c.router(ctx, cloud, o, cluster, all); err != nil {
		return fail(infrav1.RouterReadyCondition, infrav1.RouterReconcileFailedReason, err)
	}
	done(infrav1.RouterReadyCondition)
	// The load balancer takes longest: it is begun before the security groups, and asked after below.
	pending := c.endpoint(ctx, cloud, o, cluster, all)
	if o.Status.ControlPlaneSecurityGroup, o.Status.WorkerSecurityGroup, err = cloud.securityGroups(ctx, o, cluster.Name); err != nil {
		return fail(infrav1.SecurityGroupsReadyCondition, infrav1.SecurityGroupReconcileFailedReason, err)
	}
	done(infrav1.SecurityGroupsReadyCondition)
	if left := c.pace.left(ctx, string(o.UID), stepNetwork); left > 0 {
		return wait{left}
	}
	if pending != nil {
		return fail(infrav1.APIEndpointReadyCondition, infrav1.APIEndpointConfigFailedReason, pending)
	}
	done(infrav1.APIEndpointReadyCondition)
	if err := c.failureDomains(ctx, cloud, o); err != nil {
		return err
	}
	if !o.Status.Ready {
		c.event(o, false, "Ready", "OpenStackCluster %s is ready, API server at %s", o.Name, o.Spec.ControlPlaneEndpoint.Host)
	}
	o.Status.Ready = true
	o.Status.Initialization = &infrav1.ClusterInitialization{Provisioned: true}
	done(clusterv1beta1.ReadyCondition)
	return nil
}

func (c openStackClusterController) router(ctx context.Context, cloud *cloud, o *infrav1.OpenStackCluster, cluster *clusterv1.Cluster, all []subnets.Subnet) error {
	if len(o.Spec.ManagedSubnets) == 0 || o.Status.ExternalNetwork == nil {
		return nil
	}
	external, err := cloud.externalNetwork(ctx, o)
	if err != nil {
		return err
	}
	router, err := cloud.routerFor(ctx, o, resourceName(o, cluster.Name), external, all[0])
	if err != nil {
		return err
	}
	o.Status.Router = &infrav1.Router{Name: router.Name, ID: router.ID, Tags: router.Tags}
	for _, ip := range router.GatewayInfo.ExternalFixedIPs {
		o.Status.Router.IPs = append(o.Status.Router.IPs, ip.IPAddress)
	}
	return nil
}

// endpoint makes the load balancer and says where the API will be. Without a load balancer it is a fixed address that
// the first control plane machine takes.
func (c openStackClusterController) endpoint(ctx context.Context, cloud *cloud, o *infrav1.OpenStackCluster, cluster *clusterv1.Cluster, all []subnets.Subnet) error {
	if !loadBalanced(o) {
		if deref(o.Spec.APIServerFixedIP) == "" {
			return errors.New("without a load balancer apiServerFixedIP must be set here")
		}
		o.Spec.ControlPlaneEndpoint = &clusterv1beta1.APIEndpoint{Host: *o.Spec.APIServerFixedIP, Port: int32(apiPort(o))}
		return nil
	}
	status, err := cloud.ensureLoadBalancer(ctx, o, cluster.Name, o.Status.Network, all)
	if err != nil {
		return err
	}
	if left := c.pace.left(ctx, string(o.UID), stepLoadBalancer); left > 0 {
		return wait{left}
	}
	o.Status.APIServerLoadBalancer = status
	if o.Spec.ControlPlaneEndpoint == nil || o.Spec.ControlPlaneEndpoint.Host == "" {
		host := status.IP
		if host == "" {
			host = status.InternalIP
		}
		o.Spec.ControlPlaneEndpoint = &clusterv1beta1.APIEndpoint{Host: host, Port: int32(apiPort(o))}
		c.event(o, false, "Successfulcreateloadbalancer", "Created load balancer %s with id %s", status.Name, status.ID)
	}
	return nil
}

// failureDomains offers Nova's availability zones, for control plane machines only those asked for.
func (c openStackClusterController) failureDomains(ctx context.Context, cloud *cloud, o *infrav1.OpenStackCluster) error {
	if o.Spec.ControlPlaneOmitAvailabilityZone != nil && *o.Spec.ControlPlaneOmitAvailabilityZone {
		o.Status.FailureDomains = nil
		return nil
	}
	pages, err := availabilityzones.List(cloud.compute).AllPages(ctx)
	if err != nil {
		return err
	}
	zones, err := availabilityzones.ExtractAvailabilityZones(pages)
	if err != nil {
		return err
	}
	o.Status.FailureDomains = clusterv1beta1.FailureDomains{}
	for _, zone := range zones {
		if !zone.ZoneState.Available {
			continue
		}
		use := len(o.Spec.ControlPlaneAvailabilityZones) == 0
		for _, wanted := range o.Spec.ControlPlaneAvailabilityZones {
			use = use || wanted == zone.ZoneName
		}
		o.Status.FailureDomains[zone.ZoneName] = clusterv1beta1.FailureDomainSpec{ControlPlane: use}
	}
	return nil
}

// delete takes away what was made, by name, once no machine is left.
func (c openStackClusterController) delete(ctx context.Context, cloud *cloud, o *infrav1.OpenStackCluster, cluster *clusterv1.Cluster) error {
	machines := &infrav1.OpenStackMachineList{}
	if err := c.List(ctx, machines, client.InNamespace(o.Namespace), client.MatchingLabels{clusterv1.ClusterNameLabel: cluster.Name}); err != nil {
		return err
	}
	if len(machines.Items) > 0 {
		return wait{c.pace.poll(ctx)}
	}
	for _, remove := range []func() error{
		func() error { return cloud.deleteLoadBalancer(ctx, o, cluster.Name) },
		func() error { return cloud.deleteFloatingIP(ctx, o, cluster.Name) },
		func() error { return cloud.deleteGroups(ctx, o, cluster.Name) },
		func() error { return cloud.deleteNetwork(ctx, o, resourceName(o, cluster.Name)) },
	} {
		if err := remove(); err != nil {
			return patience(err)
		}
	}
	c.event(o, false, "Deleted", "Deleted the OpenStack resources of cluster %s", cluster.Name)
	controllerutil.RemoveFinalizer(o, infrav1.ClusterFinalizer)
	return nil
}

func prefixLength(cidr string) int {
	prefix, err := netip.ParsePrefix(cidr)
	if err != nil {
		return 24
	}
	return prefix.Bits()
}
