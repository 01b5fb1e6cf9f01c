package janitor

import (
	"context"
	"net/http"
	"strings"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/blockstorage/v3/snapshots"
	"github.com/gophercloud/gophercloud/v2/openstack/blockstorage/v3/volumes"
	"github.com/gophercloud/gophercloud/v2/openstack/loadbalancer/v2/loadbalancers"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/floatingips"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/security/groups"
	"github.com/gophercloud/gophercloud/v2/pagination"
)

const (
	keepProperty    = "janitor.capi.azimuth-cloud.com/keep"
	clusterProperty = "cinder.csi.openstack.org/cluster"
)

// purge asks OpenStack to delete what the cluster left and returns how many objects there still were. Volumes and their
// snapshots only when asked for.
func purge(ctx context.Context, c *cloud, cluster string, withVolumes bool) (int, error) {
	steps := []func() (int, error){
		func() (int, error) {
			return remove(ctx, floatingips.List(c.network, floatingips.ListOpts{}), floatingips.ExtractFloatingIPs,
				func(f floatingips.FloatingIP) (string, bool) {
					return f.ID, strings.HasPrefix(f.Description, "Floating IP for Kubernetes") && strings.HasSuffix(f.Description, "from cluster "+cluster)
				}, func(id string) error { return floatingips.Delete(ctx, c.network, id).ExtractErr() })
		},
		func() (int, error) {
			return remove(ctx, loadbalancers.List(c.loadBalancer, loadbalancers.ListOpts{}), loadbalancers.ExtractLoadBalancers,
				func(lb loadbalancers.LoadBalancer) (string, bool) {
					return lb.ID, strings.HasPrefix(lb.Name, "kube_service_"+cluster+"_")
				},
				func(id string) error {
					return loadbalancers.Delete(ctx, c.loadBalancer, id, loadbalancers.DeleteOpts{Cascade: true}).ExtractErr()
				})
		},
		func() (int, error) {
			return remove(ctx, groups.List(c.network, groups.ListOpts{}), groups.ExtractGroups,
				func(g groups.SecGroup) (string, bool) {
					return g.ID, strings.HasPrefix(g.Description, "Security Group for") && strings.HasSuffix(g.Description, "Service LoadBalancer in cluster "+cluster)
				}, func(id string) error { return groups.Delete(ctx, c.network, id).ExtractErr() })
		},
	}
	ours := func(id string, metadata map[string]string) (string, bool) {
		return id, metadata[clusterProperty] == cluster && metadata[keepProperty] != "true"
	}
	if withVolumes {
		steps = append(steps,
			func() (int, error) {
				return remove(ctx, snapshots.List(c.volume, snapshots.ListOpts{}), snapshots.ExtractSnapshots,
					func(s snapshots.Snapshot) (string, bool) { return ours(s.ID, s.Metadata) },
					func(id string) error { return snapshots.Delete(ctx, c.volume, id).ExtractErr() })
			},
			func() (int, error) {
				return remove(ctx, volumes.List(c.volume, volumes.ListOpts{}), volumes.ExtractVolumes,
					func(v volumes.Volume) (string, bool) { return ours(v.ID, v.Metadata) },
					func(id string) error { return volumes.Delete(ctx, c.volume, id, volumes.DeleteOpts{}).ExtractErr() })
			})
	}
	left := 0
	for _, step := range steps {
		found, err := step()
		if err != nil {
			return left, err
		}
		left += found
	}
	return left, nil
}

// remove deletes those of a list that ours says. What is gone already or busy (being deleted, or still in use by what
// was deleted a step before) is looked at again with the next round.
func remove[T any](ctx context.Context, pager pagination.Pager, extract func(pagination.Page) ([]T, error), ours func(T) (id string, yes bool), drop func(id string) error) (int, error) {
	pages, err := pager.AllPages(ctx)
	if err != nil {
		return 0, err
	}
	items, err := extract(pages)
	if err != nil {
		return 0, err
	}
	found := 0
	for _, item := range items {
		id, yes := ours(item)
		if !yes {
			continue
		}
		found++
		err := drop(id)
		if err != nil && !gophercloud.ResponseCodeIs(err, http.StatusNotFound) && !gophercloud.ResponseCodeIs(err, http.StatusConflict) && !gophercloud.ResponseCodeIs(err, http.StatusBadRequest) {
			return found, err
		}
	}
	return found, nil
}
