package janitor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"capi-mgmt/lab/kubernetes/cloud"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/blockstorage/v3/snapshots"
	"github.com/gophercloud/gophercloud/v2/openstack/blockstorage/v3/volumes"
	"github.com/gophercloud/gophercloud/v2/openstack/loadbalancer/v2/loadbalancers"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/floatingips"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/security/groups"
	"github.com/gophercloud/gophercloud/v2/pagination"
	corev1 "k8s.io/api/core/v1"
)

const (
	keepProperty    = "janitor.capi.azimuth-cloud.com/keep"
	clusterProperty = "cinder.csi.openstack.org/cluster"
)

// purgeOpenStack asks OpenStack, with the credentials in the secret, to delete what the cluster left, and returns how many
// objects there still were. Volumes and their snapshots only when asked for.
func purgeOpenStack(ctx context.Context, secret *corev1.Secret, cloudName, cluster string, withVolumes bool) (int, error) {
	session, err := cloud.SignIn(ctx, secret.Data["clouds.yaml"], cloudName, secret.Data["cacert"], false)
	if err != nil {
		return 0, fmt.Errorf("secret %s: %w", secret.Name, err)
	}
	network, noNetwork := openstack.NewNetworkV2(session.ProviderClient, session.Endpoint)
	balancer, noBalancer := openstack.NewLoadBalancerV2(session.ProviderClient, session.Endpoint)
	volume, noVolume := openstack.NewBlockStorageV3(session.ProviderClient, session.Endpoint)
	if err := errors.Join(noNetwork, noBalancer, noVolume); err != nil {
		return 0, err
	}
	p := &purge{ctx: ctx}
	remove(p, floatingips.List(network, floatingips.ListOpts{}), floatingips.ExtractFloatingIPs,
		func(f floatingips.FloatingIP) (string, bool) {
			return f.ID, strings.HasPrefix(f.Description, "Floating IP for Kubernetes") && strings.HasSuffix(f.Description, "from cluster "+cluster)
		}, func(id string) error { return floatingips.Delete(ctx, network, id).ExtractErr() })
	remove(p, loadbalancers.List(balancer, loadbalancers.ListOpts{}), loadbalancers.ExtractLoadBalancers,
		func(lb loadbalancers.LoadBalancer) (string, bool) {
			return lb.ID, strings.HasPrefix(lb.Name, "kube_service_"+cluster+"_")
		}, func(id string) error {
			return loadbalancers.Delete(ctx, balancer, id, loadbalancers.DeleteOpts{Cascade: true}).ExtractErr()
		})
	remove(p, groups.List(network, groups.ListOpts{}), groups.ExtractGroups,
		func(g groups.SecGroup) (string, bool) {
			return g.ID, strings.HasPrefix(g.Description, "Security Group for") && strings.HasSuffix(g.Description, "Service LoadBalancer in cluster "+cluster)
		}, func(id string) error { return groups.Delete(ctx, network, id).ExtractErr() })
	if withVolumes {
		ours := func(metadata map[string]string) bool {
			return metadata[clusterProperty] == cluster && metadata[keepProperty] != "true"
		}
		remove(p, snapshots.List(volume, snapshots.ListOpts{}), snapshots.ExtractSnapshots,
			func(s snapshots.Snapshot) (string, bool) { return s.ID, ours(s.Metadata) },
			func(id string) error { return snapshots.Delete(ctx, volume, id).ExtractErr() })
		remove(p, volumes.List(volume, volumes.ListOpts{}), volumes.ExtractVolumes,
			func(v volumes.Volume) (string, bool) { return v.ID, ours(v.Metadata) },
			func(id string) error { return volumes.Delete(ctx, volume, id, volumes.DeleteOpts{}).ExtractErr() })
	}
	return p.left, p.err
}

// purge counts what there still was. After an error nothing more is deleted.
type purge struct {
	ctx  context.Context
	left int
	err  error
}

// passing are OpenStack's answers for what is gone already or busy (being deleted, or still in use by what was deleted a step
// before): it is looked at again with the next round.
var passing = []int{http.StatusNotFound, http.StatusConflict, http.StatusBadRequest}

// remove deletes those of a list that ours says.
func remove[T any](p *purge, pager pagination.Pager, extract func(pagination.Page) ([]T, error), ours func(T) (id string, yes bool), drop func(id string) error) {
	if p.err != nil {
		return
	}
	pages, err := pager.AllPages(p.ctx)
	if err != nil {
		p.err = err
		return
	}
	items, err := extract(pages)
	p.err = err
	for _, item := range items {
		id, yes := ours(item)
		if !yes {
			continue
		}
		p.left++
		err := drop(id)
		if err != nil && !slices.ContainsFunc(passing, func(code int) bool { return gophercloud.ResponseCodeIs(err, code) }) {
			p.err = err
			return
		}
	}
}
