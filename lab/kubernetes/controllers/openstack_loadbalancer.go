package controllers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"time"

	"github.com/gophercloud/gophercloud/v2/openstack/loadbalancer/v2/listeners"
	"github.com/gophercloud/gophercloud/v2/openstack/loadbalancer/v2/loadbalancers"
	"github.com/gophercloud/gophercloud/v2/openstack/loadbalancer/v2/monitors"
	"github.com/gophercloud/gophercloud/v2/openstack/loadbalancer/v2/pools"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/floatingips"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/subnets"
	infrav1 "sigs.k8s.io/cluster-api-provider-openstack/api/v1beta1"
)

// loadBalancerPoll is how often Octavia is asked again while it works.
const loadBalancerPoll = 200 * time.Millisecond

func loadBalancerName(o *infrav1.OpenStackCluster, cluster string) string {
	return resourceName(o, cluster) + "-kubeapi"
}

func apiPort(o *infrav1.OpenStackCluster) int {
	if o.Spec.APIServerPort != nil && *o.Spec.APIServerPort != 0 {
		return int(*o.Spec.APIServerPort)
	}
	return 6443
}

func loadBalanced(o *infrav1.OpenStackCluster) bool {
	lb := o.Spec.APIServerLoadBalancer
	return lb != nil && (lb.Enabled == nil || *lb.Enabled)
}

// loadBalancer finds the API server's load balancer by name. Nil when there is none.
func (c *cloud) loadBalancerNamed(ctx context.Context, name string) (*loadbalancers.LoadBalancer, error) {
	pages, err := loadbalancers.List(c.loadBalancer, loadbalancers.ListOpts{Name: name}).AllPages(ctx)
	if err != nil {
		return nil, err
	}
	found, err := loadbalancers.ExtractLoadBalancers(pages)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	if len(found) > 1 {
		return nil, fmt.Errorf("%d load balancers are named %s", len(found), name)
	}
	return &found[0], nil
}

// settled returns when Octavia has done what it was doing to the load balancer; else wait.
func settled(lb *loadbalancers.LoadBalancer) error {
	switch lb.ProvisioningStatus {
	case "ACTIVE":
		return nil
	case "ERROR":
		return fmt.Errorf("load balancer %s (%s) is in provisioning status ERROR", lb.Name, lb.ID)
	}
	return wait{loadBalancerPoll}
}

// ensureLoadBalancer makes the load balancer, its floating IP, listener, pool and monitor, one at a time: Octavia
// refuses changes while it works, then the error is wait.
func (c *cloud) ensureLoadBalancer(ctx context.Context, o *infrav1.OpenStackCluster, cluster string, network *infrav1.NetworkStatusWithSubnets, all []subnets.Subnet) (*infrav1.LoadBalancer, error) {
	spec, name := o.Spec.APIServerLoadBalancer, loadBalancerName(o, cluster)
	lb, err := c.loadBalancerNamed(ctx, name)
	if err != nil {
		return nil, err
	}
	if lb == nil {
		opts := loadbalancers.CreateOpts{Name: name, VipSubnetID: all[0].ID, VipNetworkID: network.ID, Description: names(o, cluster),
			Provider: deref(spec.Provider), FlavorID: deref(spec.Flavor), AvailabilityZone: deref(spec.AvailabilityZone), VipAddress: deref(o.Spec.APIServerFixedIP),
			Tags: append([]string{resourceName(o, cluster)}, o.Spec.Tags...)}
		// All in one request. Upstream makes listener, pool and monitor one by one, each of which occupies Octavia for a
		// while; the result is the same, and what is missing later is added one by one below.
		for _, port := range append([]int{apiPort(o)}, spec.AdditionalPorts...) {
			opts.Listeners = append(opts.Listeners, listenerGraph(o, name, port, allowedCIDRs(o, all), opts.Tags))
		}
		if lb, err = loadbalancers.Create(ctx, c.loadBalancer, opts).Extract(); err != nil {
			return nil, err
		}
	}
	if err := settled(lb); err != nil {
		return nil, err
	}
	status := &infrav1.LoadBalancer{Name: lb.Name, ID: lb.ID, InternalIP: lb.VipAddress, Tags: lb.Tags, LoadBalancerNetwork: network}
	if floatingWanted(o) {
		if status.IP, err = c.ensureFloatingIP(ctx, o, cluster, lb.VipPortID); err != nil {
			return nil, err
		}
	}
	status.AllowedCIDRs = allowedCIDRs(o, all)
	ports := append([]int{apiPort(o)}, spec.AdditionalPorts...)
	for _, port := range ports {
		if err := c.ensureListener(ctx, o, lb, port, status.AllowedCIDRs); err != nil {
			if busy(err) {
				return nil, wait{loadBalancerPoll}
			}
			return nil, err
		}
	}
	return status, nil
}

// listenerGraph is one port's listener with its pool and monitor, all named <load balancer>-<port>.
func listenerGraph(o *infrav1.OpenStackCluster, lb string, port int, cidrs, tags []string) listeners.CreateOpts {
	name := lb + "-" + strconv.Itoa(port)
	monitor := monitorOpts(o, name)
	return listeners.CreateOpts{Name: name, Protocol: listeners.ProtocolTCP, ProtocolPort: port, AllowedCIDRs: cidrs, Tags: tags,
		DefaultPool: &pools.CreateOpts{Name: name, Protocol: pools.ProtocolTCP, LBMethod: poolMethod(deref(o.Spec.APIServerLoadBalancer.Provider)), Tags: tags, Monitor: &monitor}}
}

func poolMethod(provider string) pools.LBMethod {
	if provider == "ovn" { // the only one it has
		return pools.LBMethodSourceIpPort
	}
	return pools.LBMethodRoundRobin
}

// monitorOpts has upstream's numbers (10 s, 5 s, 5 and 3 attempts) unless others are asked for.
func monitorOpts(o *infrav1.OpenStackCluster, name string) monitors.CreateOpts {
	opts := monitors.CreateOpts{Name: name, Type: "TCP", Delay: 10, Timeout: 5, MaxRetries: 5, MaxRetriesDown: 3}
	if m := o.Spec.APIServerLoadBalancer.Monitor; m != nil {
		opts.Delay, opts.Timeout, opts.MaxRetries, opts.MaxRetriesDown = or(m.Delay, opts.Delay), or(m.Timeout, opts.Timeout), or(m.MaxRetries, opts.MaxRetries), or(m.MaxRetriesDown, opts.MaxRetriesDown)
	}
	return opts
}

func names(o *infrav1.OpenStackCluster, cluster string) string {
	return "Created by cluster-api-provider-openstack cluster " + o.Namespace + "-" + cluster
}

// allowedCIDRs adds the cluster's own subnets and router addresses to those asked for, else its nodes could not reach
// their own API. Empty (everyone) when none are asked for.
func allowedCIDRs(o *infrav1.OpenStackCluster, all []subnets.Subnet) []string {
	wanted := o.Spec.APIServerLoadBalancer.AllowedCIDRs
	if len(wanted) == 0 {
		return nil
	}
	out := slices.Clone(wanted)
	for _, s := range all {
		out = append(out, s.CIDR)
	}
	if o.Status.Router != nil {
		for _, ip := range o.Status.Router.IPs {
			out = append(out, ip+"/32")
		}
	}
	sort.Strings(out)
	return slices.Compact(out)
}

// ensureListener makes listener, pool and monitor of one port, each named <load balancer>-<port>.
func (c *cloud) ensureListener(ctx context.Context, o *infrav1.OpenStackCluster, lb *loadbalancers.LoadBalancer, port int, cidrs []string) error {
	name := lb.Name + "-" + strconv.Itoa(port)
	pages, err := listeners.List(c.loadBalancer, listeners.ListOpts{Name: name, LoadbalancerID: lb.ID}).AllPages(ctx)
	if err != nil {
		return err
	}
	found, err := listeners.ExtractListeners(pages)
	if err != nil {
		return err
	}
	if len(found) == 0 {
		if _, err := listeners.Create(ctx, c.loadBalancer, listeners.CreateOpts{Name: name, Protocol: listeners.ProtocolTCP, ProtocolPort: port, LoadbalancerID: lb.ID,
			AllowedCIDRs: cidrs, Tags: lb.Tags}).Extract(); err != nil {
			return err
		}
		return wait{loadBalancerPoll}
	}
	have := slices.Clone(found[0].AllowedCIDRs)
	sort.Strings(have)
	if !slices.Equal(have, cidrs) {
		wanted := slices.Clone(cidrs)
		if wanted == nil {
			wanted = []string{}
		}
		if _, err := listeners.Update(ctx, c.loadBalancer, found[0].ID, listeners.UpdateOpts{AllowedCIDRs: &wanted}).Extract(); err != nil {
			return err
		}
		return wait{loadBalancerPoll}
	}
	pool, err := c.poolNamed(ctx, lb.ID, name)
	if err != nil {
		return err
	}
	if pool == nil {
		if _, err := pools.Create(ctx, c.loadBalancer, pools.CreateOpts{Name: name, Protocol: pools.ProtocolTCP, LBMethod: poolMethod(lb.Provider), ListenerID: found[0].ID, Tags: lb.Tags}).Extract(); err != nil {
			return err
		}
		return wait{loadBalancerPoll}
	}
	if pool.MonitorID != "" {
		return nil
	}
	opts := monitorOpts(o, name)
	opts.PoolID = pool.ID
	if _, err := monitors.Create(ctx, c.loadBalancer, opts).Extract(); err != nil {
		return err
	}
	return wait{loadBalancerPoll}
}

func or(n, otherwise int) int {
	if n == 0 {
		return otherwise
	}
	return n
}

func (c *cloud) poolNamed(ctx context.Context, lb, name string) (*pools.Pool, error) {
	pages, err := pools.List(c.loadBalancer, pools.ListOpts{Name: name, LoadbalancerID: lb}).AllPages(ctx)
	if err != nil {
		return nil, err
	}
	found, err := pools.ExtractPools(pages)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return &found[0], nil
}

// ensureMember puts a control plane machine's address into the pools; remove takes it out. Done when the error is nil.
func (c *cloud) ensureMember(ctx context.Context, o *infrav1.OpenStackCluster, cluster, machine, address string, remove bool) error {
	lb, err := c.loadBalancerNamed(ctx, loadBalancerName(o, cluster))
	if err != nil {
		return err
	}
	if lb == nil {
		if remove {
			return nil
		}
		return errors.New("the API server's load balancer does not exist")
	}
	for _, port := range append([]int{apiPort(o)}, o.Spec.APIServerLoadBalancer.AdditionalPorts...) {
		name := lb.Name + "-" + strconv.Itoa(port)
		pool, err := c.poolNamed(ctx, lb.ID, name)
		if err != nil || pool == nil {
			if remove && err == nil {
				continue
			}
			return errors.Join(err, fmt.Errorf("load balancer pool %s does not exist yet", name))
		}
		pages, err := pools.ListMembers(c.loadBalancer, pool.ID, pools.ListMembersOpts{Name: name + "-" + machine}).AllPages(ctx)
		if err != nil {
			return err
		}
		members, err := pools.ExtractMembers(pages)
		if err != nil {
			return err
		}
		if !remove && len(members) == 1 && members[0].Address == address {
			continue
		}
		if err := settled(lb); err != nil {
			return err
		}
		if len(members) > 0 {
			if err := pools.DeleteMember(ctx, c.loadBalancer, pool.ID, members[0].ID).ExtractErr(); err != nil && !gone(err) {
				return patience(err)
			}
			return wait{loadBalancerPoll}
		}
		if remove {
			continue
		}
		if _, err := pools.CreateMember(ctx, c.loadBalancer, pool.ID, pools.CreateMemberOpts{Name: name + "-" + machine, Address: address, ProtocolPort: port, SubnetID: lb.VipSubnetID}).Extract(); err != nil {
			return patience(err)
		}
		return wait{loadBalancerPoll}
	}
	return nil
}

// patience turns «busy» into wait.
func patience(err error) error {
	if busy(err) {
		return wait{loadBalancerPoll}
	}
	return err
}

// deleteLoadBalancer deletes it with all it has; done when it is gone.
func (c *cloud) deleteLoadBalancer(ctx context.Context, o *infrav1.OpenStackCluster, cluster string) error {
	lb, err := c.loadBalancerNamed(ctx, loadBalancerName(o, cluster))
	if err != nil || lb == nil {
		return err
	}
	if lb.ProvisioningStatus == "ACTIVE" || lb.ProvisioningStatus == "ERROR" {
		if err := loadbalancers.Delete(ctx, c.loadBalancer, lb.ID, loadbalancers.DeleteOpts{Cascade: true}).ExtractErr(); err != nil && !gone(err) && !busy(err) {
			return err
		}
	}
	return wait{loadBalancerPoll}
}

func floatingWanted(o *infrav1.OpenStackCluster) bool {
	return (o.Spec.DisableAPIServerFloatingIP == nil || !*o.Spec.DisableAPIServerFloatingIP) && (o.Spec.DisableExternalNetwork == nil || !*o.Spec.DisableExternalNetwork)
}

// ensureFloatingIP takes the address asked for or allocates one, and joins it to the port.
func (c *cloud) ensureFloatingIP(ctx context.Context, o *infrav1.OpenStackCluster, cluster, port string) (string, error) {
	address := deref(o.Spec.APIServerFloatingIP)
	if address == "" && o.Spec.ControlPlaneEndpoint != nil {
		address = o.Spec.ControlPlaneEndpoint.Host // allocated before
	}
	opts := floatingips.ListOpts{FloatingIP: address}
	if address == "" {
		opts = floatingips.ListOpts{Description: names(o, cluster)}
	}
	pages, err := floatingips.List(c.network, opts).AllPages(ctx)
	if err != nil {
		return "", err
	}
	found, err := floatingips.ExtractFloatingIPs(pages)
	if err != nil {
		return "", err
	}
	if len(found) == 0 {
		if o.Status.ExternalNetwork == nil {
			return "", errors.New("a floating IP needs an external network")
		}
		made, err := floatingips.Create(ctx, c.network, floatingips.CreateOpts{FloatingNetworkID: o.Status.ExternalNetwork.ID, FloatingIP: address, Description: names(o, cluster)}).Extract()
		if err != nil {
			return "", err
		}
		if err := c.tag(ctx, "floatingips", made.ID, o, resourceName(o, cluster)); err != nil {
			return "", err
		}
		found = []floatingips.FloatingIP{*made}
	}
	if found[0].PortID != port {
		if _, err := floatingips.Update(ctx, c.network, found[0].ID, floatingips.UpdateOpts{PortID: &port}).Extract(); err != nil {
			return "", err
		}
	}
	return found[0].FloatingIP, nil
}

// deleteFloatingIP releases the API server's address, unless it was given.
func (c *cloud) deleteFloatingIP(ctx context.Context, o *infrav1.OpenStackCluster, cluster string) error {
	if deref(o.Spec.APIServerFloatingIP) != "" {
		return nil
	}
	pages, err := floatingips.List(c.network, floatingips.ListOpts{Description: names(o, cluster)}).AllPages(ctx)
	if err != nil {
		return err
	}
	found, err := floatingips.ExtractFloatingIPs(pages)
	if err != nil {
		return err
	}
	for _, f := range found {
		if err := floatingips.Delete(ctx, c.network, f.ID).ExtractErr(); err != nil && !gone(err) {
			return err
		}
	}
	return nil
}
