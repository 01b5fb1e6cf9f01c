package controllers

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/gophercloud/gophercloud/v2/openstack/blockstorage/v3/snapshots"
	"github.com/gophercloud/gophercloud/v2/openstack/blockstorage/v3/volumes"
	"github.com/gophercloud/gophercloud/v2/openstack/loadbalancer/v2/loadbalancers"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/floatingips"
	infrav1 "sigs.k8s.io/cluster-api-provider-openstack/api/v1beta1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
)

const (
	janitorFinalizer = "janitor.capi.stackhpc.com"
	// volumesPolicyAnnotation on a Cluster or OpenStackCluster: "delete" (the default) or "keep".
	volumesPolicyAnnotation = "janitor.capi.stackhpc.com/volumes-policy"
	keepProperty            = "janitor.capi.azimuth-cloud.com/keep"
	clusterProperty         = "cinder.csi.openstack.org/cluster"
	janitorRetry            = 60 * time.Second
)

// janitorController removes what a cluster's own cloud provider and storage driver made in OpenStack and nobody else
// would: load balancers of Services, their floating IPs, volumes and snapshots. Upstream analogue: azimuth-cloud's
// cluster-api-janitor-openstack.
type janitorController struct {
	*base
	clouds *cloudCache
}

func (c janitorController) reconcile(ctx context.Context, request ctrl.Request) (time.Duration, error) {
	o := &infrav1.OpenStackCluster{}
	if err := c.Get(ctx, request.NamespacedName, o); err != nil {
		return 0, client.IgnoreNotFound(err)
	}
	cluster, err := c.clusterOf(ctx, o)
	if err != nil {
		return 0, err
	}
	e := c.edit(o)
	if o.DeletionTimestamp.IsZero() {
		controllerutil.AddFinalizer(o, janitorFinalizer)
		return 0, e.save(ctx)
	}
	if !controllerutil.ContainsFinalizer(o, janitorFinalizer) {
		return 0, nil
	}
	if controllerutil.ContainsFinalizer(o, infrav1.ClusterFinalizer) {
		return c.pace.poll(ctx), nil // machines may still be using what is to go
	}
	name := o.Labels[clusterv1.ClusterNameLabel]
	if cluster != nil {
		name = cluster.Name
	}
	cloud, err := c.clouds.get(ctx, c.Client, o.Namespace, o.Spec.IdentityRef)
	if err == nil {
		err = c.purge(ctx, cloud, o, name)
	}
	var pause wait
	if errors.As(err, &pause) {
		return pause.after, nil
	}
	if err != nil {
		c.event(o, true, "JanitorFailed", "%v", err)
		c.logf("%s: %v", request, err)
		return min(janitorRetry, 4*c.pace.poll(ctx)), nil
	}
	controllerutil.RemoveFinalizer(o, janitorFinalizer)
	return 0, e.save(ctx)
}

func (c janitorController) purge(ctx context.Context, cloud *cloud, o *infrav1.OpenStackCluster, name string) error {
	left := 0
	pages, err := floatingips.List(cloud.network, floatingips.ListOpts{}).AllPages(ctx)
	if err != nil {
		return err
	}
	addresses, err := floatingips.ExtractFloatingIPs(pages)
	if err != nil {
		return err
	}
	for _, f := range addresses {
		if strings.HasPrefix(f.Description, "Floating IP for Kubernetes external service") && strings.HasSuffix(f.Description, "from cluster "+name) {
			left++
			if err := floatingips.Delete(ctx, cloud.network, f.ID).ExtractErr(); err != nil && !gone(err) {
				return err
			}
		}
	}
	if pages, err = loadbalancers.List(cloud.loadBalancer, loadbalancers.ListOpts{}).AllPages(ctx); err != nil {
		return err
	}
	balancers, err := loadbalancers.ExtractLoadBalancers(pages)
	if err != nil {
		return err
	}
	for _, lb := range balancers {
		if strings.HasPrefix(lb.Name, "kube_service_"+name+"_") {
			left++
			if err := loadbalancers.Delete(ctx, cloud.loadBalancer, lb.ID, loadbalancers.DeleteOpts{Cascade: true}).ExtractErr(); err != nil && !gone(err) && !busy(err) {
				return err
			}
		}
	}
	if o.Annotations[volumesPolicyAnnotation] != "keep" {
		n, err := c.volumes(ctx, cloud, name)
		if err != nil {
			return err
		}
		left += n
	}
	if left > 0 {
		return wait{c.pace.poll(ctx)}
	}
	return nil
}

func (c janitorController) volumes(ctx context.Context, cloud *cloud, name string) (int, error) {
	left := 0
	pages, err := snapshots.List(cloud.volume, snapshots.ListOpts{}).AllPages(ctx)
	if err != nil {
		return 0, err
	}
	shots, err := snapshots.ExtractSnapshots(pages)
	if err != nil {
		return 0, err
	}
	for _, s := range shots {
		if s.Metadata[clusterProperty] == name && s.Metadata[keepProperty] != "true" {
			left++
			if err := snapshots.Delete(ctx, cloud.volume, s.ID).ExtractErr(); err != nil && !gone(err) {
				return left, err
			}
		}
	}
	if pages, err = volumes.List(cloud.volume, volumes.ListOpts{}).AllPages(ctx); err != nil {
		return left, err
	}
	disks, err := volumes.ExtractVolumes(pages)
	if err != nil {
		return left, err
	}
	for _, v := range disks {
		if v.Metadata[clusterProperty] == name && v.Metadata[keepProperty] != "true" {
			left++
			if v.Status == "deleting" {
				continue
			}
			if err := volumes.Delete(ctx, cloud.volume, v.ID, volumes.DeleteOpts{}).ExtractErr(); err != nil && !gone(err) {
				return left, err
			}
		}
	}
	return left, nil
}
